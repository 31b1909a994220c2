"""The benchmarks run, and the tables in their README are what their committed results say."""

import importlib.util
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from figures.making.registry import discover, figures_folder

FOLDER = figures_folder().parent / "benchmarks"


def script(name):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(FOLDER.glob("results/prediction-*.json")), ids=lambda path: path.stem)
def test_prediction_table_is_what_the_results_say(path):
    import pandas as pd

    series, rows = path.stem.removeprefix("prediction-"), pd.DataFrame(json.loads(path.read_text())["rows"])
    assert script("prediction").summary(rows, series) in (FOLDER / "README.md").read_text()
    assert rows.groupby(["map", series])["seed"].nunique().min() >= 5


@pytest.mark.parametrize("path", sorted(FOLDER.glob("results/ntk-*.json")), ids=lambda path: path.stem)
def test_kernel_table_is_what_the_results_say(path):
    records = json.loads(path.read_text())
    results = {part: record["result"] for part, record in records.items()}
    module = script("ntk")
    assert module.table(results) in (FOLDER / "README.md").read_text()
    assert set(results) == set(module.parts(True))
    for record in records.values():
        assert record["provenance"]["commit"] and "+changes" not in record["provenance"]["commit"]
    errors = [row["error"] for row in results["comparison"] if "error" in row] + [results["their_memory_cap"]["error"]]
    assert len(errors) >= 5 and max(errors) < 1e-10


@pytest.mark.parametrize("path", sorted(FOLDER.glob("results/compile-*.json")), ids=lambda path: path.stem)
def test_compile_table_is_what_the_results_say(path):
    """The second input map is at least 8 times as fast as the first, which a second process has at least twice as fast."""
    results, module = json.loads(path.read_text()), script("compile")
    assert module.table(results) in (FOLDER / "README.md").read_text()
    rows = {row["row"]: row for row in next(iter(results["sources"].values()))}
    assert rows["first input map"]["seconds"] > 8 * rows["another frame"]["seconds"]
    assert rows["first input map"]["seconds"] > 2 * rows["first input map"]["next_process"]
    assert "+changes" not in results["provenance"]["commit"]


def test_the_page_of_the_paper_scale_is_what_the_results_say():
    module = script("paper_scale")
    results = json.loads((FOLDER / "results" / "paper_scale.json").read_text())
    assert module.page(results) == (FOLDER.parent / "figures" / "PAPER_SCALE.md").read_text()
    assert {row["figure"] for row in results["rows"]} == set(module.WORK)


def test_the_cost_of_every_figure_is_estimated():
    module = script("paper_scale")
    own = {name for name, figure in discover().items() if figure.source.id == name}
    assert set(module.WORK) | module.NO_NETWORK == own


def test_operations_are_those_of_the_network():
    """Two for every weight of a fully connected network; and a source that pieces share is trained once."""
    module = script("paper_scale")
    p = {"family": "dnn", "depth": 2, "width": 64, "side": 28, "source_task": "mnist5k"}
    assert module.network(p).operations == pytest.approx(2 * (784 * 64 + 64 * 10), rel=0.02)
    assert module.network(p).step_memory(20) > 4 * (784 * 64 + 64 * 10)
    p |= {
        "source_per_class": 10,
        "source_epochs": 2,
        "per_class": 1,
        "test": 0,
        "most": 1,
        "task": ["digits"],
        "maps": ["vp"],
    }
    once, twice = (
        module.costs("input_size", Pieces([p | {"per_class": n} for n in counts])) for counts in ([1], [1, 2])
    )
    assert twice["source"] == once["source"] == pytest.approx(3 * 2 * 0.9 * 100 * module.network(p).operations)
    assert twice["target"] == pytest.approx(3 * once["target"]) and once["kernel"] == 3 * 8 * 100**2


class Pieces:
    """A figure that has these pieces."""

    def __init__(self, pieces):
        self.pieces, self.parameters = lambda parameters: pieces, lambda scale: {}


def test_kernel_benchmark_runs():
    """One cheap part in a process of its own, as the whole benchmark runs them."""
    command = [sys.executable, FOLDER / "ntk.py", "--quick", "--part", "gram"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["machine_gflops"] > 0


def test_widgets_table_is_what_the_results_say_and_keeps_the_limits():
    module, records = script("widgets"), json.loads((FOLDER / "results" / "widgets.json").read_text())
    assert module.table(records) in (FOLDER / "README.md").read_text()
    assert set(records) <= set(module.view_models())  # a widget that is not yet measured is no mistake
    for record in records.values():
        found = module.summary(record["result"])
        assert found["data"][1] <= module.DATA_LIMIT and max(found["pretrained"], default=0) <= module.FIRST_LIMIT
        assert "+changes" not in record["provenance"]["commit"]


def made_up_ranking():
    """Sources of known quality: our score follows it, all others are noise, and one form of ours follows it best."""
    import pandas as pd

    module, rng, rows = script("ranking"), np.random.default_rng(0), []
    for number, task, name, seed in itertools.product(range(16), ("digits", "photos", "trace"), ("fc", "vp"), range(2)):
        quality = number / 16
        place = {"family": "dnn" if number < 12 else "crepe-tiny", "depth": number, "home": "x", "epochs": 1}
        forms = [f"{kernel}_{form}" for kernel in ("start", "probe") for form in module.FORMS]
        noise = {score: rng.normal() for score in (*module.SCORES, *forms) if score not in module.OURS}
        times = {"predicted_seconds": 1.0, "training_seconds": 10.0}
        known = {"probe_ridge_300": quality, "test_accuracy": quality}
        rows.append(place | {"source_loss": "ce", "task": task, "map": name, "seed": seed} | noise | times | known)
    return module, module.judged(pd.DataFrame(rows))


def test_a_ranking_is_judged_by_what_is_known_of_it():
    module, found = made_up_ranking()
    for rows in found["parts"].values():
        by_score = {row["score"]: row for row in rows}
        assert by_score["ours"]["tau"] == pytest.approx([1, 1, 1]) and by_score["ours"]["first"][0] == 0
        assert by_score["logme"]["behind"][1] > 0.3 and by_score["ours"]["behind"] is None
    assert [row["tau"] for row in found["settings"]] == pytest.approx([1] * 6)
    assert {found["form"], *found["chosen_elsewhere"]["choices"].values()} == {"ridge_300"}
    assert found["chosen_elsewhere"]["tau"][0] == pytest.approx(1)
    assert {kind: ratio for kind, (_, _, ratio) in found["cost"].items()} == {
        "networks trained here": pytest.approx(0.1), "pretrained networks": pytest.approx(0.1)}  # fmt: skip
    assert "1.00 (1.00 to 1.00)" in module.judged_table(json.loads(json.dumps(found)))


def test_the_cost_of_a_forecast_is_taken_beside_the_training_that_it_forecasts():
    module = script("ranking")
    words = "dnn:input_shape=(1,8,8),num_outputs=10,depth=2,width=16"
    found = module.timed_candidate(module.Candidate("digits", words, "fc"), examples=20, steps=40)
    assert found["examples"] == 20 and min(found[f"{what}_second"] for what in ("forecast", "training")) > 0
    assert f"| {words} | digits | 20, 40 |" in module.cost_table([found])


def test_ranking_tables_are_what_the_results_say():
    path = FOLDER / "results" / "ranking.json"
    records, module = json.loads(path.read_text()) if path.exists() else {}, script("ranking")
    assert bool(records) == (figures_folder() / "choosing.py").exists()  # both come with the data
    for part, record in records.items():
        assert module.PARTS[part][1](record["result"]) in (FOLDER / "README.md").read_text()
        assert "+changes" not in record["provenance"]["commit"]
    if records:
        assert records["command"]["result"]["seconds"]["first"] < 300

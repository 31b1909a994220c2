"""The runner: data are computed once, believed only when their record matches, and every picture is complete."""

import json
import os

import pandas as pd
import pytest

from mrntk import MrntkError, figures

MODULE = '''
"""A figure for tests."""
import matplotlib.pyplot as plt
import pandas as pd
ID, TITLE, PAPER, ALT = "tiny", "Tiny", "beyond the paper", "A line."
SCALES = {"smoke": {"n": 3}, "course": {"n": 4}, "paper": {"n": 5}}
FACTOR = 2
def compute(key, progress, *, n):
    """Documented."""
    return pd.DataFrame([(i, FACTOR * i / 3) for i in progress(range(n))], columns=["i", "value"])
def render(data):
    figure, axis = plt.subplots()
    axis.plot(data["i"], data["value"])
    return figure
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A figures folder with one tiny figure."""
    (tmp_path / "tiny.py").write_text(MODULE)
    monkeypatch.setattr(figures, "figures_folder", lambda: tmp_path)
    return tmp_path


def run(**options):
    said = []
    paths = figures.run(scale="smoke", say=said.append, **options)
    return paths, "\n".join(said)


def test_first_run_writes_data_record_and_pictures(folder):
    paths, said = run()
    assert "there are none yet" in said
    assert [path.name for path in paths] == ["tiny.png", "tiny.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG") and paths[1].read_bytes().startswith(b"%PDF")
    record = json.loads((folder / "data/smoke/tiny.json").read_text())
    assert {"commit", "versions", "device", "processor", "seconds", "seed", "scale", "parameters"} <= set(record)
    assert (folder / "data/smoke/tiny.csv").read_text() == "i,value\n0,0\n1,0.6666666667\n2,1.333333333\n"


def test_second_run_computes_nothing_and_draws_the_same_bytes(folder):
    first = [path.read_bytes() for path in run()[0]]
    paths, said = run()
    assert "computing" not in said
    assert [path.read_bytes() for path in paths] == first


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda f: (f / "data/smoke/tiny.csv").write_text("i,value\n0,9\n"), "tiny.csv was changed by hand or damaged"),
        (lambda f: (f / "data/smoke/tiny.json").write_text("{"), "tiny.json is not readable"),
        (lambda f: (f / "data/smoke/tiny.json").unlink(), "there are none yet"),
        (lambda f: (f / "tiny.py").write_text(MODULE.replace('"n": 3', '"n": 2')), "the parameters changed"),
        (lambda f: (f / "tiny.py").write_text(MODULE.replace("FACTOR = 2", "FACTOR = 7")), "the figure's code changed"),
    ],
)
def test_data_that_do_not_match_are_computed_again(folder, change, reason):
    run()
    change(folder)
    assert f"computing the smoke-scale data ({reason})" in run()[1]
    assert "computing" not in run()[1]


@pytest.mark.parametrize(
    "old, new",
    [('"Documented."', '"Other words."'), ("axis.plot(", "axis.scatter("), ("FACTOR = 2", "FACTOR = 2  # two")],
)
def test_drawing_and_comments_do_not_cost_a_computation(folder, old, new):
    run()
    (folder / "tiny.py").write_text(MODULE.replace(old, new))
    assert "computing" not in run()[1]


def test_fresh_computes_again(folder):
    run()
    assert "(asked for)" in run(fresh=True)[1]


def test_out_leaves_the_checkout_alone(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("elsewhere")
    paths, _ = run(out=out)
    assert all(out in path.parents for path in paths) and not (folder / "data").exists()


def test_out_uses_committed_data(folder, tmp_path_factory):
    run()
    assert "computing" not in run(out=tmp_path_factory.mktemp("elsewhere"))[1]


def test_failure_while_drawing_leaves_no_half_picture(folder):
    (folder / "tiny.py").write_text(MODULE.replace("return figure", "raise RuntimeError"))
    with pytest.raises(RuntimeError):
        run()
    assert os.listdir(folder / "rendered/smoke") == []


def test_unknown_figure_names_the_nearest(folder):
    with pytest.raises(MrntkError, match="figure 'tinny' is unknown: did you mean tiny"):
        run(ids=["tinny"])


def test_incomplete_figure_module(folder):
    (folder / "broken.py").write_text('ID = "broken"\n')
    with pytest.raises(MrntkError, match="figure module broken.py: define TITLE, PAPER"):
        run()


def test_committed_course_data_are_good(root):
    """Nothing stands between a fresh clone and its figures: every figure's course data match its code and parameters."""
    for figure in figures.discover().values():
        csv = root / "figures" / "data" / "course" / f"{figure.id}.csv"
        assert figures._why_recompute(figure, "course", csv, csv.with_suffix(".json")) is None, figure.id
        assert (root / "figures" / "rendered" / "course" / f"{figure.id}.png").exists()
        assert set(figure.module.SCALES) == {"smoke", "course", "paper"} and len(figure.module.ALT) > 80
        assert not pd.read_csv(csv).isna().any().any()

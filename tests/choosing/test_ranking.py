"""Rankings: order, ties, what is remembered, what is refused, and the command."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mrntk import MrntkError, load_source, load_task
from mrntk.__main__ import main
from mrntk.choosing import Candidate, Ranking, Row, rank, table
from mrntk.choosing.remembered import content_of
from mrntk.choosing.scores import Forecast
from mrntk.choosing.words import advice, called

WIDE, THIN = (
    f"dnn:input_shape=(1,{side},{side}),num_outputs=10,depth=2,width={width}" for side, width in ((8, 64), (4, 2))
)
OPTIONS = {"examples": 20, "steps": 20}


def made(name: str, right, *, problem="", task="digits", **changes) -> Row:
    about = {
        "start_loss": 1.0,
        "probe_loss": 1.0,
        "rank": 5,
        "outputs": 200,
        "trained": 300,
        "alignment": 0.1,
        "step": 1.0,
    }
    forecasts = () if problem else (Forecast(list(map(bool, right)), **(about | changes)),)
    return Row(Candidate(task, name), forecasts, 0.1, problem)


@pytest.fixture(scope="module")
def ranking():
    return rank("digits", [THIN, WIDE, "crepe-tiny"], input_maps=("fc", "vp"), **OPTIONS)


def test_the_better_source_comes_first(ranking):
    assert ranking.complete and len(ranking.rows) == 6
    assert ranking.rows[0].candidate.source != THIN
    scores = [row.score for row in ranking.rows]
    assert scores == sorted(scores, reverse=True)


def test_what_does_not_fit_is_a_row_with_its_reason(ranking):
    (row,) = [row for row in ranking.rows if row.problem]
    assert row.candidate[:3] == ("digits", "crepe-tiny", "vp") and row is ranking.rows[-1]
    assert "takes series and the task has images" in table(ranking)


def test_the_second_time_no_source_is_loaded(ranking, monkeypatch):
    monkeypatch.setattr("mrntk.choosing.ranking.load_source", None)
    again = rank("digits", [THIN, WIDE], input_maps=("fc", "vp"), **OPTIONS)
    known = {row.candidate: row.forecasts for row in ranking.rows}
    assert all(row.forecasts == known[row.candidate] for row in again.rows)


def test_another_task_of_the_same_name_is_another(ranking, monkeypatch):
    loads = []
    monkeypatch.setattr("mrntk.choosing.ranking.load_source", lambda *a, **k: loads.append(a) or load_source(*a, **k))
    changed = load_task("digits").with_inputs(lambda x: 1 - x)
    rank(changed, WIDE, input_maps=("fc",), **OPTIONS)
    assert len(loads) == 1


def test_a_source_that_cannot_be_loaded_does_not_end_the_ranking(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    found = rank("digits", [str(broken), WIDE], input_maps=("fc",), **OPTIONS)
    assert found.complete and "broken.onnx" in found.rows[-1].problem and found.rows[0].forecasts


def test_another_file_of_the_same_name_is_another_source(tmp_path):
    path = tmp_path / "a.onnx"
    found = []
    for content in (b"one", b"two"):
        path.write_bytes(content)
        found.append(content_of(str(path)))
    assert found[0] != found[1] and content_of("crepe-tiny") == ""


def test_what_was_finished_before_an_interruption_is_returned():
    def tell(row):
        raise KeyboardInterrupt

    found = rank("digits", [WIDE, THIN], input_maps=("fc",), tell=tell, **OPTIONS)
    assert not found.complete and len(found.rows) == 1
    assert "Stopped before" in table(found)


@pytest.mark.parametrize(
    "arguments, options, said",
    [
        (("digitz", WIDE), {}, "task 'digitz' is unknown: did you mean digits"),
        (("digits", []), {}, "there is no source among the candidates"),
        (("digits", WIDE), {"input_maps": ("none",)}, "input map 'none': choose from fc, vp, vp_fc, watermark"),
        (("digits", WIDE), {"inners": (1.5,)}, "window 1.5: give shares"),
        (("digits", WIDE), {"examples": 19}, "examples=19: task digits has 10 classes, so give at least 20"),
        (("digits", WIDE), {"examples": 0}, "examples=0: give at least 1"),
        (("digits", WIDE), {"draws": 0}, "draws=0: give at least 1"),
        (("digits", WIDE), {"steps": 0}, "steps=0: give at least 1"),
        (("digits:n", WIDE), {}, "task 'digits:n' is unknown"),
        (("digits:n=1,2x", WIDE), {}, "task 'digits:n=1,2x': '2x' is no option"),
        (("digits", WIDE), {"output_maps": ("best",)}, "output mapping 'best': choose from frequency"),
    ],
)
def test_mistakes_are_said_before_anything_is_loaded(arguments, options, said):
    with pytest.raises(MrntkError, match=said):
        rank(*arguments, **options)


def test_a_class_with_one_example_cannot_be_left_out():
    task = load_task("digits")
    keep = np.r_[np.flatnonzero(task.y_train != 3), np.flatnonzero(task.y_train == 3)[:1]]
    small = replace(task, x_train=task.x_train[keep], y_train=task.y_train[keep])
    with pytest.raises(MrntkError, match="a class has one example"):
        rank(small, WIDE)


def test_a_score_has_a_width_where_all_examples_are_right():
    low, high = made("a", [True] * 50).interval
    assert 0.9 < low < 0.95 and high == 1
    assert "100% (93-100%)" in table(Ranking((made("a", [True] * 50),), True))


def test_rows_of_different_tasks_are_compared_by_their_intervals():
    good, other = made("a", [True] * 45 + [False] * 5), made("a", [True] * 43 + [False] * 7, task="mnist5k")
    bad = made("a", [True] * 20 + [False] * 30, task="mnist5k")
    assert good.behind(good) == (0, 0)
    low, high = other.behind(good)
    assert low < 0.04 < high and low < 0
    assert bad.behind(good)[0] > 0.2
    np.testing.assert_allclose(np.negative(good.behind(other)), (high, low))


def test_ties_are_those_that_may_be_chance():
    rng = np.random.default_rng(0)
    right = rng.random(60) < 0.8
    close = right.copy()
    close[:2] = ~close[:2]
    found = Ranking((made("first", right), made("close", close), made("far", rng.random(60) < 0.2)), True)
    assert [row.candidate.source for row in found.ties()] == ["first", "close"]
    assert table(found).count("=") == 3  # two marks, and one in the words that explain them


def test_words_name_what_holds_the_first_back():
    few = Ranking((made("a", [1] * 20 + [0] * 5, trained=40, start_loss=9.0), made("b", [0] * 25)), True)
    said = " ".join(advice(few, {row.candidate: row.candidate.source for row in few.rows}))
    assert "trains 40 numbers for 200 outputs" in said and "starts at 9.00 times" in said and "Try a" in said
    assert "Try another output mapping (random or bayesian)" in said  # not the one that it has
    assert "labels by heart" not in said
    learned = " ".join(table(Ranking((made("a", [1] * 20, probe_loss=0.03),), True, (("mine", 0.62),))).split())
    assert "the probe has learned many labels by heart" in learned and "Only one candidate could be ranked" in learned
    assert "A linear model on the raw inputs of mine gets 62%" in learned
    poor = table(Ranking((made("a", [1] * 2 + [0] * 18), made("b", [0] * 20)), True))
    assert "not clearly better than guessing" in poor and "Try a" not in poor
    assert "No candidate could be ranked" in table(Ranking((made("a", (), problem="no"),), True))


def test_a_candidate_is_called_by_what_tells_it_from_others():
    one, other = Candidate("digits", "s", "vp", 0.5), Candidate("photos", "s", "vp", 0.7, "bayesian")
    assert called(one, [one]) == "s, VP"
    assert called(other, [one, other]) == "photos, s, VP, window 0.7, bayesian"


def test_the_command_prints_a_table(capsys):
    sources = f"{WIDE},{THIN}"
    assert (
        main(["rank", "--task", "digits", "--sources", sources, "--map", "fc", "--examples", "20", "--steps", "20"])
        == 0
    )
    shown = capsys.readouterr()
    assert (
        "score" in shown.out
        and "A linear model on the raw inputs of digits" in shown.out
        and " 2" in shown.out
        and shown.err.count("%") >= 2
    )


def test_a_folder_of_images_of_several_sizes_needs_one_and_may_have_a_comma(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for number in range(12):
        file = tmp_path / "a,b" / f"class{number % 2}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9 + number, 12), np.uint8)).save(file)
    words = ["--sources", THIN, "--map", "fc", "--examples", "4", "--steps", "5"]
    assert main(["rank", "--task", str(tmp_path / "a,b"), *words]) == 2
    assert "give side=" in capsys.readouterr().err
    task = tmp_path / "ab"
    (tmp_path / "a,b").rename(task)
    assert main(["rank", "--task", f"{task}:side=8", *words]) == 0


def test_nothing_that_could_be_ranked_is_no_success(capsys):
    assert main(["rank", "--task", "digits", "--sources", "crepe-tiny", "--map", "vp", "--examples", "20"]) == 2
    assert "No candidate could be ranked" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, said",
    [
        (["--task", "digits", "--sources", "nothing.onnx"], "no such file"),
        (["--task", "digits", "--sources", ","], "there is no source"),
        (["--task", "digits", "--sources", WIDE, "--window", "half"], "--window half: give shares"),
    ],
)
def test_mistakes_of_the_command_are_one_sentence(words, said, capsys):
    assert main(["rank", *words]) == 2
    shown = capsys.readouterr().err.strip()
    assert said in shown and "\n" not in shown

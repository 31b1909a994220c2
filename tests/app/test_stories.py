"""The guided settings say what the page computes."""

import re

import pytest

from mrntk import Reprogram
from mrntk.app.stories import STORIES, setting_of, told
from mrntk.ntk.passes import outputs_and_rows, quietly
from mrntk.ntk.plain import kernel_of_rows
from mrntk.spectrum import spectrum
from mrntk.widgets.reprogramming import read_setting
from mrntk.widgets.reprogramming.analysis import analyse
from mrntk.widgets.reprogramming.live import train
from mrntk.widgets.reprogramming.words import facts, headline


def of(changes):
    return facts(analyse(setting_of(changes)))


def out_of_reach(changes):
    """The part of the starting loss along directions with eigenvalue 0."""
    before = analyse(setting_of(changes)).before
    along = before.spectrum.vectors.T @ before.residual.ravel()  # the smallest eigenvalue first
    return (along[: len(along) - before.spectrum.rank] ** 2).sum() / (2 * len(before.x))


def trained(changes):
    *_, run = train(analyse(setting_of(changes)))
    return run


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title)
def test_every_name_in_a_story_is_a_number_of_an_answer(story):
    shown = of(story.shown)
    for pinned, name in re.findall(r"\{(pinned\.)?(\w+)\}", story.after):
        assert isinstance(getattr(shown, name), (int, float)) and (not pinned or story.pinned is not None)


def test_links_of_stories_are_settings():
    for story, sent in zip(STORIES, told(), strict=True):
        assert read_setting(sent["shown"]) == setting_of(story.shown)


def test_a_thin_frame_reaches_what_it_has_and_a_wider_one_more_and_the_widest_less():
    thin, wide, widest = (of({"frame": frame}) for frame in (0.05, 0.15, 0.45))
    assert thin.rank == thin.parameters == 27 < wide.rank
    assert widest.rank < wide.rank and thin.accuracy < wide.accuracy > widest.accuracy


def test_a_trained_source_begins_less_wrong_and_gets_more_right_with_about_as_many_answers():
    random, better = of({"source": "random"}), of({})
    assert abs(random.rank - better.rank) < 0.2 * better.rank
    assert better.accuracy > random.accuracy and better.start < random.start and better.loss < random.loss
    assert out_of_reach({}) < out_of_reach({"source": "random"})
    assert trained({}).test_accuracy > trained({"source": "random"}).test_accuracy + 0.2


def test_a_single_layer_learns_one_answer_per_class():
    single, deeper = of({"depth": 1}), of({})
    assert single.rank == single.classes == 10 < deeper.rank


def test_too_large_a_step_is_predicted_to_run_away_and_real_training_does_not():
    found, run = analyse(setting_of({"fraction": 1.2})), trained({"fraction": 1.2})
    assert not found.losses[-1] < 1e6 and "grow without end" in headline(found)
    assert min(found.losses) < found.losses[0] / 1.5  # at first they fall
    assert run.losses[-1] < trained({}).losses[0] / 2
    model, x = found.before.model, found.before.x  # and the largest eigenvalue falls until the step is below its limit
    _, g = outputs_and_rows(Reprogram(run.input_map, model.source, model.output_map), x, quietly)
    largest = spectrum(kernel_of_rows(run.input_map, x, g)).max
    assert largest < 2 * len(x) / found.step < found.spectrum.max


def test_the_wrong_prediction_is_off_by_more_than_a_quarter_of_the_way():
    found, run = of({"depth": 5}), trained({"depth": 5})
    assert abs(run.losses[-1] - found.loss) > 0.25 * (found.start - found.loss)

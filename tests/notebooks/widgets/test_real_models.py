"""The view of real models: its numbers are those of the committed data, and what was not measured is said in words."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats

from figures.making.registry import committed_data, get_figure
from mrntk.support.errors import MrntkError
from notebooks.widgets.real_models import MAPS, MEASURES, SOURCES, TASKS, RealModelsView, check, paired

VIEW = RealModelsView()
ON_DIGITS = {"task": "digits", "measure": "labels", "first": "efficientnet-lite0", "second": "random"}


def test_accuracies_and_their_difference_are_those_of_the_figure():
    table = get_figure("real_models").module.verdicts(committed_data("real_models"))
    rows = table.dropna(subset=["untrained"]).to_dict("records")
    assert rows
    for row in rows:
        name, twin = row["map"], f"{row['source']}-untrained"
        data = VIEW.data(task=row["task"], first=row["source"], first_map=name, second=twin, second_map=name)
        assert [values.mean() for values in data["scores"]] == pytest.approx([row["reprogrammed"], row["untrained"]])
        expected = row["above_untrained"], row["low_untrained"], row["high_untrained"]
        assert data["paired"] == pytest.approx(expected)
        assert data["linear"] == pytest.approx(row["linear"])


def test_half_of_the_labels_is_where_the_figure_says():
    figure, data = get_figure("target_spectra").module, committed_data("target_spectra")
    for (source, name), part in data.groupby(["source", "map"]):
        other = "random" if source != "random" else "dnn"
        found = VIEW.data(**ON_DIGITS | {"first": source, "second": other}, first_map=name, second_map=name)
        np.testing.assert_array_equal(found["scores"][0], figure.half_of_labels(part))
        ranks, share = found["explained"][0]
        assert ranks[0] == 1 and (np.diff(share, axis=1) >= -1e-9).all()
        np.testing.assert_allclose(share[:, -1], 1, rtol=1e-5)


def test_eigenvalues_fall_with_their_rank_and_lie_within_their_interval():
    for changes in ({}, {"task": "mnist5k"}, ON_DIGITS, ON_DIGITS | {"first_map": "vp"}):
        for rank, centre, low, high in (found.T for found in VIEW.data(**changes)["spectra"]):
            assert rank[0] == 1 and (np.diff(centre) <= 0).all()
            assert (low <= centre).all() and (centre <= high).all()


def test_paired_difference():
    first, second = np.array([0.5, 0.7, 0.6]), np.array([0.1, 0.2, 0.3])
    found = scipy.stats.ttest_rel(first, second).confidence_interval()
    assert paired(first, second) == pytest.approx((0.4, found.low, found.high))


@pytest.mark.parametrize("task", TASKS.values())
def test_what_was_measured_is_drawn_and_said_and_all_else_refused_in_words(task):
    """A refusal names the control and what to choose; what was measured is in the data of the figure."""
    if task == "digits":
        pairs = set(committed_data("target_spectra")[["source", "map"]].itertuples(index=False, name=None))
    else:
        data = committed_data("real_models")
        data = data[(data["task"] == task) & (data["map"] != "none")]
        ways = data["way"].map({"reprogrammed": "", "untrained": "-untrained"})
        pairs = set(zip(data["source"] + ways, data["map"], strict=True))
    found = set()
    for source, name, measure in itertools.product(SOURCES.values(), MAPS.values(), MEASURES.values()):
        try:
            check(task, source, name, measure)
        except MrntkError as error:
            assert str(error).startswith(("source:", "input map:", "measure:")) and "choose" in str(error)
            continue
        found.add((source, name))
        second, its_map = min(pairs - {(source, name)})
        sides = {"first": source, "first_map": name, "second": second, "second_map": its_map}
        data = VIEW.data(task=task, measure=measure, **sides)
        assert len(VIEW.words(data)) > 100
        plt.close(VIEW.draw(data))
    assert found == pairs


def test_the_second_source_is_refused_by_its_own_name():
    with pytest.raises(MrntkError, match="^compared with: .*Fashion-MNIST"):
        VIEW.data(second="cnn")
    with pytest.raises(
        MrntkError, match="^its input map: VP was not measured with untrained .* on Fashion-MNIST: choose FC"
    ):
        VIEW.data(second_map="vp")


def test_the_same_twice_is_said_to_be_so():
    data = VIEW.data(second="efficientnet-lite0")
    assert VIEW.words(data).startswith("Both are EfficientNet-Lite0 with FC: choose another")
    plt.close(VIEW.draw(data))


def test_words_name_what_was_chosen_and_follow_the_interval():
    data = VIEW.data()
    said, (first, second) = VIEW.words(data), data["names"]
    assert "Fashion-MNIST; test accuracy" in said and "linear model" in said
    assert (first, second) == ("EfficientNet-Lite0 with FC", "untrained EfficientNet-Lite0 with FC")
    for scores, words in (
        ((np.array([0.5, 0.6, 0.7]), np.array([0.1, 0.2, 0.35])), f"{first} is better"),
        ((np.array([0.1, 0.2, 0.35]), np.array([0.5, 0.6, 0.7])), f"{second} is better"),
        ((np.array([0.1, 0.6, 0.3]), np.array([0.5, 0.2, 0.3])), "too close to call"),
    ):
        assert words in VIEW.words(data | {"scores": scores, "paired": paired(*scores)})
    labels = VIEW.data(**ON_DIGITS)
    scores = np.array([10.0, 12.0, 11.0]), np.array([50.0, 55.0, 51.0])
    assert f"in front for {first}." in VIEW.words(labels | {"scores": scores, "paired": paired(*scores)})


def test_scaled_spectra_start_at_one():
    with plt.rc_context():
        figure = VIEW.draw(VIEW.data(scaled=True))
        for line in figure.axes[0].lines:
            assert line.get_ydata()[0] == pytest.approx(1)
        plt.close(figure)

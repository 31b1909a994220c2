"""The view of real models: its numbers are those of the committed data, and what was not measured is said in words."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats

from figures.making.registry import committed_data, get_figure
from mrntk.support.errors import MrntkError
from notebooks.widgets.real_models import (
    DIGITS,
    MAPS,
    MEASURES,
    PRETRAINED,
    SOURCES,
    UNTRAINED,
    RealModelsView,
    paired,
)

VIEW = RealModelsView()
ON_DIGITS = {"task": "digits", "measure": "labels", "first": "efficientnet-lite0", "second": "random"}


def test_accuracies_and_their_difference_are_those_of_the_figure():
    verdicts = get_figure("real_models").module.verdicts(committed_data("real_models"))
    for row in verdicts.to_dict("records"):
        data = VIEW.data(task=row["task"], first=row["source"], second=f"{row['source']}-untrained")
        assert [values.mean() for values in data["scores"]] == pytest.approx([row["reprogrammed"], row["untrained"]])
        expected = row["above_untrained"], row["low_untrained"], row["high_untrained"]
        assert data["paired"] == pytest.approx(expected)
        assert data["linear"] == pytest.approx(committed_data("real_models").query(
            "way == 'linear' and task == @row['task']")["value"].mean())  # fmt: skip


def test_half_of_the_labels_is_where_the_figure_says():
    figure, data = get_figure("target_spectra").module, committed_data("target_spectra")
    for source, name in itertools.product(DIGITS, MAPS.values()):
        other = "random" if source != "random" else "dnn"
        found = VIEW.data(**ON_DIGITS | {"first": source, "second": other}, input_map=name)
        part = data[(data["source"] == source) & (data["map"] == name)]
        np.testing.assert_array_equal(found["scores"][0], figure.half_of_labels(part))
        ranks, share = found["explained"][0]
        assert ranks[0] == 1 and (np.diff(share, axis=1) >= -1e-9).all()
        np.testing.assert_allclose(share[:, -1], 1, rtol=1e-5)


def test_eigenvalues_fall_with_their_rank_and_lie_within_their_interval():
    for changes in ({}, {"task": "mnist5k"}, ON_DIGITS, ON_DIGITS | {"input_map": "fc"}):
        for rank, centre, low, high in (found.T for found in VIEW.data(**changes)["spectra"]):
            assert rank[0] == 1 and (np.diff(centre) <= 0).all()
            assert (low <= centre).all() and (centre <= high).all()


def test_paired_difference():
    first, second = np.array([0.5, 0.7, 0.6]), np.array([0.1, 0.2, 0.3])
    found = scipy.stats.ttest_rel(first, second).confidence_interval()
    assert paired(first, second) == pytest.approx((0.4, found.low, found.high))


def test_every_choice_is_drawn_and_said_or_refused_in_words():
    """All sources, maps and measures; impossible ones are refused, and the refusal names the control and what to choose."""
    possible, drawn = 0, set()
    for task, source, name, measure in itertools.product(
        ("fashion5k", "digits"), SOURCES.values(), MAPS.values(), MEASURES.values()
    ):
        second = next(one for one in (DIGITS if task == "digits" else [*PRETRAINED.values()]) if one != source)
        choice = {"task": task, "first": source, "second": second, "input_map": name, "measure": measure}
        try:
            data = VIEW.data(**choice)
        except MrntkError as error:
            assert str(error).startswith(("source:", "input map:", "measure:")) and "choose" in str(error)
            continue
        possible += 1
        assert len(VIEW.words(data)) > 100
        if measure not in drawn:
            plt.close(VIEW.draw(data))
            drawn.add(measure)
    assert possible == 6 * 4 + 4 * 4 and drawn == set(MEASURES.values())


def test_the_second_source_is_refused_by_its_own_name():
    with pytest.raises(MrntkError, match="^compared with: .*digits"):
        VIEW.data(second="cnn")
    with pytest.raises(MrntkError, match="^compared with: choose another"):
        VIEW.data(second="efficientnet-lite0")


def test_words_name_what_was_chosen_and_follow_the_interval():
    assert len(UNTRAINED) == len(PRETRAINED)
    said = VIEW.words(VIEW.data())
    assert "Fashion-MNIST, VP; test accuracy" in said and "EfficientNet-Lite0, untrained" in said and "linear" in said
    data = VIEW.data()
    for scores, words in (
        ((np.array([0.5, 0.6, 0.7]), np.array([0.1, 0.2, 0.35])), "EfficientNet-Lite0 is better"),
        ((np.array([0.1, 0.2, 0.35]), np.array([0.5, 0.6, 0.7])), "EfficientNet-Lite0, untrained is better"),
        ((np.array([0.1, 0.6, 0.3]), np.array([0.5, 0.2, 0.3])), "too close to call"),
    ):
        assert words in VIEW.words(data | {"scores": scores, "paired": paired(*scores)})
    labels = VIEW.data(**ON_DIGITS)
    scores = np.array([10.0, 12.0, 11.0]), np.array([50.0, 55.0, 51.0])
    assert "in front for EfficientNet-Lite0." in VIEW.words(labels | {"scores": scores, "paired": paired(*scores)})


def test_scaled_spectra_start_at_one():
    with plt.rc_context():
        figure = VIEW.draw(VIEW.data(scaled=True))
        for line in figure.axes[0].lines:
            assert line.get_ydata()[0] == pytest.approx(1)
        plt.close(figure)

"""The depth explorer: what it measures, and its words."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.support.style import style
from notebooks.widgets.depth import DRAWS, MAX_DEPTH, DepthView, layer_factor, measured, trend

VIEW = DepthView()


def test_without_biases_the_weights_change_the_scale_alone():
    one, other = (VIEW.data(b_variance=0.0, w_variance=w) for w in (2.0, 1.0))
    np.testing.assert_allclose(one["relative"], other["relative"], rtol=1e-6)
    np.testing.assert_allclose(one["lambda_min"] / other["lambda_min"], 2.0 ** np.arange(1, 10), rtol=1e-6)
    assert "rises with every layer" in VIEW.words(one)


def test_mean_eigenvalue_at_the_critical_weights():
    """L q_0 + L (L - 1) / 2 b^2."""
    data = VIEW.data(inputs="sphere")
    depth = np.arange(1, 10)
    np.testing.assert_allclose(data["mean"], depth * 2.1 + depth * (depth - 1) / 2 * 0.1)


def test_zero_is_shown_as_missing():
    """On a circle without biases ReLU has dead frequencies at depth 2, and depth 1 has rank 2."""
    data = VIEW.data(inputs="circle", b_variance=0.0)
    assert np.isnan(data["lambda_min"]).tolist() == [True] * 2 + [False] * 7
    assert "At depth 1 and 2 it is zero" in VIEW.words(data)


def test_words_name_what_changed():
    rising, falling = VIEW.data(), VIEW.data(w_variance=0.5, b_variance=0.5)
    assert "lambda_min rises with every layer" in VIEW.words(rising)
    assert "lambda_min falls" in VIEW.words(falling) and "mostly shape" in VIEW.words(falling)
    factor = (rising["lambda_min"][-1] / rising["lambda_min"][0]) ** (1 / 8)
    assert f"{factor:.3g} per layer" in VIEW.words(rising)
    assert "The condition number goes from" in VIEW.words(VIEW.data(measure="condition"))
    assert "The effective rank goes from" in VIEW.words(VIEW.data(measure="rank"))


ENDS = list(itertools.product((0.5, 4.0), (0.0, 0.5), ("relu", "erf"), ("circle", "sphere", "mnist")))


@pytest.mark.parametrize("w_variance, b_variance, activation, inputs", ENDS)
def test_extreme_values(w_variance, b_variance, activation, inputs):
    for measure in ("lambda_min", "relative", "condition", "rank"):
        data = VIEW.data(
            w_variance=w_variance,
            b_variance=b_variance,
            activation=activation,
            inputs=inputs,
            measure=measure,
            width=32,
        )
        assert data["drawn"].shape == (DRAWS, MAX_DEPTH) and np.isfinite(data["mean"]).all()
        assert VIEW.words(data)
    with style():
        figure = VIEW.draw(data)
    assert figure.axes[0].get_ylabel()
    plt.close(figure)


def test_finite_networks_are_in_the_words_if_there_are_any():
    """On average lambda_min is below that of the limit: it is concave."""
    data = VIEW.data(inputs="sphere", width=32)
    share = np.mean(data["drawn"][:, -1] / data["lambda_min"][-1])
    assert share < 1 and f"At width 32 and depth 9, lambda_min is {share:.2g} times" in VIEW.words(data)
    without = VIEW.data(inputs="sphere", width=0)
    assert len(without["drawn"]) == 0 and "At width" not in VIEW.words(without)


def test_impossible_values_are_refused():
    with pytest.raises(MrntkError, match="w_variance"):
        VIEW.data(w_variance=0.1)


def test_trend_and_factor():
    assert trend(np.array([np.nan, 1.0, 2.0, 4.0])) == "rises with every layer"
    assert trend(np.array([4.0, 2.0])) == "falls with every layer"
    assert "not with every layer" in trend(np.array([1.0, 3.0, 2.0]))
    assert trend(np.array([1.0, 1.0])) == "does not change"
    assert layer_factor(np.array([np.nan, 1.0, 2.0, 4.0])) == pytest.approx(2)
    assert np.isnan(layer_factor(np.array([np.nan, 1.0])))
    assert measured(np.stack([np.eye(3), 2 * np.eye(3)]), "rank") == pytest.approx([3, 3])

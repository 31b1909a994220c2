"""Predicted against real: the laws that the view's data must keep."""

import numpy as np
import pytest

from mrntk.model.reprogram import predict_float64
from mrntk.ntk.empirical import empirical_ntk
from mrntk.prediction.closed_form import mse
from mrntk.sources import small
from mrntk.support.style import png, style
from notebooks.widgets import learning_curve
from notebooks.widgets.learning_curve import (
    STEPS,
    LearningCurveView,
    before_training,
    real_training,
    steps_to_half,
)

view = LearningCurveView()


@pytest.fixture(autouse=True, scope="module")
def quickly_trained():
    """One epoch is enough for every law here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "HALF", small.HALF._replace(per_class=20, epochs=1))
        yield
    for function in (small.trained_half_network, before_training, real_training):
        function.cache_clear()


def test_the_prediction_is_the_matrix_power_and_starts_at_the_real_loss():
    data, start = view.data(per_class=1, real=True), before_training("fc", 3, 1)
    size = start.y.size
    step = 0.1 * start.stability_limit()
    once = np.eye(size) - step / len(start.y) * start.kernel.reshape(size, size)
    last = np.linalg.matrix_power(once, STEPS) @ start.residual.ravel()
    np.testing.assert_allclose(data["predicted"][-1], mse(last.reshape(start.y.shape)), rtol=1e-6)
    np.testing.assert_allclose(data["real"][0], data["predicted"][0], rtol=1e-6)
    assert len(data["predicted"]) == len(data["real"]) == STEPS + 1


def test_the_start_is_that_of_the_package():
    for name in ("fc", "vp"):
        start = before_training(name, 3, 1)
        np.testing.assert_allclose(predict_float64(start.model, start.x), start.outputs, atol=1e-5)
        theirs = empirical_ntk(start.model, start.x)
        np.testing.assert_allclose(start.kernel, theirs, atol=1e-5 * np.abs(theirs).max())


def test_fully_connected_behind_a_linear_source_is_linear_and_predicted_exactly():
    data = view.data(per_class=1, depth=1, real=True)
    np.testing.assert_allclose(data["real"], data["predicted"], rtol=1e-6)
    assert data["drift"] < 1e-6
    unstable = view.data(per_class=1, depth=1, real=True, fraction=1.2)
    assert unstable["real"][-1] > 1e6 * unstable["real"][0]
    assert "above its start" in view.words(unstable)


def test_a_large_alpha_makes_the_kernel_stand_still_and_leaves_the_prediction():
    rich, lazy = (view.data(per_class=1, alpha=alpha, real=True) for alpha in (1.0, 10**1.5))
    np.testing.assert_array_equal(rich["predicted"], lazy["predicted"])
    assert lazy["drift"] < rich["drift"] / 2


def test_capacity_of_the_prompt_bounds_what_can_be_learned():
    data = view.data(input_map="vp", per_class=2)
    assert data["rank"] <= 14 * 14 - 10 * 10
    assert f"{200 - data['rank']} can never be" in view.words(data)
    assert data["floor"] <= data["predicted"][-1]


def test_cumulative_weight_ends_at_one():
    cumulative = view.data(per_class=1)["cumulative"]
    assert (np.diff(cumulative) >= 0).all()
    np.testing.assert_allclose(cumulative[-1], 1)


def test_steps_to_half():
    assert steps_to_half(np.array([4.0, 3.0, 2.0, 1.0])) == 2
    assert steps_to_half(np.array([4.0, 3.0, 3.0])) is None


def test_words_name_what_changed():
    said = view.words(view.data(per_class=1))
    assert "FC" in said and "depth 3" in said and "Tick" in said
    said = view.words(view.data(per_class=1, input_map="vp", real=True))
    assert "VP" in said and "off by" in said and "kernel has moved" in said
    assert "grows without end" in view.words(view.data(per_class=1, fraction=1.2))


@pytest.mark.parametrize(
    "changes",
    [
        {"fraction": 0.02, "alpha": 0.1},
        {"fraction": 1.2, "alpha": 0.1},
        {"fraction": 1.2, "alpha": 10**1.5},
        {"depth": 5, "input_map": "vp"},
        {"depth": 1, "fraction": 1.2},
    ],
)
def test_extremes_draw(changes):
    data = view.data(per_class=1, real=True, **changes)
    with style():
        assert png(view.draw(data))[:4] == b"\x89PNG"
    assert view.words(data)


def test_a_training_that_ends_in_infinities_is_said(monkeypatch):
    losses = np.append(np.ones(STEPS), np.inf)
    monkeypatch.setattr(learning_curve, "real_training", lambda *_: (losses, np.inf))
    data = view.data(per_class=1, real=True)
    assert "diverges" in view.words(data)
    with style():
        view.draw(data)

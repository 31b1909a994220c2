"""An amplified model: the residual stays, the kernel grows by alpha^2."""

import jax
import numpy as np
import pytest

from mrntk import DNN, MrntkError, Reprogram, VisualPrompt, before_training, empirical_ntk, predict_float64
from mrntk.prediction.lazy import amplified

X, Y = np.random.default_rng(0).uniform(size=(4, 1, 4, 4)), np.eye(3)[np.arange(4) % 3]
MODEL = Reprogram(VisualPrompt((1, 6, 6), (4, 4)), DNN((1, 6, 6), 3, depth=3, width=16, key=jax.random.key(0)))


def test_amplified_keeps_the_residual_and_scales_the_kernel():
    start = before_training(MODEL, X, Y)
    model, y = amplified(start.model, start.x, start.y, 7.0)
    np.testing.assert_allclose(predict_float64(model, start.x) - y, start.residual, atol=1e-9)
    np.testing.assert_allclose(empirical_ntk(model, start.x), 49 * start.kernel, rtol=1e-8, atol=1e-12)


def test_amplified_says_what_it_cannot_do():
    start = before_training(MODEL, X, Y)
    with pytest.raises(MrntkError, match="alpha=0"):
        amplified(start.model, start.x, start.y, 0.0)
    with pytest.raises(MrntkError, match="identity"):
        amplified(amplified(start.model, start.x, start.y, 2.0)[0], start.x, start.y, 2.0)

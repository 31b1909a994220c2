"""The risk on examples left out, in closed form, against fits that are really done again."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import FullyConnected, MrntkError, Reprogram, VisualPrompt, before_training, empirical_ntk, predict_float64
from mrntk.prediction.leave_one_out import leave_one_out, left_out_residuals
from mrntk.spectrum import spectrum


def refitted(kernel, residual, ridge):
    """The residual at every example, fitted to the others in so many words."""
    count, c = residual.shape
    kernel, out = kernel.reshape(count, c, count, c), []
    for i in range(count):
        rest = np.arange(count) != i
        inner = kernel[rest][:, :, rest].reshape((count - 1) * c, -1) + ridge * np.eye((count - 1) * c)
        moved = kernel[i][:, rest].reshape(c, -1) @ np.linalg.solve(inner, residual[rest].ravel())
        out.append(residual[i] - moved)
    return np.array(out)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000), count=st.integers(2, 6), c=st.integers(1, 3), ridge=st.sampled_from([1e-2, 1.0, 50.0])
)
def test_it_is_the_fit_without_that_example(seed, count, c, ridge):
    rng = np.random.default_rng(seed)
    features, residual = rng.normal(size=(count * c, 4)), rng.normal(size=(count, c))
    kernel = features @ features.T  # singular, where there are more outputs than features
    found = left_out_residuals(spectrum(kernel, vectors=True), residual, ridge)
    np.testing.assert_allclose(found, refitted(kernel, residual, ridge), rtol=1e-6, atol=1e-9)


def test_a_kernel_that_moves_nothing_leaves_the_start():
    residual = np.arange(6.0).reshape(3, 2)
    found = left_out_residuals(spectrum(np.zeros((6, 6)), vectors=True), residual, 1.0)
    np.testing.assert_allclose(found, residual)


def test_a_ridge_and_as_many_steps_leave_alike_along_every_eigenvector():
    values = np.geomspace(1e-4, 1, 50)
    steps, ridge = 1000, 1 / (0.5 * 1000)
    descent, fitted = (1 - 0.5 * values) ** steps, ridge / (values + ridge)
    assert np.all(np.abs(descent - fitted) < 0.25)
    assert np.all(np.abs(descent - fitted)[(values < ridge / 20) | (values > 20 * ridge)] < 0.06)


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    x = rng.normal(size=(24, 4)).astype(np.float32) + 2 * np.eye(4, dtype=np.float32)[labels]
    return x, np.eye(3, dtype=np.float32)[labels], labels


def test_it_predicts_the_accuracy_on_what_it_has_not_seen(blobs):
    """Wrong labels are learned as well, and not found again; right ones are, with few examples a class."""
    x, y, _ = blobs
    model = Reprogram(FullyConnected((4,), (3,), key=jax.random.key(0)), lambda s: s)
    step = 0.5 * before_training(model, x, y).stability_limit()
    right = leave_one_out(before_training(model, x, y), step=step, most=1000)
    rng = np.random.default_rng(1)
    wrong = [leave_one_out(before_training(model, x, rng.permutation(y)), step=step, most=1000) for _ in range(5)]
    assert right.accuracy > 0.75 and right.loss < 0.2
    assert np.mean([one.accuracy for one in wrong]) < 0.5
    assert all(one.loss > right.loss for one in wrong)


def test_it_is_near_to_the_loss_on_fresh_examples():
    """Leave-one-out is nearly without bias: on average over draws it is the loss of the ridge regression on N - 1 examples."""
    rng, found, count = np.random.default_rng(2), [], 24
    model = Reprogram(FullyConnected((4,), (3,), key=jax.random.key(0)), lambda s: s)
    for _ in range(30):
        labels = np.arange(2 * count) % 3
        x = rng.normal(size=(2 * count, 4)).astype(np.float32) + 2 * np.eye(4, dtype=np.float32)[labels]
        y = np.eye(3, dtype=np.float32)[labels]
        before = before_training(model, x[:count], y[:count])
        step = 0.5 * before.stability_limit()
        left = leave_one_out(before, step=step, most=100)
        ridged = before.kernel.reshape(3 * count, -1) + count / (step * left.steps) * np.eye(3 * count)
        moved = empirical_ntk(model, x[count:], x[:count]).reshape(3 * count, -1) @ np.linalg.solve(
            ridged, before.residual.ravel()
        )
        fresh = predict_float64(model, x[count:]) - y[count:] - moved.reshape(count, 3)
        found.append((left.loss, (fresh**2).sum() / (2 * count)))
    left, fresh = np.mean(found, axis=0)
    assert left == pytest.approx(fresh, rel=0.15)


def test_longer_horizons_never_predict_worse(blobs):
    x, y, _ = blobs
    model = Reprogram(VisualPrompt((1, 4, 4), (2, 2)), lambda s: s.ravel()[:3])
    before = before_training(model, x.reshape(-1, 1, 2, 2), y)
    step = 0.5 * before.stability_limit()
    losses = [leave_one_out(before, step=step, most=most).loss for most in (1, 10, 100, 1000)]
    assert (
        all(later <= earlier + 1e-9 for earlier, later in zip(losses[:-1], losses[1:], strict=True)) or min(losses) > 0
    )


def test_what_cannot_be_left_out_is_refused(blobs):
    x, y, _ = blobs
    model = Reprogram(FullyConnected((4,), (3,), key=jax.random.key(0)), lambda s: s)
    with pytest.raises(MrntkError, match="one example"):
        leave_one_out(before_training(model, x[:1], y[:1]), step=1.0, most=10)
    with pytest.raises(MrntkError, match="positive numbers"):
        leave_one_out(before_training(model, x, y), step=0.0, most=10)
    with pytest.raises(MrntkError, match="ridge=0"):
        left_out_residuals(spectrum(np.eye(2), vectors=True), np.ones((2, 1)), 0)

"""Predicted curves are exact where the model is linear in its parameters."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import FullyConnected, MrntkError, Reprogram, empirical_ntk
from mrntk.model.reprogram import predict
from mrntk.ntk.compat import neural_tangents
from mrntk.prediction.closed_form import Prediction, mse, predicted_loss, stability_limit
from mrntk.sources import DNN
from mrntk.spectrum import spectrum
from mrntk.support.precision import in_float64
from mrntk.training import gradient_descent


@pytest.fixture(scope="module")
def linear_case():
    """FC in front of a linear source: f_T is linear in theta_A, so the kernel never moves."""
    key, images = jax.random.key(7), np.random.default_rng(3).uniform(size=(6, 1, 4, 4))
    model = Reprogram(FullyConnected((1, 4, 4), (5,), key=key), DNN((5,), 2, depth=1, width=1, key=key))
    y = np.eye(2)[[0, 1, 0, 1, 1, 0]]
    residual = np.asarray(predict(model, jnp.asarray(images)), float) - y
    return model, images, y, residual, spectrum(empirical_ntk(model, images), vectors=True)


@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_prediction_is_exact_for_a_linear_model(linear_case, fraction):
    model, x, y, residual, found = linear_case
    step = fraction * stability_limit(found, len(x))
    _, real = gradient_descent(model, x, y, step=step, steps=50)
    np.testing.assert_allclose(predicted_loss(found, residual, step, np.arange(51)), real, rtol=1e-5)


def test_prediction_starts_at_the_loss(linear_case):
    _, x, _, residual, found = linear_case
    assert predicted_loss(found, residual, 0.1, [0])[0] == pytest.approx(mse(residual))


def test_stability_limit_is_where_training_turns(linear_case):
    """A little below the limit the loss falls, a little above it grows; for the real training, not only the formula."""
    model, x, y, _, found = linear_case
    limit = stability_limit(found, len(x))
    below = gradient_descent(model, x, y, step=0.95 * limit, steps=200)[1]
    above = gradient_descent(model, x, y, step=1.05 * limit, steps=200)[1]
    assert below[-1] < below[0] and above[-1] > 10 * above[0]


LABELS, TEST_LABELS = np.eye(2)[[0, 1, 0, 1, 1, 0]], np.eye(2)[[1, 0, 1]]
predict64 = in_float64(predict)


@pytest.fixture(scope="module")
def case(linear_case):
    """The linear model with three test images: everything that a prediction takes, and what it is to be compared with."""
    model, x, y, _, found = linear_case
    x_test = np.random.default_rng(4).uniform(size=(3, 1, 4, 4))
    return {
        "model": model,
        "x": x,
        "x_test": x_test,
        "spectrum": found,
        "kernel": empirical_ntk(model, x),
        "test_kernel": empirical_ntk(model, x_test, x),
        "outputs": predict64(model, x),
        "test_outputs": predict64(model, x_test),
    }


def prediction(case, step, **options):
    return Prediction(
        case["kernel"],
        case["outputs"] - LABELS,
        step,
        test_kernel=case["test_kernel"],
        test_residual=case["test_outputs"] - TEST_LABELS,
        **options,
    )


@pytest.fixture(scope="module")
def gram():
    """A singular kernel of 4 training and 2 test examples with 2 outputs: a Gram matrix of rank 5; and residuals."""
    rng = np.random.default_rng(0)
    features, test_features = rng.normal(size=(8, 5)), rng.normal(size=(4, 5))
    return features, test_features, rng.normal(size=(4, 2)), rng.normal(size=(2, 2))


@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_everything_is_exact_for_a_linear_model(case, fraction):
    """Loss, residuals and accuracy, on training and test inputs, against real gradient descent."""
    step = fraction * stability_limit(case["spectrum"], 6)
    predicted, times = prediction(case, step), [40, 0, 1, 7]
    for place, t in enumerate(times):
        trained, losses = gradient_descent(case["model"], case["x"], LABELS, step=step, steps=t)
        real, real_test = predict64(trained, case["x"]), predict64(trained, case["x_test"])
        np.testing.assert_allclose(predicted.residual(times)[place], real - LABELS, rtol=0, atol=1e-10)
        np.testing.assert_allclose(predicted.test_residual(times)[place], real_test - TEST_LABELS, rtol=0, atol=1e-10)
        assert predicted.loss(times)[place] == pytest.approx(losses[-1], rel=1e-9)
        assert predicted.test_loss(times)[place] == pytest.approx(mse(real_test - TEST_LABELS), rel=1e-9)
        assert predicted.accuracy(times, LABELS)[place] == np.mean(real.argmax(1) == LABELS.argmax(1))
        assert predicted.test_accuracy(times, TEST_LABELS)[place] == np.mean(
            real_test.argmax(1) == TEST_LABELS.argmax(1)
        )


@settings(max_examples=40, deadline=None)
@given(t=st.integers(0, 60), fraction=st.floats(0.01, 1.1), rank=st.integers(1, 6), seed=st.integers(0, 1000))
def test_closed_form_is_the_iteration(t, fraction, rank, seed):
    """r <- r - (eta/N) Theta r, written out; also for singular kernels and above the stability limit."""
    rng = np.random.default_rng(seed)
    features, test_features = rng.normal(size=(6, rank)), rng.normal(size=(2, rank))
    theta, theta_test = features @ features.T, test_features @ features.T
    r, r_test = rng.normal(size=(3, 2)), rng.normal(size=(1, 2))
    step = fraction * 2 * 3 / np.linalg.eigvalsh(theta)[-1]
    predicted = Prediction(theta, r, step, test_kernel=theta_test, test_residual=r_test)
    for _ in range(t):
        r, r_test = r - step / 3 * (theta @ r.ravel()).reshape(3, 2), r_test - step / 3 * (theta_test @ r.ravel())
    np.testing.assert_allclose(predicted.residual([t])[0], r, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(predicted.test_residual([t])[0], r_test, rtol=1e-8, atol=1e-8)
    assert predicted.loss([t])[0] == pytest.approx(mse(r), rel=1e-8, abs=1e-12)


def test_flow_is_the_limit_of_small_steps(case):
    """Halving the step halves the distance to gradient flow."""
    step = 0.5 * stability_limit(case["spectrum"], 6)
    flow = prediction(case, step, flow=True)
    distances = []
    for parts in (500, 1000):
        small = prediction(case, step / parts)
        pairs = [
            (small.residual([3 * parts]), flow.residual([3])),
            (small.test_residual([3 * parts]), flow.test_residual([3])),
        ]
        distances.append([np.linalg.norm(a - b) for a, b in pairs])
    np.testing.assert_allclose(np.divide(*distances), 2, rtol=0.02)
    assert np.max(distances) < 1e-3


@pytest.mark.parametrize("flow", [False, True])
def test_singular_kernel_after_a_very_long_time(gram, flow):
    """What the kernel cannot see stays, the rest is gone; elsewhere it is the minimum-norm solution."""
    features, test_features, r, r_test = gram
    predicted = Prediction(
        features @ features.T, r, 0.1, test_kernel=test_features @ features.T, test_residual=r_test, flow=flow
    )
    learned = np.linalg.pinv(features) @ r.ravel()
    for t in (10**6, 10**15, 10**25):
        left = r - (features @ learned).reshape(r.shape)
        np.testing.assert_allclose(predicted.residual([t])[0], left, rtol=0, atol=1e-12)
        moved = (test_features @ learned).reshape(r_test.shape)
        np.testing.assert_allclose(predicted.test_residual([t])[0], r_test - moved, rtol=0, atol=1e-11)
        assert predicted.loss([t])[0] == pytest.approx(mse(left))


def test_small_eigenvalues_keep_their_digits():
    """(1 - x)^t with x = 1e-12 and t = 1e12, and 1 - (1 - x)^t with x = 1e-12 and t = 1, to full precision."""
    kernel = np.diag([1.0, 1e-12])
    predicted = Prediction(kernel, np.ones((2, 1)), 2.0, test_kernel=kernel, test_residual=np.zeros((2, 1)))
    residual, test_residual = predicted.residual([0, 1, 10**12]), predicted.test_residual([1])
    np.testing.assert_allclose(residual[:, 0, 0], [1, 0, 0])
    assert residual[2, 1, 0] == pytest.approx(math.exp(-1), rel=1e-11)
    assert test_residual[0, 1, 0] == pytest.approx(-1e-12, rel=1e-12, abs=0)


def test_steps_to(case):
    predicted = prediction(case, 0.3 * stability_limit(case["spectrum"], 6))
    losses = predicted.loss(np.arange(200))
    goal = (losses[100] + losses[101]) / 2
    assert predicted.steps_to(goal) == 101
    assert predicted.steps_to(losses[0]) == 0
    assert predicted.steps_to(-1.0) is None
    with pytest.raises(MrntkError, match="stability limit"):
        prediction(case, 1.1 * stability_limit(case["spectrum"], 6)).steps_to(goal)


def test_zero_kernel_learns_nothing():
    predicted = Prediction(np.zeros((2, 2)), np.ones((2, 1)), 0.1)
    np.testing.assert_array_equal(predicted.residual([0, 5]), np.ones((2, 2, 1)))
    assert stability_limit(spectrum(np.zeros((2, 2))), 2) == math.inf and predicted.steps_to(0.4) is None


def test_agrees_with_neural_tangents(case):
    """Their loss is the mean over all N c numbers, halved, so their time runs slower by the factor c; t counts eta."""
    step, times = 0.3 * stability_limit(case["spectrum"], 6), np.array([0, 0.5, 3, 1000])
    ours = prediction(case, step, flow=True)

    @in_float64
    def theirs(kernel, test_kernel, outputs, test_outputs):
        pairs = [jnp.asarray(k).transpose(0, 2, 1, 3) for k in (kernel, test_kernel)]  # (N, M, c, c)
        predicted = neural_tangents().predict.gradient_descent_mse(pairs[0], jnp.asarray(LABELS), trace_axes=())
        return predicted(step * 2 * times, jnp.asarray(outputs), jnp.asarray(test_outputs), pairs[1])

    train, test = theirs(case["kernel"], case["test_kernel"], case["outputs"], case["test_outputs"])
    np.testing.assert_allclose(ours.residual(times) + LABELS, train, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.test_residual(times) + TEST_LABELS, test, rtol=0, atol=1e-9)


def test_no_test_outputs(case):
    with pytest.raises(MrntkError, match="test_kernel is missing"):
        Prediction(case["spectrum"], case["outputs"], 0.1).test_residual([1])


WRONG = {
    "step": (lambda c: prediction(c, 0.0), "step=0.0"),
    "negative time": (lambda c: prediction(c, 0.1).loss([-1]), "times"),
    "half a step": (lambda c: prediction(c, 0.1).loss([0.5]), "flow=True"),
    "no times": (lambda c: prediction(c, 0.1).loss([]), "times"),
    "residual": (lambda c: Prediction(c["kernel"], LABELS[:5], 0.1), "residual has shape"),
    "spectrum": (lambda c: Prediction(spectrum(c["kernel"]), LABELS, 0.1), "without eigenvectors"),
    "test kernel": (
        lambda c: Prediction(c["kernel"], LABELS, 0.1, test_kernel=c["test_kernel"][:2], test_residual=TEST_LABELS),
        "test_kernel has shape",
    ),
    "half a pair": (lambda c: Prediction(c["kernel"], LABELS, 0.1, test_residual=TEST_LABELS), "belong together"),
    "targets": (lambda c: prediction(c, 0.1).accuracy([1], LABELS[:5]), "y has shape"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(case, name):
    call, message = WRONG[name]
    with pytest.raises(MrntkError, match=message):
        call(case)

"""Training in function space is the training of the model, where the model is linear in its parameters."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk import FullyConnected, MrntkError, Reprogram, empirical_ntk
from mrntk.model.reprogram import predict
from mrntk.prediction.closed_form import Prediction, cross_entropy, stability_limit
from mrntk.prediction.function_space import integrate_outputs
from mrntk.sources import DNN
from mrntk.spectrum import spectrum
from mrntk.support.precision import in_float64

LABELS = np.eye(2)[[0, 1, 0, 1, 1, 0]]
predict64 = in_float64(predict)


@pytest.fixture(scope="module")
def case():
    """FC in front of a linear source, whose kernel never moves, and everything that an integration takes."""
    key, rng = jax.random.key(7), np.random.default_rng(3)
    x, x_test = rng.uniform(size=(6, 1, 4, 4)), rng.uniform(size=(3, 1, 4, 4))
    model = Reprogram(FullyConnected((1, 4, 4), (5,), key=key), DNN((5,), 2, depth=1, width=1, key=key))
    kernel = empirical_ntk(model, x)
    return {
        "model": model,
        "x": x,
        "x_test": x_test,
        "kernel": kernel,
        "spectrum": spectrum(kernel),
        "test_kernel": empirical_ntk(model, x_test, x),
        "outputs": predict64(model, x),
        "test_outputs": predict64(model, x_test),
    }


def integrated(case, step, times, **options):
    kernels = {name: case[name] for name in ("test_kernel", "test_outputs")}
    return integrate_outputs(case["kernel"], case["outputs"], LABELS, step, times, **kernels, **options)


@in_float64
@eqx.filter_jit
def descend_cross_entropy(model, x, y, step, steps):
    """Full-batch gradient descent on theta with the cross-entropy."""

    def loss(theta):
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(jax.vmap(model.with_theta(theta))(x)), axis=1))

    def update(theta, _):
        return jax.tree.map(lambda t, g: t - step * g, theta, jax.grad(loss)(theta)), None

    return model.with_theta(jax.lax.scan(update, model.theta(), length=steps)[0])


@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_cross_entropy_is_exact_for_a_linear_model(case, fraction):
    step = fraction * stability_limit(case["spectrum"], 6, "ce")
    times = [25, 3, 4, 25]
    train, test = integrated(case, step, times)
    for place, t in enumerate(times):
        trained = descend_cross_entropy(case["model"], case["x"], LABELS, np.asarray(step), t)
        np.testing.assert_allclose(train[place], predict64(trained, case["x"]), rtol=0, atol=1e-9)
        np.testing.assert_allclose(test[place], predict64(trained, case["x_test"]), rtol=0, atol=1e-9)
    assert cross_entropy(train[0], LABELS) < cross_entropy(case["outputs"], LABELS)


def test_cross_entropy_flow_is_the_limit_of_small_steps(case):
    step = 0.5 * stability_limit(case["spectrum"], 6, "ce")
    flow = integrated(case, step, [0, 0.5, 4], flow=True)
    distances = []
    for parts in (1000, 2000):
        small = integrated(case, step / parts, [0, parts // 2, 4 * parts])
        distances.append([np.abs(a - b).max() for a, b in zip(small, flow, strict=True)])
    np.testing.assert_allclose(np.divide(*distances), 2, rtol=0.02)
    assert np.max(distances) < 1e-2
    implicit = integrated(case, step, [0, 0.5, 4], flow=True, solver=diffrax.Kvaerno5())
    np.testing.assert_allclose(implicit.test, flow.test, rtol=0, atol=1e-6)


def test_squared_loss_integrates_to_the_closed_form(case):
    """The solver, and the iteration, against the eigenbasis."""
    step = 0.4 * stability_limit(case["spectrum"], 6)
    for flow, times in ((True, [0, 0.3, 20]), (False, [0, 1, 20])):
        elsewhere = {"test_kernel": case["test_kernel"], "test_residual": case["test_outputs"]}  # predicts outputs
        closed = Prediction(case["kernel"], case["outputs"] - LABELS, step, **elsewhere, flow=flow)
        train, test = integrated(case, step, times, loss="mse", flow=flow)
        np.testing.assert_allclose(train, closed.residual(times) + LABELS, rtol=0, atol=1e-7)
        np.testing.assert_allclose(test, closed.test_residual(times), rtol=0, atol=1e-7)


def test_cross_entropy_stability_limit(case):
    """Below it the loss falls at every step; for undecided targets, where the curvature is largest, it is sharp."""
    step = 0.99 * stability_limit(case["spectrum"], 6, "ce")
    losses = [cross_entropy(f, LABELS) for f in integrated(case, step, np.arange(60)).train]
    assert (np.diff(losses) < 0).all()

    kernel, y, start = np.eye(2), np.full((1, 2), 0.5), np.array([[1e-3, -1e-3]])
    limit = stability_limit(spectrum(kernel), 1, "ce")
    assert limit == 4
    calm, wild = (integrate_outputs(kernel, start, y, f * limit, [80]).train for f in (0.95, 1.05))
    assert np.abs(calm).max() < 1e-4 and np.abs(wild).max() > 0.1


def test_no_test_outputs(case):
    assert integrate_outputs(case["kernel"], case["outputs"], LABELS, 0.1, [1]).test is None


WRONG = {
    "negative step": (lambda c: integrated(c, -1.0, [1]), "step=-1.0"),
    "negative time": (lambda c: integrated(c, 0.1, [-1.0], flow=True), "times"),
    "kernel": (lambda c: integrate_outputs(c["kernel"][:5], c["outputs"], LABELS, 0.1, [1]), "kernel has shape"),
    "float32": (
        lambda c: integrate_outputs(c["kernel"].astype("float32"), c["outputs"], LABELS, 0.1, [1]),
        "kernel is float32",
    ),
    "NaN": (lambda c: integrate_outputs(c["kernel"] * np.nan, c["outputs"], LABELS, 0.1, [1]), "NaN"),
    "labels": (lambda c: integrate_outputs(c["kernel"], c["outputs"], 2 * LABELS, 0.1, [1]), "probabilities"),
    "negative labels": (
        lambda c: integrate_outputs(c["kernel"], c["outputs"], 2 * LABELS - 0.5, 0.1, [1]),
        "probabilities",
    ),
    "loss": (lambda c: integrated(c, 0.1, [1], loss="hinge"), "loss='hinge'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(case, name):
    call, message = WRONG[name]
    with pytest.raises(MrntkError, match=message):
        call(case)

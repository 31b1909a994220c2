"""The lazy regime: without end for a linear model, longer for a wider network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from mrntk import DNN, FullyConnected, MrntkError, Reprogram, VisualPrompt, empirical_ntk
from mrntk.model.input_maps import Identity
from mrntk.model.output_maps import TrainedLinear
from mrntk.model.reprogram import predict
from mrntk.prediction.closed_form import predicted_loss, stability_limit
from mrntk.prediction.lazy import end_of_lazy, kernel_change, lazy_report, linearise
from mrntk.spectrum import spectrum
from mrntk.support.precision import double, in_float64

LABELS = np.eye(2)[[0, 1, 0, 1, 1, 0]]
ERRORS = ["linearisation_error", "test_linearisation_error", "kernel_drift"]


def fc_model(key, *, depth, width, d_s=5):
    key_a, key_s = jax.random.split(key)
    source = DNN((d_s,), 2, depth=depth, width=width, key=key_s)
    return Reprogram(FullyConnected((1, 4, 4), (d_s,), key=key_a), source)


def report(model, images, *, fraction=0.3, steps=40, every=10, **options):
    step = fraction * stability_limit(spectrum(empirical_ntk(model, images)), len(images))
    return lazy_report(model, images, LABELS, step=step, steps=steps, every=every, **options)


def test_linearise(key, images):
    """f_lin touches f at theta_0, is affine in theta, and its Jacobian makes the kernel."""
    model = double(fc_model(key, depth=3, width=16))

    @in_float64
    @eqx.filter_jit
    def check(model, x):
        f_lin, theta = linearise(model), model.theta()
        moved = [jax.tree.map(lambda leaf, a=a: leaf + a * jnp.cos(leaf), theta) for a in (1, 2)]
        leaves = jax.tree.leaves(jax.jacrev(f_lin)(moved[0], x))  # anywhere: the slope is the same
        rows = jnp.concatenate([leaf.reshape(x.shape[0], 2, -1) for leaf in leaves], axis=2)
        return f_lin(theta, x), f_lin(moved[0], x), f_lin(moved[1], x), jnp.einsum("icp,jdp->icjd", rows, rows)

    at_0, at_1, at_2, kernel = check(model, images)
    np.testing.assert_allclose(at_0, in_float64(predict)(model, images), rtol=1e-12)
    np.testing.assert_allclose(at_2 - at_0, 2 * (at_1 - at_0), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(kernel, empirical_ntk(model, images), rtol=1e-10, atol=1e-12)


def test_linear_model_stays_linear(key, images):
    found = report(fc_model(key, depth=1, width=1), images[:6], steps=25, x_test=images[:2] / 2)
    assert found["step"].tolist() == [0, 10, 20, 25]
    assert (found[ERRORS] < 1e-10).all(axis=None)
    np.testing.assert_allclose(found["loss"], found["predicted_loss"], rtol=1e-10)
    np.testing.assert_allclose(found["kernel_alignment"], 1, rtol=1e-12)
    assert (np.diff(found["loss"]) < 0).all() and end_of_lazy(found, 1e-9) is None


def test_predicted_outputs_are_the_linearised_training(key, images):
    """The error is measured against gradient descent on f_lin, carried out on theta."""
    model, x, x_test = double(fc_model(key, depth=3, width=16)), images, images[:2] / 2
    step = 0.3 * stability_limit(spectrum(empirical_ntk(model, x)), len(x))

    def train(outputs, theta, steps=10):
        def loss(theta):
            return jnp.sum((outputs(theta, x) - LABELS) ** 2) / (2 * len(x))

        def update(theta, _):
            return jax.tree.map(lambda t, g: t - step * g, theta, jax.grad(loss)(theta)), None

        return jax.lax.scan(update, theta, length=steps)[0]

    @in_float64
    @eqx.filter_jit
    def by_hand(model, x, x_test):
        def real(theta, x):
            return jax.vmap(model.with_theta(theta))(x)

        theta = model.theta()
        end, end_lin = train(real, theta), train(linearise(model), theta)
        return [
            jnp.linalg.norm(real(end, data) - linearise(model)(end_lin, data))
            / jnp.linalg.norm(real(end, data) - real(theta, data))
            for data in (x, x_test)
        ]

    found = report(model, x, steps=10, x_test=x_test).iloc[-1]
    np.testing.assert_allclose(found[ERRORS[:2]].astype(float), by_hand(model, x, x_test), rtol=1e-8)


def test_small_network_leaves_the_lazy_regime(key, images):
    found = report(fc_model(key, depth=3, width=16), images, x_test=images[:2] / 2)
    assert (found.loc[0, ERRORS] == 0).all() and found.loc[0, "loss"] == pytest.approx(found.loc[0, "predicted_loss"])
    assert (found.loc[1:, ERRORS] > 0.01).all(axis=None)
    assert (np.diff(found["parameter_distance"]) > 0).all()
    assert (
        found.loc[4, ["linearisation_error", "kernel_drift"]] > found.loc[1, ["linearisation_error", "kernel_drift"]]
    ).all()
    assert found["kernel_alignment"].iloc[-1] < 0.99
    tolerance = found.loc[[1, 4], "linearisation_error"].mean()
    assert end_of_lazy(found, 0.0) == 10 and 10 < end_of_lazy(found, tolerance) <= 40


def test_lazy_needs_a_wide_source_and_a_large_source_input(images):
    """Median over seeds of the kernel's drift and of the linearisation error, after the same number of steps."""

    def medians(d_s, width):
        def end(seed):
            model = fc_model(jax.random.key(seed), depth=2, width=width, d_s=d_s)
            return report(model, images, every=40)[["kernel_drift", "linearisation_error"]].iloc[-1]

        return np.median([end(seed) for seed in range(3)], axis=0)

    lazy = medians(128, 512)
    assert (lazy < medians(128, 16) / 2).all()
    assert (lazy < medians(3, 512) / 2).all()


def test_visual_prompt_starts_at_zero(images, key):
    """theta_0 = 0, so the relative distance is infinite once theta has moved."""
    model = Reprogram(VisualPrompt((1, 6, 6), (4, 4)), DNN((1, 6, 6), 2, depth=2, width=16, key=key))
    found = report(model, images, steps=2, every=1)
    assert found["relative_parameter_distance"].tolist() == [0, np.inf, np.inf]
    assert (found["parameter_distance"].iloc[1:] > 0).all() and found["loss"].iloc[-1] < found["loss"].iloc[0]


def test_a_trained_output_map_is_predicted_too(images, key):
    """Few small steps: the loss falls as the kernel with both terms says, which the input map's term alone does not."""
    fixed = fc_model(key, depth=1, width=1)
    model = Reprogram(fixed.input_map, fixed.source, TrainedLinear(jnp.eye(2), jnp.zeros(2)))
    start = np.asarray(predict(model, jnp.asarray(images)), float) - LABELS
    step = 1e-4 * stability_limit(spectrum(empirical_ntk(model, images)), len(images))
    found = lazy_report(model, images, LABELS, step=step, steps=4, every=4)
    assert (found[["linearisation_error", "kernel_drift"]] < 1e-2).all(axis=None)

    fall = found["loss"][0] - found["loss"][1]
    assert found["predicted_loss"][0] - found["predicted_loss"][1] == pytest.approx(fall, rel=1e-2)
    without = predicted_loss(spectrum(empirical_ntk(fixed, images), vectors=True), start, step, [0, 4])
    assert without[0] - without[1] < 0.8 * fall


def test_nothing_trained(images, key):
    model = Reprogram(Identity(), DNN((1, 4, 4), 2, depth=2, width=8, key=key))
    found = lazy_report(model, images, LABELS, step=0.1, steps=2, every=2)
    assert found["loss"].nunique() == 1 and (found[["linearisation_error", "kernel_drift"]] == 0).all(axis=None)


def test_kernel_change():
    a = np.diag([3.0, 4.0])
    assert kernel_change(2 * a, a) == pytest.approx((1, 1))
    assert kernel_change(np.diag([4.0, -3.0]), a) == pytest.approx((2**0.5, 0))


def test_end_of_lazy():
    def end(*errors):
        return end_of_lazy(pd.DataFrame({"step": [0, 5, 9], "linearisation_error": errors}))

    assert end(0, 0.1, 0.2) == 9 and end(0, 0.11, 0.05) == 5 and end(0, 0.01, 0.02) is None
    assert end(0, 0.05, np.nan) == 9


@pytest.mark.parametrize("wrong", [{"step": 0.0}, {"steps": 0}, {"every": 0}])
def test_mistakes(wrong, key, images):
    arguments = {"step": 0.1, "steps": 2, "every": 1} | wrong
    with pytest.raises(MrntkError, match=next(iter(wrong))):
        lazy_report(fc_model(key, depth=1, width=1), images, LABELS, **arguments)

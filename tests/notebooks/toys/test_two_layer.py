"""The two-layer network: its steps are gradient descent, its predictions the law of every mode."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk import FullyConnected, Reprogram, lazy_report, predict_float64
from mrntk.model.output_maps import TrainedLinear
from mrntk.tasks.toy import circle_modes
from notebooks.toys.two_layer import ANGLES, GRID, N_POINTS, TIMES, infinite_kernel, lift, run, training_targets


def network(theta, x):
    return jax.nn.relu(x @ theta["w"].T) @ theta["a"] / jnp.sqrt(len(theta["a"]))


def start(width, seed=0):
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(size=width), "w": rng.normal(size=(width, 3))}


def test_infinite_kernel_is_the_limit_of_wide_networks():
    theta, x = start(40_000), lift(ANGLES[:5])
    rows = jax.vmap(lambda one: jnp.concatenate([g.ravel() for g in jax.tree.leaves(jax.grad(network)(theta, one))]))(x)
    np.testing.assert_allclose(rows @ rows.T, infinite_kernel(ANGLES[:5], ANGLES[:5]), atol=0.08)


def test_infinite_kernel_is_diagonal_in_fourier_modes_and_agrees_across_sets():
    modes = circle_modes(N_POINTS)
    seen = modes.T @ infinite_kernel(ANGLES, ANGLES) @ modes
    np.testing.assert_allclose(seen, np.diag(np.diag(seen)), atol=1e-8)
    np.testing.assert_allclose(
        infinite_kernel(ANGLES, ANGLES[3:7]), infinite_kernel(ANGLES, ANGLES)[:, 3:7], atol=1e-12
    )


def test_real_training_is_gradient_descent():
    """Ten steps by JAX from the same weights, for outputs counted from the start."""
    found, y = run("mixed", 32, 0.5), training_targets()["mixed"]
    with jax.enable_x64(True):
        theta, x, grid = start(32), lift(ANGLES), lift(GRID)
        f_0, g_0 = network(theta, x), network(theta, grid)
        slope = jax.jit(jax.grad(lambda theta: jnp.sum((network(theta, x) - f_0 - y) ** 2) / (2 * N_POINTS)))
        for _ in range(10):
            theta = jax.tree.map(lambda one, grad: one - found.step * grad, theta, slope(theta))
        index = list(found.times).index(10)
        np.testing.assert_allclose(found.real[index], network(theta, x) - f_0 - y, atol=1e-9)
        np.testing.assert_allclose(found.real_fit[index], network(theta, grid) - g_0, atol=1e-9)
        rows = jnp.concatenate(
            [one.reshape(N_POINTS, -1) for one in jax.tree.leaves(jax.jacobian(network)(theta, x))], 1
        )
        kernel = rows @ rows.T
        np.testing.assert_allclose(found.largest[index], np.linalg.eigvalsh(kernel)[-1], rtol=1e-9)
        change = network(jax.tree.map(lambda one, grad: one - found.step * grad, theta, slope(theta)), x) - f_0 - y
        change, first_order = change - found.real[index], -found.step / N_POINTS * kernel @ found.real[index]
        np.testing.assert_allclose(
            found.off[index], np.linalg.norm(change - first_order) / np.linalg.norm(change), rtol=1e-5
        )


def test_the_run_is_that_of_the_general_path():
    """The network as a source that is a ReLU alone, between two trained layers; whose outputs are not counted from the start."""
    theta, width = start(32), 32
    weight, bias = np.split(theta["w"], [2], axis=1)
    layer = FullyConnected((2,), (width,), key=jax.random.key(0))
    layer = eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, (weight, bias.ravel()))
    model = Reprogram(layer, lambda s: jax.nn.relu(s) / width**0.5, TrainedLinear(theta["a"][None]))
    found, x = run("mixed", width, 0.5), lift(ANGLES)[:, :2]
    goal = np.asarray(predict_float64(model, x)) + training_targets()["mixed"][:, None]
    report = lazy_report(model, x, goal, step=found.step, steps=100, every=50)
    for name, values in (
        ("loss", (found.real**2).sum(1) / (2 * N_POINTS)),
        ("predicted_loss", (found.linear**2).sum(1) / (2 * N_POINTS)),
        ("kernel_drift", found.drift),
    ):
        np.testing.assert_allclose(values[np.isin(TIMES, report["step"])], report[name], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("share", [0.05, 0.9, 1.2])
def test_linearised_model_follows_the_law_of_every_mode(share):
    found, y = run("frequency 3", 128, share), training_targets()["frequency 3"]
    np.testing.assert_allclose(found.step, share * 2 * N_POINTS / found.values[-1])
    early = TIMES <= (100 if share < 1 else 10)  # later the mode that grows drowns the others in rounding
    factors = (1 - found.step * found.values / N_POINTS) ** TIMES[early, None]
    np.testing.assert_allclose(found.linear[early] @ found.vectors, factors * (-y @ found.vectors), atol=1e-7)
    assert found.drift[0] == found.gap[0] == 0
    np.testing.assert_allclose(found.largest[0], found.values[-1])


def test_wider_networks_stay_closer():
    gaps = [run("mixed", width, 0.5).gap.max() for width in (32, 512)]
    assert gaps[1] < gaps[0] / 2
    assert run("mixed", 512, 0.5).end_of_lazy is None
    end = run("mixed", 32, 0.5).end_of_lazy
    gap = run("mixed", 32, 0.5).gap
    assert gap[TIMES == end] > 0.1 and (gap[end > TIMES] <= 0.1).all()


def test_above_the_limit_only_the_modes_that_diverge_are_shown_to_diverge():
    """Rounding in the one that does must not reach the others: |1 - eta lambda / N| < 1 shrinks, whatever the first one does."""
    found = run("mixed", 32, 1.2)
    rates = np.abs(1 - found.step * found.values / N_POINTS)
    last = found.factors(len(TIMES) - 1)
    assert (rates > 1).sum() == 1 and last[rates > 1] > 1e100 and (last[rates < 1] < 1).all()
    early = list(TIMES).index(10)  # where rounding is small still, the recorded residuals say the same
    start, then = (np.abs(r @ found.vectors) for r in (found.linear[0], found.linear[early]))
    np.testing.assert_allclose(start * found.factors(early), then, atol=1e-9 * then.max())

"""The kernel machine is the formula, its kernels are the right ones, and its gradients hold, also on the training points."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk import FullyConnected, MrntkError, Reprogram, VisualPrompt, empirical_ntk
from mrntk.model.reprogram import predict
from mrntk.ntk.compat import neural_tangents
from mrntk.ntk.infinite import depth_kernels
from mrntk.sources.kernel_machine import KernelMachine, arc_cosine, feature_kernel, nt_kernel, relu_ntk
from mrntk.support.precision import in_float64

SHAPE = (1, 6, 6)


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    return rng.normal(size=(9, *SHAPE)), np.eye(3)[np.arange(9) % 3]


def cnn_kernel():
    neural_tangents()
    from neural_tangents import stax

    conv = dict(W_std=2**0.5, b_std=0.1**0.5, padding="SAME")
    return nt_kernel(
        stax.serial(stax.Conv(1, (3, 3), **conv), stax.Relu(), stax.GlobalAvgPool(), stax.Dense(1, 2**0.5, 0.1**0.5))[2]
    )


def small_features(s):
    return jnp.tanh(s.ravel()[:20] * np.linspace(0.5, 2, 20))


KERNELS = {"relu": lambda: relu_ntk(3), "cnn": cnn_kernel, "features": lambda: feature_kernel(small_features)}


@in_float64
def call(machine, s):
    return predict(machine, s)


@in_float64
def slopes(machine, s, direction, step=1e-4):
    """(N, c) directional derivatives at every input, by differentiation and by central differences."""
    exact = eqx.filter_jit(jax.vmap(lambda one: jax.jvp(machine, (one,), (direction,))[1]))(s)
    return exact, (predict(machine, s + step * direction) - predict(machine, s - step * direction)) / (2 * step)


def test_relu_ntk_equals_the_recursion_of_infinite(data):
    """All depths, the diagonal included."""
    expected = depth_kernels(data[0], "dnn", 9)
    for depth in range(1, 10):
        got = in_float64(relu_ntk(depth))(data[0], data[0])
        np.testing.assert_allclose(got, expected[depth - 1], rtol=1e-7)


def test_relu_ntk_other_variances(data):
    np.testing.assert_allclose(
        in_float64(relu_ntk(3, 1.2, 0.0))(data[0], data[0][:4]),
        depth_kernels(data[0], "dnn", 3, w_std=1.2, b_std=0.0)[-1][:, :4],
        rtol=1e-7,
    )


def test_relu_ntk_equal_arguments_give_the_same_kernel():
    assert relu_ntk(4) is relu_ntk(4) and relu_ntk(4) is not relu_ntk(5)


@pytest.mark.parametrize("name", KERNELS)
def test_formula(name, data):
    x, y = data
    ridge = 0.3
    kernel = KERNELS[name]()
    machine = KernelMachine.fit(kernel, x, y, ridge=ridge)
    s = np.random.default_rng(1).normal(size=(4, *SHAPE))
    k = in_float64(jax.jit(kernel))
    expected = (y.T @ np.linalg.inv(k(x, x) + ridge * np.eye(9)) @ k(x, s)).T
    np.testing.assert_allclose(call(machine, s), expected, rtol=1e-10)
    assert (machine.input_shape, machine.num_outputs) == (SHAPE, 3)
    assert machine.alpha.dtype == np.float64
    if name == "features":  # and in 32-bit JAX
        assert machine(s[0]).dtype == np.float32
        np.testing.assert_allclose(machine(s[0]), expected[0], atol=1e-5)


def test_without_ridge_it_interpolates(data):
    x, y = data
    np.testing.assert_allclose(call(KernelMachine.fit(relu_ntk(2), x, y), x), y, atol=1e-12)


@pytest.mark.parametrize("name", KERNELS)
def test_gradient_between_and_on_training_points(name, data):
    """On a training point ReLU kernels have a kink; the gradient is the mean of the two sides, as central differences are."""
    x, y = data
    machine = KernelMachine.fit(KERNELS[name](), x, y, ridge=0.1)
    direction = np.random.default_rng(2).normal(size=SHAPE)
    s = np.stack([x[4], x[7], 0.5 * (x[0] + x[1]), 0.3 * x[2]])
    exact, expected = slopes(machine, s, direction)
    np.testing.assert_allclose(exact, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_the_kernel_has_a_kink_on_training_points(data):
    """One-sided slopes of a deep ReLU kernel differ there, so no formulation could give "the" gradient."""
    x, kernel = data[0], in_float64(relu_ntk(3))
    step = 1e-5 * np.ones(SHAPE)
    right, left = ((kernel(x[:1], x[:1] + sign * step) - kernel(x[:1], x[:1]))[0, 0] for sign in (1, -1))
    assert right + left < -1e-6  # a smooth kernel leaves about 1e-9


def test_safe_at_every_degenerate_covariance():
    """Equal, opposite and vanishing variables: values by hand, gradients finite."""
    s11, s22 = np.array([2.0, 2.0, 0.0, 0.0]), np.array([2.0, 8.0, 3.0, 0.0])
    s12 = np.array([2.0, -4.0, 0.0, 0.0])
    relu, slope = in_float64(arc_cosine)(s11, s12, s22)
    np.testing.assert_allclose(relu, [1, 0, 0, 0], atol=1e-15)
    np.testing.assert_allclose(slope, [0.5, 0, 0.25, 0.25], atol=1e-15)
    total = in_float64(jax.grad(lambda a, b, c: sum(out.sum() for out in arc_cosine(a, b, c)), argnums=(0, 1, 2)))
    assert all(np.isfinite(part).all() for part in total(s11, s12, s22))


@pytest.mark.parametrize("name, map_name", [("relu", "vp"), ("cnn", "vp"), ("features", "fc")])
def test_works_as_a_source(name, map_name, data, key, images):
    """Inside Reprogram, its empirical NTK is J J^T by automatic differentiation."""
    input_map = FullyConnected((1, 4, 4), SHAPE, key=key) if map_name == "fc" else VisualPrompt(SHAPE, (4, 4))
    model = Reprogram(input_map, KernelMachine.fit(KERNELS[name](), *data, ridge=0.1))

    @in_float64
    @eqx.filter_jit
    def jacobian(model, x):
        rows = jax.jacrev(lambda theta: jax.vmap(model.with_theta(theta))(x))(model.theta())
        return jnp.concatenate([leaf.reshape(len(x) * 3, -1) for leaf in jax.tree.leaves(rows)], 1)

    rows = jacobian(model, images)
    expected = (rows @ rows.T).reshape(6, 3, 6, 3)
    got = empirical_ntk(model, images)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


def test_singular_system_says_raise_ridge(data):
    x, y = data
    for kernel in (relu_ntk(2), feature_kernel(lambda s: s.ravel()[:5])):
        twice = np.concatenate([x, x[:1]])
        labels = np.concatenate([y, y[1:2]])
        with pytest.raises(MrntkError, match="ridge=0.0: K_S .* raise ridge"):
            KernelMachine.fit(kernel, twice, labels)
        KernelMachine.fit(kernel, twice, labels, ridge=1e-3)


def test_bad_arguments(data):
    x, y = data
    with pytest.raises(MrntkError, match="ridge=-1.0: it is added"):
        KernelMachine.fit(relu_ntk(2), x, y, ridge=-1.0)
    with pytest.raises(MrntkError, match="depth=0"):
        relu_ntk(0)
    with pytest.raises(MrntkError, match=r"kernel gives shape \(9,\)"):
        KernelMachine.fit(lambda a, b: jnp.zeros(len(a)), x, y)
    with pytest.raises(MrntkError, match="y holds NaN"):
        KernelMachine.fit(relu_ntk(2), x, y * np.nan)

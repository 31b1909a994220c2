"""Any JAX function of one example becomes a source; what cannot be one is told in one sentence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk import MrntkError, Reprogram, VisualPrompt, empirical_ntk
from mrntk.sources.own.function import from_function

SHAPE = (1, 6, 6)
MATRIX = np.random.default_rng(4).normal(size=(36, 3))


def linear(s):
    return jnp.tanh(s.ravel() @ MATRIX)


def test_a_function_that_closes_over_arrays():
    source = from_function(linear, SHAPE)
    assert (source.input_shape, source.num_outputs, source.name) == (SHAPE, 3, "linear")
    s = np.random.default_rng(5).normal(size=(2, *SHAPE))
    with jax.enable_x64(True):
        got = jax.jit(jax.vmap(source))(s)
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, np.tanh(s.reshape(2, -1) @ MATRIX), rtol=1e-14)


def test_weights_follow_into_float64(images):
    """The kernel of the function with weights is that of the function that closes over them in full precision."""
    source = from_function(lambda w, s: jnp.tanh(s.ravel() @ w["m"]), SHAPE, weights={"m": MATRIX.astype(np.float32)})
    rounded = from_function(lambda s: jnp.tanh(s.ravel() @ MATRIX.astype(np.float32).astype(float)), SHAPE)
    kernels = [empirical_ntk(Reprogram(VisualPrompt(SHAPE, (4, 4)), one), images) for one in (source, rounded)]
    np.testing.assert_allclose(*kernels, rtol=1e-12)
    assert jax.tree.leaves(eqx.filter(source, eqx.is_array))[0].shape == (36, 3)


class Module(eqx.Module):
    matrix: np.ndarray
    input_shape: tuple[int, ...] = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __call__(self, s):
        return s.ravel() @ self.matrix


def test_a_module_keeps_its_arrays_and_its_shape():
    """Anything that is already a source goes through unchanged."""
    model = Module(MATRIX.astype(np.float32), SHAPE, "module")
    source = from_function(model)
    assert (source.input_shape, source.num_outputs, source.name) == (SHAPE, 3, model.name)
    assert len(jax.tree.leaves(eqx.filter(source, eqx.is_array))) == 1
    s = np.ones((2, *SHAPE), np.float32)
    np.testing.assert_array_equal(eqx.filter_jit(jax.vmap(source))(s), jax.vmap(model)(s))


NET = eqx.nn.Sequential(
    [eqx.nn.Conv2d(1, 3, 3, key=jax.random.key(0)), eqx.nn.Lambda(lambda y: jnp.tanh(y.mean((1, 2))))]
)


def test_a_closure_over_float32_that_cannot_compute_in_float64_is_refused_when_it_is_given(images):
    """The module itself, and the function with weights, are taken, and have the same kernel."""
    with pytest.raises(
        MrntkError, match="works in float32, but not in float64.*give a module itself, or function.weights, s"
    ):
        from_function(lambda s: NET(s), SHAPE)
    params, rest = eqx.partition(NET, eqx.is_array)
    sources = from_function(NET, SHAPE), from_function(lambda w, s: eqx.combine(w, rest)(s), SHAPE, weights=params)
    kernels = [empirical_ntk(Reprogram(VisualPrompt(SHAPE, (4, 4)), source), images) for source in sources]
    np.testing.assert_allclose(*kernels, rtol=1e-12)
    assert np.abs(kernels[0]).max() > 0


@jax.custom_vjp
def _without_float64(s):
    return s.ravel()


def _only_float32(_, ct):
    if ct.dtype != jnp.float32:
        raise TypeError("float32 alone")
    return (ct.reshape(SHAPE),)


_without_float64.defvjp(lambda s: (s.ravel(), None), _only_float32)


def test_a_gradient_that_fails_in_float64_alone():
    with pytest.raises(MrntkError, match="cannot be differentiated backwards by JAX .float32 alone"):
        from_function(_without_float64, SHAPE)


@pytest.mark.parametrize("x64", [False, True])
def test_what_is_found_does_not_depend_on_the_precision_of_the_reader(x64):
    with jax.enable_x64(x64):
        assert from_function(linear, SHAPE).num_outputs == 3
        with pytest.raises(MrntkError, match="gives float32"):
            from_function(lambda s: s, SHAPE)


def test_name_and_count():
    assert from_function(lambda s: s.ravel(), SHAPE).name == "lambda"
    assert from_function(linear, SHAPE, 3, "mine").name == "mine"
    with pytest.raises(MrntkError, match="num_outputs=4, but function gives 3"):
        from_function(linear, SHAPE, 4)


def uses_numpy(s):
    return np.tanh(np.asarray(s).ravel())


def branches(s):
    return s.ravel() if s.sum() > 0 else -s.ravel()


def calls_back(s):
    return jax.pure_callback(lambda s: np.asarray(s).ravel(), jax.ShapeDtypeStruct((36,), s.dtype), s)


@pytest.mark.parametrize(
    "function, shape, message",
    [
        (uses_numpy, SHAPE, "cannot be traced by JAX .*jax.numpy instead of NumPy"),
        (branches, SHAPE, "cannot be traced by JAX"),
        (calls_back, SHAPE, "cannot be differentiated backwards"),
        (
            lambda s: jax.lax.while_loop(lambda c: c.sum() < 9, lambda c: c + 1, s.ravel()),
            SHAPE,
            "cannot be differentiated",
        ),
        (linear, (1, 6, 5), r"fails on an input of shape \(1, 6, 5\)"),
        (lambda s: s, SHAPE, r"gives float32\[1, 6, 6\] for one input: make it give one vector"),
        (lambda s: s.sum(), SHAPE, r"gives float32\[\]"),
        (lambda s: s.ravel().argsort(), SHAPE, r"gives int32\[36\]"),
        (lambda s: (s.ravel(), s.ravel()), SHAPE, "gives tuple"),
        (lambda s: 3.0, SHAPE, "gives float"),
        (linear, None, "input_shape is missing"),
        (linear, (), r"input_shape=\(\): give a tuple"),
        (linear, (0, 6, 6), "give a tuple of positive sizes"),
    ],
)
def test_what_is_not_a_source(function, shape, message):
    with pytest.raises(MrntkError, match=message):
        from_function(function, shape)

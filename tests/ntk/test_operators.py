"""K w without K equals the dense kernel times w, for every route, block size and number of columns."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import DNN, FullyConnected, MrntkError, Reprogram, VisualPrompt, empirical_ntk, jacobian_rows
from mrntk.model.input_maps import Factor, Identity
from mrntk.model.output_maps import LinearOutput
from mrntk.ntk.operators import factor_operator, model_operator, weight_space_is_cheaper
from mrntk.spectrum import as_matrix
from mrntk.spectrum.estimates import flat, largest_eigenvalues, trace
from mrntk.support.precision import in_float64

SHAPE = (1, 6, 6)
INPUTS = {
    "fc": lambda key: FullyConnected((1, 4, 4), SHAPE, key=key),
    "vp": lambda key: VisualPrompt(SHAPE, (4, 4)),
    "none": lambda key: Identity(),
}


class TrainedScale(eqx.Module):
    """A trained output map of the simplest kind: b(s) = scale * s."""

    scale: jax.Array
    trained: bool = eqx.field(static=True, default=True)

    def __call__(self, scores):
        return self.scale * scores


@in_float64
@eqx.filter_jit
def stacked(model, x):
    return jax.vmap(lambda one: model.input_map.factors(one, jacobian_rows(model, one)))(jnp.asarray(x))


@pytest.fixture
def model(key):
    return Reprogram(INPUTS["fc"](key), DNN(SHAPE, 3, depth=2, width=7, key=key))


def vectors(*shape):
    return np.random.default_rng(5).normal(size=shape)


def agree(got, expected):
    assert isinstance(got, np.ndarray) and got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["fc", "vp"])
def test_both_operators_equal_the_dense_kernel(name, source, key, images):
    model = Reprogram(INPUTS[name](key), source, LinearOutput(jax.random.normal(key, (2, 3))))
    kernel = empirical_ntk(model, images)
    one, many = vectors(6, 2), vectors(6, 2, 3)
    for block, w, rule in [(4, many, "icjd,jdk->ick"), (64, one, "icjd,jd->ic")]:
        agree(model_operator(model, images, block=block)(w), np.einsum(rule, kernel, w))
        agree(factor_operator(stacked(model, images), scratch=200)(w), np.einsum(rule, kernel, w))


@settings(max_examples=15, deadline=None)
@given(
    n=st.integers(1, 9), c=st.integers(1, 3), k=st.integers(0, 3), scratch=st.integers(1, 600), seed=st.integers(0, 99),
    sizes=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 4)), min_size=1, max_size=2),
)  # fmt: skip
def test_factor_products_whatever_is_cheaper(n, c, k, scratch, seed, sizes):
    """Sums of terms, with p and m on both sides of N, so that both orders of contraction occur."""
    rng = np.random.default_rng(seed)
    factors = tuple(Factor(rng.normal(size=(n, p)), rng.normal(size=(n, c, m))) for p, m in sizes)
    kernel = sum(np.einsum("ip,jp,icm,jdm->icjd", f.u, f.u, f.v, f.v) for f in factors)
    w = rng.normal(size=(n, c, k) if k else (n, c))
    agree(factor_operator(factors, scratch=scratch)(w), np.einsum("icjd,jd...->ic...", kernel, w))


def test_the_cheaper_order_by_counting():
    assert weight_space_is_cheaper(n=1000, p=1, m=720)  # a visual prompt
    assert not weight_space_is_cheaper(n=1000, p=3073, m=3072)  # FC with few examples
    assert weight_space_is_cheaper(n=10_000, p=3073, m=3072)


def test_no_kernel_and_no_weights_are_built():
    """The largest intermediate of either order stays far below the kernel and below theta."""
    rng = np.random.default_rng(0)

    def largest(n, p, m, scratch):
        factors = (Factor(rng.normal(size=(n, p)), rng.normal(size=(n, 2, m))),)
        with jax.enable_x64(True):
            operator = factor_operator(factors, scratch=scratch)
            compiled = jax.jit(lambda operator, w: operator.product(w)).lower(operator, vectors(n, 2)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert largest(40, 400, 300, 2**14) < 8 * 400 * 300 / 2  # Gram order; theta is 400 x 300
    assert largest(100, 4000, 50, 2**16) < 8 * 4000 * 50 / 4  # weight space, in chunks; theta is 4000 x 50
    assert largest(4000, 64, 64, 2**14) < 8 * 4000 * 4000 / 10  # weight space; the kernel is four times 4000 x 4000


def test_trained_output_map_counts(model, images):
    model = Reprogram(model.input_map, model.source, TrainedScale(jnp.array([0.5, 1.0, 2.0])))

    @in_float64
    def jacobian(model, x):
        def outputs(theta):
            return jax.vmap(model.with_theta(theta))(x)

        leaves = jax.tree.leaves(jax.jacrev(outputs)(model.theta()))
        return jnp.concatenate([leaf.reshape(*leaf.shape[:2], -1) for leaf in leaves], axis=2)

    j = jacobian(model, images)
    w = vectors(6, 3)
    agree(model_operator(model, images, block=4)(w), np.einsum("icp,jdp,jd->ic", j, j, w))
    without = Reprogram(model.input_map, model.source, TrainedScale(model.output_map.scale, trained=False))
    assert np.abs(model_operator(without, images)(w) - model_operator(model, images)(w)).max() > 1e-3


def test_nothing_trained_gives_zero(key, images):
    model = Reprogram(Identity(), DNN((1, 4, 4), 3, depth=2, width=5, key=key))
    for operator in (model_operator(model, images), factor_operator(stacked(model, images))):
        for w in (vectors(6, 3), vectors(6, 3, 2)):
            assert operator(w).shape == w.shape and (operator(w) == 0).all()


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), name=st.sampled_from(["fc", "vp"]), block=st.integers(1, 6))
def test_symmetric_and_positive(seed, name, block):
    rng, key = np.random.default_rng(seed), jax.random.key(seed)
    model = Reprogram(INPUTS[name](key), DNN(SHAPE, 2, depth=2, width=4, key=key))
    operator = model_operator(model, rng.uniform(size=(5, 1, 4, 4)), block=block)
    one, two = rng.normal(size=(2, 5, 2))
    size = np.linalg.norm(operator(one)) * np.linalg.norm(two)
    assert abs(np.sum(two * operator(one)) - np.sum(one * operator(two))) <= 1e-12 * size + 1e-300
    assert np.sum(one * operator(one)) >= 0


def test_works_inside_jax_in_float64_and_refuses_float32(model, images):
    w = vectors(6, 3)
    for operator in (model_operator(model, images), factor_operator(stacked(model, images))):
        expected = operator(w)
        with jax.enable_x64(True):
            agree(np.asarray(jax.jit(lambda operator, w: operator(w))(operator, w)), expected)
        with pytest.raises(MrntkError, match="w is float32 inside a JAX transformation"):
            eqx.filter_jit(operator)(w)
        agree(operator(jnp.asarray(w, jnp.float32)), operator(np.asarray(w, np.float32).astype(float)))


def test_estimates_take_both_operators(model, key, images):
    exact = np.linalg.eigvalsh(as_matrix(empirical_ntk(model, images)))
    found = largest_eigenvalues(flat(factor_operator(stacked(model, images)), 6, 3), 18, 4, key)
    assert ((found.low <= exact[::-1][:4]) & (exact[::-1][:4] <= found.high)).all()
    np.testing.assert_allclose(found.value, exact[::-1][:4], rtol=1e-10)
    found = trace(flat(model_operator(model, images, block=4), 6, 3), 18, key, 2, deflate=18)
    assert found.value == pytest.approx(exact.sum(), rel=1e-11)


def test_bad_arguments_are_named(model, images):
    factors = stacked(model, images)
    for operator in (model_operator(model, images), factor_operator(factors)):
        for shape in [(5, 3), (6, 2), (6, 3, 1, 1)]:
            with pytest.raises(MrntkError, match="w has shape"):
                operator.product(vectors(*shape))
    with pytest.raises(MrntkError, match="block=0"):
        model_operator(model, images, block=0)
    with pytest.raises(MrntkError, match="scratch=0"):
        factor_operator(factors, scratch=0)
    with pytest.raises(MrntkError, match="factors are not float64"):
        factor_operator(jax.tree.map(lambda a: a.astype(np.float32), factors))
    with pytest.raises(MrntkError, match="factors hold NaN"):
        factor_operator((factors[0]._replace(u=factors[0].u * np.nan),))
    with pytest.raises(MrntkError, match="one N and c for all terms"):
        factor_operator((factors[0], factors[0]._replace(v=factors[0].v[:, :2])))
    images[0, 0, 0, 0] = np.inf
    with pytest.raises(MrntkError, match="x holds NaN or infinite values"):
        model_operator(model, images)

"""The empirical NTK is J J^T, whatever the blocks, and has a kernel's properties."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import CNN, DNN, FullyConnected, MrntkError, Reprogram, VisualPrompt, empirical_ntk
from mrntk.inputs import Identity
from mrntk.outputs import IdentityOutput, LinearOutput
from mrntk.precision import in_float64
from mrntk.spectrum import as_matrix

SHAPE = (1, 6, 6)


def jacobian_product(model, x, other):
    """J J^T with respect to the input map, by automatic differentiation in float64."""

    @in_float64
    def jacobian(model, x):
        def outputs(input_map):
            return jax.vmap(Reprogram(input_map, model.source, model.output_map))(x)

        leaves = jax.tree.leaves(jax.jacrev(outputs, allow_int=True)(model.input_map))
        return np.concatenate(
            [leaf.reshape(*leaf.shape[:2], -1) for leaf in leaves if leaf.dtype == np.float64], axis=2
        )

    return np.einsum("icp,jdp->icjd", jacobian(model, x), jacobian(model, other))


INPUTS = {
    "fc": lambda key: FullyConnected((1, 4, 4), SHAPE, key=key),
    "vp": lambda key: VisualPrompt(SHAPE, (4, 4)),
}
OUTPUTS = {
    "identity": lambda key: IdentityOutput(),
    "linear": lambda key: LinearOutput(jax.random.normal(key, (2, 3))),
}


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", INPUTS)
def test_equals_jacobian_product(name, output, source, key, images):
    model = Reprogram(INPUTS[name](key), source, OUTPUTS[output](key))
    expected = jacobian_product(model, images, images)
    scale = np.abs(expected).max()
    for block in (1, 4, 64):
        got = empirical_ntk(model, images, block=block)
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10 * scale)


def test_test_train_kernel(source, key, images):
    model = Reprogram(INPUTS["fc"](key), source)
    expected = jacobian_product(model, images[:2], images[2:])
    np.testing.assert_allclose(empirical_ntk(model, images[:2], images[2:]), expected, rtol=1e-10, atol=1e-12)


def test_nothing_trained_gives_zero(key, images):
    model = Reprogram(Identity(), DNN((1, 4, 4), 3, depth=2, width=5, key=key))
    assert (empirical_ntk(model, images) == 0).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), name=st.sampled_from(sorted(INPUTS)), count=st.integers(1, 5))
def test_symmetric_positive_and_equivariant(seed, name, count):
    rng = np.random.default_rng(seed)
    key = jax.random.key(seed)
    model = Reprogram(INPUTS[name](key), CNN(SHAPE, 2, depth=1, width=4, key=key))
    x = rng.uniform(size=(count, 1, 4, 4))
    kernel = empirical_ntk(model, x)
    matrix = as_matrix(kernel)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-14)
    assert np.linalg.eigvalsh(matrix)[0] > -1e-10 * max(1, np.trace(matrix))
    order = rng.permutation(count)
    permuted = empirical_ntk(model, x[order])
    np.testing.assert_allclose(permuted, kernel[order][:, :, order], rtol=1e-9, atol=1e-12)


def test_capacity_law(source, images):
    """Rank of VP's matrix is at most the number of prompt entries; here 20 entries and 18 outputs, then a 4-entry mask."""
    mask = np.zeros(SHAPE, bool)
    mask[0, 0, :4] = True
    model = Reprogram(VisualPrompt(SHAPE, (4, 4), mask=mask), source)
    values = np.linalg.eigvalsh(as_matrix(empirical_ntk(model, images)))
    assert (values > 1e-10 * values[-1]).sum() <= 4


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_data(bad, source, key, images):
    images[1, 0, 2, 2] = bad
    with pytest.raises(MrntkError, match="x holds NaN or infinite values"):
        empirical_ntk(Reprogram(INPUTS["fc"](key), source), images)

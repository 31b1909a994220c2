"""What widgets do by NumPy is what JAX and the package do."""

import jax
import numpy as np
import pytest

from mrntk import DNN
from mrntk.widgets.quick import drawn, resize_matrix


@pytest.mark.parametrize(("size", "new_size"), [(8, 20), (28, 20), (28, 112), (32, 28), (8, 3), (5, 5)])
def test_resize_matrix_is_that_of_jax(size, new_size):
    x = np.random.default_rng(0).normal(size=(2, size, size)).astype(np.float32)
    theirs = jax.image.resize(x, (2, new_size, new_size), "linear", antialias=True)
    r = resize_matrix(size, new_size)
    np.testing.assert_allclose(r @ x @ r.T, theirs, atol=1e-5)


def test_a_random_start_has_the_package_s_shapes_and_distributions():
    def make(key):
        return DNN((1, 28, 28), 10, depth=3, width=256, key=key)

    source, theirs = drawn(make, 1), make(jax.random.key(0))
    assert jax.tree.map(lambda leaf: leaf.shape, source) == jax.tree.map(lambda leaf: leaf.shape, theirs)
    for mine, other in zip(source.layers, theirs.layers, strict=True):
        np.testing.assert_allclose(mine.weight.std(), other.weight.std(), rtol=0.06)
    assert source.layers[1].bias.std() == pytest.approx(0.1**0.5, rel=0.2)
    np.testing.assert_array_equal(source.layers[0].weight, drawn(make, 1).layers[0].weight)
    assert (source.layers[0].weight != drawn(make, 2).layers[0].weight).any()

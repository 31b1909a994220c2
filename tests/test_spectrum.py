"""Eigenvalues are right, the rank tolerance is the stated one, and what is no kernel is refused."""

import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.spectrum import as_matrix, spectrum


def gram(values, seed=0):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values), len(values))))
    matrix = q @ np.diag(values) @ q.T
    return (matrix + matrix.T) / 2, q


def test_eigenvalues_and_rank():
    found = spectrum(gram([0, 0, 1e-3, 2, 5])[0])
    np.testing.assert_allclose(found.values, [0, 0, 1e-3, 2, 5], atol=1e-14)
    assert (found.rank, found.vectors) == (3, None)
    assert (found.max, found.mean) == (pytest.approx(5), pytest.approx(7.001 / 5))


def test_label_weights_are_shares_of_the_labels():
    matrix, q = gram([1.0, 2.0, 3.0])
    weights = spectrum(matrix, vectors=True).label_weights(2 * q[:, 0] + q[:, 2])
    np.testing.assert_allclose(weights, [0.8, 0, 0.2], atol=1e-12)


def test_kernel_array_becomes_the_matrix_of_the_theory():
    kernel = np.arange(36.0).reshape(2, 3, 2, 3)
    assert as_matrix(kernel)[4, 2] == kernel[1, 1, 0, 2]


@pytest.mark.parametrize(
    "kernel, sentence",
    [
        (np.eye(3, dtype=np.float32), "kernel is float32"),
        (np.ones((2, 3)), "give a square matrix"),
        (np.diag([1.0, np.nan]), "NaN or infinite"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (np.diag([-0.1, 1.0]), "not positive semi-definite"),
    ],
)
def test_what_is_no_kernel_is_refused(kernel, sentence):
    with pytest.raises(MrntkError, match=sentence):
        spectrum(kernel)

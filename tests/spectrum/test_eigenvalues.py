"""Eigenvalues and what is made of them are right, the laws of alignment hold, and what is no kernel is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import MrntkError
from mrntk.spectrum import alignment, as_matrix, spectrum


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


def test_condition_number():
    assert spectrum(gram([2.0, 5.0, 8.0])[0]).condition == pytest.approx(4)
    assert spectrum(gram([0.0, 5.0, 8.0])[0]).condition == np.inf
    assert spectrum(np.zeros((3, 3))).condition == np.inf


def test_the_two_effective_ranks():
    equal = spectrum(gram([0.0, 3.0, 3.0, 3.0])[0])
    assert (equal.participation_ratio, equal.effective_rank) == (pytest.approx(3), pytest.approx(3))
    other = spectrum(np.diag([0.0, 1.0, 3.0]))
    assert other.participation_ratio == pytest.approx(16 / 10)
    assert other.effective_rank == pytest.approx(4 * 3**-0.75)  # exp(entropy of 1/4, 3/4)
    zero = spectrum(np.zeros((2, 2)))
    assert (zero.participation_ratio, zero.effective_rank) == (0, 0)


# Subnormal numbers have few digits, so that a factor changes their ratios: no eigenvalue but 0 is near them, before or after.
EIGENVALUES = st.just(0.0) | st.floats(1e-100, 10)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(EIGENVALUES, min_size=1, max_size=6), scale=st.floats(1e-3, 1e3))
def test_effective_ranks_are_ordered_and_do_not_see_the_scale(values, scale):
    found, scaled = spectrum(np.diag(values)), spectrum(scale * np.diag(values))
    assert found.participation_ratio <= found.effective_rank * (1 + 1e-12)
    assert found.effective_rank <= found.rank * (1 + 1e-12)
    assert scaled.effective_rank == pytest.approx(found.effective_rank)
    assert scaled.participation_ratio == pytest.approx(found.participation_ratio)


def test_cumulative_label_weight_counts_from_the_largest_eigenvalue():
    matrix, q = gram([1.0, 2.0, 3.0, 4.0])
    found = spectrum(matrix, vectors=True)
    y = 2 * q[:, 0] + q[:, 3]
    np.testing.assert_allclose(found.cumulative_label_weight(y), [0.2, 0.2, 0.2, 1], atol=1e-12)
    both = np.stack([y, 3 * q[:, 2]], axis=1)  # (n, c): shares are pooled over columns
    np.testing.assert_allclose(found.cumulative_label_weight(both), [1 / 14, 10 / 14, 10 / 14, 1], atol=1e-12)
    np.testing.assert_allclose(found.label_weights(y.reshape(2, 2)), found.label_weights(y))  # (N, c) as one vector


@pytest.mark.parametrize(
    "vectors, y, sentence",
    [
        (False, np.ones(3), r"call spectrum\(kernel, vectors=True\)"),
        (True, np.ones(4), "y has shape \\(4,\\), but the kernel matrix has 3 rows"),
        (True, np.zeros(3), "y is zero everywhere"),
        (True, np.array([1.0, np.nan, 0.0]), "y holds NaN"),
    ],
)
def test_labels_that_do_not_fit_are_refused(vectors, y, sentence):
    with pytest.raises(MrntkError, match=sentence):
        spectrum(np.eye(3), vectors=vectors).label_weights(y)


def by_definition(kernel, y, centred=False):
    """<K, Y Y^T> / (||K|| ||Y Y^T||) with both matrices and the centring matrix written out."""
    matrix, target = as_matrix(kernel), y.reshape(len(as_matrix(kernel)), -1)
    if centred:
        n = len(kernel)
        h = np.kron(np.eye(n) - 1 / n, np.eye(len(matrix) // n))
        matrix, target = h @ matrix @ h, h @ target
    outer = target @ target.T
    return np.sum(matrix * outer) / np.linalg.norm(matrix) / np.linalg.norm(outer)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 6),
    c=st.integers(1, 3),
    outputs=st.booleans(),
    centred=st.booleans(),
    psd=st.booleans(),
    scale=st.floats(1e-6, 1e6),
    seed=st.integers(0, 999),
)
def test_laws_of_alignment(n, c, outputs, centred, psd, scale, seed):
    rng = np.random.default_rng(seed)
    shape = (n, c) if outputs else (n,)
    root = rng.normal(size=(*shape, 5)) + 1
    kernel = np.tensordot(root, root, (-1, -1))
    if not psd:
        kernel = kernel - 10 * np.eye(n * c if outputs else n).reshape(kernel.shape)
    y = rng.normal(size=(n, c)) + 1
    found = alignment(kernel, y, centred=centred)
    assert -1 - 1e-12 <= found <= 1 + 1e-12 and (not psd or found >= -1e-12)
    assert found == pytest.approx(by_definition(kernel, y, centred), rel=1e-9, abs=1e-9)
    assert alignment(scale * kernel, y / scale, centred=centred) == pytest.approx(found, rel=1e-9, abs=1e-9)
    order = rng.permutation(n)
    permuted = kernel[order][:, :, order] if outputs else kernel[order][:, order]
    assert alignment(permuted, y[order], centred=centred) == pytest.approx(found, rel=1e-9, abs=1e-9)
    ideal = np.tensordot(y, y, 0) if outputs else y @ y.T
    assert alignment(ideal, y, centred=centred) == pytest.approx(1)
    if centred:  # an offset of kernel or labels that is the same for all examples does not matter
        assert alignment(kernel + 7.0, y + rng.normal(size=c), centred=True) == pytest.approx(found, rel=1e-7, abs=1e-7)


def test_alignment_takes_one_vector_for_a_kernel_with_outputs():
    root = np.random.default_rng(0).normal(size=(4, 3, 5))
    kernel, y = np.tensordot(root, root, (-1, -1)), root[:, :, 0]
    assert alignment(kernel, y.ravel(), centred=True) == alignment(kernel, y, centred=True)
    assert alignment(kernel.astype(np.float32), y) == pytest.approx(alignment(kernel, y), rel=1e-6)


@pytest.mark.parametrize(
    "kernel, y, centred, sentence",
    [
        (np.ones((2, 3)), np.ones(2), False, "kernel has shape"),
        (np.ones((2, 3, 3, 2)), np.ones(6), False, "kernel has shape"),
        (np.diag([1.0, np.inf]), np.ones(2), False, "kernel holds NaN"),
        (np.eye(3), np.ones(4), False, "y has shape"),
        (np.eye(6).reshape(2, 3, 2, 3), np.ones((6, 2)), False, "takes one target"),
        (np.zeros((2, 2)), np.ones(2), False, "kernel is zero"),
        (np.eye(2), np.zeros(2), False, "y is zero"),
        (np.full((3, 3), 0.1), np.arange(3.0), True, "kernel is constant"),
        (np.eye(3), np.full(3, 0.1), True, "y is constant"),
    ],
)
def test_alignment_refuses_what_has_none(kernel, y, centred, sentence):
    with pytest.raises(MrntkError, match=sentence):
        alignment(kernel, y, centred=centred)

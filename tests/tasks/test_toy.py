"""The spectra that the toy tasks promise are those that a solver finds, for several kernels; their classes are as stated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import MrntkError
from mrntk.tasks import toy


def exponential(dot):
    return np.exp(dot)


def angle(dot):
    """Rounded before, as arccos has no derivative at 1."""
    return np.arccos(np.clip(np.round(dot, 12), -1, 1))


def relu(dot):
    """The arc-cosine kernel of first order for inputs of norm 1, Cho and Saul 2009."""
    return (np.sin(angle(dot)) + (np.pi - angle(dot)) * dot) / np.pi


def relu_ntk(dot):
    """The NTK of a ReLU network with one hidden layer: not smooth at dot = 1."""
    return relu(dot) + dot * (1 - angle(dot) / np.pi)


KERNELS = [exponential, relu, relu_ntk]


def assert_spectrum(matrix, levels, modes):
    """The levels are the eigenvalues, and the modes orthonormal eigenvectors in their order."""
    n = len(matrix)
    np.testing.assert_allclose(np.sort(levels.expanded()), np.linalg.eigvalsh(matrix), atol=1e-11 * n)
    np.testing.assert_allclose(modes.T @ modes, np.eye(n), atol=1e-12)
    np.testing.assert_allclose(matrix @ modes, modes * levels.expanded(), atol=1e-11 * n)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("n", [4, 9, 16, 30])
def test_circle_spectrum(n, kernel):
    task = toy.circle(n)
    for x in (task.x_train, task.x_test):
        matrix = kernel(x @ x.T)
        levels = toy.circle_spectrum(matrix[0])
        assert levels.multiplicities.sum() == n
        assert_spectrum(matrix, levels, toy.circle_modes(n))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bits", [1, 2, 5, 6])
def test_parity_spectrum(bits, kernel):
    x = toy.parity(bits, 1).x_train
    matrix = kernel(x @ x.T / bits)
    levels = toy.parity_spectrum(kernel((bits - 2 * np.arange(bits + 1)) / bits))
    assert levels.multiplicities.sum() == 2**bits
    assert_spectrum(matrix, levels, toy.parity_modes(bits))


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-5, 5), min_size=2, max_size=7))
def test_parity_spectrum_of_any_kernel_of_the_distance(values):
    bits = len(values) - 1
    x = toy.parity(bits, 1).x_train
    distance = np.rint((bits - x @ x.T) / 2).astype(int)
    found = np.sort(toy.parity_spectrum(np.array(values)).expanded())
    np.testing.assert_allclose(found, np.linalg.eigvalsh(np.array(values)[distance]), atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(half=st.lists(st.floats(-5, 5), min_size=3, max_size=9), even=st.booleans())
def test_circle_spectrum_of_any_symmetric_row(half, even):
    row = np.array(half + half[-2 if even else -1 : 0 : -1])
    matrix = np.array([np.roll(row, shift) for shift in range(len(row))])
    found = np.sort(toy.circle_spectrum(row).expanded())
    np.testing.assert_allclose(found, np.linalg.eigvalsh(matrix), atol=1e-10)


def test_row_in_another_order_is_refused():
    with pytest.raises(MrntkError, match=r"row: row\[j\] differs"):
        toy.circle_spectrum(np.array([1.0, 0.5, 0.2, 0.1]))


@pytest.mark.parametrize("n, frequency", [(64, 1), (64, 8), (60, 3), (64, 5), (9, 4)])
def test_circle_classes(n, frequency):
    task = toy.circle(n, frequency)
    assert task.card.size == f"{n} + {n} points"
    for x, y in ((task.x_train, task.y_train), (task.x_test, task.y_test)):
        np.testing.assert_allclose((x**2).sum(1), 1)
        cosine = np.cos(frequency * np.arctan2(x[:, 1], x[:, 0]))
        clear = np.abs(cosine) > 1e-9
        assert (y[clear] == (cosine[clear] > 0)).all()
        weights = (toy.circle_modes(n).T @ (2.0 * y - 1)) ** 2 / n
        assert weights.sum() == pytest.approx(1)
        if n % (2 * frequency) == 0:
            assert y.sum() == n // 2
            of = (np.arange(n) + 1) // 2  # the frequency of each mode
            assert weights[of % (2 * frequency) != frequency].max() < 1e-25
    half_step = np.exp(1j * np.pi / n)
    turned = (task.x_train @ [1, 1j]) * half_step
    np.testing.assert_allclose(task.x_test @ [1, 1j], turned, atol=1e-12)


def test_parity_classes():
    task = toy.parity(5, 3, seed=4)
    assert task.card.shape == task.input_shape == (5,) and len(np.unique(task.x_train, axis=0)) == 32
    signs = 2 * task.y_train - 1
    assert (signs == task.x_train[:, 0] * task.x_train[:, 1] * task.x_train[:, 2]).all()
    weights = (toy.parity_modes(5).T @ signs) ** 2 / 32
    assert weights.max() == pytest.approx(1)
    assert toy.Levels(np.arange(6.0), toy.parity_spectrum(np.ones(6)).multiplicities).expanded()[weights.argmax()] == 3
    assert (np.sign(task.x_test) == task.x_train).all() and (task.y_test == task.y_train).all()
    assert 0.5 <= np.abs(task.x_test).min() and np.abs(task.x_test).max() <= 1
    assert not (toy.parity(5, 3, seed=5).x_test == task.x_test).any()


@settings(max_examples=40, deadline=None)
@given(dimension=st.integers(2, 7), separation=st.floats(0.1, 20), alignment=st.floats(0, 1), decay=st.floats(0.1, 3))
def test_blob_population_keeps_its_promises(dimension, separation, alignment, decay):
    found = toy.blob_population(dimension, separation, alignment, decay)
    second = found.covariance + np.outer(found.mean, found.mean)
    np.testing.assert_allclose(second, np.diag(found.values), atol=1e-14)
    np.testing.assert_allclose(np.sort(found.values), np.linalg.eigvalsh(second), rtol=1e-12)
    np.testing.assert_allclose(found.values, [k**-decay for k in range(1, dimension + 1)])
    assert found.mean[0] ** 2 == pytest.approx(alignment * found.mean @ found.mean, abs=1e-14)
    assert 4 * found.mean @ np.linalg.solve(found.covariance, found.mean) == pytest.approx(separation**2, rel=1e-6)
    assert found.label_weights.sum() == pytest.approx(separation**2 / (4 + separation**2))
    assert np.linalg.eigvalsh(found.covariance).min() > 0


@pytest.mark.parametrize("alignment", [0.0, 0.3, 1.0])
def test_large_samples_of_blobs_have_the_spectrum_and_the_error_of_their_population(alignment):
    task, population = toy.blobs(20_000, 4, 2.0, alignment), toy.blob_population(4, 2.0, alignment)
    for x, y in ((task.x_train, task.y_train), (task.x_test, task.y_test)):
        second = x.T @ x / len(x)  # its eigenvalues are those of the kernel matrix x x^T / N
        np.testing.assert_allclose(second, np.diag(population.values), atol=0.02)
        np.testing.assert_allclose(np.linalg.eigvalsh(second)[::-1], population.values, rtol=0.03)
        signs = 2 * y - 1
        np.testing.assert_allclose((signs @ x / len(x)) ** 2 / population.values, population.label_weights, atol=0.02)
        best = np.linalg.solve(population.covariance, population.mean)
        assert np.mean(signs * (x @ best) < 0) == pytest.approx(population.error, abs=0.006)
    assert population.error == pytest.approx(0.158655, abs=1e-6)  # Phi(-1)


def test_kernel_matrix_of_blobs_has_the_same_eigenvalues_as_the_moments():
    x = toy.blobs(5, 3).x_train
    np.testing.assert_allclose(np.linalg.eigvalsh(x @ x.T)[-3:], np.linalg.eigvalsh(x.T @ x), rtol=1e-10)


def test_draws_are_reproducible_and_tests_fresh():
    task = toy.blobs(7, 3, seed=2)
    assert (task.y_train == [0] * 7 + [1] * 7).all() and task.card.shape == (3,) and task.card.size == "14 + 14 points"
    assert (toy.blobs.__wrapped__(7, 3, seed=2).x_test == task.x_test).all()
    assert not (toy.blobs(7, 3, seed=3).x_train == task.x_train).any()
    assert not (task.x_train == task.x_test).any()


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: toy.circle(3), "n=3: give a whole number from 4"),
        (lambda: toy.circle(64, 32), "frequency=32: give a whole number from 1 to 31 for n=64"),
        (lambda: toy.circle(64, 0), "frequency=0"),
        (lambda: toy.parity(13), "bits=13: give a whole number from 1 to 12"),
        (lambda: toy.parity(4, 5), "of=5: give a whole number from 1 to 4 for bits=4"),
        (lambda: toy.blobs(0), "n_per_class=0"),
        (lambda: toy.blobs(5, 1), "dimension=1: give a whole number from 2"),
        (lambda: toy.blobs(separation=0.0), "separation=0.0: give a positive distance"),
        (lambda: toy.blobs(alignment=1.5), "alignment=1.5: give a share from 0 to 1"),
        (lambda: toy.blobs(decay=0.0), "decay=0.0: give a positive power"),
    ],
)
def test_options_out_of_range(call, sentence):
    with pytest.raises(MrntkError, match=sentence):
        call()


@pytest.mark.parametrize("name", toy.ENTRIES)
def test_cards_describe_what_is_loaded(name):
    entry = toy.ENTRIES[name]
    task = entry.load()
    assert task.num_classes == len(task.classes) == 2 and set(task.y_train) == set(task.y_test) == {0, 1}
    assert task.card.size in entry.card.size and entry.card.shape in ((), task.input_shape)
    assert task.card.shape == task.input_shape

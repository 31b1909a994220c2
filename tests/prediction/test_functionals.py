"""Functionals of the spectrum, on kernels whose spectra are known, and their invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrntk import BeforeTraining, Reprogram
from mrntk.model.input_maps import Identity
from mrntk.prediction.functionals import FRACTION, FUNCTIONALS, STEPS, functionals


def kernel_of(values, rng):
    """A random (N, c, N, c) kernel with these eigenvalues."""
    q, _ = np.linalg.qr(rng.normal(size=(len(values), len(values))))
    return (q @ np.diag(values) @ q.T).reshape(len(values) // 2, 2, len(values) // 2, 2)


def found_of(kernel, residual, y):
    """The functionals of a kernel that no model was needed for."""
    model = Reprogram(Identity(), lambda s: s)
    return functionals(BeforeTraining(model, np.zeros((len(y), 1)), y, kernel, residual + y))


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_known_spectrum(rng):
    y = np.eye(2)[[0, 1, 0]]
    found = found_of(kernel_of([1.0, 2, 3, 4, 5, 6], rng), -y, y)
    assert set(found) == {*FUNCTIONALS, "rank"}
    assert found["lambda_min"] == pytest.approx(1) and found["lambda_max"] == pytest.approx(6)
    assert found["lambda_mean"] == pytest.approx(3.5) and found["condition"] == pytest.approx(1 / 6)
    assert found["rank"] == 6 and 0 < found["alignment"] <= 1


def test_predicted_loss_of_one_eigenvalue(rng):
    """Theta = 3 I: every residual shrinks by 1 - 2 FRACTION per step."""
    y = np.eye(2)[[0, 1]]
    found = found_of(3 * np.eye(4).reshape(2, 2, 2, 2), y, y)
    assert found["predicted_loss"] == pytest.approx(0.5 * (1 - 2 * FRACTION) ** (2 * STEPS), abs=1e-30)


@given(st.floats(1e-3, 1e3))
def test_what_a_factor_of_the_kernel_changes(factor):
    rng = np.random.default_rng(1)
    kernel, y = kernel_of([0.5, 1, 2, 8], rng), np.eye(2)[[0, 1]]
    residual = rng.normal(size=(2, 2))
    one, two = found_of(kernel, residual, y), found_of(factor * kernel, residual, y)
    for name in ("condition", "effective_rank", "alignment", "predicted_loss"):
        assert two[name] == pytest.approx(one[name], rel=1e-9)
    for name in ("lambda_min", "lambda_max", "lambda_mean"):
        assert two[name] == pytest.approx(factor * one[name], rel=1e-9)


def test_a_singular_kernel_has_exactly_zero(rng):
    found = found_of(kernel_of([0.0, 0, 1, 2], rng), np.ones((2, 2)), np.eye(2))
    assert found["lambda_min"] == found["condition"] == 0.0 and found["rank"] == 2


def test_nothing_trained():
    residual = np.array([[1.0, 2], [3, 4]])
    found = found_of(np.zeros((2, 2, 2, 2)), residual, np.eye(2))
    assert found["predicted_loss"] == 30 / 4 and found["rank"] == found["alignment"] == found["effective_rank"] == 0


def test_alignment_is_one_for_the_kernel_of_the_labels():
    y = np.eye(2)[[0, 1, 1]]
    centred = (y - 0.5).ravel()
    found = found_of(np.outer(centred, centred).reshape(3, 2, 3, 2), -y, y)
    assert found["alignment"] == pytest.approx(1)

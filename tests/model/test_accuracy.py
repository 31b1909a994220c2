"""Accuracy agrees with scikit-learn for several outputs and for a single one, in the library and before training."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from mrntk import MrntkError, Prediction
from mrntk.model.accuracy import accuracy
from mrntk.spectrum import spectrum

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("classes", [2, 5])
def test_several_outputs(classes):
    outputs, labels = RNG.normal(size=(3, 40, classes)), RNG.integers(0, classes, 40)
    expected = [accuracy_score(labels, one.argmax(1)) for one in outputs]
    np.testing.assert_allclose(accuracy(outputs, np.eye(classes)[labels]), expected)


def test_a_single_output_is_judged_by_its_sign():
    outputs, y = RNG.normal(size=(2, 40, 1)), RNG.choice([-1.0, 1.0], (40, 1))
    expected = [accuracy_score(y[:, 0], np.sign(one[:, 0])) for one in outputs]
    found = accuracy(outputs, y)
    np.testing.assert_allclose(found, expected)
    assert max(found) < 1
    assert accuracy(outputs[0], y) == found[0]


def test_targets_without_a_sign_are_refused():
    with pytest.raises(MrntkError, match=r"y holds 0 for a single output.*give -1 and 1"):
        accuracy(RNG.normal(size=(4, 1)), np.array([[0.0], [1], [1], [0]]))


def test_predictions_of_a_single_output():
    jacobian, y, start = RNG.normal(size=(12, 40)), np.sign(RNG.normal(size=(12, 1))), RNG.normal(size=(12, 1))
    kernel = jacobian @ jacobian.T
    prediction = Prediction(
        spectrum(kernel, vectors=True), start - y, 0.01, test_kernel=kernel, test_residual=start - y
    )
    at_start = np.mean(np.sign(start) == y)
    assert 0 < at_start < 1
    assert prediction.accuracy([0, 1e6], y).tolist() == [at_start, 1]
    assert prediction.test_accuracy([0], y) == [at_start]

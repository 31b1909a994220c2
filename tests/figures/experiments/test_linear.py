"""Linear models beside a reprogrammed network."""

import numpy as np
import pytest

from figures.experiments.linear import linear_accuracies

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(5,), (1, 5)])
def test_they_learn_what_is_linear_and_nothing_from_shuffled_labels(shape):
    x, labels = RNG.normal(size=(300, *shape)), np.repeat([0, 1, 2], 100)
    x[..., 0] += 6 * labels.reshape(-1, *[1] * (len(shape) - 1))
    order = RNG.permutation(300)
    for answers, low, high in ((labels, 0.95, 1.0), (labels[order], 0.1, 0.6)):
        found = linear_accuracies(x[::2], answers[::2], x[1::2], answers[1::2])
        assert low <= found["test_accuracy"] <= high

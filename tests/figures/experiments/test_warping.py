"""Dynamic time warping: against the recursion written plainly, and against the UCR archive's own error rates."""

import numpy as np
import pytest

from figures.experiments.warping import nearest_by_warping, warped_distances
from mrntk import load_task


def plain(one, other):
    table = np.full((len(one) + 1, len(other) + 1), np.inf)
    table[0, 0] = 0
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i, j] = (a - b) ** 2 + min(table[i - 1, j], table[i, j - 1], table[i - 1, j - 1])
    return table[-1, -1]


@pytest.mark.parametrize("length", [1, 2, 9])
def test_distances_are_those_of_the_recursion(length):
    rng = np.random.default_rng(length)
    one, many = rng.normal(size=length), rng.normal(size=(4, length))
    np.testing.assert_allclose(warped_distances(one, many), [plain(one, other) for other in many])


def test_a_series_and_its_delayed_copy_are_at_no_distance():
    assert warped_distances([0, 0, 1, 2, 0], [[0, 1, 2, 0, 0]]) == [0]


@pytest.mark.parametrize("name, error", [("gunpoint", 0.0933), ("coffee", 0.0)])
def test_the_error_is_the_one_that_the_archive_states(name, error):
    """Its column "DTW (w=100)": warping without a limit."""
    task = load_task(name)
    found = nearest_by_warping(task.x_train[:, 0], task.y_train, task.x_test[:, 0])
    assert np.mean(found != task.y_test) == pytest.approx(error, abs=5e-5)

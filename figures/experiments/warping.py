"""1-nearest-neighbour classification under dynamic time warping (DTW), the UCR archive's baseline."""

import numpy as np
from jaxtyping import Float, Int


def warped_distances(one: Float[np.ndarray, " T"], many: Float[np.ndarray, "N T"]) -> Float[np.ndarray, " N"]:
    """The sums of squared differences along the best warping paths from one series to each of many, with no window.

    D[i, j] = (one[i] - many[j])^2 + min(D[i-1, j], D[i, j-1], D[i-1, j-1]), one antidiagonal i + j after the other; `last` and
    `before` hold D of the last two, at place i + 1.
    """
    length, one, many = len(one), np.asarray(one, float), np.asarray(many, float).T  # many: (T, N)
    before, last = np.full((2, length + 1, many.shape[1]), np.inf)
    before[0] = 0  # the path begins in front of both series
    for k in range(2 * length - 1):
        low, high = max(0, k - length + 1), min(k, length - 1)
        best = np.minimum(np.minimum(last[low : high + 1], last[low + 1 : high + 2]), before[low : high + 1])
        new = np.full_like(last, np.inf)
        new[low + 1 : high + 2] = (one[low : high + 1, None] - many[k - high : k - low + 1][::-1]) ** 2 + best
        before, last = last, new
    return last[length]


def nearest_by_warping(
    x: Float[np.ndarray, "N T"], labels: Int[np.ndarray, " N"], x_test: Float[np.ndarray, "M T"]
) -> Int[np.ndarray, " M"]:
    """For every test series, the label of the training series that is nearest under DTW."""
    return np.array([labels[warped_distances(one, x).argmin()] for one in x_test])

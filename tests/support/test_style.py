"""Intervals cover as often as they say; drawing leaves no trace in the global settings."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrntk.support import style


def test_a_share_has_an_interval_within_0_and_1_that_covers_it():
    assert style.share_interval([True] * 20)[1] == 1 and 0.8 < style.share_interval([True] * 20)[0] < 0.9
    assert style.share_interval([False] * 20)[0] == 0
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5, 0.95):
        ends = np.array([style.share_interval(rng.random(40) < share) for _ in range(800)])
        assert 0.91 < np.mean((ends[:, 0] <= share) & (share <= ends[:, 1])) <= 1


def test_t_interval_covers_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    intervals = [style.t_interval(rng.normal(3, 2, size=5)) for _ in range(4000)]
    assert np.mean([low < 3 < high for low, high in intervals]) == pytest.approx(0.95, abs=0.012)


def test_geometric_interval_is_positive_and_holds_the_mean():
    low, high = style.geometric_interval([0.1, 10.0])
    mean = style.geometric_mean([0.1, 10.0])
    assert 0 < low < mean < high and mean == pytest.approx(1.0)


def test_one_value_has_no_width():
    assert style.t_interval([2.0]) == (2.0, 2.0)


def test_settings_return_to_what_they_were():
    before = dict(plt.rcParams)
    with style.style():
        assert plt.rcParams["axes.grid"]
    assert dict(plt.rcParams) == before

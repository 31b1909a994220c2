"""Statistics over seeds, on data whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from figures.making.statistics import above_rounding, by_seed, slopes, variance_explained, with_interval
from mrntk import MrntkError


@pytest.fixture
def exponential():
    """y = s exp(-k depth) with k = 0.1 + 0.01 seed on task a and k + 0.2 on task b, s any scale."""
    rows = [
        {"seed": seed, "task": task, "depth": depth, "y": scale * np.exp(-(0.1 + 0.01 * seed + extra) * depth)}
        for seed in range(4)
        for task, extra, scale in (("a", 0, 3.0), ("b", 0.2, 50.0))
        for depth in (1, 2, 5)
    ]
    return pd.DataFrame(rows)


def test_slopes_are_those_of_the_logarithm_averaged_over_cases(exponential):
    found = slopes(exponential, "y", by=("task",))
    np.testing.assert_allclose(found, [-(0.2 + 0.01 * seed) for seed in range(4)], rtol=1e-12)


def test_slopes_without_logarithm(exponential):
    data = exponential.assign(y=4 + 2.5 * exponential["depth"])
    np.testing.assert_allclose(slopes(data, "y", by=("task",), log=False), 2.5)


def test_slopes_that_do_not_exist(exponential):
    with pytest.raises(MrntkError, match="y='y' has values that are not positive"):
        slopes(exponential.assign(y=0.0), "y", by=("task",))
    with pytest.raises(MrntkError, match="x='depth' has one value only"):
        slopes(exponential[exponential["depth"] == 1], "y", by=("task",))


def test_by_seed_and_words(exponential):
    assert by_seed(exponential, "depth").tolist() == [8 / 3] * 4
    assert with_interval([1.0, 2.0, 3.0]) == "2.00 (-0.48 to 4.48)"  # t quantile 4.303, standard error 1 / sqrt(3)
    assert with_interval([0.5], 1, sign=True) == "+0.5 (+0.5 to +0.5)"


def grouped(noise):
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(5):
        for group, constant in (("a", 10.0), ("b", -3.0)):
            for x in range(6):
                y = constant + 2 * x + noise * rng.normal()
                rows.append({"seed": seed, "group": group, "x": x, "flat": 1.0, "noise": rng.normal(), "y": y})
    return pd.DataFrame(rows)


def test_a_column_that_decides_explains_everything_and_a_flat_one_nothing():
    found = variance_explained(grouped(0.0), ("x", "flat"), "y", groups=("group",))
    np.testing.assert_allclose(found, [[1, 0]] * 5, atol=1e-12)


def test_a_column_of_noise_explains_nothing_out_of_sample():
    found = variance_explained(grouped(1.0), ("x", "noise"), "y", groups=("group",))
    assert (found[:, 0] > 0.85).all() and found[:, 1].mean() < 0.1


def test_the_seed_that_is_left_out_is_not_looked_at():
    """Turning its relation round costs that seed, and it alone sees the others' slope."""
    data = grouped(0.0)
    turned = data["seed"] == 2
    data.loc[turned, "y"] = 2 * data.groupby("group")["y"].transform("mean") - data["y"]
    found = variance_explained(data, ("x",), "y", groups=("group",))
    assert found[2, 0] == pytest.approx(-3)  # slope 2 instead of -2: four times the error of no slope at all
    assert (np.delete(found[:, 0], 2) > 0.5).all()


def test_one_seed_cannot_be_left_out():
    data = grouped(0.0)
    with pytest.raises(MrntkError, match="data has 1 seed: leaving one out needs two"):
        variance_explained(data[data["seed"] == 0], ("x",), "y", groups=("group",))


def test_eigenvalues_above_rounding_for_every_seed():
    values = {0: [4.0, 1.0, 1e-9], 1: [2.0, 1e-12, 1e-13]}
    rows = [{"seed": seed, "index": i + 1, "value": v} for seed, all_ in values.items() for i, v in enumerate(all_)]
    assert above_rounding(pd.DataFrame(rows)).to_dict() == {0: {1: 4.0}, 1: {1: 2.0}}

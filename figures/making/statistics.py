"""Statistics over seeds: one number per seed, then Student's interval of their mean."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from mrntk.support.errors import MrntkError
from mrntk.support.style import t_interval

# What "the target loss" can mean: (in words, column, whether its logarithm is taken, whether training must have ended).
ROUNDING = 1e-10  # share of the largest eigenvalue below which one is 0 in double precision
READINGS = (
    ("training loss after 300 steps", "loss_300", True, False),
    ("training loss at the end", "train_loss", True, True),
    ("test loss", "test_loss", True, True),
    ("test accuracy", "test_accuracy", False, True),
)


def slopes(
    data: pd.DataFrame, y: str, *, x: str = "depth", by: Sequence[str] = (), log: bool = True
) -> Float[np.ndarray, " seeds"]:
    """For every seed the least-squares slope of y (of log y) against x, averaged over the cases that `by` tells apart.

    A seed is what the column `seed` says. Cases are weighted equally.

    Raises
    ------
    MrntkError
        If a case has fewer than two values of x, or a y that is not positive where its logarithm is taken.
    """
    if log and not (data[y] > 0).all():
        raise MrntkError(f"y={y!r} has values that are not positive: their logarithms have no slope; use log=False.")
    of = data.groupby(["seed", *by])
    case = of.ngroup().to_numpy()
    counts = np.bincount(case)
    xs, ys = data[x].to_numpy(float), data[y].to_numpy(float)
    ys = np.log(ys) if log else ys
    xs, ys = (values - (np.bincount(case, values) / counts)[case] for values in (xs, ys))  # less the means of the case
    spread = np.bincount(case, xs**2)
    if not (spread > 0).all():
        raise MrntkError(f"x={x!r} has one value only in some case: a slope needs two.")
    seeds = np.unique(data["seed"].to_numpy(), return_inverse=True)[1]
    of_case = np.zeros(len(counts), int)
    of_case[case] = seeds
    return np.bincount(of_case, np.bincount(case, xs * ys) / spread) / np.bincount(of_case)


def by_seed(data: pd.DataFrame, y: str) -> Float[np.ndarray, " seeds"]:
    """The mean of column y for every seed, in the order of the seeds."""
    return data.groupby("seed")[y].mean().to_numpy()


def with_interval(values: Sequence[float] | np.ndarray | pd.Series, digits: int = 2, *, sign: bool = False) -> str:
    """The mean and its 95 % t interval in words: "0.83 (0.80 to 0.86)"."""
    low, high = t_interval(values)
    form = f"{'+' if sign else ''}.{digits}f"
    return f"{np.mean(values):{form}} ({low:{form}} to {high:{form}})"


def above_rounding(eigenvalues: pd.DataFrame) -> pd.DataFrame:
    """Rows (seed, index, value) as a table of one row per index and one column per seed, as far as all are above rounding."""
    table = eigenvalues.pivot(index="index", columns="seed", values="value").sort_index()
    return table[(table > ROUNDING * table.iloc[0]).all(axis=1)]


def check_seeds(data: pd.DataFrame) -> None:
    """Raise MrntkError, unless there are two seeds, of which one can be left out."""
    if data["seed"].nunique() < 2:
        raise MrntkError(
            f"data has {data['seed'].nunique()} seed: leaving one out needs two, and choosing a column as well three."
        )


def variance_explained(
    data: pd.DataFrame, x: Sequence[str], y: str, *, groups: Sequence[str], beyond: Sequence[str] = ()
) -> Float[np.ndarray, "seeds x"]:
    """Share of the variance of y within groups that each column of x explains for a seed that the fit has not seen.

    For every seed left out and every column, y = (a constant per group) + slope * x is fitted by least squares to the other
    seeds. The share is 1 - (squared error on the seed left out) / (squared error of the constants alone, as fitted to the other
    seeds). It is at most 1, and negative where the column misleads. A column that does not vary within groups explains 0.

    Parameters
    ----------
    beyond : columns that are granted, with slopes of their own; the shares are then those of the error that these leave.

    Raises
    ------
    MrntkError
        If there are fewer than two seeds.
    """
    check_seeds(data)
    group = data.groupby(list(groups)).ngroup().to_numpy()
    return explained(data[[*beyond, *x, y]].to_numpy(float), data["seed"].to_numpy(), group, len(beyond))


def explained(values: np.ndarray, seeds: np.ndarray, group: np.ndarray, beyond: int) -> Float[np.ndarray, "seeds x"]:
    """`variance_explained` of columns (those granted, `beyond` of them; those judged; y), group numbers instead of names."""
    granted, out = list(range(beyond)), []
    for seed in np.unique(seeds):
        rest = seeds != seed
        sums = np.zeros((group.max() + 1, values.shape[1]))
        np.add.at(sums, group[rest], values[rest])
        centred = values - (sums / np.bincount(group[rest])[:, None])[group]  # by the constants of the other seeds
        alone = _left_out_error(centred, rest, granted)
        judged = range(beyond, values.shape[1] - 1)
        errors = np.array([_left_out_error(centred, rest, [*granted, column]) for column in judged])
        out.append(np.where(errors == alone, 0.0, 1 - errors / max(alone, 1e-300)))
    return np.array(out)


def _left_out_error(centred: np.ndarray, rest: np.ndarray, columns: list[int]) -> float:
    """Squared error of the last column on the seed left out, by least squares on these columns of the rest."""
    used = [column for column in columns if (centred[rest, column] ** 2).sum() > 1e-20]  # those that vary
    y = centred[~rest, -1]
    if used:
        slope = np.linalg.lstsq(centred[np.ix_(rest, used)], centred[rest, -1], rcond=None)[0]
        y = y - centred[np.ix_(~rest, used)] @ slope
    return float((y**2).sum())

"""How much of the variance of a loss each functional of the spectrum explains, for a seed that the fit has not seen.

Every functional is replaced by its rank within its family and pair of tasks: so one that is 0 for some kernels needs no floor,
and a monotone relation of any shape counts. Each pair has its own constant; one slope is shared.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.stats
from jaxtyping import Float

from figures.making.statistics import check_seeds, explained
from mrntk.prediction.functionals import FUNCTIONALS

GROUPS = ("family", "source_task", "task")
COLUMNS = (*FUNCTIONALS, "ks_lambda_min")  # the last is that of the source's own kernel, of which Corollary 1 speaks
BASELINES = ("start_loss", "depth", "source_test_accuracy")  # what an explanation by the spectrum must beat


def shares(
    data: pd.DataFrame, columns: Sequence[str] = COLUMNS, *, y: str = "train_loss", beyond: Sequence[str] = ()
) -> pd.DataFrame:
    """One row per seed left out, one column per functional, for the data of ONE input map and one loss.

    Parameters
    ----------
    y : the loss that is to be explained: its logarithm, or, beyond something else, its rank.
    beyond : columns that are granted; then the shares are those of what these leave unexplained.
    """
    found = _shares(*_arrays(data, columns, y, beyond), len(beyond))
    return pd.DataFrame(found, columns=list(columns))


def _arrays(data: pd.DataFrame, columns: Sequence[str], y: str, beyond: Sequence[str]):
    """(values of the columns granted, those judged, and y; seeds; group numbers)."""
    check_seeds(data)
    group = data.groupby(list(GROUPS)).ngroup().to_numpy()
    return data[[*beyond, *columns, y]].to_numpy(float), data["seed"].to_numpy(), group


def _shares(values: np.ndarray, seeds: np.ndarray, group: np.ndarray, beyond: int) -> Float[np.ndarray, "seeds x"]:
    """`shares` of arrays."""
    ranks = np.empty_like(values)
    for number in np.unique(group):
        rows = group == number
        ranks[rows] = scipy.stats.rankdata(values[rows], axis=0) / rows.sum()
    if not beyond:
        ranks[:, -1] = np.log(values[:, -1])
    return explained(ranks, seeds, group, beyond)


def best_share(
    data: pd.DataFrame, columns: Sequence[str], *, y: str = "train_loss", beyond: Sequence[str] = ()
) -> Float[np.ndarray, " seeds"]:
    """For every seed left out, the share of that one of `columns` which is best among the other seeds alone."""
    values, seeds, group = _arrays(data, columns, y, beyond)
    found, out = _shares(values, seeds, group, len(beyond)), []
    for number, seed in enumerate(np.unique(seeds)):
        rest = seeds != seed
        others = _shares(values[rest], seeds[rest], np.unique(group[rest], return_inverse=True)[1], len(beyond))
        out.append(found[number, others.mean(0).argmax()])
    return np.array(out)

"""How much of the variance of a loss each functional of the spectrum explains, for a seed that the fit has not seen.

Every functional is replaced by its rank within its family and pair of tasks: so one that is 0 for some kernels needs no floor,
and a monotone relation of any shape counts. Each pair has its own constant; one slope is shared.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from figures.making.statistics import variance_explained
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
    ranks = data.groupby(list(GROUPS))[list(dict.fromkeys([*columns, *beyond, y]))].rank(pct=True)
    table = data[[*GROUPS, "seed"]].join(ranks.drop(columns=y))
    table["loss"] = ranks[y] if beyond else np.log(data[y])
    found = variance_explained(table, list(columns), "loss", groups=GROUPS, beyond=list(beyond))
    return pd.DataFrame(found, columns=list(columns))


def best_share(
    data: pd.DataFrame, columns: Sequence[str], *, y: str = "train_loss", beyond: Sequence[str] = ()
) -> Float[np.ndarray, " seeds"]:
    """For every seed left out, the share of that one of `columns` which is best among the other seeds alone."""
    found, out = shares(data, columns, y=y, beyond=beyond), []
    for number, seed in enumerate(sorted(data["seed"].unique())):
        rest = shares(data[data["seed"] != seed], columns, y=y, beyond=beyond)
        out.append(found.iloc[number, rest.mean().to_numpy().argmax()])
    return np.array(out)

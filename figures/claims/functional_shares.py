"""How much of the variance of log target loss each functional of the spectrum explains, for a seed that the fit has not seen.

Every functional is replaced by its rank within a pair of tasks: so one that is 0 for some kernels needs no floor, and a
monotone relation of any shape counts. Each pair of tasks has its own constant; one slope is shared.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from figures.making.statistics import variance_explained
from mrntk.prediction.functionals import FUNCTIONALS

GROUPS = ("family", "source_task", "task")
COLUMNS = (*FUNCTIONALS, "ks_lambda_min")  # the last is that of the source's own kernel, of which Corollary 1 speaks


def _ranked(data: pd.DataFrame) -> pd.DataFrame:
    data = data[data["loss"] == "mse"]
    ranks = data.groupby(list(GROUPS))[list(COLUMNS)].rank(pct=True)
    return data[[*GROUPS, "seed"]].join(ranks).assign(log_loss=np.log(data["train_loss"]))


def shares(data: pd.DataFrame) -> pd.DataFrame:
    """One row per seed left out, one column per functional, for the data of ONE input map."""
    found = variance_explained(_ranked(data), COLUMNS, "log_loss", groups=GROUPS)
    return pd.DataFrame(found, columns=list(COLUMNS))


def best_other_share(data: pd.DataFrame, *, without: Sequence[str]) -> Float[np.ndarray, " seeds"]:
    """For every seed left out, the share of the functional that is best among the other seeds alone, those of `without`
    excepted.
    """
    ranked, found = _ranked(data), shares(data).drop(columns=list(without))
    out = []
    for number, seed in enumerate(sorted(ranked["seed"].unique())):
        rest = variance_explained(ranked[ranked["seed"] != seed], list(found.columns), "log_loss", groups=GROUPS)
        out.append(found.iloc[number, rest.mean(0).argmax()])
    return np.array(out)

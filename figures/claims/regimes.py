"""The regime of a claim: where the experiment could have shown the effect at all. Conditions are checked on the data.

A condition looks at the rows of one cell (one depth, or whatever is compared, of one pair of tasks; all its seeds) and says in
words why nothing can be learned from them, or "". `tested` keeps the cells that pass all conditions, and says what it left out.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
import pandas as pd

from mrntk.support.style import geometric_mean

LEARNED = 0.8  # accuracy of a source on its own test part
FLAT = 0.02  # the most that the last tenth of the steps may change a training loss
SOLVED = 0.011  # share of the constant predictor's loss below which nothing is left to learn (training stops at 0.010)
MOST = 0.8  # share of the runs of a cell that must have converged
VARIES = 1.05  # from the smallest to the largest mean loss
HALF = "half_test_accuracy"  # of a training of half the length, where rates that fall to 0 flatten any loss
LEAST_TASKS = 3  # whose trainings have ended
# How many values of x (depths) a case must have left. Fewer by one where one of them is left out, to see whether a verdict hangs
# on it: else no part with three depths could ever be found fragile.
LEAST: ContextVar[int] = ContextVar("least", default=3)

Condition = Callable[[pd.DataFrame], str]  # the rows of a cell -> why not, or ""


class Tested(NamedTuple):
    """What is left of the data, what was left out, and why nothing can be tested (then `data` is empty)."""

    data: pd.DataFrame
    left_out: str = ""
    untestable: str = ""


def learned(cell: pd.DataFrame) -> str:
    """The source classifies 0.8 of its own test part."""
    own = cell["source_test_accuracy"].mean()
    return "" if own >= LEARNED else f"its source classifies {own:.2f} of its own test part"


def solved(rows: pd.DataFrame) -> pd.Series:
    """For every run: is nothing left to learn?"""
    return rows["end_loss"] <= SOLVED * rows["constant_loss"]


def converged(cell: pd.DataFrame) -> str:
    """Four of five runs ended at a plateau, or solved."""
    if "end_loss" not in cell:
        return "its training was not followed to a plateau"
    change = (cell["nine_tenths_loss"] - cell["end_loss"]).abs() / cell["end_loss"]
    if ((change < FLAT) | solved(cell)).mean() >= MOST:
        return ""
    length = next(f"{cell[unit].median():.0f} {unit}" for unit in ("steps", "epochs") if unit in cell)
    return f"the last tenth of {length} still changes its loss by {change.median():.1%}"


def below_constant(cell: pd.DataFrame) -> str:
    """The training loss at the end is below that of the constant predictor."""
    constant = cell["constant_loss"].mean() if "constant_loss" in cell else np.inf
    loss = cell["train_loss"].mean()
    return "" if loss < constant else f"its loss {loss:.2f} is not below the constant predictor's {constant:.2f}"


def tested(
    data: pd.DataFrame,
    conditions: Sequence[Condition],
    *,
    x: str = "depth",
    by: Sequence[str] = (),
    least: int | None = None,
) -> Tested:
    """The cells of `data` that pass every condition.

    Parameters
    ----------
    x : the column that is compared.
    by : columns that tell the cases apart, for example source and target task.
    least : values of x that a case must have left, `LEAST` if None; cases with fewer are left out as a whole.
    """
    least = LEAST.get() if least is None else least
    kept, out = [], []
    places = data.groupby(list(by), sort=False).indices if by else {(): np.arange(len(data))}
    for case in sorted(places, key=lambda one: places[one][0]):  # in the order of the data
        name = " → ".join(map(str, case)) if isinstance(case, tuple) else str(case)
        values, good = data[x].to_numpy()[places[case]], []
        for value in np.unique(values):
            rows = places[case][values == value]
            cell = data.iloc[rows]
            why = next((found for condition in conditions if (found := condition(cell))), "")
            out += [(why, name, f"{x} {value}")] if why else []
            good += [] if why else [rows]
        if len(good) >= least:
            kept += good
        elif good:
            out.append((f"{len(good)} of {least} values of {x} are left", name, "the rest"))
    if kept:
        return Tested(data.iloc[np.sort(np.concatenate(kept))], _listed(out))
    return Tested(data.iloc[:0], "", _listed(out) or "there are no data")


def _listed(left_out: Sequence[tuple[str, str, str]]) -> str:
    """(why, case, cell) in words: each reason once, and cases with the same cells together."""
    words = []
    for why in dict.fromkeys(why for why, *_ in left_out):
        cells: dict[str, list[str]] = {}
        for _, case, cell in (one for one in left_out if one[0] == why):
            cells.setdefault(case, []).append(cell)
        cases: dict[str, list[str]] = {}
        for case, names in cells.items():
            together = ", ".join([names[0], *(name.split()[-1] for name in names[1:])])
            cases.setdefault(together, []).append(case)
        places = [" of ".join(part for part in (which, ", ".join(those)) if part) for which, those in cases.items()]
        words.append(f"{'; '.join(places)}: {why}" if any(places) else why)
    return "; ".join(words)


def best_learned(data: pd.DataFrame, *, by: Sequence[str]) -> Tested:
    """The cases whose best source classifies 0.8 of its own test part: for what is said of sources that learn more or less."""
    best = data.groupby([*by, "depth"])["source_test_accuracy"].mean().groupby(list(by)).transform("max")
    short = data.set_index([*by, "depth"]).index.map(best).to_numpy() < LEARNED
    out = [(f"the best source classifies {value:.2f} of its own test part", name, "") for name, value in
           best[best < LEARNED].groupby(list(by)).first().items()]  # fmt: skip
    return Tested(data[~short], _listed(out)) if not short.all() else Tested(data.iloc[:0], "", _listed(out))


def unsolved(found: Tested) -> Tested:
    """`found`, unless nearly all runs have learned their examples: then their training loss cannot tell them apart."""
    if found.untestable or "end_loss" not in found.data:
        return found
    share = solved(found.data).mean()
    if share <= MOST:
        return found
    return Tested(
        found.data.iloc[:0], "", f"{share:.0%} of the runs learn their examples to 1 % of the constant predictor's loss"
    )


def varying(found: Tested, y: str, *, x: str = "depth", by: Sequence[str] = ()) -> Tested:
    """`found`, unless the loss hardly differs between the values of x: then there is nothing that could be explained."""
    if found.untestable:
        return found
    means = found.data.groupby([*by, x])[y].apply(geometric_mean)
    ratios = (
        means.groupby(list(by)).agg(lambda part: part.max() / part.min())
        if by
        else pd.Series([means.max() / means.min()])
    )
    if (ratios < VARIES).all():
        return Tested(found.data.iloc[:0], "", f"{y} differs by less than {VARIES - 1:.0%} between the values of {x}")
    return found


def positive_smallest(cell: pd.DataFrame) -> str:
    """N c is within the capacity, and lambda_min is positive in four of five runs."""
    if (cell["outputs"] > cell["trained"]).any():
        return f"{cell['outputs'].iloc[0]} outputs are more than {cell['trained'].iloc[0]} trained values"
    return "" if (cell["lambda_min"] > 0).mean() >= MOST else "lambda_min is 0 in double precision"


def within_capacity(data: pd.DataFrame) -> Tested:
    """The sources that trained longest, learned their task, and have a positive smallest eigenvalue."""
    longest = data["epochs"] == data.groupby("family")["epochs"].transform("max")
    return tested(data[longest], (learned, positive_smallest), by=("family", "source_task"))


def ended_tasks(own: pd.DataFrame, name: str, way: str) -> Tested:
    """The tasks in which the trainings of that input map have ended, and those of the twin where it is compared with that.

    Where there are trainings of half the length these are another way to see it.
    """
    if HALF in set(own["quantity"]):
        return Tested(own)
    trained = own[(own["map"] == name) & own["way"].isin(["reprogrammed", way])]
    kept, out = [], []
    for task, rows in trained.groupby("task", sort=False):
        runs = rows.pivot_table(index=["way", "seed"], columns="quantity", values="value")
        why = next((found for _, cell in runs.groupby("way", sort=False) if (found := converged(cell))), "")
        out += [f"{task}: {why}"] if why else []
        kept += [] if why else [task]
    left_out = "; ".join(out)
    if len(kept) < LEAST_TASKS:
        return Tested(own.iloc[:0], "", left_out)
    return Tested(own[own["task"].isin(kept)], left_out)

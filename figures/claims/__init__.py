"""What the paper claims, and what the data of the figures say of it.

A claim has one or more parts. A part is one number per seed, and the side on which their mean should lie; it is judged by
Student's 95 % interval of that mean alone:

    holds        the whole interval lies where the claim wants it
    fails        the whole interval lies elsewhere
    undecided    the interval lies on both sides

A part that denies an effect ("it does not fall") is closed: it fails only if the whole interval shows the effect, and holds
otherwise, also for want of data. Such a part can come to hold when intervals get wider.

A claim is reproduced if all of its parts hold, undecided if all of them are, not reproduced if none holds and some fail,
partly reproduced otherwise, and not testable here where the data are missing. The rules stand in `figures.claims.rules` and
were committed before their course-scale data were computed. (The word "undecided" for a whole claim came later: until then
such claims read "not reproduced". It changes no rule and no part.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from figures.making.registry import committed_data
from mrntk.support.errors import MrntkError
from mrntk.support.style import t_interval

REPRODUCED, PARTLY, NOT = "reproduced", "partly reproduced", "not reproduced"
UNDECIDED, UNTESTED = "undecided", "not testable here"


@dataclass(frozen=True)
class Part:
    """One number per seed, and the open interval (low, high) in which their mean should lie."""

    name: str
    values: Sequence[float] | np.ndarray
    low: float | int = -np.inf
    high: float | int = np.inf
    closed: bool = False  # the claim denies an effect: it fails only if the whole interval lies outside
    confidence: float = 0.95

    @property
    def interval(self) -> tuple[float, float]:
        return t_interval(self.values, self.confidence)

    @property
    def outcome(self) -> str:
        """ "holds", "fails" or "undecided"."""
        low, high = self.interval
        if self.low < low and high < self.high:
            return "holds"
        outside = high <= self.low or low >= self.high
        if self.closed:
            return "fails" if outside else "holds"
        return "fails" if outside else "undecided"

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.name} {np.mean(self.values):+.3g} ({low:+.3g} to {high:+.3g}): {self.outcome}"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper in our words, the figure that bears on it, and the rule."""

    id: str
    sentence: str
    figure: str
    rule: str
    parts: Callable[[pd.DataFrame], list[Part]]


@dataclass(frozen=True)
class Verdict:
    """A claim, what came out, and in which parts."""

    claim: Claim
    verdict: str
    parts: tuple[Part, ...]
    reason: str = ""  # why it is not testable here

    @property
    def decided(self) -> str:
        """How many parts hold, fail and stay undecided, in words."""
        return outcomes(self.parts)


def judge(claim: Claim, data: pd.DataFrame | None = None) -> Verdict:
    """The verdict on a claim, by the committed course-scale data of its figure unless others are given."""
    try:
        parts = tuple(claim.parts(committed_data(claim.figure) if data is None else data))
    except MrntkError as error:
        return Verdict(claim, UNTESTED, (), str(error))
    if not parts:
        return Verdict(claim, UNTESTED, (), "the data decide nothing that it could be held against.")
    return Verdict(claim, verdict_of(parts), parts)


def outcomes(parts: Sequence[Part]) -> str:
    """How many parts hold, fail and stay undecided, in words."""
    counts = {name: sum(part.outcome == name for part in parts) for name in ("holds", "fails", "undecided")}
    plural = {"holds": "hold", "fails": "fail", "undecided": "undecided"}
    return ", ".join(f"{count} {plural[name]}" for name, count in counts.items() if count)


def verdict_of(parts: Sequence[Part]) -> str:
    """The verdict that follows from the outcomes of one or more parts, and from nothing else."""
    outcomes = {part.outcome for part in parts}
    if len(outcomes) == 1:
        return {"holds": REPRODUCED, "undecided": UNDECIDED, "fails": NOT}[outcomes.pop()]
    return PARTLY if "holds" in outcomes else NOT


def verdicts() -> list[Verdict]:
    """The verdicts on all claims."""
    from .rules import CLAIMS

    return [judge(claim) for claim in CLAIMS]


def table(found: Sequence[Verdict], *, figures: str = "figures/README.md") -> str:
    """The verdicts as a Markdown table, with links into the gallery."""
    lines = ["| what the paper says | verdict | parts | figure |", "|---|---|---|---|"]
    for one in found:
        figure = one.claim.figure
        lines.append(
            f"| {one.claim.sentence} | **{one.verdict}** | {one.decided or '-'} | [{figure}]({figures}#{figure}) |"
        )
    return "\n".join(lines)


def report(found: Sequence[Verdict]) -> str:
    """All verdicts with their rules and parts, for the terminal."""
    blocks = []
    for one in found:
        lines = [f"{one.verdict.upper()}: {one.claim.sentence}", f"    {one.claim.id}, from figure {one.claim.figure}"]
        lines += [f"    rule: {one.claim.rule}", *(f"    - {part}" for part in one.parts)]
        blocks.append("\n".join(lines + ([f"    {one.reason}"] if one.reason else [])))
    return "\n\n".join(blocks)

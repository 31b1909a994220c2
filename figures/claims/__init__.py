"""What the paper claims, and what the data of the figures say of it.

A claim has one or more parts. A part is one number per seed, and the side on which their mean should lie; it is judged by
Student's 99 % interval of that mean alone (parts are many: with 95 %, one in twenty would be decided by chance):

    holds          the whole interval lies where the claim wants it
    fails          the whole interval lies elsewhere
    undecided      the interval lies on both sides
    not testable   the experiment could not have shown it: a condition of its regime (`figures.claims.regimes`) fails

A part that holds or fails is fragile if its outcome changes when one depth, or one pair of tasks, is left out of the data; a
verdict is fragile if it would be another one were its fragile parts undecided.

A claim is reproduced if all of its testable parts hold, undecided if all of them are, not reproduced if none holds and some
fail, partly reproduced otherwise, and not testable here if no part can be tested. The rules stand in `figures.claims.rules`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from figures.making.registry import committed_data, is_pending, last_written
from mrntk.support.errors import MrntkError
from mrntk.support.style import t_interval

from .regimes import LEAST

REPRODUCED, PARTLY, NOT = "reproduced", "partly reproduced", "not reproduced"
UNDECIDED, UNTESTED = "undecided", "not testable here"
CONFIDENCE = 0.99
SEEDS = 5  # the fewest values (one per seed) that a part is judged by
OUTCOMES = {"holds": "hold", "fails": "fail", "undecided": "undecided", "not testable": "not testable"}  # and plural


@dataclass(frozen=True)
class Part:
    """One number per seed, and the open interval (low, high) in which their mean should lie."""

    name: str
    values: Sequence[float] | np.ndarray = ()
    low: float | int = -np.inf
    high: float | int = np.inf
    confidence: float = CONFIDENCE
    left_out: str = ""  # of the data, because the experiment could show nothing there
    untestable: str = ""  # why it cannot be tested at all
    fragile: tuple[str, ...] = ()  # what else would come out without one depth or one pair

    @property
    def interval(self) -> tuple[float, float]:
        return t_interval(self.values, self.confidence)

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`."""
        if self.untestable:
            return "not testable"
        low, high = self.interval
        if self.low < low and high < self.high:
            return "holds"
        return "fails" if high <= self.low or low >= self.high else "undecided"

    def __str__(self) -> str:
        if self.untestable:
            return f"{self.name}: not testable here, {self.untestable}"
        low, high = self.interval
        words = f"{self.name} {np.mean(self.values):+.3g} ({low:+.3g} to {high:+.3g}): {self.outcome}"
        words += f"; FRAGILE: {', '.join(self.fragile)}" if self.fragile else ""
        return words + (f" [left out: {self.left_out}]" if self.left_out else "")


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper in our words, the figure that bears on it, its rule, and what its parts must survive.

    `leave_out` names columns; a part is fragile if it comes out otherwise without the rows of one of their values. The column
    "pair" is that of source and target task together.
    """

    id: str
    sentence: str
    figure: str
    rule: str
    parts: Callable[[pd.DataFrame], list[Part]]
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """A claim, what came out, and in which parts."""

    claim: Claim
    verdict: str
    parts: tuple[Part, ...]
    reason: str = ""  # why there are no parts

    @property
    def words(self) -> str:
        """The verdict, with ", fragile" if it would be another one were its fragile parts undecided."""
        robust = _verdict({"undecided" if part.fragile else part.outcome for part in self.parts})
        return self.verdict if robust == self.verdict else f"{self.verdict}, fragile"

    @property
    def decided(self) -> str:
        """How many parts hold, fail, stay undecided and cannot be tested, in words."""
        return outcomes(self.parts)


def judge(claim: Claim, data: pd.DataFrame | None = None) -> Verdict:
    """The verdict on a claim, by the committed course-scale data of its figure (judged once) unless others are given."""
    if data is None:
        return _of_committed(claim, last_written())
    return _judge(claim, data)


@cache
def _of_committed(claim: Claim, written: float) -> Verdict:
    return _judge(claim, None)


def _judge(claim: Claim, data: pd.DataFrame | None) -> Verdict:
    try:
        data = with_pairs(committed_data(claim.figure) if data is None else data)
        parts = tuple(claim.parts(data))
    except MrntkError as error:
        return Verdict(claim, UNTESTED, (), str(error))
    if not parts:
        return Verdict(claim, UNTESTED, (), "the data decide nothing that it could be held against.")
    parts = [one if one.untestable or len(one.values) >= SEEDS else _too_few(one) for one in parts]
    parts = tuple(replace(part, fragile=found) for part, found in zip(parts, _flips(claim, data, parts), strict=True))
    return Verdict(claim, verdict_of(parts), parts)


def _too_few(part: Part) -> Part:
    return Part(part.name, untestable=f"{len(part.values)} seeds, where a verdict needs {SEEDS}")


def with_pairs(data: pd.DataFrame) -> pd.DataFrame:
    """The data with the column "pair", if they have source and target tasks."""
    if "pair" in data or not {"source_task", "task"} <= set(data.columns):
        return data
    return data.assign(pair=data["source_task"] + " → " + data["task"])


def _flips(claim: Claim, data: pd.DataFrame, parts: Sequence[Part]) -> list[tuple[str, ...]]:
    """For every part that holds or fails: what it would be without one value of a column of `leave_out`, where that differs."""
    found: dict[str, list[str]] = {part.name: [] for part in parts}
    decided = any(part.outcome in ("holds", "fails") for part in parts)
    for column in claim.leave_out if decided else ():
        values = data[column].unique() if column in data else ()
        for value in values if len(values) > 1 else ():
            fewer = LEAST.set(LEAST.get() - (column == "depth"))
            try:
                others = {part.name: part for part in claim.parts(data[data[column] != value])}
            except MrntkError:
                continue  # what is left is too little for the rule
            finally:
                LEAST.reset(fewer)
            for part in parts:
                outcome = others[part.name].outcome if part.name in others else "not testable"
                if part.outcome in ("holds", "fails") and outcome not in (part.outcome, "not testable"):
                    found[part.name].append(f"{outcome} without {column} {value}")
    return [tuple(found[part.name]) for part in parts]


def outcomes(parts: Sequence[Part]) -> str:
    """How many parts hold, fail, stay undecided and cannot be tested, in words."""
    counts = {name: sum(part.outcome == name for part in parts) for name in OUTCOMES}
    words = ", ".join(f"{count} {OUTCOMES[name]}" for name, count in counts.items() if count)
    fragile = sum(bool(part.fragile) for part in parts)
    return words + (f" ({fragile} fragile)" if fragile else "")


def verdict_of(parts: Sequence[Part]) -> str:
    """The verdict that follows from the outcomes of one or more parts, and from nothing else."""
    return _verdict({part.outcome for part in parts})


def _verdict(outcomes: set[str]) -> str:
    found = outcomes - {"not testable"}
    if not found:
        return UNTESTED
    if len(found) == 1:
        return {"holds": REPRODUCED, "undecided": UNDECIDED, "fails": NOT}[found.pop()]
    return PARTLY if "holds" in found else NOT


def verdicts() -> list[Verdict]:
    """The verdicts on all claims."""
    from .rules import CLAIMS

    return [judge(claim) for claim in CLAIMS]


def described(parts: Sequence[Part]) -> list[str]:
    """A line per part; parts that cannot be tested for the same reason share one, and so do those that left out the same."""
    parts = list(parts)
    texts = [part.left_out for part in parts if part.left_out and not part.untestable]
    shared = [text for text in dict.fromkeys(texts) if texts.count(text) > 1]
    for number, text in enumerate(shared, 1):
        parts = [replace(part, left_out=f"see {number}") if part.left_out == text else part for part in parts]
    reasons: dict[str, list[str]] = {}
    for part in parts:
        if part.untestable:
            reasons.setdefault(part.untestable, []).append(part.name)
    untestable = [f"{'; '.join(names)}: not testable here, {reason}" for reason, names in reasons.items()]
    notes = [f"({number}) left out: {text}" for number, text in enumerate(shared, 1)]
    return [str(part) for part in parts if not part.untestable] + notes + untestable


def table(found: Sequence[Verdict], *, figures: str = "figures/README.md") -> str:
    """The verdicts as a Markdown table, with links into the gallery."""
    lines = ["| what the paper says | verdict | parts | figure |", "|---|---|---|---|"]
    for one in found:
        figure = one.claim.figure
        link = f"{figure}, to come" if is_pending(figure) else f"[{figure}]({figures}#{figure})"
        lines.append(f"| {one.claim.sentence} | **{one.words}** | {one.decided or '-'} | {link} |")
    return "\n".join(lines)


def report(found: Sequence[Verdict]) -> str:
    """All verdicts with their rules and parts, for the terminal."""
    blocks = []
    for one in found:
        lines = [f"{one.words.upper()}: {one.claim.sentence}", f"    {one.claim.id}, from figure {one.claim.figure}"]
        lines += [f"    rule: {one.claim.rule}", *(f"    - {words}" for words in described(one.parts))]
        blocks.append("\n".join(lines + ([f"    {one.reason}"] if one.reason else [])))
    return "\n\n".join(blocks)

"""A ranking as a table, and in words what to try."""

import textwrap

import numpy as np

from ..model.input_maps import INPUT_MAPS
from .candidates import OUTPUT_MAPS, Candidate
from .rows import Ranking, Row

WIDTH = 100  # columns
FAR = 2.0  # times the constant predictor's loss, from which a starting loss is worth a word
NEAR = 0.5  # times the constant predictor's loss, up to which a probe has learned many labels by heart
ALIKE = 0.02  # accuracy above guessing that is none


def called(candidate: Candidate, all_of: list[Candidate]) -> str:
    """A candidate's name: what tells it from the others."""
    parts = [candidate.source, INPUT_MAPS[candidate.input_map].label]
    if len({one.task for one in all_of}) > 1:
        parts.insert(0, candidate.task)
    if INPUT_MAPS[candidate.input_map].has_prompt and len({one.inner for one in all_of}) > 1:
        parts.append(f"window {candidate.inner:.2g}")
    if len({one.output_map for one in all_of}) > 1:
        parts.append(candidate.output_map)
    return ", ".join(parts)


def table(ranking: Ranking) -> str:
    """One line per candidate, best first; then what could not be ranked, and what to try."""
    everyone = [row.candidate for row in ranking.rows]
    ties = {row.candidate for row in ranking.ties()}
    names = {one: called(one, everyone) for one in everyone}
    wide = min(56, max(map(len, names.values()), default=0))
    columns = f"{'score':<14}  {'start':>6}  {'probe':>6}  {'rank':>5}  {'align.':>6}  {'seconds':>7}"
    head = f"{'':<4}{'candidate':<{wide}}  {columns}"
    lines = [head, "-" * len(head)]
    for place, row in enumerate((row for row in ranking.rows if row.forecasts), 1):
        first = row.forecasts[0]
        mark = "=" if row.candidate in ties and len(ties) > 1 else " "
        name = fitted(names[row.candidate], wide)
        lines.append(
            f"{place:>2}{mark} {name:<{wide}}  {_predicted(row):<14}  {_short(first.start_loss):>6}  "
            f"{_short(first.probe_loss):>6}  {first.rank / first.outputs:>5.0%}  {first.alignment:>6.2f}  {row.seconds:>7.1f}"
        )
    lines += [
        textwrap.fill(f"not ranked: {names[row.candidate]}: {row.problem}", WIDTH, subsequent_indent="    ")
        for row in ranking.rows
        if row.problem
    ]
    return "\n".join([*lines, "", *(textwrap.fill(words, WIDTH) for words in advice(ranking, names))])


def fitted(name: str, wide: int) -> str:
    """At most `wide` letters of a name: its beginning and its end, which tell it from others.

    Examples
    --------
    >>> from mrntk.choosing.words import fitted
    >>> fitted("dnn:task=mnist5k,depth=3,width=256, VP", 20)
    'dnn:task=m…h=256, VP'
    """
    return name if len(name) <= wide else f"{name[: wide // 2]}…{name[len(name) - (wide - wide // 2 - 1) :]}"


def _predicted(row: Row) -> str:
    low, high = row.interval
    return f"{row.score:>4.0%} ({100 * low:.0f}-{high:.0%})"


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}" if value < 1e5 else f"{value:.0e}"


def advice(ranking: Ranking, names: dict[Candidate, str]) -> list[str]:
    """What the columns mean, what to try, and what holds the first back."""
    ties = ranking.ties()
    if not ties:
        return ["No candidate could be ranked; the reasons stand above."]
    said = [
        "score: share of the examples that are right when each in turn is left out of the kernel's training, with a 95 % "
        "interval over examples. It is for the order of candidates with the same input map, and no accuracy to rely on: the "
        "short training before it (the probe) has seen all examples, so a layer's score can be far too high. start, probe: loss "
        "before training and after the probe, in units of what a constant predictor has. rank: of the kernel, as a share of the "
        "examples times the classes. align.: of the kernel with the labels."
    ]
    if not ranking.complete:
        said.append("Stopped before all candidates were ranked.")
    first, others = ties[0], ties[1:]
    if guesses(first):
        said.append(
            "Even the best is not clearly better than guessing: look for another source, or train a linear model."
        )
    elif len([row for row in ranking.rows if row.forecasts]) == 1:
        said.append("Only one candidate could be ranked.")
    elif others:
        said.append(
            f"Try {names[first.candidate]} first; {len(others)} more, marked =, cannot be told from it with these examples: "
            "train them as well, or give more examples."
        )
    else:
        said.append(f"Try {names[first.candidate]}: all others are behind it by more than chance.")
    said += [
        f"A linear model on the raw inputs of {name} gets {right:.0%} of the same examples right in cross-validation: train it "
        "as well, for a source has to beat it."
        for name, right in ranking.linear
    ]
    return said + reasons(first)


def guesses(row: Row) -> bool:
    """Is a candidate no better than guessing, as far as its examples tell?"""
    first = row.forecasts[0]
    return row.interval[0] <= len(first.right) / first.outputs + ALIKE  # N / (N c)


def reasons(row: Row) -> list[str]:
    """What the drivers of a candidate say should be changed."""
    first, kind, said = row.forecasts[0], INPUT_MAPS[row.candidate.input_map], []
    if first.trained < first.outputs:
        said.append(
            f"It trains {first.trained:,} numbers for {first.outputs:,} outputs: by the capacity law it cannot fit them all. "
            + ("A smaller window leaves a wider frame; " if kind.has_prompt else "")
            + "a layer (fc, vp_fc) trains more."
        )
    if first.probe_loss < NEAR:
        said.append(
            f"After the probe its loss is {_short(first.probe_loss)} times that of a constant predictor: the probe has learned "
            "many labels by heart, and the score is nearer to a training accuracy. Compare layers with layers by it, and prompts "
            "with prompts."
        )
    if first.start_loss > FAR:
        said.append(
            f"Its loss starts at {_short(first.start_loss)} times that of a constant predictor: outputs are large and wrong. "
            f"Try another output mapping ({' or '.join(one for one in OUTPUT_MAPS if one != row.candidate.output_map)})."
        )
    if np.isfinite(first.step):
        said.append(f"For plain gradient descent, half of the largest stable step size is {first.step:.3g}.")
    return said


def line(row: Row) -> str:
    """One finished row, for progress."""
    words = row.problem or _predicted(row).strip()
    return f"{fitted(called(row.candidate, [row.candidate]), WIDTH // 2)}: {words}"

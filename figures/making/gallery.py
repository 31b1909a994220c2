"""The gallery of figures/README.md and the claims table of the README, written from the committed data."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from figures.claims import Verdict, described, judge, table, verdicts
from figures.claims.attacks import attacks
from figures.claims.beliefs import beliefs, in_short, three_lines
from figures.claims.earlier import changes
from figures.claims.rules import CLAIMS
from mrntk.support.files import write_atomically
from mrntk.support.style import Picture, picture, style

from .registry import PENDING, Figure, committed_data, discover, figures_folder, get_figure, is_pending

ORDER = (  # in which a reader should meet them
    "schematic", "source_min_eigenvalue", "source_quality", "depth_to_target", "loss_against_spectrum", "map_of_regimes",
    "input_size", "vgg_resnet", "ce_mse", "source_weakening", "feature_cnn_depth", "target_spectra",
    "predicted_learning_curves", "bound_audit", "capacity_law", "assumption3", "few_shot", "real_models", "time_series",
    "generalisation_gap",
)  # fmt: skip
HEAD = """# Figures

`make figures` draws every figure again from the committed data in `data/course/`; `make figures FRESH=1` computes the
data again too. One figure: `mrntk figures ID`; with other parameters: `mrntk figures ID --set depth=1:9 --set task=fashion`.
Each data file has a JSON beside it that says which code, versions and machine made it. This page is written by
`mrntk claims --write`, all its numbers from those data.

Brackets after a number in "we find" hold a 95 % t interval over seeds, those of verdicts a 99 % one. How verdicts come about
stands in the [README](../README.md#claims). Their rules were committed as b8da1c3, before all data computed since; what was
amended since stands at the head of the [rules](claims/rules.py). What the paper's sizes cost stands on a page of
[its own](PAPER_SCALE.md).
"""
BELIEVED = """## What we now believe

One paragraph per question, written by hand around numbers from the data. Its main statements are checked against them: if
new data no longer support one, this page is not written.
"""
CHANGES = """## What has changed since the first verdicts

Most of the first answers said only that the experiment was too weak to show anything. The first data and verdicts stay in the
history; every claim was asked again under a rule that checks on the data whether the effect could have been seen at all.
"""
ATTACKED = """## What an independent reading attacked

Somebody who had no part in the rules tried to break the verdicts from data and rules alone.
"""
BEGIN, END = "<!-- claims: written by `mrntk claims --write` -->", "<!-- end of claims -->"
FOUND = "<!-- found: written by `mrntk claims --write` -->", "<!-- end of found -->"


def _duration(figure: Figure) -> str:
    """What computing its data took, in words."""
    if figure.source.id != figure.id:
        return f"drawn from the data of [{figure.source.id}](#{figure.source.id})"
    record = figures_folder() / "data" / "course" / f"{figure.id}.json"
    minutes = json.loads(record.read_text(encoding="utf-8"))["seconds"] / 60
    words = f"{minutes:.0f} minutes" if minutes >= 1.5 else "a minute" if minutes > 0.5 else "seconds"
    return f"computing its data took {words} of one of two workers ([record](data/course/{figure.id}.json))"


def entry(figure: Figure, found: Sequence[Verdict]) -> str:
    """One figure of the gallery: picture, what the paper says, what we find, verdicts, command, time."""
    module, lines = figure.module, []
    lines += [f"## {figure.id}", "", f"![{module.ALT}](rendered/course/{figure.id}.png)", ""]
    lines += [f"**{module.TITLE}.** In the paper: {module.PAPER}.", ""]
    lines += [f"- *The paper says:* {module.SAYS}", f"- *We find:* {module.finds(committed_data(figure.id))}"]
    if hasattr(module, "NOTE"):
        lines.append(f"- *Note:* {module.NOTE}")
    for one in found:
        lines.append(f"- *Verdict:* {one.claim.sentence}: **{one.words}**. Rule: {one.claim.rule}.")
        lines += [f"  - {words}" for words in described(one.parts)]
    return "\n".join([*lines, f"- *Again:* `mrntk figures {figure.id}`; {_duration(figure)}.", ""])


def show(name: str) -> Picture:
    """The figure of that ID, drawn from its committed data, for notebooks."""
    figure = get_figure(name)
    with style():
        return picture(figure.module.render(committed_data(name)), figure.module.ALT)


def findings(name: str) -> str:
    """What the paper says of a figure, what its data say, and the verdicts that hang on it, as Markdown."""
    figure = get_figure(name)
    lines = [f"- *The paper says:* {figure.module.SAYS}", f"- *We find:* {figure.module.finds(committed_data(name))}"]
    found = [judge(claim) for claim in CLAIMS if claim.figure == name]
    lines += [f"- *Verdict:* {one.claim.sentence}: **{one.words}** ({one.decided})." for one in found]
    return "\n".join(lines)


def gallery(found: Sequence[Verdict]) -> str:
    """The whole of figures/README.md."""
    figures = discover()
    names = [name for name in ORDER if name in figures] + sorted(set(figures) - set(ORDER))
    parts = [entry(figures[name], [one for one in found if one.claim.figure == name]) for name in names]
    contents = "".join(f"- [{name}](#{name}): {figures[name].module.TITLE}\n" for name in names)
    believed = f"{BELIEVED}\n{beliefs(found)}\n"
    history = f"{CHANGES}\n{changes(found)}\n\n{ATTACKED}\n{attacks()}\n"
    return "\n".join([HEAD + waiting(), contents, believed, history, *parts])


def waiting() -> str:
    """Which figures still show their first data, and which have none yet, in a sentence each; nothing if none waits."""
    names = sorted(path.stem for path in (figures_folder() / PENDING).glob("*.py"))
    new = [name for name in names if is_pending(name)]
    first = [name for name in names if name not in new]
    said = [f"Still with their first data, which are older than the rules: {', '.join(first)}."] if first else []
    said += [f"New, without data yet: {', '.join(new)}."] if new else []
    where = "What is to be computed waits in [pending/](pending), finished pieces in `data/course/pieces/`."
    return f"\n{' '.join([*said, where])}\n" if said else ""


def with_table(readme: str, found: Sequence[Verdict]) -> str:
    """The README's text with its first screen's three lines, the answers in short and the claims table brought up to date."""
    blocks = {(BEGIN, END): f"{in_short(found)}\n\n{table(found)}", FOUND: three_lines(found)}
    for (begin, end), text in blocks.items():
        block = f"{begin}\n{text}\n{end}"
        readme = re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _, block=block: block, readme, flags=re.S)
    return readme


def pages() -> dict[Path, str]:
    """Every generated page with the text that it should have."""
    found, readme = verdicts(), figures_folder().parent / "README.md"
    return {
        figures_folder() / "README.md": gallery(found),
        readme: with_table(readme.read_text(encoding="utf-8"), found),
    }


def write() -> list[Path]:
    """Bring every generated page up to date; returns their paths."""
    made = pages()
    for path, text in made.items():
        write_atomically(path, text.encode())
    return list(made)

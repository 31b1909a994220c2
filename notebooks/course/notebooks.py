"""The notebooks of the course: where they are, what is in them, and their exercises with hints and solutions.

The Markdown file is the source of a notebook; the .ipynb that is paired with it is executed at course scale.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from mrntk.support.errors import MrntkError

EXERCISE = re.compile(r"^### Exercise (\d\d\.\d+) · (.+) \((★+), (\d+) minutes\)$", re.M)
TIME = re.compile(r"\*\*Time\*\* \| (\d+) minutes of teaching, (\d+) minutes of exercises")
_FOLDED = re.compile(r"<details><summary>(Hint \d+|Solution)</summary>\n\n(.*?)\n\n</details>", re.S)
_SHOWS = re.compile(r"\b(picture|opening|conclude|Markdown|gallery\.\w+|\w*Explorer)\(")
_TEACHES = re.compile(r"\bassert\b|np\.testing\.")
_CODE = re.compile(r"```python\n(.*?)\n```", re.S)


def notebooks_folder() -> Path:
    """The notebooks/ folder of the checkout."""
    return Path(__file__).resolve().parents[1]


def sources() -> list[Path]:
    """The Markdown sources of the course, in order."""
    return sorted(notebooks_folder().glob("[0-9][0-9]_*.md"))


def find(name: str) -> Path:
    """The source of the notebook of that name or number: "01" or "01_the_ntk_from_scratch"."""
    found = [path for path in sources() if path.stem == name or path.stem.partition("_")[0] == name]
    if not found:
        raise MrntkError(f"notebook {name!r} is unknown: choose one of {', '.join(p.stem for p in sources())}.")
    return found[0]


def read(path: Path) -> NotebookNode:
    """The notebook in a Markdown source, without outputs."""
    return jupytext.read(path)


def title(notebook: NotebookNode) -> str:
    """Its heading."""
    return notebook.cells[0].source.splitlines()[0].removeprefix("# ")


def minutes(notebook: NotebookNode) -> tuple[int, int]:
    """(minutes of teaching, minutes of exercises), as its head says.

    Raises
    ------
    MrntkError
        If the head does not say it.
    """
    found = TIME.search(notebook.cells[0].source)
    if not found:
        raise MrntkError(f"{title(notebook)}: the head lacks 'NN minutes of teaching, NN minutes of exercises'.")
    return int(found[1]), int(found[2])


def question(notebook: NotebookNode) -> str:
    """The question that it answers, as its head says."""
    return re.search(r"\*\*The question\*\* \| (.+) \|", notebook.cells[0].source)[1]


def source_hash(notebook: NotebookNode) -> str:
    """Hash of all cells' text, which is what the outputs depend on."""
    text = "\x00".join(f"{cell.cell_type}:{cell.source}" for cell in notebook.cells)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def section(notebook: NotebookNode, heading: str) -> str:
    """The text under a heading of second order, up to the next one; empty if there is none."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = re.search(rf"^## {re.escape(heading)}$\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    return found[1].strip() if found else ""


def main_picture(notebook: NotebookNode) -> NotebookNode | None:
    """What the cell with the tag `main-picture` drew; None in a notebook that was not run, or has no such cell."""
    for cell in notebook.cells:
        if "main-picture" in cell.metadata.get("tags", []):
            return next((one for one in cell.get("outputs", []) if "image/png" in one.get("data", {})), None)
    return None


def only_shows(cell: NotebookNode) -> bool:
    """Whether a cell's code draws, tabulates or words what others computed, and checks nothing: a reader may skip it."""
    if cell.cell_type != "code" or "exercise" in cell.metadata.get("tags", []):
        return False
    return bool(_SHOWS.search(cell.source)) and not _TEACHES.search(cell.source)


@dataclass(frozen=True)
class Exercise:
    """An exercise of a notebook, and where in it: its code cell, and the cell behind it with hints and solution."""

    number: str
    title: str
    stars: int
    minutes: int
    cell: int  # index of the code cell in which the reader writes
    hints: tuple[str, ...]
    solution: str  # code that takes the place of that cell
    explanation: str  # what the solution says beside its code


def exercises(notebook: NotebookNode) -> list[Exercise]:
    """The exercises of a notebook, in order.

    Each is a heading `### Exercise 01.2 · Title (★★, 10 minutes)`, a code cell with the tag `exercise` that ends in a call of
    `check`, and behind it a cell of folded hints and a folded solution.

    Raises
    ------
    MrntkError
        If one lacks a part.
    """
    heads = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heads |= {found[1]: found for found in EXERCISE.finditer(cell.source)}
    found = []
    for index, cell in enumerate(notebook.cells):
        if "exercise" not in cell.metadata.get("tags", []):
            continue
        called = re.search(r'^check\("([\d.]+)"', cell.source, re.M)
        number = called[1] if called else "?"
        folded = notebook.cells[index + 1].source if index + 1 < len(notebook.cells) else ""
        parts = _FOLDED.findall(folded)
        solutions = [text for name, text in parts if name == "Solution"]
        code = _CODE.search(solutions[0]) if solutions else None
        if number not in heads or code is None:
            raise MrntkError(
                f"{title(notebook)}, exercise {number}: it needs a heading, a call of check, and a folded solution with code."
            )
        head = heads[number]
        hints = tuple(text for name, text in parts if name.startswith("Hint"))
        words = _CODE.sub("", solutions[0]).strip()
        found.append(Exercise(number, head[2], len(head[3]), int(head[4]), index, hints, code[1], words))
    return found

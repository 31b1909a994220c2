"""Versions of a notebook for a class, made from its one source: for students, without solutions; for teachers, with them."""

import copy
import re
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from mrntk.support.errors import MrntkError
from mrntk.support.files import ensure_writable, write_atomically
from notebooks.course.notebooks import exercises, read, sources

_SOLUTION = re.compile(r"<details><summary>Solution</summary>\n\n.*?\n\n</details>\n*", re.S)


def student(notebook: NotebookNode) -> NotebookNode:
    """The notebook without its solutions; hints stay."""
    notebook = copy.deepcopy(notebook)
    for one in exercises(notebook):
        folded = notebook.cells[one.cell + 1]
        folded.source = _SOLUTION.sub("", folded.source).rstrip()
    return notebook


def solutions(notebook: NotebookNode) -> NotebookNode:
    """The notebook with every exercise solved in its cell, and what the solution says below it; hints are gone."""
    notebook = copy.deepcopy(notebook)
    for one in exercises(notebook):
        notebook.cells[one.cell].source = one.solution
        notebook.cells[one.cell + 1].source = f"**Solution.** {one.explanation}"
    return notebook


VERSIONS = {"student": student, "solutions": solutions}


def write(version: str, folder: Path, paths: Sequence[Path] | None = None) -> list[Path]:
    """Write a version of every notebook, without outputs, into a folder; returns the files.

    Raises
    ------
    MrntkError
        For an unknown version, or a folder that cannot be written.
    """
    if version not in VERSIONS:
        raise MrntkError(f"version={version!r} is unknown: choose one of {', '.join(VERSIONS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    ensure_writable(folder)
    written = []
    for path in paths or sources():
        notebook = VERSIONS[version](read(path))
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number:03d}"
        notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}  # not paired with any Markdown file
        target = folder / f"{path.stem}_{version}.ipynb"
        write_atomically(target, (nbformat.writes(notebook) + "\n").encode())
        written.append(target)
    return written

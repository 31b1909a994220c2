"""Executing notebooks from a fresh kernel, in a way that gives the same file again where nothing changed."""

import copy
import os
import re
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from ..files import write_atomically
from .notebooks import notebooks_folder, read, source_hash

_WIDGET = re.compile(r"\b[0-9a-f]{32}\b")


def run(notebook: NotebookNode, scale: str, timeout: int = 900) -> NotebookNode:
    """A copy of the notebook with the outputs of a run from top to bottom in a fresh kernel."""
    notebook = copy.deepcopy(notebook)
    folder = {"metadata": {"path": str(notebooks_folder())}}
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=folder)
    client.execute(env={**os.environ, "MRNTK_SCALE": scale})
    return notebook


def _same_widget_names(content: str) -> str:
    """Widgets have random names; they are numbered instead, so that executing again changes only what changed."""
    names = {name: f"{number:032x}" for number, name in enumerate(dict.fromkeys(_WIDGET.findall(content)), start=1)}
    return _WIDGET.sub(lambda found: names[found[0]], content)


def executed(path: Path, scale: str) -> NotebookNode:
    """The notebook at `path` (Markdown) as it is committed: run, with the hash of the text that its outputs belong to."""
    notebook = run(read(path), scale)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        cell.metadata.pop("execution", None)  # time stamps
    notebook.metadata.get("jupytext", {}).pop("text_representation", None)  # as `jupytext --sync` writes it
    notebook.metadata["mrntk"] = {"scale": scale, "source": source_hash(notebook)}
    return notebook


def write(path: Path, scale: str = "course"):
    """Execute the notebook at `path` and write the .ipynb beside it; whole or not at all."""
    content = _same_widget_names(nbformat.writes(executed(path, scale))) + "\n"
    write_atomically(path.with_suffix(".ipynb"), content.encode())


def as_notebook(notebook: NotebookNode) -> str:
    """The text of the .ipynb file of a notebook that jupytext read."""
    return jupytext.writes(notebook, fmt="ipynb") + "\n"

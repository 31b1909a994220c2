"""Executing notebooks from a fresh kernel, in a way that gives the same file again where nothing changed."""

import copy
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from mrntk.support.compiled import compiled_environment
from mrntk.support.errors import MrntkError
from mrntk.support.files import write_atomically
from notebooks.course.notebooks import main_picture, notebooks_folder, only_shows, read, source_hash, title


def run(notebook: NotebookNode, scale: str, timeout: int = 900) -> NotebookNode:
    """A copy of the notebook with the outputs of a run from top to bottom in a fresh kernel."""
    notebook = copy.deepcopy(notebook)
    folder = {"metadata": {"path": str(notebooks_folder())}}
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=folder)
    # at smoke scale compiling is most of the work, as in `figures.making.cells`
    quickly = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"} if scale == "smoke" else {}
    client.execute(env={**os.environ, **compiled_environment(), "MRNTK_SCALE": scale, **quickly})
    return notebook


def _same_widget_names(notebook: NotebookNode) -> NotebookNode:
    """Widgets have random names; they are numbered instead, so that executing again changes only what changed."""
    states = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {}).get("state", {})
    content = nbformat.writes(notebook)
    for number, name in enumerate(list(states), start=1):  # in the order in which they were made
        content = content.replace(name, f"{number:032x}")
    return nbformat.reads(content, as_version=4)


def _with_opening(notebook: NotebookNode):
    """Show in the cell that calls `opening` what this very run has drawn.

    Raises
    ------
    MrntkError
        If no cell with the tag `main-picture` draws one.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code" and "opening(" in cell.source:
            drawn = main_picture(notebook)
            if drawn is None:
                raise MrntkError(f"{title(notebook)}: it opens with a picture, but no cell has the tag main-picture.")
            (output,) = cell.outputs
            output.data, output.metadata = copy.deepcopy(drawn["data"]), copy.deepcopy(drawn["metadata"])


def executed(path: Path, scale: str) -> NotebookNode:
    """The notebook at `path` (Markdown) as it is committed: run, with the hash of the text that its outputs belong to."""
    notebook = run(read(path), scale)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        cell.metadata.pop("execution", None)  # time stamps
        if only_shows(cell):  # Lab folds it
            cell.metadata["jupyter"] = {"source_hidden": True}
    _with_opening(notebook)
    notebook.metadata.get("jupytext", {}).pop("text_representation", None)  # as `jupytext --sync` writes it
    notebook.metadata["mrntk"] = {"scale": scale, "source": source_hash(notebook)}
    return notebook


def write(path: Path, scale: str = "course"):
    """Execute the notebook at `path` and write the .ipynb beside it; whole or not at all."""
    content = nbformat.writes(_same_widget_names(executed(path, scale))) + "\n"
    write_atomically(path.with_suffix(".ipynb"), content.encode())

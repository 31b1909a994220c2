"""Every notebook runs from a fresh kernel at smoke scale, agrees with its pair, and carries outputs of its own text."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys

import jupytext
import nbformat
import pytest

from mrntk import figures

FOLDER = figures.figures_folder().parent / "notebooks"
_spec = importlib.util.spec_from_file_location("execute_notebooks", FOLDER / "execute.py")
execute = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(execute)
NAMES = [path.stem for path in execute.sources()]


def committed(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_there_are_notebooks():
    assert "00_start_here" in NAMES
    assert NAMES == sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_runs_at_smoke_scale(name):
    notebook = execute.executed(FOLDER / f"{name}.md", "smoke", timeout=300)
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    drawn = sum("plt.subplots" in cell.source or ".render(" in cell.source for cell in notebook.cells)
    assert len(pictures) == drawn > 0


@pytest.mark.parametrize("name", NAMES)
def test_pair_agrees(name):
    text, notebook = jupytext.read(FOLDER / f"{name}.md"), committed(name)
    assert [(c.cell_type, c.source) for c in text.cells] == [(c.cell_type, c.source) for c in notebook.cells], (
        "the pair differs: run `make notebooks`"
    )


@pytest.mark.parametrize("name", NAMES)
def test_opening_and_saving_in_jupyterlab_changes_nothing(name, tmp_path):
    """What Lab does by jupytext: pairing leaves both files as they are, whichever of the two is the younger."""
    for file in (FOLDER / f"{name}.md", FOLDER / f"{name}.ipynb", FOLDER.parent / "pyproject.toml"):
        shutil.copyfile(file, tmp_path / file.name)
    before = [(tmp_path / f"{name}{suffix}").read_bytes() for suffix in (".md", ".ipynb")]
    for younger in (".md", ".ipynb"):
        os.utime(tmp_path / f"{name}{younger}", (2e9, 2e9))
        subprocess.run(
            [sys.executable, "-m", "jupytext", "--sync", f"{name}.md"], cwd=tmp_path, check=True, capture_output=True
        )
        assert [(tmp_path / f"{name}{suffix}").read_bytes() for suffix in (".md", ".ipynb")] == before


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_of_this_text_at_course_scale(name):
    notebook = committed(name)
    assert notebook.metadata["mrntk"] == {"scale": "course", "source": execute.source_hash(notebook)}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [
        output
        for cell in code
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


@pytest.mark.parametrize("name", NAMES)
def test_shape_of_a_notebook(name):
    """Objectives, prerequisites and minutes at the top; short cells; small file; no path of the machine that made it."""
    notebook = committed(name)
    head = notebook.cells[0].source
    assert re.search(r"You will.*\n.*You need.*\n.*Time.*minutes.*\n.*The question", head)
    assert all(len(cell.source.splitlines()) <= 16 for cell in notebook.cells if cell.cell_type == "code")
    raw = (FOLDER / f"{name}.ipynb").read_text()
    assert len(raw) < 1.5e6 and str(FOLDER.parent) not in raw

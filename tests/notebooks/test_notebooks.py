"""Every notebook runs from a fresh kernel at smoke scale, agrees with its pair, and carries outputs of its own text."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from notebooks import exercises as checkers
from notebooks.course import execute
from notebooks.course.notebooks import (
    exercises,
    find,
    main_picture,
    minutes,
    notebooks_folder,
    only_shows,
    read,
    section,
    source_hash,
    sources,
)  # fmt: skip

FOLDER = notebooks_folder()
NAMES = [path.stem for path in sources()]
SECTIONS = ("Predict first", "Check your predictions", "What to remember", "Common misconceptions", "Further reading")


def committed(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def pictures(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in outputs if "image/png" in output.get("data", {})]


def test_there_are_notebooks():
    assert "00_start_here" in NAMES
    assert NAMES == sorted(path.stem for path in FOLDER.glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_runs_at_smoke_scale_where_empty_answers_fail_and_solutions_pass(name):
    """One run of both: behind each exercise's cell, as the reader finds it, the cell with its solution."""
    notebook = read(find(name))
    for exercise in reversed(exercises(notebook)):
        solution = nbformat.v4.new_code_cell(exercise.solution, metadata={"tags": ["solution"]})
        notebook.cells.insert(exercise.cell + 1, solution)
    notebook = execute.run(notebook, "smoke", timeout=300)
    shown = re.compile(r"^(picture|opening|gallery\.show|\w*Explorer)\(", re.M)
    drawn = sum(bool(shown.search(cell.source)) for cell in notebook.cells if cell.cell_type == "code")
    assert len(pictures(notebook)) == drawn > 0
    for tag, right in (("exercise", False), ("solution", True)):
        for cell in notebook.cells:
            if tag in cell.metadata.get("tags", []):
                said = cell.outputs[-1].data["text/plain"]
                assert said.startswith("Right." if right else "Not yet."), f"{said}\n{cell.source}"


@pytest.mark.parametrize("name", NAMES)
def test_pair_agrees(name):
    text, notebook = read(find(name)), committed(name)
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
    assert notebook.metadata["mrntk"] == {"scale": "course", "source": source_hash(notebook)}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [
        output
        for cell in code
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert all(len(output.metadata["image/png"]["alt"]) > 40 for output in pictures(notebook)), (
        "alt text for every picture"
    )


@pytest.mark.parametrize("name", NAMES)
def test_shape_of_a_notebook(name):
    """What the head says, the sections, short cells, a small file, no path of the machine that made it."""
    notebook = committed(name)
    assert re.search(r"You will.*\n.*You need.*\n.*Time.*\n.*The question", notebook.cells[0].source)
    assert min(minutes(notebook)) > 0
    headings = [line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    assert all(f"## {heading}" in headings for heading in SECTIONS)
    assert all(section(notebook, heading).count("\n- ") >= 2 for heading in SECTIONS[2:])
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        lines = cell.source.splitlines()
        assert len(lines) <= 16 and max(map(len, lines)) <= (120 if only_shows(cell) else 100), cell.source
    raw = (FOLDER / f"{name}.ipynb").read_text()
    assert len(raw) < 1.5e6 and str(FOLDER.parent) not in raw


TELLING = {"", "Play", "Exercises", *SECTIONS}  # sections that find nothing new


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_opens_with_its_answer_and_every_section_ends_in_what_it_found(name):
    notebook = committed(name)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert (
        first.source.endswith(f'opening("{name[:2]}")')
        and "**The answer, before the question.**" in notebook.cells[2].source
    )
    assert first.outputs[0].data["image/png"] == main_picture(notebook).data["image/png"]
    heading, last, computing = "", {}, set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = ([line[3:] for line in cell.source.splitlines() if line.startswith("## ")] or [heading])[-1]
        elif "exercise" not in cell.metadata.get("tags", []):
            last[heading] = cell.source
            computing |= set() if only_shows(cell) else {heading}
    found = {heading: source for heading, source in last.items() if heading in computing - TELLING}
    assert [heading for heading, source in found.items() if "conclude(" not in source] == []
    answered = section(notebook, "Check your predictions") + last["Check your predictions"]
    assert "conclude(" in answered


@pytest.mark.parametrize("name", NAMES)
def test_code_that_only_shows_is_folded_and_a_third_of_all(name):
    notebook = committed(name)
    code = [
        cell for cell in notebook.cells if cell.cell_type == "code" and "exercise" not in cell.metadata.get("tags", [])
    ]
    folded = [cell for cell in code if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert folded == [cell for cell in code if only_shows(cell)]
    lines = [sum(len(cell.source.splitlines()) for cell in cells) for cells in (folded, code)]
    assert lines[0] >= lines[1] / 3


@pytest.mark.parametrize("name", NAMES)
def test_nothing_but_the_widget_comes_from_the_widgets(name):
    for cell in read(find(name)).cells:
        if cell.cell_type == "code" and re.search(r"^from (mrntk|notebooks)\.widgets", cell.source, re.M):
            assert "Explorer(" in cell.source, cell.source


@pytest.mark.parametrize("name", NAMES)
def test_exercises(name):
    """At least three of rising difficulty, each with graded hints, a solution in words and code, and a checker."""
    found = exercises(read(find(name)))
    assert [one.number for one in found] == [f"{name[:2]}.{k + 1}" for k in range(len(found))]
    assert [one.number for one in found] == checkers.numbers(name[:2])
    assert len(found) >= 3 and [one.stars for one in found] == sorted(one.stars for one in found)
    assert all(len(one.hints) >= 2 and len(one.explanation) > 40 for one in found)
    assert sum(one.minutes for one in found) == minutes(read(find(name)))[1], "minutes of exercises in the head"


@pytest.mark.parametrize("name", NAMES)
def test_a_widget_for_the_live_reader(name):
    assert any("Explorer(" in cell.source for cell in read(find(name)).cells if cell.cell_type == "code")

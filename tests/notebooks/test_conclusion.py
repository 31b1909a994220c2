"""A concluding sentence is shown if its statements are true of the data, and fails its cell if one no longer is."""

import ast

import pytest

from mrntk.support.errors import MrntkError
from notebooks.conclusion import conclude
from notebooks.course.notebooks import read, sources

NAMES = [path.stem for path in sources()]


@pytest.fixture(autouse=True)
def at_course_scale(monkeypatch):
    monkeypatch.setenv("MRNTK_SCALE", "course")


def test_what_is_true_is_said():
    assert conclude("Deeper is better.", 2 > 1, True).data == "> **What we found.** Deeper is better."
    assert conclude("VP.", True, head="1. Which?").data == "> **1. Which?** VP."


def test_what_is_no_longer_true_fails_and_is_named():
    with pytest.raises(MrntkError, match="statement 2 of 2 in: 'Deeper is better.'"):
        conclude("Deeper is better.", True, 1 > 2)


def test_a_sentence_needs_something_that_checks_it():
    with pytest.raises(MrntkError, match="nothing to be checked by"):
        conclude("Deeper is better.")


def test_at_smoke_scale_it_is_said_to_be_unchecked(monkeypatch):
    monkeypatch.setenv("MRNTK_SCALE", "smoke")
    assert "Not checked" in conclude("Deeper is better.", False).data


def calls(name):
    """Every call of conclude in a notebook, as syntax."""
    code = "\n".join(cell.source for cell in read(sources()[NAMES.index(name)]).cells if cell.cell_type == "code")
    found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return [one for one in found if isinstance(one.func, ast.Name) and one.func.id == "conclude"]


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_compares_something_computed(name):
    """No constant stands for a truth: each has a name in it, whose value another run could change."""
    for call in calls(name):
        for truth in call.args[1:]:
            truth = truth.value if isinstance(truth, ast.Starred) else truth
            assert any(isinstance(node, ast.Name) for node in ast.walk(truth)), ast.unparse(truth)

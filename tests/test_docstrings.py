"""Docstrings are in numpydoc's form, one entry per parameter, and their examples give what they say.

Every docstring of the package is read from the source, not from the imported object, which the tests wrap to check shapes.
"""

import ast
import doctest
import re
from pathlib import Path
from typing import NamedTuple

import jax
import pytest

import mrntk

PACKAGE = Path(mrntk.__file__).parent
TITLES = (
    "Parameters",
    "Attributes",
    "Returns",
    "Yields",
    "Raises",
    "Warns",
    "See Also",
    "Notes",
    "References",
    "Examples",
)
ENTRY = re.compile(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*) :")


class Documented(NamedTuple):
    """A module, class or function with a docstring, and the names that a caller can give to it."""

    name: str
    docstring: str
    parameters: tuple[str, ...]


def arguments(function) -> tuple[str, ...]:
    """Names of a function's parameters, without the object that a method belongs to."""
    given = function.args
    everything = [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]
    return tuple(each.arg for each in everything if each is not None and each.arg not in ("self", "cls"))


def parameters_of(node) -> tuple[str, ...]:
    """Of a class: those of `__init__`, or its annotated fields, from which dataclasses and the like make one."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return arguments(node)
    body = getattr(node, "body", ()) if isinstance(node, ast.ClassDef) else ()
    made = [part for part in body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    fields = [part.target.id for part in body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)]
    return arguments(made[0]) if made else tuple(fields)


def documented(path: Path) -> list[Documented]:
    """Everything with a docstring in the file."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds)]
    found = [(getattr(node, "name", path.stem), ast.get_docstring(node), parameters_of(node)) for node in nodes]
    return [Documented(*each) for each in found if each[1]]


def sections_of(docstring: str) -> dict[str, list[str]]:
    """The lines under every underlined title."""
    found, lines = {}, docstring.split("\n")
    places = [i for i, line in enumerate(lines[:-1]) if line in TITLES and re.fullmatch("-+", lines[i + 1])]
    for place, end in zip(places, [*places[1:], len(lines)], strict=False):
        found[lines[place]] = lines[place + 2 : end]
    return found


def entries(lines: list[str]) -> list[list[str]]:
    """A section's entries: a line at the margin, and those that are indented below it."""
    found = []
    for line in filter(str.strip, lines):
        if line[0] != " " or not found:
            found.append([])
        found[-1].append(line)
    return found


def title_faults(docstring: str):
    lines = docstring.split("\n")
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line in TITLES and below != "-" * len(line):
            yield f"{line} is not underlined with as many dashes"
    for above, line in zip(["", *lines], lines, strict=False):
        if re.fullmatch("-{3,}", line) and above not in TITLES:
            yield f"{above!r} is underlined and no section"


def parameter_faults(lines: list[str], parameters: tuple[str, ...]):
    """What keeps a reader, or numpydoc, from finding one entry for every parameter."""
    seen = []
    for entry in entries(lines):
        match = ENTRY.match(entry[0])
        if not match:
            yield f"{entry[0]!r} names no parameter"
            continue
        names = [name.lstrip("*") for name in match[1].split(", ")]
        seen += names
        yield from (f"{name} is not in the signature" for name in names if name not in parameters)
        rest = " ".join(map(str.strip, entry))[match.end() :]
        yield from (
            f"{name} shares an entry with {names[0]}" for name in parameters if re.search(rf"[.;,] {name} : ", rest)
        )
    yield from (f"{name} has several entries" for name in parameters if seen.count(name) > 1)
    yield from (f"{name} has no entry" for name in parameters if name not in seen)


def faults(thing: Documented) -> list[str]:
    """Everything about a docstring that is not in the form."""
    sections, found = sections_of(thing.docstring), [*title_faults(thing.docstring)]
    if "Parameters" in sections:
        found += parameter_faults(sections["Parameters"], thing.parameters)
    for title in ("Returns", "Yields"):
        parts = [part[0] for part in entries(sections.get(title, []))]
        texts = [first for first in parts if first.endswith(".") or (len(parts) > 1 and not ENTRY.match(first))]
        found += [f"{title}: give the type, and indented below it the text {first!r}" for first in texts]
    for first, *text in entries(sections.get("Raises", [])):
        if not re.fullmatch(r"[\w.]*[A-Z]\w+(, [\w.]*[A-Z]\w+)*", first) or not text:
            found.append(f"Raises: {first!r} is no exception with a text indented below it")
    return [f"{thing.name}: {fault}" for fault in found]


FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
EXAMPLES = [
    pytest.param(thing, id=f"{name}::{thing.name}")
    for name, path in FILES.items()
    for thing in documented(path)
    if ">>>" in thing.docstring
]


@pytest.mark.parametrize("name", FILES)
def test_docstrings_are_in_the_form(name):
    assert [fault for thing in documented(FILES[name]) for fault in faults(thing)] == []


@pytest.mark.parametrize("thing", EXAMPLES)
def test_examples_give_what_they_say(thing):
    """Each by itself, as a reader would type it: in JAX's own single precision."""
    example = doctest.DocTestParser().get_doctest(thing.docstring, {}, thing.name, None, 0)
    report = []
    with jax.enable_x64(False):
        found = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=report.append)
    assert found.attempted and not found.failed, "".join(report)


FORM = """Words.

Parameters
----------
x, y : inputs and targets
    of a task.
*more :
    others.

Returns
-------
float
    A number.

Raises
------
MrntkError
    If not.
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("", "", None),
        ("----------\n", "", "Parameters is not underlined"),
        ("Raises\n------\n", "Raises\n---\n", "Raises is not underlined with as many dashes"),
        ("Returns\n", "Gives\n", "'Gives' is underlined and no section"),
        ("x, y :", "x, z :", "z is not in the signature"),
        ("x, y :", "x :", "y has no entry"),
        ("*more :", "*more : x :", None),
        ("of a task.", "of a task. more : others.", "more shares an entry with x"),
        ("*more :\n    others.", "More words.", "'More words.' names no parameter"),
        ("*more :", "x :", "x has several entries"),
        ("    A number.", "A number.", "below it the text 'A number.'"),
        ("    A number.", "    A number\n    or two.", None),
        ("    A number.", "A number or\ntwo", "below it the text 'two'"),
        ("    If not.", "If not.", "'If not.' is no exception"),
        ("    If not.", "    If not.\n\nWords after it.", "'Words after it.' is no exception"),
    ],
)
def test_the_rule_sees(old, new, fault):
    """The rule itself: a docstring in the form has no fault, and each way out of it has its own."""
    found = faults(Documented("f", FORM.replace(old, new, 1), ("x", "y", "more")))
    assert (found == []) if fault is None else any(fault in each for each in found), found

"""The exercises of the notebooks, checked at once: `check("01.2", my_answer)` says whether the answer is right, and if not, why.

A checker is a function in the module that has the name of its notebook and takes what the reader wrote, compares it
with the truth on data of its own, and raises `NotYet` with words that help. What it returns is said to a right answer.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from mrntk.support.errors import MrntkError

_CHECKERS: dict[str, Callable] = {}


class NotYet(Exception):
    """The answer is not right yet; the words say what is wrong without giving the solution away."""


@dataclass(frozen=True)
class Result:
    """Whether an answer is right, and what is to be said of it; as a truth value, whether it is right."""

    right: bool
    words: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"{'Right' if self.right else 'Not yet'}. {self.words}"

    def _repr_markdown_(self) -> str:
        return f"{'✅ **Right.**' if self.right else '✏️ **Not yet.**'} {self.words}"


def exercise(number: str) -> Callable:
    """Decorator: the function checks the answer to exercise `number`, such as "01.2"."""

    def register(checker: Callable) -> Callable:
        _CHECKERS[number] = checker
        return checker

    return register


def checkers(notebook: str) -> ModuleType:
    """The module with the checkers of that notebook, by its number: checkers("01").

    Raises
    ------
    MrntkError
        If no notebook with exercises has that number.
    """
    found = [path.stem for path in Path(__file__).parent.glob(f"{notebook}_*.py")] if notebook.isdigit() else []
    if len(found) != 1:
        raise MrntkError(f"notebook {notebook!r} has no exercises: give its number, such as '01'.")
    return importlib.import_module(f"{__name__}.{found[0]}")


def numbers(notebook: str) -> list[str]:
    """The exercises of a notebook that have a checker: numbers("01") is ["01.1", "01.2", ...]."""
    checkers(notebook)
    return sorted(number for number in _CHECKERS if number.startswith(f"{notebook}."))


def check(number: str, *answers) -> Result:
    """Check what the reader wrote for exercise `number`. Never raises for a wrong answer; it says what is wrong.

    Raises
    ------
    MrntkError
        If there is no such exercise.
    """
    known = numbers(number.partition(".")[0])
    if number not in known:
        raise MrntkError(f"exercise {number!r} is unknown: choose one of {', '.join(known)}.")
    if any(answer is None or answer is ... for answer in answers):
        return Result(False, "There is no answer yet: put yours in place of the dots.")
    try:
        return Result(True, _CHECKERS[number](*answers))
    except NotYet as what:
        words = str(what)
        return Result(False, f"The {words[4:]}" if words.startswith("the ") else words)  # names keep their case
    except Exception as error:  # whatever the reader's code or a strange answer leads to
        return Result(False, f"Your answer led to an error: `{type(error).__name__}: {error}`.")


def call(function, *arguments, name: str = "your function"):
    """What the reader's function gives; `NotYet` if it is none, or gives nothing."""
    if not callable(function):
        raise NotYet(f"{name} should be a function, and is a {type(function).__name__}.")
    found = function(*arguments)
    if found is None or found is ...:
        raise NotYet(f"{name} returned nothing: put your formula in place of the dots, and `return` it.")
    return found


def expect(condition, words: str):
    """`NotYet` with these words unless the condition holds."""
    if not condition:
        raise NotYet(words)


def close(found, expected, what: str, *, rtol: float = 1e-6, atol: float = 1e-9, hint: str = ""):
    """`NotYet` unless `found` equals the array or number `expected`; says shapes, then the largest difference."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    if found.shape != expected.shape:
        raise NotYet(f"{what} has shape {found.shape}; it should be {expected.shape}. {hint}".strip())
    if not np.isfinite(found).all():
        raise NotYet(f"{what} is not finite. {hint}".strip())
    if np.allclose(found, expected, rtol=rtol, atol=atol):
        return
    if found.ndim == 0:
        raise NotYet(f"{what} is {found:.6g}, which is not right. {hint}".strip())
    off = np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-300)
    raise NotYet(f"{what} is off by up to {off:.2g} of the largest right value. {hint}".strip())

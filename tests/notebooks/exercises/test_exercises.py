"""The checkers' frame: what is said of empty, wrong, failing and right answers."""

import numpy as np
import pytest

from mrntk import MrntkError
from notebooks.exercises import NotYet, Result, call, check, close, expect, numbers


def one_step(K, r, eta):
    return r - eta / len(r) * K @ r


def test_right_answer():
    found = check("01.1", one_step)
    assert found and repr(found).startswith("Right. ") and found._repr_markdown_().startswith("✅ **Right.**")


@pytest.mark.parametrize(
    "answer, words",
    [
        (..., "no answer yet"),
        (None, "no answer yet"),
        (lambda K, r, eta: ..., "returned nothing"),
        (3.0, "should be a function"),
        (lambda K, r, eta: r - eta * K @ r, "mean over the examples"),
        (lambda K, r, eta: r[:2], "shape (2,)"),
        (lambda K, r, eta: 1 / 0, "ZeroDivisionError"),
        (lambda K, r, eta: r * np.nan, "not finite"),
        (lambda K, r, eta: r, "off by"),
    ],
)
def test_other_answers_are_told_what_is_wrong(answer, words):
    found = check("01.1", answer)
    assert not found and words in found.words and found._repr_markdown_().startswith("✏️ **Not yet.**")


def test_unknown_exercises_are_errors_that_name_the_known():
    with pytest.raises(MrntkError, match="01.1, 01.2, 01.3"):
        check("01.9", 1)
    with pytest.raises(MrntkError, match="no exercises"):
        check("77.1", 1)
    assert numbers("01") == ["01.1", "01.2", "01.3"]


def test_helpers():
    with pytest.raises(NotYet, match="it is not"):
        expect(False, "it is not")
    with pytest.raises(NotYet, match="is 2, which is not right"):
        close(2.0, 3.0, "it")
    close([1.0, 2.0], np.array([1.0, 2.0]), "it")
    assert call(lambda a, b: a + b, 1, 2) == 3
    assert bool(Result(True, "")) and not Result(False, "")

"""Labels: different ones stay apart, missing ones are counted, numbers are in the order of numbers."""

import unicodedata

import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.tasks.labels import as_numbers, in_order, words_of

LARGE = 2**53  # above it, floats merge neighbours


@pytest.mark.parametrize(
    "labels, words",
    [
        (np.array([LARGE, LARGE + 1]), [str(LARGE), str(LARGE + 1)]),
        (np.array([2**64 - 1, 2**64 - 2], np.uint64), [str(2**64 - 1), str(2**64 - 2)]),
        ([1.0, 1.4], ["1", "1.4"]),
        (np.array([0.1, 0.2], np.float32), ["0.1", "0.2"]),
        ([-0.0, 1e20], ["0", "1" + 20 * "0"]),
        ([True, False], ["1", "0"]),
        (["a", "a "], ["a", "a "]),
        (["1_0", "10"], ["1_0", "10"]),
        (["1", "1.0"], ["1", "1.0"]),
        (["A", "a"], ["A", "a"]),
        ([b"caf\xc3\xa9", b"x"], ["caf\u00e9", "x"]),
        ([unicodedata.normalize("NFD", "caf\u00e9"), "x"], ["caf\u00e9", "x"]),
        ([[3], [4]], ["3", "4"]),
        ([["a"], ["b"]], ["a", "b"]),
        ([[0, 1], [1, 0]], ["1", "0"]),
        ([[0.0, 0, 1], [1, 0, 0]], ["2", "0"]),
        ([[False, True], [True, False]], ["1", "0"]),
    ],
)
def test_words_of_arrays(labels, words):
    assert words_of("y", np.array(labels), 2) == words


@pytest.mark.parametrize(
    "labels, message",
    [
        ([np.nan, 1, np.nan], r"^y has 2 missing labels of 3 \('nan'\): fill them or remove"),
        (["", "a", " "], r"has 2 missing labels of 3 \('', ' '\)"),
        ([None, "a", float("nan")], "has 2 missing labels of 3 .'None', 'nan'."),
        ([b"?", b"a", b"NA"], "has 2 missing labels"),
        ([1, np.inf, 2], "has 1 infinite labels of 3"),
        ([b"\xff", b"\xfe", b"a"], "labels of bytes that are not UTF-8"),
        ([[1, 1], [0, 1], [1, 0]], "dtype int64 and shape .3, 2.: give 3 labels, one per example, or one-hot rows"),
        ([[0.4, 0.6], [0, 1], [1, 0]], "give 3 labels"),
        ([[1, 2, 3]], None),
        ([1, 2], "shape .2,.: give 3 labels"),
        (1, "shape ..: give 3 labels"),
        ([1j, 2, 3], "dtype complex128"),
    ],
)
def test_labels_that_are_refused(labels, message):
    labels = np.array(labels, str) if isinstance(labels, list) and None in labels else np.array(labels)
    if message is None:  # a row of MATLAB's
        assert words_of("y", labels, 3) == ["1", "2", "3"]
    else:
        with pytest.raises(MrntkError, match=message):
            words_of("y", labels, 3)


@pytest.mark.parametrize(
    "words, ordered",
    [
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["1e1", "9.5"], ["9.5", "1e1"]),
        (["10", "9", "b"], ["10", "9", "b"]),
        ([str(LARGE + 1), str(LARGE)], [str(LARGE), str(LARGE + 1)]),
        (["1", "01", "1"], ["01", "1"]),
        (["1e999999999", "2"], ["1e999999999", "2"]),
        (["1_0", "2"], ["1_0", "2"]),
    ],
)
def test_order(words, ordered):
    assert in_order(words) == ordered


def test_one_spelling_of_a_number():
    assert as_numbers(["1.0e+00", "+1", "1.", "10", "1.50"]) == ["1", "1", "1", "10", "1.5"]
    assert as_numbers([f"{LARGE}", f"{LARGE + 1}.0"]) == [f"{LARGE}", f"{LARGE + 1}"]
    for words in (["1.0", "1", "a"], ["007", "7"], ["1_0", "10"], ["1e5000", "2"]):
        assert as_numbers(words) == words

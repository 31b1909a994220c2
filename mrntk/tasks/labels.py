"""Labels as words: missing ones are refused, different ones never become one, numbers are in the order of numbers."""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from ..support.errors import MrntkError

# what pandas, R, SQL, Weka and NumPy write where nothing is known
MISSING = {"", "?", "nan", "NaN", "NAN", "NaT", "NA", "<NA>", "N/A", "n/a", "None", "NULL", "null"}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
IDENTIFIER = re.compile(r"[+-]?0\d")  # "007" is not the number "7"


def composed(word: str) -> str:
    """The one form of a word that Unicode can spell in several."""
    return unicodedata.normalize("NFC", word)


def in_order(words: Iterable[str]) -> list[str]:
    """The different words, sorted: as numbers if all are numbers.

    Examples
    --------
    >>> from mrntk.tasks.labels import in_order
    >>> in_order(["10", "9", "9"]), in_order(["10", "9", "b"])
    (['9', '10'], ['10', '9', 'b'])
    """
    found = sorted(set(words))
    return sorted(found, key=Decimal) if all(map(NUMBER.fullmatch, found)) else found


def as_numbers(words: list[str]) -> list[str]:
    """Every number in one spelling, if all are numbers (none with leading zeros); otherwise the words as they are.

    Examples
    --------
    >>> from mrntk.tasks.labels import as_numbers
    >>> as_numbers(["1.0000000e+00", "1", "-0.50"]), as_numbers(["1.0", "a"])
    (['1', '1', '-0.5'], ['1.0', 'a'])
    """
    found = set(words)
    if any(not NUMBER.fullmatch(word) or IDENTIFIER.match(word) for word in found):
        return words
    plain = {word: f"{Decimal(word):f}" for word in found}
    plain = {word: text.rstrip("0").rstrip(".") if "." in text else text for word, text in plain.items()}
    return ["0" if plain[word] == "-0" else plain[word] for word in words]


def check_present(where: str, words: list[str]):
    missing = [word for word in words if word.strip() in MISSING]
    if missing:
        raise MrntkError(
            f"{where} has {len(missing):,} missing labels of {len(words):,} ({', '.join(map(repr, sorted(set(missing))))}): "
            "fill them or remove those examples."
        )


def words_of(where: str, y: np.ndarray, count: int) -> list[str]:
    """The labels of an array (N,), (N, 1) or one-hot (N, classes), as words.

    Raises
    ------
    MrntkError
        If they are not one per example, or missing, infinite, or bytes that are not UTF-8.
    """
    numbers = y.dtype.kind in "iubf"
    if numbers and y.ndim == 2 and y.shape[1] > 1 and len(y) == count and _one_hot(y):
        y = y.argmax(1)
    if not (numbers or y.dtype.kind in "US") or y.size != count or max(y.shape, default=0) != count:
        raise MrntkError(
            f"{where} has dtype {y.dtype} and shape {y.shape}: give {count} labels, one per example, or one-hot rows."
        )
    y = y.ravel().astype(int) if y.dtype.kind == "b" else y.ravel()
    if y.dtype.kind == "f" and np.isinf(y).any():
        raise MrntkError(f"{where} has {np.isinf(y).sum()} infinite labels of {count:,}: replace them.")
    try:
        words = (np.char.decode(y, "utf-8") if y.dtype.kind == "S" else y.astype(str)).tolist()
    except UnicodeDecodeError:
        raise MrntkError(f"{where} has labels of bytes that are not UTF-8: give words or whole numbers.") from None
    check_present(where, words)
    return as_numbers(words) if numbers else list(map(composed, words))


def _one_hot(y: np.ndarray) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())

"""The reader's own time series as a task: a text file, or the .ts or .arff file of the UCR archive."""

import re
from pathlib import Path

from ..support.errors import MrntkError
from .labels import as_numbers, check_present, composed
from .own_task import arrays_task, existing
from .series_files import read_arff, read_text, read_ts
from .task import Task

READERS = {".ts": read_ts, ".arff": read_arff}
TITLE = "time series of the reader's own"
FIX = "give every series a label and equally many numbers, as UTF-8 text"


def from_series(path: str | Path, *, test_share: float = 0.2, seed: int = 0) -> Task:
    """Time series of one channel and one length from a text file, .ts or .arff, in the style of the UCR archive.

    In a text file each row is one series, its label (a number or a word) first; see `read_text`. NAME_TRAIN.csv is read with
    NAME_TEST.csv beside it; any other file is split.

    Parameters
    ----------
    path : of the file, or of one of the two.
    test_share, seed : make the split where there is none; the card records them.

    Returns
    -------
    Task
        Inputs (1, T), as they stand in the file.

    Raises
    ------
    MrntkError
        For a missing file; words or missing values among the numbers, or rows of different length (naming the line); missing
        labels; one class only; or more than 4 GB.
    """
    path = existing(path)
    match = re.fullmatch(r"(.*)_(train|test)", path.stem, re.IGNORECASE)
    pair = [path.with_name(f"{match[1]}_{part}{path.suffix}") for part in _cased(match[2])] if match else [path]
    for each in pair:
        if not each.exists():
            raise MrntkError(
                f"{each} is missing beside {path.name}: put it there, or rename the one file to have it split."
            )
    x, words = zip(*(READERS.get(each.suffix.lower(), read_text)(each, fix=FIX) for each in pair), strict=True)
    if x[0].shape[1] != x[-1].shape[1]:
        raise MrntkError(
            f"{pair[1]} has series of {x[1].shape[1]} values, {pair[0].name} of {x[0].shape[1]}: give equal lengths."
        )
    for each, labels in zip(pair, words, strict=True):
        check_present(str(each), labels)
    numbers = as_numbers([composed(word) for labels in words for word in labels])
    words = [numbers[: len(words[0])], numbers[len(words[0]) :]][: len(pair)]
    whole = path.with_name(match[1] + path.suffix) if match else path
    return arrays_task(whole, TITLE, [each[:, None] for each in x], words, test_share, seed)


def _cased(word: str) -> tuple[str, str]:
    """train and test, written as `word` is."""
    change = str.upper if word.isupper() else str.capitalize if word.istitle() else str.lower
    return change("train"), change("test")

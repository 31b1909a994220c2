"""The reader's own arrays in an .npz file, or time series in a text file, as a task."""

import re
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..support.errors import MrntkError
from .own_task import check_amount, existing, make_task, numbered, split, split_note
from .task import Task


def _numbers_or_words(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Labels such as 1, "1" and "1.0000000e+00" as integers, if all are whole numbers; otherwise as words."""
    try:
        numbers = [each.astype(float) for each in arrays]
    except ValueError:
        return [each.astype(str) for each in arrays]
    if all((np.isfinite(each) & (each == np.round(each))).all() for each in numbers):
        return [each.astype(int) for each in numbers]
    return [each.astype(str) for each in arrays]


def _arrays_task(path: Path, title: str, x, y, test_share: float, seed: int) -> Task:
    """A task from (x_train, x_test), (y_train, y_test), or from (x,), (y,), which are split."""
    classes, labels = numbered(path, *_numbers_or_words(y))
    if len(x) == 2:
        return make_task(path, title, classes, (x[0], labels[0], x[1], labels[1]), "its own split")
    rows, held_out = split(labels[0], test_share, seed, path)
    parts = x[0][rows], labels[0][rows], x[0][held_out], labels[0][held_out]
    return make_task(path, title, classes, parts, split_note(test_share, seed))


def _inputs(path: Path, name: str, x: np.ndarray) -> np.ndarray:
    """uint8 as float32 in [0, 1], other numbers as they are in floating point."""
    if x.dtype.kind not in "fiub" or x.ndim < 2 or not x.size:
        raise MrntkError(f"{path}: {name} has dtype {x.dtype} and shape {x.shape}: give numbers, one example per row.")
    if x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        raise MrntkError(f"{path}: {name} has shape {x.shape}: put the channels first, {name}.transpose(0, 3, 1, 2).")
    check_amount(path, x.size * (4 if x.dtype == np.uint8 else 8 if x.dtype.kind != "f" else x.dtype.itemsize))
    x = x.astype(np.float32) / 255 if x.dtype == np.uint8 else x if x.dtype.kind == "f" else x.astype(float)
    if not np.isfinite(x).all():
        raise MrntkError(f"{path}: {name} has missing or infinite values: fill them or remove those examples.")
    return x


def _labels(path: Path, name: str, y: np.ndarray, count: int) -> np.ndarray:
    if y.shape != (count,) or y.dtype.kind not in "iubfUS":
        raise MrntkError(
            f"{path}: {name} has dtype {y.dtype} and shape {y.shape}: give {count} labels, one per example."
        )
    return np.char.decode(y, "utf-8", "replace") if y.dtype.kind == "S" else y


def from_npz(path: str | Path, *, test_share: float = 0.2, seed: int = 0) -> Task:
    """Arrays x_train, y_train, x_test, y_test from an .npz file, or x and y, which are split.

    x has one example per row: (N, channels, height, width), (N, 1, T) or (N, d); uint8 is divided by 255, other numbers are taken
    as they are. y has whole numbers or words. Nothing in the file is executed: object arrays, which are pickles, are refused.

    Raises
    ------
    MrntkError
        For a missing or damaged file, missing arrays, shapes that do not fit, NaN, one class only, or more than 4 GB.
    """
    path = existing(path)
    try:
        with zipfile.ZipFile(path) as archive:
            check_amount(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as archive:
            wanted = ("x_train", "y_train", "x_test", "y_test") if "x_train" in archive else ("x", "y")
            arrays = {name: archive[name] for name in wanted}
    except KeyError:
        raise MrntkError(
            f"{path} lacks arrays: save it with x_train, y_train, x_test, y_test, or with x and y."
        ) from None
    except MrntkError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many kinds
        cause = "it holds objects" if "pickle" in str(error) else "it is no .npz file, or damaged"
        raise MrntkError(f"{path} cannot be read: {cause}; save arrays of numbers again with numpy.savez.") from None
    x = [_inputs(path, name, arrays[name]) for name in wanted[::2]]
    y = [_labels(path, name, arrays[name], len(each)) for name, each in zip(wanted[1::2], x, strict=True)]
    if x[0].shape[1:] != x[-1].shape[1:]:
        raise MrntkError(
            f"{path}: x_train and x_test have shapes {x[0].shape} and {x[-1].shape}: give examples of one shape."
        )
    return _arrays_task(path, "arrays of the reader's own", x, y, test_share, seed)


def _rows(path: Path) -> tuple[Float[np.ndarray, "N 1 T"], np.ndarray]:
    """(series, words of the labels) of one text file."""
    words, series, delimiter = [], [], None
    try:
        with open(path, encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                if not series:
                    delimiter = "," if "," in line else "\t" if "\t" in line.strip() else None
                word, *values = line.strip().split(delimiter)
                where = f"{path}, line {number}"
                series.append(_values(where, values))
                words.append(word.strip().strip("\"'"))
                if len(series[-1]) != len(series[0]):
                    raise MrntkError(
                        f"{where} has {len(series[-1])} values, the first has {len(series[0])}: give equal lengths."
                    )
                check_amount(path, 8 * len(series) * len(series[0]))
    except UnicodeDecodeError:
        raise MrntkError(f"{path} is no text file: give one series per row, its label first.") from None
    if not series:
        raise MrntkError(f"{path} is empty: give one series per row, its label first.")
    return np.array(series)[:, None], np.array(words)


def _values(where: str, values: list[str]) -> np.ndarray:
    try:
        found = np.array(values, float)
    except ValueError:
        raise MrntkError(f"{where} has words among its values: give a label, then numbers, and no header.") from None
    if not len(found) or not np.isfinite(found).all():
        raise MrntkError(f"{where} has missing values: fill them or remove the series.")
    return found


def from_csv(path: str | Path, *, test_share: float = 0.2, seed: int = 0) -> Task:
    """Time series from a text file in the style of the UCR archive: one series per row, its label (a number or a word) first.

    Commas, tabs or blanks separate. NAME_TRAIN.csv is read with NAME_TEST.csv beside it; any other file is split.

    Returns
    -------
    Task
        Inputs (1, T), as they stand in the file.

    Raises
    ------
    MrntkError
        For a missing file, words or missing values among the numbers, or rows of different length (naming the line), one class
        only, or more than 4 GB.
    """
    path = existing(path)
    match = re.fullmatch(r"(.*)_(train|test)", path.stem, re.IGNORECASE)
    if not match:
        series, words = _rows(path)
        return _arrays_task(path, "time series of the reader's own", [series], [words], test_share, seed)
    pair = [path.with_name(f"{match[1]}_{part}{path.suffix}") for part in _cased(match[2])]
    for each in pair:
        if not each.exists():
            raise MrntkError(
                f"{each} is missing beside {path.name}: put it there, or rename the one file to have it split."
            )
    (x_train, y_train), (x_test, y_test) = map(_rows, pair)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise MrntkError(
            f"{pair[1]} has series of {x_test.shape[2]} values, {pair[0].name} of {x_train.shape[2]}: give equal lengths."
        )
    whole = path.with_name(match[1] + path.suffix)
    return _arrays_task(
        whole, "time series of the reader's own", [x_train, x_test], [y_train, y_test], test_share, seed
    )


def _cased(word: str) -> tuple[str, str]:
    """train and test, written as `word` is."""
    change = str.upper if word.isupper() else str.capitalize if word.istitle() else str.lower
    return change("train"), change("test")

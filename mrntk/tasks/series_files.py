"""Readers of the files in which packages carry labelled time series: .ts, text and .npz."""

import zipfile
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..support.errors import MrntkError

Labelled = tuple[Float[np.ndarray, "_ _"], list[str]]  # series and their labels as the file has them


def _damaged(path: Path, line: int, what: str) -> MrntkError:
    return MrntkError(
        f"{path.name}, line {line}: {what}; the file is damaged: install the package that carries it again."
    )


class _Rows:
    """Series of one length, collected line by line."""

    def __init__(self, path: Path, length: int | None = None):
        self.path, self.length, self.values, self.labels = path, length, [], []

    def add(self, line: int, fields: list[str], label: str):
        try:
            row = [float(field) for field in fields]
        except ValueError as error:
            raise _damaged(self.path, line, str(error)) from None
        self.length = self.length or len(row)
        if len(row) != self.length:
            raise _damaged(self.path, line, f"{len(row)} values instead of {self.length}")
        if not np.isfinite(row).all():
            raise _damaged(self.path, line, "a value that is missing or not finite")
        self.values.append(row)
        self.labels.append(label)

    def done(self, last_line: int) -> Labelled:
        if not self.values:
            raise _damaged(self.path, last_line, "the file ends without any series")
        return np.array(self.values), self.labels


def _lines(path: Path) -> list[tuple[int, str]]:
    """Numbered lines without the blank ones; what is no text becomes a character that no number has."""
    lines = enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def _header(path: Path, line: int, header: dict[str, list[str]]) -> tuple[list[str], int | None]:
    """The labels and the length that it states, once it is sure that the series are of the kind that `read_ts` reads."""
    for key, value in {"univariate": "false", "equallength": "false", "missing": "true", "timestamps": "true"}.items():
        if [word.lower() for word in header.get(key, [])] == [value]:
            raise _damaged(path, line, f"@{key} {value} is not supported")
    flag, *labels = header.get("classlabel") or ["false"]
    if flag.lower() != "true" or not labels:
        raise _damaged(path, line, "the header lists no class labels")
    length = header.get("serieslength")
    if length is not None and not (len(length) == 1 and length[0].isdecimal() and int(length[0])):
        raise _damaged(path, line, "@seriesLength is not a positive number")
    return labels, int(length[0]) if length else None


def read_ts(path: Path) -> Labelled:
    """Read a .ts file of labelled series of one channel and one length, as the aeon and sktime packages write it.

    Lines that start with # are remarks, those with @ are the header, which ends with @data; then every line is one series,
    its values separated by commas, a colon, its label.

    Raises
    ------
    MrntkError
        If a line is not like that, or has another length, or a label that the header does not list: with file and line.
    """
    header, labels, rows, number = {}, None, _Rows(path), 0
    for number, line in _lines(path):
        if line.startswith("#"):
            continue
        if labels is None:
            key, *words = line.split()
            if not key.startswith("@"):
                raise _damaged(path, number, "a line of data before @data")
            header[key[1:].lower()] = words
            if key.lower() == "@data":
                labels, rows.length = _header(path, number, header)
            continue
        values, _, label = line.partition(":")
        if label.strip() not in labels:
            raise _damaged(path, number, f"the label {label.strip()!r} is not one of {', '.join(labels)}")
        rows.add(number, values.split(","), label.strip())
    return rows.done(number)


def read_text(path: Path) -> Labelled:
    """Read a text file of numbers: every line a label and then one series, separated by blanks, as the UCR archive had them.

    Raises
    ------
    MrntkError
        If a line has something else or another length: with file and line.
    """
    rows, number = _Rows(path), 0
    for number, line in _lines(path):
        label, *values = line.split()
        rows.add(number, values, label)
    return rows.done(number)


def read_npz(path: Path) -> tuple[Labelled, Labelled]:
    """Train and test part of an .npz file with X_train (N, T, 1), y_train (N,) and the same of test, as tslearn has them.

    Raises
    ------
    MrntkError
        If it is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return tuple(
                (arrays[f"X_{part}"][..., 0], arrays[f"y_{part}"].astype(str).tolist()) for part in ("train", "test")
            )
    except (ValueError, KeyError, IndexError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise MrntkError(f"{path.name} is damaged ({error}): install the package that carries it again.") from None

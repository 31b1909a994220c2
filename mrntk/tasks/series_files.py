"""Readers of files of labelled time series of one channel and one length: .ts, .arff, text, and .npz as tslearn has it.

They raise MrntkError, with file and line, where a line is not what it should be; `fix` is the advice in it.
"""

import csv
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..support.errors import MrntkError
from .labels import MISSING
from .own_task import check_amount

Labelled = tuple[Float[np.ndarray, "_ _"], list[str]]  # series and their labels as the file has them
INSTALL = "the file is damaged: install the package that carries it again"


class _Rows:
    """Lines of a file, and the series in them, collected line by line."""

    def __init__(self, path: Path, fix: str):
        self.path, self.fix, self.number, self.length, self.values, self.labels = path, fix, 0, None, [], []

    def wrong(self, what: str) -> MrntkError:
        return MrntkError(f"{self.path.name}, line {self.number}: {what}; {self.fix}.")

    def lines(self, remark: str) -> Iterator[str]:
        """Those that are neither blank nor a remark."""
        with open(self.path, encoding="utf-8-sig", errors="replace") as file:
            for line in file:
                self.number += 1
                if "\ufffd" in line:
                    raise self.wrong("bytes that are not UTF-8 text")
                if line.strip() and not line.lstrip().startswith(remark):
                    yield line.strip()

    def fields(self, line: str, separator: str) -> list[str]:
        try:
            quote = '"' if '"' in line else "'"
            return next(csv.reader([line], delimiter=separator, quotechar=quote, skipinitialspace=True))
        except csv.Error as error:
            raise self.wrong(str(error)) from None

    def add(self, fields: list[str], label: str):
        if not fields:
            raise self.wrong("a label and no values")
        try:
            row = np.array(fields, float)
        except ValueError:
            row = np.full(1, np.nan)
        if not np.isfinite(row).all():
            raise self._wrong_value(fields)
        self.length = len(row) if self.length is None else self.length
        if len(row) != self.length:
            raise self.wrong(f"{len(row)} values instead of {self.length}")
        self.values.append(row)
        self.labels.append(label)
        check_amount(self.path, 8 * len(self.values) * self.length)

    def _wrong_value(self, fields: list[str]) -> MrntkError:
        """About the first of them that is not a finite number."""
        for field in map(str.strip, fields):
            try:
                if field not in MISSING and np.isfinite(float(field)):
                    continue
            except ValueError:
                return self.wrong(f"{field!r} is no number")
            return self.wrong(f"a value that is missing or not finite, {field!r}")

    def done(self) -> Labelled:
        if not self.values:
            raise self.wrong("the file ends without any series")
        spelled = {}
        for label in set(self.labels):
            if spelled.setdefault(label.strip(), label) != label:
                raise self.wrong(f"labels that differ by blanks alone, {label!r} and {spelled[label.strip()]!r}")
        return np.array(self.values), [label.strip() for label in self.labels]


def _header(rows: _Rows, header: dict[str, list[str]]) -> tuple[list[str], int | None]:
    """The labels and the length that it states, once it is sure that the series are of the kind that `read_ts` reads."""
    for key, value in {"univariate": "false", "equallength": "false", "missing": "true", "timestamps": "true"}.items():
        if [word.lower() for word in header.get(key, [])] == [value]:
            raise rows.wrong(f"@{key} {value} is not supported")
    flag, *labels = header.get("classlabel") or ["false"]
    if flag.lower() != "true" or not labels:
        raise rows.wrong("the header lists no class labels")
    length = header.get("serieslength")
    if length is not None and not (len(length) == 1 and length[0].isdecimal() and int(length[0])):
        raise rows.wrong("@seriesLength is not a positive number")
    return labels, int(length[0]) if length else None


def read_ts(path: Path, *, fix: str = INSTALL) -> Labelled:
    """Read a .ts file, as the UCR archive and the aeon and sktime packages write it.

    Lines that start with # are remarks, those with @ are the header, which ends with @data; then every line is one series,
    its values separated by commas, a colon, its label.

    Raises
    ------
    MrntkError
        If a line is not like that, or has another length, or a label that the header does not list: with file and line.
    """
    header, labels, rows = {}, None, _Rows(path, fix)
    for line in rows.lines("#"):
        if labels is None:
            key, *words = line.split()
            if not key.startswith("@"):
                raise rows.wrong("a line of data before @data")
            header[key[1:].lower()] = words
            if key.lower() == "@data":
                labels, rows.length = _header(rows, header)
            continue
        values, _, label = line.partition(":")
        if label.strip() not in labels:
            raise rows.wrong(f"the label {label.strip()!r} is not one of {', '.join(labels)}")
        rows.add(values.split(","), label)
    return rows.done()


ATTRIBUTE = re.compile(r"""@attribute\s+(?:'[^']*'|"[^"]*"|[^\s{]+)\s*(.+)""", re.IGNORECASE)


def _arff_labels(rows: _Rows, kinds: list[str]) -> list[str]:
    """Those of the last attribute, once it is sure that the others are numbers."""
    *numbers, last = kinds or [""]
    for kind in numbers:
        if kind.lower() not in ("numeric", "real", "integer"):
            raise rows.wrong(f"an attribute that is {kind.split()[0]} before the last, which is the label")
    if not (last.startswith("{") and last.endswith("}")):
        raise rows.wrong("the last attribute does not list the labels, as {a, b}")
    return [label.strip() for label in rows.fields(last[1:-1].strip(), ",")]


def read_arff(path: Path, *, fix: str = INSTALL) -> Labelled:
    """Read an .arff file, as the UCR archive writes it: numeric attributes, then one that lists the labels.

    Lines that start with % are remarks. SciPy's reader names no line and takes rows that are too long.

    Raises
    ------
    MrntkError
        If a line is not like that, or has another length, or a label that the header does not list: with file and line.
    """
    kinds, labels, rows = [], None, _Rows(path, fix)
    for line in rows.lines("%"):
        if labels is not None:
            *values, label = rows.fields(line, ",")
            if label.strip() not in labels:
                raise rows.wrong(f"the label {label.strip()!r} is not one of {', '.join(labels)}")
            rows.add(values, label)
        elif match := ATTRIBUTE.fullmatch(line):
            kinds.append(match[1])
        elif line.lower() == "@data":
            labels, rows.length = _arff_labels(rows, kinds), len(kinds) - 1
        elif not line.lower().startswith("@relation"):
            raise rows.wrong("neither @relation nor @attribute before @data")
    return rows.done()


def read_text(path: Path, *, fix: str = INSTALL) -> Labelled:
    """Read a text file of numbers: every line a label and then one series, as the UCR archive had them.

    Semicolons, commas, tabs or blanks separate, as in the first line; quotes may stand around labels and numbers. Lines that
    start with # are remarks.

    Raises
    ------
    MrntkError
        If a line has something else or another length: with file and line.
    """
    rows, separator = _Rows(path, fix), None
    for line in rows.lines("#"):
        if separator is None:
            bare = re.sub(r"""(["']).*?\1""", "", line)
            separator = next((each for each in ";,\t" if each in bare), " ")
        label, *values = rows.fields(line, separator)
        if values and line.endswith(separator):
            raise rows.wrong(f"{separator!r} at its end, with no value after it")
        rows.add(values, label)
    return rows.done()


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

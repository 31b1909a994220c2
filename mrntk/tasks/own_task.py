"""What every kind of the reader's own data goes through on its way to a task: limits, labels, the split and the card."""

import os
import re
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ..support.cards import Card
from ..support.errors import MrntkError
from .labels import in_order
from .task import Task

MOST_IMAGES = 100_000
MOST_BYTES = 4 * 10**9  # of decoded values


def check_amount(path: Path, size: int, count: int = 0):
    if count > MOST_IMAGES or size > MOST_BYTES:
        amount = f"{count:,} images" if count > MOST_IMAGES else f"{size / 1e9:.1f} GB of values"
        raise MrntkError(
            f"{path} holds {amount}, more than the limits of {MOST_IMAGES:,} images and {MOST_BYTES / 1e9:g} GB: give a part "
            "of it, or make images smaller by side=."
        )


def existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.exists():
        raise MrntkError(f"path={str(path)!r} does not exist: give the path of your data.")
    if not os.access(path, os.R_OK):
        raise MrntkError(f"path={str(path)!r} may not be read: allow it, for example by chmod u+r.")
    return path


def split(
    labels: Int[np.ndarray, " N"], test_share: float, seed: int, path: str | Path
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, " P"]]:
    """Rows for training and for testing, each ascending: of every class the share `test_share`, at least one, is for testing.

    Raises
    ------
    MrntkError
        If the share is not between 0 and 1, or if a class has a single example.
    """
    if not 0 < test_share < 1:
        raise MrntkError(f"test_share={test_share}: give a share between 0 and 1, for example 0.2.")
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        if len(rows) < 2:
            raise MrntkError(
                f"{path} has a class with one example: training and testing need one each, so give two or more."
            )
        held_out[rows[: min(len(rows) - 1, max(1, round(test_share * len(rows))))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def numbered(path: Path, words: list[str], *more: list[str]) -> tuple[tuple[str, ...], list[Int[np.ndarray, " _"]]]:
    """(class names in order, the labels of every list as integers); the first list has all the classes."""
    classes = in_order(words)
    if len(classes) < 2:
        raise MrntkError(f"{path} has one class, {classes[0]}: a task needs two or more.")
    for each in more:
        unknown = in_order(set(each) - set(classes))
        if unknown:
            raise MrntkError(
                f"{path} has the class {unknown[0]} in its test part alone: add training examples or remove it."
            )
    places = {word: place for place, word in enumerate(classes)}
    return tuple(classes), [np.array([places[word] for word in each]) for each in (words, *more)]


def make_task(path: Path, title: str, classes, parts, note: str) -> Task:
    """Parts are x_train, y_train, x_test, y_test."""
    resolved = path.resolve()
    card = Card(
        name=re.sub(r"[^\w.-]+", "-", resolved.name if resolved.is_dir() else resolved.stem).strip("-.") or "own",
        title=title,
        shape=tuple(parts[0].shape[1:]),
        num_classes=len(classes),
        classes=classes,
        size=f"{len(parts[0]):,} + {len(parts[2]):,} {'images' if parts[0].ndim == 4 else 'examples'}",
        origin=f"{resolved}; {note}",
        licence="that of the reader's own data",
        citation="the reader's own data",
    )
    return Task(card, *parts)


def split_note(test_share: float, seed: int) -> str:
    return f"split made here with test_share={test_share}, seed={seed}"


def arrays_task(path: Path, title: str, x, words, test_share: float, seed: int, note: str = "") -> Task:
    """A task from (x_train, x_test), (labels of both), or from (x,), (its labels,), which are split."""
    classes, y = numbered(path, *words)
    if len(x) == 2:
        return make_task(path, title, classes, (x[0], y[0], x[1], y[1]), "its own split" + note)
    rows, held_out = split(y[0], test_share, seed, path)
    parts = x[0][rows], y[0][rows], x[0][held_out], y[0][held_out]
    return make_task(path, title, classes, parts, split_note(test_share, seed) + note)


def left_out(path: Path, others: list[str]) -> str:
    """Words for the card about what in the reader's data was not read; a warning says it too."""
    if not others:
        return ""
    warnings.warn(f"{path}: not read: {'; '.join(others)}.", stacklevel=3)
    return f"; not read: {'; '.join(others)}"

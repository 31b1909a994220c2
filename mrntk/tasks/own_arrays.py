"""The reader's own arrays in an .npz file as a task."""

import zipfile
from pathlib import Path

import numpy as np

from ..support.errors import MrntkError
from .labels import words_of
from .own_task import arrays_task, check_amount, existing, left_out
from .task import Task

NAMES = (  # of inputs and labels: scikit-learn's and Keras's, MedMNIST's, and undivided data
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x", "y"),
)


def _channels_first(where: str, x: np.ndarray, channels: str | None) -> np.ndarray:
    """(N, channels, height, width) or (N, channels, T)."""
    if channels is not None:
        return np.moveaxis(x, -1, 1) if channels == "last" and x.ndim > 2 else x
    if x.ndim == 3 and x.shape[1] > 1:
        return np.moveaxis(x, -1, 1) if x.shape[2] == 1 else x[:, None]
    if x.ndim != 4:
        return x
    _, first, height, last = x.shape
    if last > 4 or (first in (1, 3) and last not in (1, 3)):
        return x
    if last in (1, 3) and min(first, height) > 4:
        return np.moveaxis(x, -1, 1)
    raise MrntkError(
        f"{where} has shape {x.shape}, which does not tell the axis of the channels: give channels='first' or channels='last'."
    )


def _inputs(path: Path, name: str, x: np.ndarray, channels: str | None) -> np.ndarray:
    """Channels first; uint8 as float32 in [0, 1], other numbers as they are in floating point."""
    if x.dtype.kind not in "fiub" or x.ndim < 2 or not x.size:
        raise MrntkError(f"{path}: {name} has dtype {x.dtype} and shape {x.shape}: give numbers, one example per row.")
    short = x.dtype == np.uint8 or (x.dtype.kind == "f" and x.dtype.itemsize <= 4)
    check_amount(path, x.size * (4 if short else 8))
    numbers = _channels_first(f"{path}: {name}", x, channels).astype(np.float32 if short else float, "C", copy=False)
    if not np.isfinite(numbers).all():
        raise MrntkError(f"{path}: {name} has missing or infinite values: fill them or remove those examples.")
    return numbers / 255 if x.dtype == np.uint8 else numbers


def _read(path: Path) -> tuple[list[str], list[np.ndarray], list[str]]:
    """(names of the arrays, the arrays, names of the others in the file)."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_amount(path, sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as archive:
            names = sorted(archive.files)
            spelled = {name.lower(): name for name in names}  # X is x, unless x is there too
            wanted = next((group for group in NAMES if group[0] in spelled), NAMES[-1])
            if not spelled.keys() >= set(wanted):
                known = "; or ".join(", ".join(group) for group in NAMES)
                raise MrntkError(f"{path} lacks arrays: save it with {known}; it holds {', '.join(names) or 'none'}.")
            used = [spelled[name] for name in wanted]
            return used, [np.asarray(archive[name]) for name in used], [name for name in names if name not in used]
    except MrntkError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many kinds
        cause = "it holds objects" if "pickle" in str(error) else "it is no .npz file, or damaged"
        raise MrntkError(f"{path} cannot be read: {cause}; save arrays of numbers again with numpy.savez.") from None


def from_npz(path: str | Path, *, test_share: float = 0.2, seed: int = 0, channels: str | None = None) -> Task:
    """Arrays x_train, y_train, x_test, y_test from an .npz file, or x and y, which are split; or by MedMNIST's names.

    x has one example per row: images (N, channels, height, width), (N, height, width, 1 or 3 channels) or (N, height, width);
    series (N, 1, T) or (N, T, 1); or (N, d). uint8 is divided by 255, other numbers are taken as they are. y has whole numbers,
    words or one-hot rows. Nothing in the file is executed: object arrays, which are pickles, are refused.

    Parameters
    ----------
    path : of the file. Arrays of other names, such as a validation part, are named in a warning and on the card.
    test_share, seed : make the split where there is none; the card records them.
    channels : "first" or "last", the axis of the channels after that of the examples, where the shape does not tell it.

    Raises
    ------
    MrntkError
        For a missing or damaged file, missing arrays, shapes that do not fit or do not tell the channels, missing values or
        labels, one class only, or more than 4 GB.
    """
    if channels not in (None, "first", "last"):
        raise MrntkError(f"channels={channels!r}: give 'first' or 'last'.")
    path = existing(path)
    wanted, arrays, others = _read(path)
    x = [_inputs(path, name, each, channels) for name, each in zip(wanted[::2], arrays[::2], strict=True)]
    y = arrays[1::2]
    if len({each.dtype.kind in "US" for each in y}) > 1:
        raise MrntkError(
            f"{path}: {wanted[1]} has dtype {y[0].dtype}, {wanted[3]} {y[1].dtype}: give numbers or words in both."
        )
    words = [words_of(f"{path}: {name}", each, len(rows)) for name, each, rows in zip(wanted[1::2], y, x, strict=True)]
    if x[0].shape[1:] != x[-1].shape[1:]:
        raise MrntkError(
            f"{path}: {wanted[0]} and {wanted[2]} have shapes {x[0].shape} and {x[1].shape}: give examples of one shape."
        )
    return arrays_task(path, "arrays of the reader's own", x, words, test_share, seed, left_out(path, others))

"""The reader's own images as a task: a folder with one sub-folder per class."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..support.errors import MrntkError
from .image_files import read_image
from .labels import composed, in_order
from .own_task import check_amount, existing, left_out, make_task, numbered, split, split_note
from .task import Task

SUFFIXES = {
    ".png",
    ".apng",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".bmp",
    ".dib",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".avif",
}
SUFFIXES |= {".ppm", ".pgm", ".pbm", ".pnm"}
SYSTEM = {"__macosx", "@eadir", "thumbs.db", "desktop.ini"}  # what file managers leave; names with a dot are hidden
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}


def _visible(folder: Path) -> list[Path]:
    try:
        found = [each for each in folder.iterdir() if each.name[0] != "." and each.name.lower() not in SYSTEM]
    except OSError as error:
        raise MrntkError(f"{folder} cannot be opened ({error.strerror}): allow it or remove the folder.") from None
    return sorted(found, key=lambda each: composed(each.name))


def _files(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Every file in it and in its sub-folders."""
    if folder.resolve() in above:
        raise MrntkError(f"{folder} is a link to a folder around it: remove the link.")
    for each in _visible(folder):
        if each.is_dir():
            yield from _files(each, (*above, folder.resolve()))
        else:
            yield each


def _kinds(files: list[Path]) -> str:
    counts = Counter(file.suffix.lower() or "without a suffix" for file in files)
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))


def _listed(folder: Path) -> tuple[list[Path], list[str], list[str]]:
    """(image files, their classes, what else there is), in the order of the classes."""
    folders, loose, files, words = {}, [], [], []
    for each in _visible(folder):
        if each.is_dir():
            folders.setdefault(composed(each.name), []).append(each)
        else:
            loose.append(each)
    others = [f"{_kinds(loose)} beside the folders of {folder.name}"] * bool(loose)
    advice = f"as {', '.join(sorted(SUFFIXES))}"
    for word in in_order(folders):
        inside = [file for each in folders[word] for file in _files(each)]
        images = [file for file in inside if file.suffix.lower() in SUFFIXES]
        rest = _kinds([file for file in inside if file.suffix.lower() not in SUFFIXES])
        if not images:
            found = f"{folder / word} has no images{f', but {rest}' if rest else ''}"
            raise MrntkError(f"{found}: put images into it, {advice}, or remove the folder.")
        others += [f"{rest} in {folder.name}/{word}"] * bool(rest)
        files += images
        words += [word] * len(images)
    if not files:
        raise MrntkError(f"{folder} has no images: put them into one sub-folder per class, {advice}.")
    return files, words, others


def _stacked(folder: Path, files: list[Path], side: int | None) -> np.ndarray:
    first = read_image(files[0], side)
    check_amount(folder, first.nbytes * len(files), len(files))
    images = np.empty((len(files), *first.shape), np.float32)
    for i, file in enumerate(files):
        image = read_image(file, side)
        if image.shape != first.shape:
            raise MrntkError(
                f"{file} has {image.shape[1]} x {image.shape[2]} pixels, {files[0].name} {first.shape[1]} x {first.shape[2]}: "
                "give side=, to which all are cut and resized."
            )
        images[i] = image
    return images


def _parts(path: Path) -> tuple[Path, Path] | None:
    """The folders train and test, unless all are classes: "train" may be one, if it holds files and others stand beside it."""
    folders = [each for each in _visible(path) if each.is_dir()]
    parts = {each.name.lower(): each for each in folders if each.name.lower() in PARTS}
    if {"train", "test"} <= parts.keys():
        return parts["train"], parts["test"]
    if parts and (
        len(parts) == len(folders) or any(each.is_dir() for part in parts.values() for each in _visible(part))
    ):
        raise MrntkError(
            f"{path} has the folder {' and the folder '.join(sorted(parts))}, not both train and test: name two folders so, "
            "or put the folders of the classes side by side."
        )
    return None


def from_folder(path: str | Path, *, side: int | None = None, test_share: float = 0.2, seed: int = 0) -> Task:
    """Images from a folder with one sub-folder per class, or with such folders in its sub-folders `train` and `test`.

    Images in sub-folders of a class belong to it. Hidden files are passed over; files of other kinds are counted in a warning
    and on the card.

    Parameters
    ----------
    path : the folder.
    side : pixels of a square, to which the middle of every image is cut and resized; None takes images of one size as they are.
    test_share, seed : make the split where there is no `test`; the card records them.

    Returns
    -------
    Task
        Inputs (3, height, width), float32 in [0, 1]; classes in the order of their names, or of their numbers.

    Raises
    ------
    MrntkError
        For a missing path, a class without images, an image that cannot be read (named), mixed sizes, fewer than two classes, or
        more than 100,000 images or 4 GB of values.
    """
    path = existing(path)
    if not path.is_dir():
        raise MrntkError(f"path={str(path)!r} is no folder: give one with a sub-folder of images for every class.")
    if parts := _parts(path):
        (train, words, others), (test, test_words, more) = map(_listed, parts)
        classes, (y_train, y_test) = numbered(path, words, test_words)
        images, note = _stacked(path, train + test, side), "its own folders train and test"
        others += more + [each.name for each in _visible(path) if each not in parts]
        parts = images[: len(train)], y_train, images[len(train) :], y_test
    else:
        files, words, others = _listed(path)
        classes, (labels,) = numbered(path, words)
        rows, held_out = split(labels, test_share, seed, path)
        images, note = _stacked(path, [files[row] for row in (*rows, *held_out)], side), split_note(test_share, seed)
        parts = images[: len(rows)], labels[rows], images[len(rows) :], labels[held_out]
    return make_task(path, "images of the reader's own", classes, parts, note + left_out(path, others))

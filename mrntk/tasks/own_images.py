"""The reader's own images as a task: a folder with one sub-folder per class."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..support.errors import MrntkError
from .own_task import check_amount, existing, make_task, numbered, split, split_note
from .task import Task

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


def read_image(file, side: int | None = None, *, name: str = "") -> Float[np.ndarray, "3 height width"]:
    """An image as float32 in [0, 1], RGB; with `side`, its largest centred square, resized bilinearly.

    Parameters
    ----------
    file : a path or an open binary file. The rotation that a camera notes in it is applied; transparency is dropped.
    side : pixels of the square; None takes the image as it is.
    name : of the image, for messages.

    Raises
    ------
    MrntkError
        If it cannot be read, or has more than 8 bits per channel.
    """
    from PIL import Image, ImageOps

    name = name or str(file)
    if side is not None and side < 1:
        raise MrntkError(f"side={side}: give the side of the square images in pixels, 1 or more.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                if image.mode.startswith(("I", "F")):
                    raise MrntkError(f"{name} has more than 8 bits per channel: convert it to 8 bits.")
                image = ImageOps.exif_transpose(image).convert("RGB")
        if side is not None:
            least, (left, top) = min(image.size), ((size - min(image.size)) // 2 for size in image.size)
            image = image.crop((left, top, left + least, top + least)).resize((side, side), Image.Resampling.BILINEAR)
    except MrntkError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        raise MrntkError(f"{name} cannot be read as an image ({type(error).__name__}): replace or remove it.") from None
    return np.asarray(image, np.float32).transpose(2, 0, 1) / 255


def _listed(folder: Path) -> tuple[list[Path], np.ndarray]:
    """(image files, the names of their folders), sorted."""
    files = [
        file
        for part in sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
        for file in sorted(part.iterdir())
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise MrntkError(
            f"{folder} has no images: put them into one sub-folder per class, as {', '.join(sorted(SUFFIXES))}."
        )
    return files, np.array([file.parent.name for file in files])


def _stacked(files: list[Path], side: int | None) -> np.ndarray:
    first = read_image(files[0], side)
    check_amount(files[0].parents[1], first.nbytes * len(files), len(files))
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


def from_folder(path: str | Path, *, side: int | None = None, test_share: float = 0.2, seed: int = 0) -> Task:
    """Images from a folder with one sub-folder per class, or with such folders in its sub-folders `train` and `test`.

    Parameters
    ----------
    path : the folder.
    side : pixels of a square, to which the middle of every image is cut and resized; None takes images of one size as they are.
    test_share, seed : make the split where there is no `test`; the card records them.

    Returns
    -------
    Task
        Inputs (3, height, width), float32 in [0, 1]; classes in the order of their names.

    Raises
    ------
    MrntkError
        For a missing path, an image that cannot be read (named), mixed sizes, fewer than two classes, or more than 100,000
        images or 4 GB of values.
    """
    path = existing(path)
    if not path.is_dir():
        raise MrntkError(f"path={str(path)!r} is no folder: give one with a sub-folder of images for every class.")
    if (path / "train").is_dir() and (path / "test").is_dir():
        (train, words), (test, test_words) = _listed(path / "train"), _listed(path / "test")
        classes, (y_train, y_test) = numbered(path, words, test_words)
        images, note = _stacked(train + test, side), "its own folders train and test"
        parts = images[: len(train)], y_train, images[len(train) :], y_test
    else:
        files, words = _listed(path)
        classes, (labels,) = numbered(path, words)
        rows, held_out = split(labels, test_share, seed, path)
        images, note = _stacked([files[row] for row in (*rows, *held_out)], side), split_note(test_share, seed)
        parts = images[: len(rows)], labels[rows], images[len(rows) :], labels[held_out]
    return make_task(path, "images of the reader's own", classes, parts, note)

"""Patches of real photographs that lie inside scikit-image and scikit-learn: which photograph is a patch from?

Only photographs that the packages state to be CC0, in the public domain or under CC BY, and whose file is in the installed
package: nothing is fetched. Two are grey, and become three equal channels.

The rule. A grid of squares covers a photograph from its upper left corner, and no two squares share a pixel. Squares that are
flat, with a standard deviation under 3 grey levels of 255 on the mean of the channels, are left out: most of the sky, and the
black ground beside the retina. A square in row r and column c is for testing if r + c is a multiple of 3. Of each part, as many
as are asked for are taken, evenly over the photograph. Test squares touch training squares, so this asks for less than a new
photograph would.
"""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from ..support.cards import Card, Entry
from ..support.errors import MrntkError
from ..support.packages import package_file
from .task import Task

FLAT = 3.0  # grey levels of 255
LEAST_SIDE, MOST_SIDE = 8, 64


class Photo(NamedTuple):
    """A photograph in a package and its terms, as the package states them."""

    name: str
    package: str
    path: str
    licence: str


def _skimage(name: str, file: str, licence: str) -> Photo:
    return Photo(name, "scikit-image", f"skimage/data/{file}", licence)


PHOTOS = (
    _skimage("astronaut", "astronaut.png", "public domain, NASA"),
    _skimage("chelsea", "chelsea.png", "CC0, Stefan van der Walt"),
    _skimage("coffee", "coffee.png", "CC0, Rachel Michetti"),
    _skimage("hubble", "hubble_deep_field.jpg", "public domain, NASA"),
    _skimage("retina", "retina.jpg", "CC0, Mikael Häggström"),
    _skimage("rocket", "rocket.jpg", "public domain, SpaceX"),
    _skimage("brick", "brick.png", "CC0, CC0Textures"),
    _skimage("gravel", "gravel.png", "CC0, CC0Textures"),
    Photo("china", "scikit-learn", "sklearn/datasets/images/china.jpg", "CC BY 2.0, danielbuechele"),
    Photo("flower", "scikit-learn", "sklearn/datasets/images/flower.jpg", "CC BY 2.0, vultilion"),
)
CARD = Card(
    name="photos",
    title="patches of ten photographs",
    shape=(3, 32, 32),
    num_classes=len(PHOTOS),
    classes=tuple(photo.name for photo in PHOTOS),
    size="840 + 420 patches",
    origin="squares cut from photographs in scikit-image and scikit-learn; brick and gravel are grey",
    licence="; ".join(f"{photo.name}: {photo.licence}" for photo in PHOTOS),
    citation="van der Walt et al. 2014, scikit-image: image processing in Python; Pedregosa et al. 2011, Scikit-learn",
    package="scikit-image",
)


@cache
def pixels(photo: Photo) -> UInt8[np.ndarray, "height width 3"]:
    """The photograph as its file has it.

    Raises
    ------
    MrntkError
        If the installed package does not have the file, or it is damaged.
    """
    from PIL import Image

    path = package_file(photo.package, photo.path, what=f"task {CARD.name}")
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:  # Pillow raises either on a damaged file
        raise MrntkError(
            f"{path.name} of {photo.package} is damaged ({error}): install {photo.package} again."
        ) from None


def corners(image: UInt8[np.ndarray, "height width 3"], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Upper left corners (row, column), in pixels, of all squares for training and of all for testing, by the module's rule."""
    rows, columns = (length // side for length in image.shape[:2])
    squares = [
        (r, c) for r in range(rows) for c in range(columns) if not _is_flat(_cut(image, r * side, c * side, side))
    ]
    grid = np.array(squares).reshape(-1, 2)
    testing = grid.sum(1) % 3 == 0
    return side * grid[~testing], side * grid[testing]


def _cut(image: np.ndarray, row: int, column: int, side: int) -> np.ndarray:
    return image[row : row + side, column : column + side]


def _is_flat(square: np.ndarray) -> bool:
    return bool(square.std(axis=(0, 1)).mean() < FLAT)


def _evenly(items: np.ndarray, count: int) -> np.ndarray:
    """`count` of the items, spread over all of them."""
    return items[np.arange(count) * len(items) // count]


def _patches(images: list, chosen: list, side: int) -> tuple[Float[np.ndarray, "N 3 side side"], np.ndarray]:
    """Patches with values in [0, 1], channels first, ordered by class, and their labels."""
    x = [_cut(image, r, c, side) for image, places in zip(images, chosen, strict=True) for r, c in places.tolist()]
    labels = np.repeat(np.arange(len(images)), [len(places) for places in chosen])
    return np.stack(x).transpose(0, 3, 1, 2) / 255, labels


@cache
def photos(side: int = 32, train_per_class: int | None = None, test_per_class: int | None = None) -> Task:
    """Patches of side x side pixels of ten photographs, in colour; the classes are the photographs.

    Parameters
    ----------
    side : of a patch, in pixels, from 8 to 64.
    train_per_class, test_per_class : patches per class; None for as many as the photograph with the fewest has.

    Raises
    ------
    MrntkError
        If an option is out of its range, or a package or its photograph is missing.
    """
    if not (isinstance(side, (int, np.integer)) and LEAST_SIDE <= side <= MOST_SIDE):
        raise MrntkError(f"side={side}: give a whole number of pixels from {LEAST_SIDE} to {MOST_SIDE}.")
    images = [pixels(photo) for photo in PHOTOS]
    parts = []
    asked = {"train_per_class": train_per_class, "test_per_class": test_per_class}
    for (name, count), places in zip(
        asked.items(), zip(*(corners(image, side) for image in images), strict=True), strict=True
    ):
        most = min(map(len, places))
        count = most if count is None else count
        if not (isinstance(count, (int, np.integer)) and 1 <= count <= most):
            raise MrntkError(f"{name}={count}: the photographs have 1 to {most} such patches per class at side={side}.")
        parts.append(_patches(images, [_evenly(of_one, count) for of_one in places], side))
    (x_train, y_train), (x_test, y_test) = parts
    size = f"{len(x_train):,} + {len(x_test):,} patches"
    return Task(replace(CARD, shape=(3, side, side), size=size), x_train, y_train, x_test, y_test)


ENTRIES = {CARD.name: Entry(CARD, photos, ("side", "train_per_class", "test_per_class"))}

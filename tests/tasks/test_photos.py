"""Patches are cut from the photographs as the rule says, and no pixel is in both parts."""

import itertools

import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.tasks import photos as module
from mrntk.tasks.photos import CARD, PHOTOS, corners, photos, pixels


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda photo: photo.name)
@pytest.mark.parametrize("side", [17, 32])
def test_no_pixel_is_in_two_squares(photo, side):
    image = pixels(photo)
    times_covered = np.zeros(image.shape[:2], int)
    for r, c in np.concatenate(corners(image, side)):
        assert 0 <= r <= image.shape[0] - side and 0 <= c <= image.shape[1] - side
        times_covered[r : r + side, c : c + side] += 1
    assert times_covered.max() == 1


def test_task_is_what_its_card_says():
    task = photos()
    assert task.card == CARD and task.input_shape == CARD.shape
    assert CARD.size == f"{len(task.x_train)} + {len(task.x_test)} patches"
    assert (np.bincount(task.y_train) == 84).all() and (np.bincount(task.y_test) == 42).all()
    assert task.x_train.min() >= 0 and task.x_train.max() <= 1 and task.x_train.max() > 0.9
    both = np.concatenate([task.x_train, task.x_test])
    assert len(np.unique(both.reshape(len(both), -1), axis=0)) == len(both)
    assert (255 * both.std((-2, -1)).mean(1) >= 3 - 1e-9).all()


def test_patches_are_pieces_of_their_photograph():
    task, label = photos(32, 5, 5), CARD.classes.index("chelsea")
    places = corners(pixels(PHOTOS[label]), 32)
    for x, y, whole in ((task.x_train, task.y_train, places[0]), (task.x_test, task.y_test, places[1])):
        squares = [pixels(PHOTOS[label])[r : r + 32, c : c + 32].transpose(2, 0, 1) / 255 for r, c in whole]
        mine = x[y == label]
        found = [next(i for i, square in enumerate(squares) if (square == patch).all()) for patch in mine]
        assert (
            len(mine) == 5 and found == sorted(set(found)) and found[-1] > len(squares) // 2
        )  # over the whole photograph


def test_grey_photographs_have_three_equal_channels():
    task = photos()
    grey = [name for c, name in enumerate(CARD.classes) if np.ptp(task.x_train[task.y_train == c], axis=1).max() == 0]
    assert grey == ["brick", "gravel"]


def test_flat_squares_are_left_out():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20, :20] = np.random.default_rng(0).integers(256, size=(20, 20, 3))
    image[20:, 20:40] = np.arange(20, dtype=np.uint8)[:, None]
    image[20:, 40:] = np.arange(20, dtype=np.uint8)[:, None] % 2  # standard deviation 1/2
    train, test = corners(image, 20)
    assert train.tolist() == [[20, 20]] and test.tolist() == [[0, 0]]


def test_side_is_an_option():
    task = photos(64)
    assert task.card.shape == task.input_shape == (3, 64, 64) and task.card.size in "180 + 100 patches"


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"side": 4}, "side=4: give a whole number of pixels from 8 to 64"),
        ({"side": 65}, "side=65"),
        ({"train_per_class": 85}, "train_per_class=85: the photographs have 1 to 84 such patches per class at side=32"),
        ({"test_per_class": 0}, "test_per_class=0: the photographs have 1 to 42"),
    ],
)
def test_options_out_of_range(options, sentence):
    with pytest.raises(MrntkError, match=sentence):
        photos(**options)


def test_damaged_photograph(tmp_path, monkeypatch):
    whole = module.package_file("scikit-image", PHOTOS[0].path, what="this test")
    for content in (whole.read_bytes()[:5000], b"no picture"):
        (tmp_path / "astronaut.png").write_bytes(content)
        monkeypatch.setattr(module, "package_file", lambda *_, **__: tmp_path / "astronaut.png")
        with pytest.raises(MrntkError, match="astronaut.png of scikit-image is damaged"):
            pixels.__wrapped__(PHOTOS[0])


def test_every_licence_is_on_the_card():
    assert all(f"{photo.name}: {photo.licence}" in CARD.licence for photo in PHOTOS)
    assert len({photo.name for photo in PHOTOS}) == 10
    packages = [package for package, _ in itertools.groupby(photo.package for photo in PHOTOS)]
    assert packages == ["scikit-image", "scikit-learn"]

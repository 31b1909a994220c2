"""The reader's own data: what is read is what was written, and every mistake is said in one sentence."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mrntk import MrntkError
from mrntk.tasks import own_arrays, own_task
from mrntk.tasks.own import from_folder, from_npz, from_series, load_own
from mrntk.tasks.own_images import read_image

RANDOM = np.random.default_rng(11)


def write_images(folder, counts, size=(6, 4), suffix=".png"):
    """Images whose red says the class and whose green says the number, as {class: count}."""
    for label, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", size, (40 * label, 10 * i, 255)).save(folder / name / f"{i:03}{suffix}")
    return folder


# images


def test_split_folder(tmp_path):
    task = from_folder(write_images(tmp_path / "pets", {"cat": 10, "ape": 5}), seed=3)
    assert task.classes == ("ape", "cat") and task.card.shape == (3, 4, 6) and task.x_train.dtype == np.float32
    assert np.bincount(task.y_train).tolist() == [4, 8] and np.bincount(task.y_test).tolist() == [1, 2]
    for x, y in ((task.x_train, task.y_train), (task.x_test, task.y_test)):
        assert np.array_equal(x[:, 0, 0, 0], np.where(y == 1, 0, 40).astype(np.float32) / 255) and (x[:, 2] == 1).all()
    greens = [
        (y, x[1, 0, 0])
        for x, y in zip(np.concatenate([task.x_train, task.x_test]), [*task.y_train, *task.y_test], strict=True)
    ]
    assert len(set(greens)) == 15  # every image once
    card = task.card
    assert (
        card.name == "pets"
        and card.size == "12 + 3 images"
        and card.origin.endswith("test_share=0.2, seed=3")
        and card.offline
    )


def test_the_folders_own_split(tmp_path):
    write_images(tmp_path / "train", {"a": 2, "b": 2})
    write_images(tmp_path / "test", {"a": 1, "b": 3}, suffix=".bmp")
    task = from_folder(tmp_path)
    assert task.y_train.tolist() == [0, 0, 1, 1] and task.y_test.tolist() == [0, 1, 1, 1]
    assert "own folders train and test" in task.card.origin
    write_images(tmp_path / "test", {"c": 1})
    with pytest.raises(MrntkError, match="has the class c in its test part alone"):
        from_folder(tmp_path)


def test_side_takes_the_middle_square(tmp_path):
    """Of a wide image whose thirds are black, white and black, the white third remains, whatever the size."""
    for name in "ab":
        (tmp_path / name).mkdir()
        for i, height in enumerate((9, 30)):
            image = np.zeros((height, 3 * height, 3), np.uint8)
            image[:, height : 2 * height] = 255
            Image.fromarray(image).save(tmp_path / name / f"{i}.png")
    task = from_folder(tmp_path, side=5)
    assert task.input_shape == (3, 5, 5) and (task.x_train == 1).all() and (task.x_test == 1).all()
    with pytest.raises(MrntkError, match=r"\d.png has \d+ x \d+ pixels, \d.png \d+ x \d+: give side="):
        from_folder(tmp_path)
    with pytest.raises(MrntkError, match="side=0: give the side"):
        from_folder(tmp_path, side=0)


def test_image_modes(tmp_path):
    """Grey, palette and transparent images become RGB; a camera's rotation is applied; 16 bits are refused."""
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    content = {mode: io.BytesIO() for mode in ("L", "P", "RGBA")}
    for mode, file in content.items():
        Image.fromarray(grey).convert(mode).save(file, "PNG")
        assert np.array_equal(read_image(file), np.repeat(grey[None].astype(np.float32) / 255, 3, axis=0))
    turned, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey).save(turned, "PNG", exif=exif)
    assert np.array_equal(read_image(turned)[0], np.rot90(grey, -1).astype(np.float32) / 255)
    Image.fromarray(grey.astype(np.uint16) * 256).save(tmp_path / "deep.png")
    with pytest.raises(MrntkError, match="deep.png has more than 8 bits per channel"):
        read_image(tmp_path / "deep.png")


@pytest.mark.parametrize(
    "damage", [lambda content: b"", lambda content: b"no image", lambda content: content[: len(content) // 2]]
)
def test_an_unreadable_image_is_named(tmp_path, damage):
    folder = write_images(tmp_path, {"a": 3, "b": 3}, size=(60, 60), suffix=".jpg")
    path = folder / "b" / "001.jpg"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MrntkError, match="b/001.jpg cannot be read as an image"):
        from_folder(folder)


def test_an_image_that_would_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(MrntkError, match="00[01].png cannot be read as an image .DecompressionBomb"):
        from_folder(write_images(tmp_path, {"a": 2, "b": 2}))


def test_limits(tmp_path, monkeypatch):
    folder = write_images(tmp_path, {"a": 3, "b": 3})
    monkeypatch.setattr(own_task, "MOST_IMAGES", 5)
    with pytest.raises(MrntkError, match="holds 6 images, more than the limits of 5 images"):
        from_folder(folder)
    monkeypatch.setattr(own_task, "MOST_IMAGES", 6)
    monkeypatch.setattr(own_task, "MOST_BYTES", 6 * 6 * 4 * 3 * 4 - 1)
    with pytest.raises(MrntkError, match="holds 0.0 GB of values, more than the limits"):
        from_folder(folder)
    monkeypatch.setattr(own_task, "MOST_BYTES", 6 * 6 * 4 * 3 * 4)
    assert len(from_folder(folder).x_train) == 4


def test_what_is_no_image_is_left_alone(tmp_path):
    folder = write_images(tmp_path, {"a": 2, "b": 2})
    (folder / "a" / "notes.txt").write_text("?")
    (folder / "a" / "._000.png").write_text("?")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "0.png").write_text("?")
    assert len(from_folder(folder).x_train) == 2


@pytest.mark.parametrize(
    "counts, message",
    [
        ({}, "has no images"),
        ({"a": 0, "b": 0}, "has no images"),
        ({"a": 3}, "one class, a"),
        ({"a": 3, "b": 1}, "one example"),
    ],
)
def test_too_little(tmp_path, counts, message):
    with pytest.raises(MrntkError, match=message):
        from_folder(write_images(tmp_path / "x", counts) if counts else tmp_path)


# the split


@settings(deadline=None)
@given(st.lists(st.integers(2, 30), min_size=2, max_size=5), st.floats(0.01, 0.99), st.integers(0, 5))
def test_split_law(counts, share, seed):
    """Disjoint, complete, the same again, and of every class about the share, with one at least on either side."""
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    train, test = own_task.split(labels, share, seed, "x")
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(len(labels)))
    for label, count in enumerate(counts):
        tested = (labels[test] == label).sum()
        assert 1 <= tested < count and (abs(tested - share * count) <= 0.5 or tested in (1, count - 1))
    assert all(
        np.array_equal(a, b) for a, b in zip((train, test), own_task.split(labels, share, seed, "x"), strict=True)
    )


def test_the_seed_matters():
    labels = np.repeat(np.arange(2), 50)
    assert not np.array_equal(own_task.split(labels, 0.5, 0, "x")[0], own_task.split(labels, 0.5, 1, "x")[0])
    with pytest.raises(MrntkError, match="test_share=1.5: give a share between 0 and 1"):
        own_task.split(labels, 1.5, 0, "x")


# arrays


def test_npz_with_its_own_split(tmp_path):
    x, y = RANDOM.integers(0, 256, (9, 3, 4, 4), np.uint8), np.array([7, 7, 3, 3, 7, 3, 3, 7, 10])
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:4], y_test=y[:4])
    task = from_npz(tmp_path / "a.npz")
    assert task.classes == ("3", "7", "10") and task.y_train.tolist() == [1, 1, 0, 0, 1, 0, 0, 1, 2]
    assert np.array_equal(task.x_test, x[:4].astype(np.float32) / 255) and task.y_test.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("dtype, kept", [(np.float32, np.float32), (np.float64, np.float64), (np.int16, np.float64)])
@pytest.mark.parametrize("words", [["no", "yes"], [b"no", b"yes"], [-1, 1], [False, True], [0.5, 1.5]])
def test_npz_split(tmp_path, dtype, kept, words):
    x, y = RANDOM.normal(0, 100, (10, 1, 7)).astype(dtype), np.array(words * 5)
    np.savez_compressed(tmp_path / "a.npz", x=x, y=y)
    task = from_npz(tmp_path / "a.npz", test_share=0.4)
    assert task.x_train.dtype == kept and len(task.x_train) == 6 and task.num_classes == 2
    for row, label in zip(task.x_test, task.y_test, strict=True):
        (i,) = np.flatnonzero((x == row).all((1, 2)))
        assert label == i % 2
    assert [name.strip("b'") for name in task.classes] == [
        str(int(w) if isinstance(w, bool) else w).strip("b'") for w in words
    ]


X, Y = RANDOM.normal(size=(6, 2)), np.arange(6) % 2


@pytest.mark.parametrize(
    "saved, message",
    [
        ({"x": X}, "lacks arrays: save it with"),
        ({"x_train": X, "y_train": Y, "x": X, "y": Y}, "lacks arrays"),
        ({"x": X, "y": Y.astype(object)}, "it holds objects"),
        ({"x": np.where(X > 9, X, np.nan), "y": Y}, "x has missing or infinite values"),
        ({"x": X.astype(complex), "y": Y}, "x has dtype complex128"),
        ({"x": X[:, 0], "y": Y}, "x has dtype float64 and shape .6,.: give numbers, one example per row"),
        ({"x": X, "y": Y[:5]}, "y has dtype int64 and shape .5,.: give 6 labels"),
        ({"x": X, "y": 0 * Y}, "has one class, 0: a task needs two"),
        (
            {"x": np.zeros((6, 8, 8, 4)), "y": Y},
            r"shape \(6, 8, 8, 4\), which does not tell the axis of the channels: give channels=",
        ),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :1], "y_test": Y}, "give examples of one shape"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1}, "has the class 2 in its test part alone"),
    ],
)
def test_npz_mistakes(tmp_path, saved, message):
    np.savez(tmp_path / "a.npz", **saved)
    with pytest.raises(MrntkError, match=message):
        from_npz(tmp_path / "a.npz")


def test_npz_damaged(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=X, y=Y)
    content = path.read_bytes()
    for damaged in (b"", b"no archive", content[:-30], content[:200] + b"????" + content[204:]):
        path.write_bytes(damaged)
        with pytest.raises(MrntkError, match="a.npz cannot be read: it is no .npz file, or damaged"):
            from_npz(path)


def test_npz_bomb(tmp_path, monkeypatch):
    """The size that the archive states is checked before anything is unpacked."""
    monkeypatch.setattr(own_task, "MOST_BYTES", 10**6)
    monkeypatch.setattr(own_arrays.np, "load", None)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(2 * 10**6))
    with pytest.raises(MrntkError, match="more than the limits"):
        from_npz(tmp_path / "a.npz")


# time series


@pytest.mark.parametrize("delimiter", [",", "\t", "  ", " , "])
@pytest.mark.parametrize(
    "labels, classes",
    [("2 10 2 10", ("2", "10")), ("walk run walk run", ("run", "walk")), ("1.0e+00 -1 1 -1.0", ("-1", "1"))],
)
def test_csv(tmp_path, delimiter, labels, classes):
    x = RANDOM.normal(size=(4, 5))
    rows = [delimiter.join([label, *map(repr, map(float, row))]) for label, row in zip(labels.split(), x, strict=True)]
    (tmp_path / "moves.csv").write_text("\ufeff" + "\n".join(rows) + "\n\n", encoding="utf-8")
    task = from_series(tmp_path / "moves.csv", test_share=0.5)
    assert (
        task.classes == classes
        and task.card.shape == (1, 5)
        and task.name == "moves"
        and task.card.size == "2 + 2 examples"
    )
    for row, label in zip(np.concatenate([task.x_train, task.x_test]), [*task.y_train, *task.y_test], strict=True):
        (i,) = np.flatnonzero((x == row[0]).all(1))
        assert (
            float(labels.split()[i]) == float(classes[label])
            if classes[0][-1].isdigit()
            else labels.split()[i] == classes[label]
        )


@pytest.mark.parametrize("train, test", [("TRAIN", "TEST"), ("train", "test"), ("Train", "Test")])
def test_csv_pair(tmp_path, train, test):
    (tmp_path / f"Gun_{train}.tsv").write_text("1\t0\t1\n2\t1\t0\n")
    with pytest.raises(MrntkError, match=f"Gun_{test}.tsv is missing beside Gun_{train}.tsv"):
        from_series(tmp_path / f"Gun_{train}.tsv")
    (tmp_path / f"Gun_{test}.tsv").write_text("2\t5\t6\n")
    for name in (train, test):
        task = from_series(tmp_path / f"Gun_{name}.tsv")
        assert (
            task.name == "Gun" and task.x_train.tolist() == [[[0, 1]], [[1, 0]]] and task.x_test.tolist() == [[[5, 6]]]
        )
        assert task.y_test.tolist() == [1] and "its own split" in task.card.origin
    (tmp_path / f"Gun_{test}.tsv").write_text("2\t5\n")
    with pytest.raises(MrntkError, match="has series of 1 values, Gun_.* of 2: give equal lengths"):
        from_series(tmp_path / f"Gun_{train}.tsv")
    (tmp_path / f"Gun_{test}.tsv").write_text("3\t5\t6\n")
    with pytest.raises(MrntkError, match="has the class 3 in its test part alone"):
        from_series(tmp_path / f"Gun_{train}.tsv")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "line 0: the file ends without any series"),
        (b"label,t0,t1\n1,2,3\n", "line 1: 't0' is no number"),
        (b"1,2,3\n2,2\n", "line 2: 1 values instead of 2"),
        (b"1,2,3\n\n2,nan,3\n", "line 3: a value that is missing or not finite, 'nan'"),
        (b"1,2,3\n2,,3\n", "line 2: a value that is missing or not finite, ''"),
        (b"1\n2\n", "line 1: a label and no values"),
        (b"1,2,3\n1,4,5\n", "has one class, 1"),
        (b"1,2,3\n2,4,5\n", "a class with one example"),
        (b"\x89PNG\xff\xfe", "line 1: bytes that are not UTF-8 text"),
    ],
)
def test_csv_mistakes(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(MrntkError, match=message):
        from_series(tmp_path / "a.csv")


def test_csv_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(own_task, "MOST_BYTES", 100)
    (tmp_path / "a.csv").write_text("1,2,3\n2,3,4\n" * 10)
    with pytest.raises(MrntkError, match="more than the limits"):
        from_series(tmp_path / "a.csv")


# which of them


def test_load_own(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    (tmp_path / "b.txt").write_text("a 1 2\na 2 3\nb 2 3\nb 4 4\n")
    write_images(tmp_path / "c d!", {"a": 2, "b": 2})
    assert load_own(tmp_path / "a.npz", test_share=0.5).input_shape == (2,)
    assert load_own(str(tmp_path / "b.txt"), seed=1).input_shape == (1, 2)
    assert load_own(tmp_path / "c d!", side=2).input_shape == (3, 2, 2) and load_own(tmp_path / "c d!").name == "c-d"
    (tmp_path / "e.mat").touch()
    with pytest.raises(MrntkError, match="e.mat.: give a folder of images, an .npz file, or a .csv"):
        load_own(tmp_path / "e.mat")
    with pytest.raises(MrntkError, match="nowhere' does not exist"):
        load_own(tmp_path / "nowhere")
    with pytest.raises(MrntkError, match="side=3: an .npz file takes test_share, seed"):
        load_own(tmp_path / "a.npz", side=3)
    with pytest.raises(MrntkError, match="is no folder"):
        from_folder(tmp_path / "a.npz")

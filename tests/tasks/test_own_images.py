"""Folders of images: no class and no file is lost without a word."""

import tempfile
import unicodedata
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mrntk import MrntkError
from mrntk.tasks.own_images import from_folder

FORMATS = {
    "png": "PNG",
    "PNG": "PNG",
    "jfif": "JPEG",
    "Jpe": "JPEG",
    "bmp": "BMP",
    "TIF": "TIFF",
    "avif": "AVIF",
    "webp": "WEBP",
}


def put(path, red=0, green=0):
    """An image of one colour; what has no known suffix is no image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix[1:] in FORMATS:
        Image.new("RGB", (8, 8), (red, green, 255)).save(path, FORMATS[path.suffix[1:]])
    else:
        path.write_bytes(b"....ftypheic")


def loaded(folder, **options):
    """(the task, what its warning says)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        task = from_folder(folder, **options)
    (said,) = [str(each.message) for each in caught] or [""]
    assert said.partition("not read: ")[2].rstrip(".") == task.card.origin.partition("; not read: ")[2]
    return task, said


def pairs(task):
    """How often each (class, red, green) is there, the colours in steps of 20."""
    x, y = np.concatenate([task.x_train, task.x_test]), np.concatenate([task.y_train, task.y_test])
    return Counter(
        (task.classes[label], *np.rint(image[:2, 4, 4] * 255 / 20).astype(int).tolist())
        for image, label in zip(x, y, strict=True)
    )


CLASSES = ["cat", "caf\u00e9", unicodedata.normalize("NFD", "caf\u00e9"), "2", "10", "-1.5"]
SUFFIXES = [*FORMATS, *FORMATS, "heic", "txt", ""]
FILES = st.lists(st.tuples(st.sampled_from(["", "sub", "sub/deeper"]), st.sampled_from(SUFFIXES)), max_size=5)


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from(CLASSES), FILES, min_size=1, max_size=4))
def test_generated_folders(tree):
    """Every file is read as what was written, or counted for its class, or the class is named in a refusal."""
    read, left = Counter(), Counter()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for red, (name, files) in enumerate(tree.items()):
            (root / name).mkdir()
            put(root / name / ".DS_Store")
            word = unicodedata.normalize("NFC", name)
            read[word] += 0
            for green, (sub, suffix) in enumerate(files):
                put(root / name / sub / (f"{green}.{suffix}" if suffix else f"{green}"), 20 * red, 20 * green)
                kept = suffix in FORMATS
                read[word] += kept
                left[word, f".{suffix}" if suffix else "without a suffix"] += not kept
        empty = [word for word, count in read.items() if not count]
        if empty or len(read) < 2 or min(read.values()) < 2:
            with pytest.raises(MrntkError) as refusal:
                loaded(root)
            assert not empty or any(f"{root / word} has no images" in str(refusal.value) for word in empty)
            return
        task, said = loaded(root)
        numbers = all(word[-1].isdigit() for word in read)
        assert list(task.classes) == sorted(read, key=float if numbers else None)
        assert pairs(task) == Counter(
            (unicodedata.normalize("NFC", name), red, green)
            for red, (name, files) in enumerate(tree.items())
            for green, (_, suffix) in enumerate(files)
            if suffix in FORMATS
        )
        for (word, suffix), count in left.items():
            assert not count or f"{count} {suffix}" in next(
                part for part in said.split("; ") if part.endswith(f"/{word}") or part.endswith(f"/{word}.")
            )
        assert sum(left.values()) or not said


def test_a_class_that_cannot_be_read_is_named(tmp_path):
    for name in "abc":
        for i in range(2):
            put(tmp_path / name / f"{i}.png")
    for i in range(3):
        put(tmp_path / "dog" / f"{i}.HEIC")
    put(tmp_path / "dog" / "notes.txt")
    with pytest.raises(MrntkError, match=r"/dog has no images, but 3 \.heic, 1 \.txt: put images into it, as .*\.png"):
        from_folder(tmp_path)


def test_what_file_managers_leave_is_passed_over(tmp_path):
    for name in "ab":
        for i in range(2):
            put(tmp_path / name / f"{i}.png")
        for system in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"):
            put(tmp_path / name / system)
    put(tmp_path / "__MACOSX" / "a" / "._0.png")
    put(tmp_path / ".ipynb_checkpoints" / "0.png")
    task, said = loaded(tmp_path)
    assert task.classes == ("a", "b") and not said
    put(tmp_path / "labels.csv")
    assert loaded(tmp_path)[1].endswith(f"not read: 1 .csv beside the folders of {tmp_path.name}.")


@pytest.mark.parametrize(
    "parts, found",
    [
        (("train", "test"), None),
        (("Train", "TEST"), None),
        (("train", "test", "val"), "val"),
        (("train", "val"), "the folder train and the folder val, not both train and test"),
        (("training", "testing"), "the folder testing and the folder training, not both"),
        (("train", "other"), "the folder train, not both"),
    ],
)
def test_parts(tmp_path, parts, found):
    for part in parts:
        for name in ("9", "10"):
            for i in range(2):
                put(tmp_path / part / name / f"{i}.png")
    if found and "folder" in found:
        with pytest.raises(MrntkError, match=found):
            from_folder(tmp_path)
        return
    task, said = loaded(tmp_path)
    assert task.classes == ("9", "10") and task.y_train.tolist() == [0, 0, 1, 1] == task.y_test.tolist()
    assert said.endswith("not read: val.") if found else not said


def test_other_files_of_both_parts_are_counted(tmp_path):
    for part in ("train", "test"):
        for name in "ab":
            put(tmp_path / part / name / "0.png")
        put(tmp_path / part / "a" / "1.heic")
    assert loaded(tmp_path)[1].endswith("not read: 1 .heic in train/a; 1 .heic in test/a.")


def test_the_order_of_a_disk_does_not_matter(tmp_path, monkeypatch):
    for name in ("a", "b/x", "b/y"):
        for i in range(5):
            put(tmp_path / name / f"{i}.png", 20 * i, 20 * len(name))
    first, listed = from_folder(tmp_path), Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: reversed(list(listed(path))))
    second = from_folder(tmp_path)
    assert np.array_equal(first.x_train, second.x_train) and np.array_equal(first.x_test, second.x_test)


def test_a_train_may_be_a_class(tmp_path):
    for name in ("bus", "train"):
        for i in range(2):
            put(tmp_path / name / f"{i}.png")
    assert loaded(tmp_path)[0].classes == ("bus", "train")


def test_unicode_forms_are_one(tmp_path):
    for part, form in (("train", "NFC"), ("test", "NFD")):
        for name in ("caf\u00e9", "th\u00e9"):
            put(tmp_path / part / unicodedata.normalize(form, name) / "0.png")
    assert loaded(tmp_path)[0].classes == ("caf\u00e9", "th\u00e9")


def test_links(tmp_path):
    """To files and folders elsewhere they are followed; one that leads nowhere, or round in a circle, is named."""
    root, store = tmp_path / "root", tmp_path / "store"
    for name in "ab":
        for i in range(2):
            put(store / name / f"{i}.png", 20 * i)
    root.mkdir()
    (root / "a").symlink_to(store / "a")
    (root / "b").mkdir()
    (root / "b" / "all").symlink_to(store / "b")
    assert pairs(loaded(root)[0]) == Counter({(name, i, 0): 1 for name in "ab" for i in range(2)})
    (root / "b" / "9.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(MrntkError, match="b/9.png cannot be read as an image .FileNotFoundError"):
        from_folder(root)
    (root / "b" / "9.png").unlink()
    (store / "b" / "back").symlink_to(root / "b")
    with pytest.raises(MrntkError, match="is a link to a folder around it: remove the link"):
        from_folder(root)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_an_image_without_content_is_named(tmp_path, content):
    for name in "ab":
        for i in range(2):
            put(tmp_path / name / f"{i}.png")
    (tmp_path / "b" / "sub").mkdir()
    (tmp_path / "b" / "sub" / "7.png").write_bytes(content)
    with pytest.raises(MrntkError, match="b/sub/7.png cannot be read as an image"):
        from_folder(tmp_path)

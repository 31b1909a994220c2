"""Arrays in .npz files: every everyday layout is read as what was written; what is ambiguous is asked about."""

import io
import tempfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import MrntkError
from mrntk.tasks.own_arrays import from_npz

RANDOM = np.random.default_rng(5)
Y = np.arange(12) % 3


def task_of(folder, *, options=None, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return from_npz(folder / "a.npz", **(options or {}))


LAYOUTS = {  # shape of an example: (as the file has it, how the axes are to be moved)
    (7,): lambda x: x,
    (1, 7): lambda x: x,
    (7, 1): lambda x: x.transpose(0, 2, 1),
    (6, 7): lambda x: x[:, None],
    (3, 6, 7): lambda x: x,
    (1, 6, 7): lambda x: x,
    (3, 4, 4): lambda x: x,
    (4, 6, 7): lambda x: x,
    (16, 7, 7): lambda x: x,
    (6, 7, 3): lambda x: x.transpose(0, 3, 1, 2),
    (6, 7, 1): lambda x: x.transpose(0, 3, 1, 2),
    (6, 7, 4): None,
    (6, 7, 2): None,
    (64, 3, 3): None,
    (3, 3, 3): None,
    (3, 6, 3): None,
    (1, 6, 1): None,
}
LABELS = {
    "whole": (lambda y: 10 * y, ["0", "10", "20"]),
    "large": (lambda y: 2**53 + y, [str(2**53 + i) for i in range(3)]),
    "unsigned": (lambda y: 2**64 - 3 + y.astype(np.uint64), [str(2**64 - 3 + i) for i in range(3)]),
    "fractions": (lambda y: 1 + 0.4 * y, ["1", "1.4", "1.8"]),
    "column": (lambda y: y[:, None].astype(np.uint8), ["0", "1", "2"]),
    "one-hot": (lambda y: np.eye(5)[y + 1], ["1", "2", "3"]),
    "words": (lambda y: np.array(["a", "a ", "b"])[y], ["a", "a ", "b"]),
    "numerals": (lambda y: np.array(["9", "10", "100"])[y], ["9", "10", "100"]),
    "bytes": (lambda y: np.array([b"a", b"b", b"caf\xc3\xa9"])[y], ["a", "b", "caf\u00e9"]),
    "missing numbers": (lambda y: np.where(y == 1, np.nan, y), None),
    "missing words": (lambda y: np.array(["a", "", "b"])[y], None),
    "two each": (lambda y: np.stack([y, y], 1), None),
}
NAMES = [
    ("x_train", "y_train", "x_test", "y_test"),
    ("X_train", "y_train", "X_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x", "y"),
    ("X", "y"),
]


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(list(LAYOUTS)),
    st.sampled_from(list(LABELS)),
    st.sampled_from(NAMES),
    st.sampled_from(["u1", "<f4", ">f8", "<f2", "<i8"]),
    st.booleans(),
)
def test_generated_arrays(shape, kind, names, dtype, validation):
    x = RANDOM.integers(0, 256, (12, *shape)).astype(dtype)
    make, words = LABELS[kind]
    arrays = {name: make(Y) if i % 2 else x for i, name in enumerate(names)}
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if LAYOUTS[shape] is None or words is None:
            with pytest.raises(MrntkError, match="missing labels of 12|give 12 labels|give channels='first' or"):
                task_of(Path(place), **arrays)
            return
        task = task_of(Path(place), **arrays, **{"val_images": x} if validation else {})
    assert [str(each.message).rpartition("not read: ")[2] for each in caught] == ["val_images."] * validation
    assert task.card.origin.endswith("not read: val_images") == validation
    assert list(task.classes) == words and task.x_train.dtype == (
        np.float32 if dtype[-2:] in ("u1", "f4", "f2") else float
    )
    expected = LAYOUTS[shape](x.astype(task.x_train.dtype)) / (255 if dtype == "u1" else 1)
    if len(names) == 4:
        assert np.array_equal(task.x_train, expected) and np.array_equal(task.x_test, expected)
        assert task.y_train.tolist() == Y.tolist() == task.y_test.tolist()
    else:
        for row, label in zip(np.concatenate([task.x_train, task.x_test]), [*task.y_train, *task.y_test], strict=True):
            assert label in Y[(expected == row).reshape(12, -1).all(1)]


def test_channels_are_told(tmp_path):
    x = RANDOM.normal(size=(12, 6, 7, 4))
    arrays = {"x_train": x, "y_train": Y, "x_test": x, "y_test": Y}
    last = task_of(tmp_path, options={"channels": "last"}, **arrays)
    assert np.array_equal(last.x_test, x.transpose(0, 3, 1, 2))
    assert np.array_equal(task_of(tmp_path, options={"channels": "first"}, **arrays).x_test, x)
    series = arrays | {"x_train": x[..., 0], "x_test": x[..., 0]}
    assert task_of(tmp_path, options={"channels": "first"}, **series).input_shape == (6, 7)
    with pytest.raises(MrntkError, match="^channels='middle': give 'first' or 'last'.$"):
        task_of(tmp_path, options={"channels": "middle"}, **arrays)


@pytest.mark.parametrize(
    "arrays, message",
    [
        (
            {"x_train": Y[:, None], "y_train": Y, "x_test": Y[:, None], "y_test": Y.astype(str)},
            "give numbers or words in both",
        ),
        ({"a": Y}, "lacks arrays: save it with x_train, .*; or train_images, .*; or x, y; it holds a.$"),
        ({"train_images": Y[:, None], "train_labels": Y}, "lacks arrays"),
        ({"x": np.zeros((12, 0)), "y": Y}, "give numbers, one example per row"),
        ({"x": np.zeros((12, 2), "datetime64[s]"), "y": Y}, "x has dtype datetime64"),
    ],
)
def test_mistakes(tmp_path, arrays, message):
    with pytest.raises(MrntkError, match=message):
        task_of(tmp_path, **arrays)


def test_small_letters_come_first(tmp_path):
    x = RANDOM.normal(size=(12, 2))
    with pytest.warns(UserWarning, match="not read: X"):
        task = task_of(tmp_path, X=0 * x, x=x, y=Y)
    assert np.abs(task.x_train).min() > 0


def test_a_member_that_is_no_array(tmp_path):
    """NumPy gives it as bytes."""
    file = io.BytesIO()
    np.save(file, Y)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x", b"words")
        archive.writestr("y.npy", file.getvalue())
    with pytest.raises(MrntkError, match="x has dtype .S5 and shape .*give numbers"):
        from_npz(tmp_path / "a.npz")

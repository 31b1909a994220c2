"""The shipped subset is the one that the record beside it describes, and the script makes it again, byte for byte."""

import gzip
import hashlib
import json
import struct

import make_fashion5k as make
import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.tasks import fashion
from mrntk.tasks.fashion import FASHION5K, FILE, fashion5k


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def test_file_is_that_of_the_record():
    content = FILE.read_bytes()
    record = json.loads(FILE.with_suffix(".json").read_text("utf-8"))
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert record == make.record(content)
    assert record["bytes"] == len(content) < 3_000_000
    licence = FILE.with_suffix(".LICENSE").read_text("utf-8")
    assert licence == record["licence_text"] and "2017 Zalando SE" in licence and "MIT License" in licence


def test_counts_and_ranges():
    task = fashion5k()
    assert task.x_train.shape == (5000, 1, 28, 28) and task.x_test.shape == (1000, 1, 28, 28)
    assert task.card == FASHION5K and len(task.classes) == 10
    assert (np.bincount(task.y_train) == 500).all() and (np.bincount(task.y_test) == 100).all()
    assert task.x_train.min() == 0 and task.x_train.max() == 1
    assert (task.x_train * 255 == np.rint(task.x_train * 255)).all()


def test_names_fit_the_images():
    task = fashion5k()
    ink = {name: task.x_train[task.y_train == label].mean((0, 1)) for label, name in enumerate(task.classes)}
    assert ink["trouser"][20:, 13:15].mean() < 0.5 * ink["trouser"][20:, 9:12].mean()  # two legs
    assert ink["dress"][20:, 13:15].mean() > 0.8 * ink["dress"][20:, 11:17].mean()  # no legs
    assert ink["sneaker"][:8].mean() < 0.01 < ink["ankle boot"][:8].mean()  # low and high shoes
    assert ink["pullover"][14:24, :6].mean() > 3 * ink["T-shirt/top"][14:24, :6].mean()  # long sleeves


@pytest.mark.skipif(not make.DEBIAN.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_script_makes_the_same_file():
    assert make.packed(make.subset(make.DEBIAN)) == FILE.read_bytes()


def test_packing_is_reproducible_and_readable(tmp_path):
    arrays = {"x": np.arange(12, dtype=np.uint8).reshape(3, 4), "y": np.zeros(2, np.uint8)}
    path = tmp_path / "a.npz"
    path.write_bytes(make.packed(arrays))
    with np.load(path, allow_pickle=False) as found:
        assert set(found) == {"x", "y"} and all((found[name] == arrays[name]).all() for name in arrays)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "85386bc3ee9e54b9557adfc1816066538b0b1d08343032c8aa4eda058022b8f5"  # the same on every machine


def test_first_of_each_class_in_the_order_of_the_file():
    labels = np.array([*range(10), *range(10), *range(9, -1, -1)], np.uint8)
    rows, found = make.first_of_each(np.arange(30), labels, 2)
    assert (rows == np.arange(20)).all() and (found == labels[:20]).all()


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_packed_or_not(tmp_path, monkeypatch, packed):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / ("a.gz" if packed else "a")).write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    monkeypatch.setitem(make.SHA256, "a", hashlib.sha256(idx(array)).hexdigest())
    assert (make.read_idx(tmp_path, "a") == array).all()


def test_wrong_idx_files_are_refused(tmp_path):
    name = "train-labels-idx1-ubyte"
    with pytest.raises(MrntkError, match="folder: cannot read .*install the Debian package"):
        make.read_idx(tmp_path, name)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(b"many words")[:-9])
    with pytest.raises(MrntkError, match="folder: cannot read"):
        make.read_idx(tmp_path, name)
    (tmp_path / name).write_bytes(b"other")
    with pytest.raises(MrntkError, match="is not the file of Fashion-MNIST"):
        make.read_idx(tmp_path, name)


@pytest.mark.parametrize("content", [None, b"", b"PK\3\4", FILE.read_bytes()[:100_000]])
def test_damaged_file_is_one_sentence(tmp_path, monkeypatch, content):
    monkeypatch.setattr(fashion, "FILE", tmp_path / FILE.name)
    if content is not None:
        (tmp_path / FILE.name).write_bytes(content)
    with pytest.raises(MrntkError, match="task fashion5k: fashion5k.npz, .* cannot be read .*: install mrntk again"):
        fashion5k.__wrapped__()

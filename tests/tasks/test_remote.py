"""Downloadable tasks, on small archives in the formats of the real ones, served from this machine."""

import gzip
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from archives import cifar_members, jpeg, labels, mat, pixels, stl10_members, tar_gz
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mrntk import MrntkError
from mrntk.support import downloads
from mrntk.tasks import remote


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """serve(task, contents): let the task's addresses in the table point to these contents on a local server."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("MRNTK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *arguments: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def patch(task, *contents):
        table = []
        for file, content in zip(remote.FILES[task], contents, strict=True):
            (folder / file["name"]).write_bytes(content)
            url = f"http://127.0.0.1:{server.server_port}/{file['name']}"
            sha256 = hashlib.sha256(content).hexdigest()
            table.append({"url": url, "name": file["name"], "sha256": sha256, "size": len(content)})
        monkeypatch.setitem(remote.FILES, task, table)

    yield patch
    server.shutdown()
    server.server_close()


def same(task, x_train, y_train, x_test, y_test):
    for found, wanted in zip((task.x_train, task.x_test), (x_train, x_test), strict=True):
        assert found.dtype == np.float32 and np.array_equal(found, wanted.astype(np.float32) / 255)
        assert found.flags.c_contiguous
    assert task.y_train.tolist() == y_train.tolist() and task.y_test.tolist() == y_test.tolist()
    assert task.y_train.dtype == int and task.card.shape == task.input_shape
    assert task.card.size == f"{len(x_train)} + {len(x_test)} images"


def test_cifar10(serve, tmp_path):
    """Members in any order and with any folder before them; nothing is extracted, links are ignored."""
    x, y = pixels(120, 3, 32, 32), labels(120)
    members = [("../../outside.bin", b"?"), ("readme.html", b"?"), *reversed(cifar_members(x, y))]
    serve("cifar10", tar_gz(members, [("x/data_batch_1.bin", "/etc/hostname")]))
    same(remote.cifar10(), x[:100], y[:100], x[100:], y[100:])
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.parent.name != "locks"]
    assert [path.name for path in files] == ["cifar-10-binary.tar.gz"]
    assert remote.cifar10().classes[6] == "frog"


def test_per_class_takes_the_first(serve):
    x, y = pixels(120, 3, 32, 32), labels(120)
    serve("cifar10", tar_gz(cifar_members(x, y)))
    task = remote.cifar10(per_class=2)
    rows = sorted(row for label in range(10) for row in np.flatnonzero(y[:100] == label)[:2])
    assert np.array_equal(task.x_train, x[rows].astype(np.float32) / 255) and len(task.x_train) == 20
    assert np.bincount(task.y_test).max() <= 2 and task.card.size == f"20 + {len(task.x_test)} images"
    for wrong in (0, 101):
        with pytest.raises(MrntkError, match=f"per_class={wrong}: task cifar10 has 1 to "):
            remote.cifar10(per_class=wrong)


@given(arrays(np.uint8, st.integers(1, 60), elements=st.integers(0, 9)), st.integers(1, 9))
def test_first_rows(y, per_class):
    rows = remote.first_rows(y, per_class)
    assert (np.diff(rows) > 0).all()
    assert (np.bincount(y[rows], minlength=10) == np.minimum(np.bincount(y, minlength=10), per_class)).all()
    left = np.setdiff1d(np.arange(len(y)), rows)
    assert all(row > rows[y[rows] == y[row]].max() for row in left)
    assert np.array_equal(remote.first_rows(y, None), np.arange(len(y)))


def test_stl10_is_stored_by_columns_and_counts_from_one(serve):
    x_train, y_train, x_test, y_test = pixels(10, 3, 96, 96), labels(10), pixels(6, 3, 96, 96), labels(20)[:6]
    members = []
    for part, x, y in (("test", x_test, y_test), ("train", x_train, y_train)):
        members += stl10_members(part, x, y)
    content = tar_gz([*members, ("stl10_binary/unlabeled_X.bin", b"not read")])
    serve("stl10", content)
    same(remote.stl10(), x_train, y_train, x_test, y_test)


def test_svhn_has_ten_for_zero(serve):
    x, y = pixels(35, 3, 32, 32), np.concatenate([labels(20), labels(15)])  # all ten classes for training
    serve("svhn", mat(x[:20], y[:20]), mat(x[20:], y[20:]))
    same(remote.svhn(), x[:20], y[:20], x[20:], y[20:])


def plain(colour, size=(40, 20)):
    return jpeg(np.full((*size[::-1], 3), colour, np.uint8))


def imagenette_archive():
    """The class is told by the red of its images; names run against the order in the archive."""
    members = [("imagenette2-160/noisy_imagenette.csv", b"path")]
    for part, count in (("train", 3), ("val", 2)):
        for label, wordnet in enumerate(remote.WORDNET):
            for i in reversed(range(count)):
                members.append((f"imagenette2-160/{part}/{wordnet}/{wordnet}_{i}.JPEG", plain((20 * label, 50 * i, 0))))
    return members


def test_imagenette(serve):
    serve("imagenette", tar_gz(imagenette_archive()))
    task = remote.imagenette(side=8)
    assert (
        task.x_train.shape == (30, 3, 8, 8) and task.x_test.shape == (20, 3, 8, 8) and task.x_train.dtype == np.float32
    )
    assert task.card.shape == (3, 8, 8) and task.y_train.tolist() == sorted(task.y_train.tolist())
    assert np.abs(task.x_train[:, 0].mean((1, 2)) * 255 - 20 * task.y_train).max() < 3
    assert np.abs(task.x_train[:3, 1].mean((1, 2)) * 255 - [0, 50, 100]).max() < 3
    few = remote.imagenette(per_class=1, side=8)
    assert np.array_equal(few.x_train, task.x_train[::3]) and few.classes[0] == "tench"


def idx(array):
    return gzip.compress(bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes())


@pytest.fixture
def clothes():
    return pixels(30, 28, 28), labels(30), pixels(12, 28, 28), labels(12)


def test_fashion_downloaded(serve, clothes, monkeypatch, tmp_path):
    monkeypatch.setattr(remote, "DEBIAN", tmp_path / "nowhere")
    serve("fashion", *map(idx, clothes))
    same(remote.fashion(), clothes[0][:, None], clothes[1], clothes[2][:, None], clothes[3])


def test_fashion_from_debian_needs_no_network(clothes, monkeypatch, tmp_path):
    monkeypatch.setattr(remote, "DEBIAN", tmp_path)
    monkeypatch.setattr(downloads, "download", None)
    for file, array in zip(remote.FILES["fashion"], clothes, strict=True):
        (tmp_path / file["name"].removeprefix("fashion-")).write_bytes(idx(array))
    same(remote.fashion(), clothes[0][:, None], clothes[1], clothes[2][:, None], clothes[3])


@pytest.mark.skipif(
    not (remote.DEBIAN / "train-labels-idx1-ubyte.gz").exists(), reason="dataset-fashion-mnist is not installed"
)
def test_the_real_fashion():
    task = remote.fashion(per_class=20)
    full = remote.read_idx(remote.DEBIAN / "train-labels-idx1-ubyte.gz", 1)
    assert np.bincount(full).tolist() == [6000] * 10 and task.x_train.max() == 1
    assert np.bincount(task.y_train).tolist() == [20] * 10 == np.bincount(task.y_test).tolist()
    trousers, boots = (task.x_train[task.y_train == label].mean((0, 1)) for label in (1, 9))
    assert trousers[:, 12:16].mean() > 2 * trousers[:, :8].mean() and boots[20:].mean() > boots[:8].mean()


GOOD = pixels(120, 3, 32, 32), labels(120)
UNEVEN = [(f"{part}_{what}.bin", bytes(5)) for part in ("train", "test") for what in "Xy"]
BROKEN = [(name, b"no jpeg" if name.endswith("_1.JPEG") else content) for name, content in imagenette_archive()]


@pytest.mark.parametrize(
    "task, contents, message",
    [
        ("cifar10", [b"no archive"], "not a whole .tar.gz"),
        ("cifar10", [tar_gz(cifar_members(*GOOD))[:-200_000]], "not a whole .tar.gz"),
        ("cifar10", [tar_gz(cifar_members(*GOOD)[:-1])], "no test_batch.bin in it"),
        ("cifar10", [tar_gz([(name, body[:-1]) for name, body in cifar_members(*GOOD)])], "no records of 3,073 bytes"),
        ("cifar10", [tar_gz(cifar_members(GOOD[0], GOOD[1] + 90))], "labels run from 90 to 99"),
        ("stl10", [tar_gz(UNEVEN)], "do not fit together"),
        ("svhn", [b"no", b"mat"], "no .mat file with X and y"),
        ("stl10", [tar_gz([(name, bytes(4) + b"1") for name, _ in UNEVEN])], "do not fit together"),
        ("stl10", [tar_gz([(name, bytes([1]) * 5) for name, _ in UNEVEN])], "do not fit together"),
        ("svhn", [mat(GOOD[0], GOOD[1] + 2)] * 2, "X has the shape"),
        ("svhn", [mat(GOOD[0], GOOD[1][:100])] * 2, "X has the shape"),
        ("imagenette", [tar_gz(imagenette_archive()[:5])], "lacks the folders train and val"),
        ("imagenette", [tar_gz(BROKEN)], "_1.JPEG cannot be read"),
        ("fashion", [idx(GOOD[1])[:-9]] * 4, "no whole .gz file"),
        ("fashion", [idx(GOOD[1])] * 4, "no IDX file of bytes"),
        ("fashion", [gzip.compress(gzip.decompress(idx(pixels(3, 28, 28))) + b"?")] * 4, "no IDX file of bytes"),
        ("fashion", [idx(pixels(3, 28, 28)), idx(GOOD[1])] * 2, "images for 120 labels"),
    ],
)  # fmt: skip
def test_files_in_another_form(serve, monkeypatch, tmp_path, task, contents, message):
    monkeypatch.setattr(remote, "DEBIAN", tmp_path / "nowhere")
    serve(task, *contents)
    with pytest.raises(MrntkError, match=message):
        getattr(remote, task)()


def test_cards():
    assert list(remote.ENTRIES) == ["cifar10", "stl10", "svhn", "imagenette", "fashion"]
    megabytes = {name: entry.card.download_mb for name, entry in remote.ENTRIES.items()}
    assert megabytes == {"cifar10": 170.1, "stl10": 2640.4, "svhn": 246.3, "imagenette": 99.0, "fashion": 30.9}
    for name, entry in remote.ENTRIES.items():
        assert (
            entry.card.name == name
            and len(entry.card.classes) == entry.card.num_classes == 10
            and not entry.card.offline
        )
        assert all(len(file["sha256"]) == 64 for file in remote.FILES[name])
    names = [file["name"] for files in remote.FILES.values() for file in files]
    assert len(set(names)) == len(names) == 9
    assert {"svhn-test_32x32.mat", "fashion-t10k-labels-idx1-ubyte.gz"} <= set(names)

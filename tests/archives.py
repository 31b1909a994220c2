"""Small archives in the formats of the data sets that are downloaded, with random pictures in them."""

import hashlib
import io
import tarfile

import numpy as np
from PIL import Image
from scipy.io import savemat

from mrntk.support.cache import cache_folder
from mrntk.tasks import remote

RANDOM = np.random.default_rng(5)


def pixels(*shape):
    return RANDOM.integers(0, 256, shape, np.uint8)


def labels(count):
    """All ten classes, in no order."""
    return RANDOM.permutation(np.arange(count) % 10).astype(np.uint8)


def tar_gz(members, links=()):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as archive:
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
        for name, body in members:
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return content.getvalue()


def cifar_members(x, y):
    """The binary version: five equal parts for training and one for testing."""
    records = np.concatenate([y[:, None], x.reshape(len(x), -1)], axis=1)
    parts = np.split(records, 6)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    return [(f"cifar-10-batches-bin/{name}", part.tobytes()) for name, part in zip(names, parts, strict=True)]


def stl10_members(part, x, y):
    """Images column by column, labels from 1."""
    images = x.transpose(0, 1, 3, 2).tobytes()
    return [(f"stl10_binary/{part}_X.bin", images), (f"stl10_binary/{part}_y.bin", (y + 1).tobytes())]


def mat(x, y, **more):
    """Images last, the label 10 for the digit 0."""
    content = io.BytesIO()
    written = np.where(y == 0, 10, y)[:, None].astype(np.uint8)
    savemat(content, {"X": x.transpose(2, 3, 1, 0), "y": written, **more}, do_compression=True)
    return content.getvalue()


def jpeg(picture):
    """An array (height, width, 3) as a file's content."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=100)
    return content.getvalue()


def imagenette_members(per_class):
    """A folder a class, with photographs of several sizes; `per_class` is {"train": so many, "val": so many}."""
    return [
        (f"imagenette2-160/{part}/{wordnet}/{wordnet}_{i}.JPEG", jpeg(pixels(160 + 16 * (i % 2), 180, 3)))
        for part, count in per_class.items()
        for wordnet in remote.WORDNET
        for i in range(count)
    ]


def contents(task: str, train: int = 300, test: int = 100) -> list[bytes]:
    """The files of a task, in the order of the table `remote.FILES`."""
    if task == "cifar10":
        return [tar_gz(cifar_members(pixels(6 * train // 5, 3, 32, 32), labels(6 * train // 5)))]
    if task == "stl10":
        parts = {name: (pixels(count, 3, 96, 96), labels(count)) for name, count in (("train", train), ("test", test))}
        return [tar_gz(sum((stl10_members(name, *part) for name, part in parts.items()), []))]
    if task == "svhn":
        return [mat(pixels(count, 3, 32, 32), labels(count)) for count in (train, test)]
    return [tar_gz(imagenette_members({"train": 8, "val": 2}))]


def put_into_cache(task: str, monkeypatch):
    """Files of that task as if they had been downloaded, and a table whose digests are theirs; nothing can be fetched."""
    table = []
    for file, content in zip(remote.FILES[task], contents(task), strict=True):
        (cache_folder("downloads") / file["name"]).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        table.append({"url": "http://127.0.0.1:9/", "name": file["name"], "sha256": sha256, "size": len(content)})
    monkeypatch.setitem(remote.FILES, task, table)

"""Image tasks that are downloaded once: CIFAR-10, STL-10, SVHN, Imagenette and the whole of Fashion-MNIST.

Images are float32 in [0, 1], channels first. With `per_class`, the first so many examples of every class are taken, in the
data set's own order, and at most so many of every class for testing. What was downloaded is parsed again by every call;
archives are read without being extracted, by the plain names of their members alone.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from ..support.cards import Entry
from ..support.errors import MrntkError
from .image_files import read_image
from .remote_cards import CARDS, FILES, WORDNET
from .task import Task

DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package dataset-fashion-mnist lies


def _fetched(task: str) -> list[Path]:
    from ..support.downloads import download  # here, since its imports take a while

    return [download(**file) for file in FILES[task]]


def _unfit(path: Path, why: str) -> MrntkError:
    return MrntkError(f"{path} is not what was expected ({why}): delete it, so that it is fetched again.")


def first_rows(labels: np.ndarray, per_class: int | None) -> np.ndarray:
    """Rows of the first `per_class` examples of every class, ascending; all rows for None."""
    if per_class is None:
        return np.arange(len(labels))
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]))


def _part(name: str, labels: np.ndarray, per_class: int | None, *, training: bool) -> tuple[np.ndarray, np.ndarray]:
    """(rows, their labels as integers) of one part of the task; all ten classes must be there for training."""
    counts = np.bincount(labels, minlength=10)
    if len(counts) > 10 or (training and counts.min() < 1):
        raise MrntkError(
            f"task {name}: labels run from {labels.min()} to {labels.max()}, not over ten classes: the file is damaged."
        )
    if per_class is not None and (per_class < 1 or (training and per_class > counts.min())):
        raise MrntkError(f"per_class={per_class}: task {name} has 1 to {counts.min()} training examples per class.")
    rows = first_rows(labels, per_class)
    return rows, labels[rows].astype(int)


def _task(name: str, parts, per_class: int | None, take: Callable | None = None, shape=None) -> Task:
    """The task of `parts` (images, labels) for training and testing, each cut to `per_class`.

    `take(images, rows)` gives the chosen images as float32; the default divides an array of uint8 by 255.
    """
    take = take or (lambda images, rows: np.divide(images[rows], 255, dtype=np.float32, order="C"))
    arrays = []
    for training, (images, labels) in zip((True, False), parts, strict=True):
        rows, chosen = _part(name, labels, per_class, training=training)
        arrays += [take(images, rows), chosen]
    size = f"{len(arrays[1]):,} + {len(arrays[3]):,} images"
    card = replace(CARDS[name], shape=shape or CARDS[name].shape, size=size)
    return Task(card, *arrays)


def _members(
    path: Path, wanted: Callable[[PurePosixPath], bool], count: int | None = None
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """(path inside, content) of the wanted plain files of a .tar.gz, in its order; ends after `count` of them."""
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                place = PurePosixPath(member.name)
                if member.isfile() and wanted(place):
                    yield place, archive.extractfile(member).read()
                    count = None if count is None else count - 1
                    if count == 0:
                        return
    except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
        raise _unfit(path, f"{type(error).__name__}, not a whole .tar.gz") from None


def _named(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """The content of the members of these plain names."""
    found = {place.name: content for place, content in _members(path, lambda place: place.name in names, len(names))}
    if len(found) < len(names):
        raise _unfit(path, f"no {next(name for name in names if name not in found)} in it")
    return found


def cifar10(per_class: int | None = None) -> Task:
    """CIFAR-10: 50,000 + 10,000 photographs of 32 x 32. The binary version: per image a label, then 3 x 1024 values."""
    (path,) = _fetched("cifar10")
    names = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
    content = _named(path, names)
    if any(len(each) % 3073 or not each for each in content.values()):
        raise _unfit(path, "its parts are no records of 3,073 bytes")
    records = [np.frombuffer(content[name], np.uint8).reshape(-1, 3073) for name in names]
    parts = [(each[:, 1:].reshape(-1, 3, 32, 32), each[:, 0]) for each in (np.concatenate(records[:5]), records[5])]
    return _task("cifar10", parts, per_class)


def stl10(per_class: int | None = None) -> Task:
    """STL-10: 5,000 + 8,000 photographs of 96 x 96; its 100,000 unlabelled ones are in the archive but not read."""
    (path,) = _fetched("stl10")
    content = _named(path, ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"))
    parts = []
    for part in ("train", "test"):
        labels = np.frombuffer(content[f"{part}_y.bin"], np.uint8)
        if len(content[f"{part}_X.bin"]) != len(labels) * 3 * 96 * 96 or labels.min(initial=1) < 1:
            raise _unfit(path, f"{part}_X.bin and {part}_y.bin do not fit together")
        images = np.frombuffer(content[f"{part}_X.bin"], np.uint8).reshape(-1, 3, 96, 96)
        parts.append((images.swapaxes(2, 3), labels - 1))  # stored column by column, labels from 1
    return _task("stl10", parts, per_class)


def svhn(per_class: int | None = None) -> Task:
    """SVHN: 73,257 + 26,032 digits of 32 x 32 from house numbers, with whatever else the photograph shows beside them."""
    return _task("svhn", [_mat(path) for path in _fetched("svhn")], per_class)


def _mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(images (N, 3, 32, 32), labels) of a .mat file with X (32, 32, 3, N) and y, where the digit 0 has the label 10."""
    from scipy.io import loadmat

    try:
        found = loadmat(path, variable_names=("X", "y"))
        images, labels = found["X"], found["y"].ravel()
    except Exception as error:  # scipy raises errors of many kinds
        raise _unfit(path, f"{type(error).__name__}, no .mat file with X and y") from None
    if (
        images.shape != (32, 32, 3, len(labels))
        or images.dtype != np.uint8
        or not set(np.unique(labels)) <= set(range(1, 11))
    ):
        raise _unfit(path, f"X has the shape {images.shape}, y {labels.shape} and labels up to {labels.max(initial=0)}")
    return images.transpose(3, 2, 0, 1), labels.astype(int) % 10


def imagenette(per_class: int | None = None, side: int = 112) -> Task:
    """Imagenette: 9,469 + 3,925 photographs of ten easily told classes of ImageNet, cut to their middle square and resized.

    The default side, 112, is that of the authors' experiments on ten classes of ImageNet, for which this openly served data set
    stands in; the classes are not theirs. Images are taken in the order of their file names. All of them take 2 GB at that side.
    """
    (path,) = _fetched("imagenette")
    found: dict[str, list] = {"train": [], "val": []}
    for place, content in _members(path, lambda place: place.suffix == ".JPEG" and place.parent.name in WORDNET):
        if place.parts[-3:-2] and place.parts[-3] in found:
            found[place.parts[-3]].append((place.parent.name, place.name, content))
    if not all(found.values()):
        raise _unfit(path, "it lacks the folders train and val")

    def decoded(files, rows):
        return np.stack([read_image(io.BytesIO(files[row][2]), side, name=f"{path}, {files[row][1]}") for row in rows])

    order = list(WORDNET)
    parts = []
    for files in map(sorted, found.values()):
        parts.append((files, np.array([order.index(wordnet) for wordnet, _, _ in files])))
    return _task("imagenette", parts, per_class, decoded, (3, side, side))


def fashion(per_class: int | None = None) -> Task:
    """Fashion-MNIST, 60,000 + 10,000 pictures of clothes, 28 x 28: from Debian's package if it is installed, else downloaded."""
    plain = [DEBIAN / file["name"].removeprefix("fashion-") for file in FILES["fashion"]]
    paths = plain if all(path.is_file() for path in plain) else _fetched("fashion")
    arrays = [read_idx(path, 1 if "labels" in path.name else 3) for path in paths]
    parts = [(arrays[0][:, None], arrays[1]), (arrays[2][:, None], arrays[3])]
    for (images, labels), path in zip(parts, paths[::2], strict=True):
        if len(images) != len(labels) or images.shape[1:] != (1, 28, 28):
            raise _unfit(path, f"{images.shape} images for {len(labels)} labels")
    return _task("fashion", parts, per_class)


def read_idx(path: Path, axes: int) -> np.ndarray:
    """A gzipped IDX file of unsigned bytes: two zeros, the type 8, the number of axes, their sizes (big-endian), the values."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (zlib.error, OSError, EOFError) as error:
        raise _unfit(path, f"{type(error).__name__}, no whole .gz file") from None
    start = 4 * (1 + axes)
    shape = tuple(map(int, np.frombuffer(content[4:start], ">u4")))
    if (
        content[:4] != bytes((0, 0, 8, axes))
        or len(shape) != axes
        or len(content) - start != np.prod(shape, dtype=object)
    ):
        raise _unfit(path, "no IDX file of bytes")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


ENTRIES = {
    load.__name__: Entry(CARDS[load.__name__], load, options)
    for load, options in (
        (cifar10, ("per_class",)),
        (stl10, ("per_class",)),
        (svhn, ("per_class",)),
        (imagenette, ("per_class", "side")),
        (fashion, ("per_class",)),
    )
}

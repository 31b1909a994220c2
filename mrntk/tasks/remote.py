"""Image tasks that are downloaded once: CIFAR-10, STL-10, SVHN, Imagenette and the whole of Fashion-MNIST.

Images are float32 in [0, 1], channels first. With `per_class`, the first so many examples of every class are taken, in the
data set's own order, and at most so many of every class for testing. What was downloaded is parsed again by every call;
archives are read without being extracted, by the plain names of their members alone.

The md5s are those that the authors or the usual loaders publish, the sha256s and sizes those that TensorFlow Datasets records.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from ..cards import Card, Entry
from ..download import download
from ..errors import MrntkError
from .images import DIGIT_NAMES
from .own import read_image
from .task import Task

_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/"
# The arguments of `download` for the files of every task.
FILES: dict[str, list[dict]] = {
    "cifar10": [
        {
            "url": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "name": "cifar-10-binary.tar.gz",
            "md5": "c32a1d4ab5d03f1284b67883e8d87530",
            "sha256": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "bytes": 170052171,
        }
    ],
    "stl10": [
        {
            "url": "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            "name": "stl10_binary.tar.gz",
            "md5": "91f7769df0f17e558f3565bffb0c7dfb",
            "sha256": "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
            "bytes": 2640397119,
        }
    ],
    "svhn": [
        {
            "url": "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
            "name": "svhn-train_32x32.mat",
            "md5": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "sha256": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            "bytes": 182040794,
        },
        {
            "url": "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
            "name": "svhn-test_32x32.mat",
            "md5": "eb5a983be6a315427106f1b164d9cef3",
            "sha256": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            "bytes": 64275384,
        },
    ],
    "imagenette": [
        {
            "url": "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
            "name": "imagenette2-160.tgz",
            "md5": "e793b78cc4c9e9a4ccc0c1155377a412",
            "sha256": "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5",
            "bytes": 99003388,
        }
    ],
    "fashion": [
        {"url": _FASHION + name, "name": "fashion-" + name, "md5": md5, "sha256": sha256, "bytes": size}
        for name, size, md5, sha256 in (
            (
                "train-images-idx3-ubyte.gz", 26421880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            (
                "train-labels-idx1-ubyte.gz", 29515, "25c81989df183df01b3e8a0aad5dffbe",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            (
                "t10k-images-idx3-ubyte.gz", 4422102, "bef4ecab320f06d8554ea6380940ec79",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            (
                "t10k-labels-idx1-ubyte.gz", 5148, "bb300cfdad3c16e7a12a480ee83cd310",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        )
    ],
}  # fmt: skip
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package dataset-fashion-mnist lies

OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ANIMALS = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
WORDNET = {
    "n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw",
    "n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump",
    "n03445777": "golf ball", "n03888257": "parachute",
}  # fmt: skip


def _card(name: str, title: str, shape, classes, size: str, origin: str, licence: str, citation: str) -> Card:
    megabytes = round(sum(file["bytes"] for file in FILES[name]) / 1e6, 1)
    return Card(name, title, shape, 10, classes, size, origin, licence, citation, download_mb=megabytes)


CARDS = {
    card.name: card
    for card in (
        _card(
            "cifar10", "CIFAR-10, small photographs of ten things", (3, 32, 32), OBJECTS, "50,000 + 10,000 images",
            "cs.toronto.edu/~kriz/cifar.html, the binary version", "none stated by the authors",
            "Krizhevsky 2009, Learning multiple layers of features from tiny images",
        ),
        _card(
            "stl10", "STL-10, photographs of ten things", (3, 96, 96), ANIMALS, "5,000 + 8,000 images",
            "cs.stanford.edu/~acoates/stl10, the labelled part",
            "none stated by the authors; the images come from ImageNet, whose terms are non-commercial research and education",
            "Coates, Lee and Ng 2011, An analysis of single-layer networks in unsupervised feature learning",
        ),
        _card(
            "svhn", "SVHN, digits cut from photographs of house numbers", (3, 32, 32), DIGIT_NAMES, "73,257 + 26,032 images",
            "ufldl.stanford.edu/housenumbers, cropped digits without the extra part", "non-commercial use only",
            "Netzer, Wang, Coates, Bissacco, Wu and Ng 2011, Reading digits in natural images with unsupervised feature learning",
        ),
        _card(
            "imagenette", "Imagenette, ten classes of ImageNet", (3, 112, 112), tuple(WORDNET.values()), "9,469 + 3,925 images",
            "github.com/fastai/imagenette, 160 px version 2; centre squares; tests on its validation part",
            "Apache-2.0 (the repository); the images: ImageNet's terms, non-commercial research and education",
            "Howard 2019, Imagenette; Deng et al. 2009, ImageNet: a large-scale hierarchical image database",
        ),
        _card(
            "fashion", "Fashion-MNIST, the whole of it", (1, 28, 28), CLOTHES, "60,000 + 10,000 images",
            "github.com/zalandoresearch/fashion-mnist, or Debian's package dataset-fashion-mnist", "MIT (Zalando SE 2017)",
            "Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747",
        ),
    )
}  # fmt: skip


def _fetched(task: str) -> list[Path]:
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
        raise MrntkError(f"per_class={per_class}: task {name} has 1 to {counts.min()} training examples a class.")
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
    """CIFAR-10: 50,000 + 10,000 photographs of 32 x 32. The binary version: a label, then 3 x 1024 values, an image."""
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
    arrays = [_idx(path, 1 if "labels" in path.name else 3) for path in paths]
    parts = [(arrays[0][:, None], arrays[1]), (arrays[2][:, None], arrays[3])]
    for (images, labels), path in zip(parts, paths[::2], strict=True):
        if len(images) != len(labels) or images.shape[1:] != (1, 28, 28):
            raise _unfit(path, f"{images.shape} images for {len(labels)} labels")
    return _task("fashion", parts, per_class)


def _idx(path: Path, axes: int) -> np.ndarray:
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

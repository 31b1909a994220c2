"""The tables of the tasks that are downloaded: their files with digests, the names of their classes, their cards."""

from ..support.cards import Card
from . import fashion
from .images import DIGIT_NAMES

_STANFORD = "http://ufldl.stanford.edu/housenumbers/"
_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/"


def _file(url: str, size: int, sha256: str, before: str = "") -> dict:
    """The arguments of `download`; `before` stands before the file's own name in the cache."""
    return {"url": url, "name": before + url.rpartition("/")[2], "sha256": sha256, "size": size}


# Sizes and digests are those that TensorFlow Datasets records.
FILES: dict[str, list[dict]] = {
    "cifar10": [
        _file(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170052171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ],
    "stl10": [
        _file(
            "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz", 2640397119,
            "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
        ),
    ],
    "imagenette": [
        _file(
            "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz", 99003388,
            "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5",
        ),
    ],
    "svhn": [
        _file(_STANFORD + name, size, sha256, "svhn-")
        for name, size, sha256 in (
            ("train_32x32.mat", 182040794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
            ("test_32x32.mat", 64275384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
        )
    ],
    "fashion": [
        _file(_FASHION + name, size, sha256, "fashion-")
        for name, size, sha256 in (
            ("train-images-idx3-ubyte.gz", 26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            ("train-labels-idx1-ubyte.gz", 29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ("t10k-images-idx3-ubyte.gz", 4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ("t10k-labels-idx1-ubyte.gz", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        )
    ],
}  # fmt: skip

OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ANIMALS = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
WORDNET = {
    "n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw",
    "n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump",
    "n03445777": "golf ball", "n03888257": "parachute",
}  # fmt: skip


def _card(name: str, title: str, shape, classes, size: str, origin: str, licence: str, citation: str) -> Card:
    megabytes = round(sum(file["size"] for file in FILES[name]) / 1e6, 1)
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
            "fashion", "Fashion-MNIST, the whole of it", (1, 28, 28), fashion.CLASSES, "60,000 + 10,000 images",
            "github.com/zalandoresearch/fashion-mnist, or Debian's package dataset-fashion-mnist", "MIT (Zalando SE 2017)",
            "Xiao, Rasul and Vollgraf 2017, Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
        ),
    )
}  # fmt: skip

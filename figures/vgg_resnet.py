"""VGG and ResNet of growing depth on a larger input: does the target loss fall with depth there, too?"""

import jax
import numpy as np
import pandas as pd

from figures.experiments.reprogramming import MAP_NAMES, examples, measure, source_quality
from figures.making.drawing import NAMES, against_depth
from figures.making.statistics import slopes, with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.sources.trained import Recipe, train
from mrntk.tasks import load_task

ID = "vgg_resnet"
TITLE = "Target loss against depth for VGG and ResNet on a larger input"
PAPER = "notes on the earlier version: ResNet and VGG on ImageNet-10 at 112 pixels"
ALT = (
    "Two rows of three panels against the depth of the source, counted in levels a group, one line for VGG and one for "
    "ResNet. Above squared losses on a logarithmic axis, below test accuracies. Left column: the source on the test part "
    "of its own task. Middle and right: the target after reprogramming with a fully connected layer and with a visual "
    "prompt; there the loss is that on the training examples. Bars are 95 percent t intervals over seeds."
)
SAYS = "On inputs of 112 pixels lambda_min rises and the target loss falls with depth, for VGG and ResNet alike (author notes)."
SCALES = {
    "smoke": {
        "family": ("resnet",), "depth": (1, 2), "maps": ("vp",), "groups": 1, "width": 2,
        "source_task": "mnist5k", "side": 28, "task": "digits", "seeds": 2, "source_per_class": 5, "source_epochs": 1,
        "source_batch": 32, "per_class": 1, "test": 10, "epochs": 3,
    },
    "course": {
        "family": ("vgg", "resnet"), "depth": (1, 2, 3), "maps": ("fc", "vp"), "groups": 2, "width": 8,
        "source_task": "mnist5k", "side": 56, "task": "digits", "seeds": 5, "source_per_class": 60,
        "source_epochs": 12, "source_batch": 32, "per_class": 5, "test": 300, "epochs": 50,
    },
    "paper": {
        "family": ("vgg", "resnet"), "depth": (1, 2, 3, 4), "maps": ("fc", "vp"), "groups": 3, "width": 32,
        "source_task": "cifar10", "side": 112, "task": "svhn", "seeds": 5, "source_per_class": 4500,
        "source_epochs": 50, "source_batch": 128, "per_class": 50, "test": 8000, "epochs": 150,
    },
}  # fmt: skip


def cells(*, family, depth, **rest):
    """One piece per family and depth, all seeds in it."""
    return [{"family": name, "depth": d, **rest} for name in family for d in depth]


def compute(
    key, *, family, depth, maps, groups, width, source_task, side, task, seeds, source_per_class, source_epochs, source_batch,
    per_class, test, epochs
):  # fmt: skip
    """One row per seed and input transformation; `depth` is the number of levels a group."""
    home, rows = load_task(source_task).with_inputs(np.float32).resized(side), []
    recipe = Recipe(loss="mse", epochs=source_epochs, per_class=source_per_class, batch=source_batch)
    for seed in range(seeds):
        keys = jax.random.split(jax.random.fold_in(key, seed), 3)
        source = train(family, home, seed=42 + seed, recipe=recipe, levels=depth, groups=groups, width=width).source
        about, data = source_quality(source, home), examples(load_task(task), keys[0], per_class, test)
        for name in maps:
            a = make_input_map(name, data[0].shape[1:], source.input_shape, key=keys[1])
            found = measure(Reprogram(a, source), data, key=keys[2], loss="mse", epochs=epochs)
            rows.append({"family": family, "depth": depth, "map": name, "seed": seed} | about | found)
    return rows


def with_source(data):
    """The data with the source's own test loss and accuracy as if they were those of one more map, "source"."""
    own = data[data["map"] == data["map"].iloc[0]].assign(
        map="source", train_loss=data["source_test_loss"], test_accuracy=data["source_test_accuracy"]
    )
    return pd.concat([own, data])


def render(data):
    """Losses above, accuracies below; the source itself in the first column."""
    maps = list(data["map"].unique())
    figure = against_depth(
        with_source(data), (("train_loss", "squared loss", "log"), ("test_accuracy", "test accuracy", "linear")),
        ("source", *maps), by=("family",),
    )  # fmt: skip
    titles = ["source, its test part", *(f"target with {MAP_NAMES[name]}" for name in maps)]
    above, below = figure.axes[: len(titles)], figure.axes[len(titles) : 2 * len(titles)]
    for axis, title in zip(above, titles, strict=True):
        axis.set_title(title)
    for axis in below:
        axis.set_xlabel("levels a group")
    below[0].set_ylim(0, 1)
    figure.set_size_inches(7.2, 4.6)
    return figure


def finds(data):
    """Changes of source and target loss with one more level."""
    words, maps = [], data["map"].unique()
    for family, part in data.groupby("family", sort=False):
        source = slopes(part[part["map"] == maps[0]], "source_test_loss")
        changes = {"its own test loss": source} | {
            MAP_NAMES[name]: slopes(part[part["map"] == name], "train_loss") for name in maps
        }
        found = [f"{name} {with_interval(100 * np.expm1(change), 0, sign=True)} %" for name, change in changes.items()]
        words.append(f"{NAMES[family]}: {', '.join(found)}")
    return (
        f"Change with one more level a group of the source's test loss, and of the target loss by input transformation: "
        f"{'; '.join(words)}."
    )

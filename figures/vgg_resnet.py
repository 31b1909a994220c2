"""VGG and ResNet of growing depth on a larger input: does the target loss fall with depth there, too?"""

import itertools

import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.converged import floored, measure_to_the_end
from figures.experiments.reprogramming import MAP_NAMES, examples, source_quality
from figures.experiments.sources import BATCH
from figures.making.drawing import INTERVAL, NAMES, case_name, mean_line, shared_legend
from figures.making.statistics import slopes, with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.sources.trained import Recipe, train
from mrntk.tasks import load_task

ID = "vgg_resnet"
TITLE = "Target loss against depth for VGG and ResNet on a larger input"
PAPER = "notes on the earlier version: ResNet and VGG on ImageNet-10 at 112 pixels"
ALT = (
    "Four panels against the depth of the source, counted in levels per group. Above the target's training loss at the end, "
    "logarithmic, with a line for a constant predictor: left for a fully connected layer, right for a visual prompt; one line "
    "for each of VGG and ResNet and each target task. Below left the test accuracy of both input transformations, averaged over "
    "targets, below right the test accuracy of the sources on their own task. Bars are 95 percent t intervals over seeds."
)
SAYS = "On inputs of 112 pixels lambda_min rises and the target loss falls with depth, for VGG and ResNet alike (author notes)."
NOTE = (
    "Sources train for a fixed number of epochs without early stopping; theta trains with all target examples at once, until the "
    "last tenth of the steps changes the loss by less than 2 %, or until the loss is 1 % of the constant predictor's."
)
SCALES = {
    "smoke": {
        "family": ("resnet",), "depth": (1, 2), "maps": ("vp",), "groups": 1, "width": 2, "source_task": "mnist5k", "side": 28,
        "task": ("digits",), "seeds": 2, "source_per_class": 5, "source_epochs": 1, "per_class": 1, "test": 10, "most": 3,
    },
    "course": {
        "family": ("vgg", "resnet"), "depth": (1, 2, 3), "maps": ("fc", "vp"), "groups": 3, "width": 8,
        "source_task": "mnist5k", "side": 42, "task": ("digits", "fashion5k"), "seeds": 5, "source_per_class": 400,
        "source_epochs": 10, "per_class": 3, "test": 300, "most": 2000,
    },
    "paper": {
        "family": ("vgg", "resnet"), "depth": (1, 2, 3, 4), "maps": ("fc", "vp"), "groups": 3, "width": 32,
        "source_task": "cifar10", "side": 112, "task": ("svhn",), "seeds": 5, "source_per_class": 4500,
        "source_epochs": 50, "per_class": 50, "test": 8000, "most": 8000,
    },
}  # fmt: skip
RATE = 3e-3  # of Adam for the sources


def cells(*, family, depth, seeds, **rest):
    """One piece per family, depth and seed."""
    return [
        {"family": name, "depth": d, "seed": seed} | rest
        for name, seed, d in itertools.product(family, range(seeds), depth)
    ]


def compute(
    key, *, family, depth, seed, maps, groups, width, source_task, side, task, source_per_class, source_epochs, per_class, test,
    most
):  # fmt: skip
    """One row per target and input transformation; `depth` is the number of levels per group."""
    home, rows = load_task(source_task).with_inputs(np.float32).resized(side), []
    options = {"learning_rate": RATE, "batch": BATCH, "patience": 0}
    recipe = Recipe(loss="mse", epochs=source_epochs, per_class=source_per_class, **options)
    keys = jax.random.split(jax.random.fold_in(key, seed), 3)
    source = train(family, home, seed=42 + seed, recipe=recipe, levels=depth, groups=groups, width=width).source
    about = source_quality(source, home)
    for target in task:
        data = examples(load_task(target), keys[0], per_class, test)
        for name in maps:
            a = make_input_map(name, data[0].shape[1:], source.input_shape, key=keys[1])
            found = measure_to_the_end(Reprogram(a, source), data, key=keys[2], loss="mse", most=most)
            place = {"family": family, "depth": depth, "source_task": source_task, "task": target}
            rows.append(place | {"map": name, "seed": seed} | about | found)
    return rows


def panel(axis, data, column: str, by, label, *, log: bool = False):
    """A line for every combination of the columns `by`."""
    for number, (case, part) in enumerate(data.groupby(by, sort=False)):
        means = part.groupby(["depth", "seed"])[column].mean().reset_index()
        mean_line(axis, means, "depth", column, number=number, log=log, label=label(case))


def render(data):
    """Losses above; accuracies of targets and sources below."""
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.8), sharex=True)
    maps = list(data["map"].unique())
    for axis, name in zip(axes[0], maps, strict=False):
        part = floored(data[data["map"] == name], "train_loss")
        panel(axis, part, "train_loss", ["family", "task"], lambda case: f"{NAMES[case[0]]}, {case[1]}", log=True)
        axis.axhline(data["constant_loss"].mean(), color="grey", linestyle=":", label="constant predictor")
        axis.set(title=f"target, {MAP_NAMES[name]}", ylabel="training loss (squared)")
    axes[0, 1].set_visible(len(maps) > 1)
    panel(axes[1, 0], data, "test_accuracy", ["family", "map"], lambda case: f"{NAMES[case[0]]}, {MAP_NAMES[case[1]]}")
    axes[1, 0].set(title="target, mean over tasks", ylabel="test accuracy", ylim=(0, 1))
    panel(axes[1, 1], data, "source_test_accuracy", ["family"], case_name)
    axes[1, 1].set(title="source, its own task", ylabel="test accuracy", ylim=(0, 1))
    for axis in axes[1]:
        axis.set(xlabel="levels per group", xticks=sorted(data["depth"].unique()))
        axis.legend(fontsize=7)
    shared_legend(figure, axes[0, 0], title=f"{data['seed'].nunique()} seeds, {INTERVAL}")
    return figure


def finds(data):
    """Changes of source and target loss with one more level."""
    words, maps = [], data["map"].unique()
    for family, part in data.groupby("family", sort=False):
        once = part.drop_duplicates(["depth", "seed"])
        changes = {"its own test loss": slopes(once, "source_test_loss")} | {
            MAP_NAMES[name]: slopes(
                floored(part[part["map"] == name], "train_loss"), "train_loss", by=("source_task", "task")
            )
            for name in maps
        }
        found = [f"{name} {with_interval(100 * np.expm1(change), 0, sign=True)} %" for name, change in changes.items()]
        words.append(f"{NAMES[family]}: {', '.join(found)}")
    return (
        f"Change with one more level per group of the source's test loss, and of the target loss by input transformation: "
        f"{'; '.join(words)}."
    )

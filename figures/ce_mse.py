"""Squared loss beside cross-entropy: does the target loss fall with depth under both?"""

import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.reprogramming import MAP_NAMES
from figures.making.drawing import INTERVAL, NAMES, mean_line, shared_legend
from figures.making.statistics import slopes, with_interval

ID = "ce_mse"
TITLE = "Squared loss beside cross-entropy"
PAPER = "notes on the earlier version: CE against MSE, DNN and CNN"
ALT = (
    "A grid of panels: rows for a fully connected and a convolutional source, columns for the input transformations. Each "
    "shows the target's "
    "training loss against the depth of the source, once with squared loss and once with cross-entropy for source and "
    "reprogramming alike, "
    "both relative to the shallowest source, on a logarithmic axis. Bars are 95 percent t intervals over seeds."
)
SAYS = "Cross-entropy and squared loss show the same tendency (author notes)."
FROM = "depth_to_target"
MAPS = ("fc", "vp", "vp_fc")


def both(data):
    """Rows of the pairs of tasks for which both losses were run."""
    pairs = data[data["loss"] == "ce"][["source_task", "task"]].drop_duplicates()
    return data.merge(pairs, on=["source_task", "task"])


def relative(data):
    """Losses divided by those of the shallowest source of the same seed."""
    keys = ["family", "source_task", "task", "loss", "map", "seed"]
    first = data.sort_values("depth").groupby(keys)["train_loss"].transform("first")
    return data.assign(relative=data["train_loss"] / first)


def render(data):
    """One panel a family and map, one line a loss."""
    data = relative(both(data))
    families = list(data["family"].unique())
    figure, axes = plt.subplots(len(families), 3, figsize=(7.2, 1.9 * len(families) + 0.9), sharex=True, squeeze=False)
    for row, family in zip(axes, families, strict=True):
        for axis, name in zip(row, MAPS, strict=True):
            for number, loss in enumerate(("mse", "ce")):
                part = data[(data["family"] == family) & (data["map"] == name) & (data["loss"] == loss)]
                mean_line(axis, part, "depth", "relative", number=number, log=True, label=NAMES[loss])
        row[0].set_ylabel(f"{NAMES[family]}: target loss,\nrelative to depth {data['depth'].min()}")
    for axis, name in zip(axes[0], MAPS, strict=True):
        axis.set_title(MAP_NAMES[name])
    for axis in axes[-1]:
        axis.set(xlabel="depth of the source", xticks=sorted(data["depth"].unique()))
    shared_legend(figure, axes[0, 0], title=f"{data['seed'].nunique()} seeds, {INTERVAL}")
    return figure


def finds(data):
    """Slopes under both losses."""
    data, words = both(data), []
    for (family, name), part in data[data["map"] != "none"].groupby(["family", "map"], sort=False):
        change = []
        for loss in ("mse", "ce"):
            found = slopes(part[part["loss"] == loss], "train_loss", by=("source_task", "task"))
            change.append(with_interval(100 * np.expm1(found), 0, sign=True))
        words.append(f"{NAMES[family]} {MAP_NAMES[name]} {change[0]} and {change[1]}")
    return "Change of the target loss a layer in %, squared loss and cross-entropy: " + "; ".join(words) + "."

"""A worse source, a worse target? One DNN and one CNN, weakened in four ways."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from figures.experiments.converged import measure_to_the_end
from figures.experiments.reprogramming import MAP_NAMES, examples, source_quality
from figures.experiments.sources import BATCH, RATES
from figures.making.drawing import NAMES, shared_legend
from figures.making.statistics import by_seed, with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.sources.trained import FAMILIES, Recipe, train
from mrntk.support.style import MARKERS, OKABE_ITO, t_interval
from mrntk.tasks import load_task

ID = "source_weakening"
TITLE = "Accuracy on the target against the quality of a weakened source"
PAPER = "notes on the earlier version: weight decay of the source from 0 to 1; label noise, fewer epochs and no training are ours"
ALT = (
    "Four panels: a fully connected and a convolutional source, each with a fully connected layer and with a visual prompt as "
    "input transformation. Horizontally the accuracy of the source on its own test part, vertically that of the target. One "
    "point for each strength of a weakening, with its own marker for weight decay, label noise, fewer epochs and no training at "
    "all. Bars are 95 percent t intervals over seeds in both directions."
)
SAYS = "The better the source on its own task, the better the reprogrammed target (abstract; author notes sweep weight decay)."
NOTE = (
    "Sources train for a fixed number of epochs without early stopping, CNN on images of 14 x 14 pixels; theta trains with all "
    "target examples at once, until the last tenth of the steps changes the loss by less than 2 %, or until the loss is 1 % of "
    "the constant predictor's. A decay of 0.1 turns a CNN into a constant in some seeds, with a kernel of zeros; it is left out."
)
SCALES = {
    "smoke": {
        "family": ("dnn",), "weight_decay": (0.0, 0.1), "label_noise": (1.0,), "weak_epochs": (1,),
        "cnn_weight_decay": (0.0,), "cnn_label_noise": (1.0,), "cnn_weak_epochs": (1,), "source_task": "mnist5k",
        "task": ("digits",), "depth": 2, "cnn_depth": 1, "width": 16, "cnn_width": 2, "side": 28, "cnn_side": 14, "seeds": 2,
        "source_per_class": 10, "source_epochs": 2, "cnn_source_epochs": 2, "per_class": 1, "cnn_per_class": 1, "test": 10,
        "most": 3,
    },
    "course": {
        "family": ("dnn", "cnn"), "weight_decay": (0.0, 0.001, 0.005, 0.01, 0.05, 0.1),
        "label_noise": (0.2, 0.4, 0.6, 0.8, 1.0), "weak_epochs": (1, 2, 5), "cnn_weight_decay": (0.0, 0.001, 0.01),
        "cnn_label_noise": (0.5, 1.0), "cnn_weak_epochs": (1, 3, 10), "source_task": "mnist5k", "task": ("digits", "fashion5k"),
        "depth": 3, "cnn_depth": 3, "width": 512, "cnn_width": 32, "side": 28, "cnn_side": 14, "seeds": 5,
        "source_per_class": 400, "source_epochs": 20, "cnn_source_epochs": 30, "per_class": 10, "cnn_per_class": 5,
        "test": 500, "most": 4000,
    },
    "paper": {
        "family": ("dnn", "cnn"), "weight_decay": (0.0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
        "label_noise": (0.2, 0.4, 0.6, 0.8, 1.0), "weak_epochs": (1, 2, 4, 8, 16),
        "cnn_weight_decay": (0.0, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
        "cnn_label_noise": (0.2, 0.4, 0.6, 0.8, 1.0), "cnn_weak_epochs": (1, 2, 4, 8, 16), "source_task": "cifar10",
        "task": ("stl10", "svhn"), "depth": 6, "cnn_depth": 6, "width": 2048, "cnn_width": 512, "side": 32, "cnn_side": 32,
        "seeds": 5, "source_per_class": 4500, "source_epochs": 50, "cnn_source_epochs": 50, "per_class": 10, "cnn_per_class": 10,
        "test": 8000, "most": 8000,
    },
}  # fmt: skip
MAPS = ("fc", "vp")
WAYS = ("weight decay", "label noise", "epochs", "untrained")


def cells(
    *, family, weight_decay, label_noise, weak_epochs, cnn_weight_decay, cnn_label_noise, cnn_weak_epochs, depth, cnn_depth,
    width, cnn_width, side, cnn_side, source_epochs, cnn_source_epochs, per_class, cnn_per_class, seeds, **rest
):  # fmt: skip
    """One piece per weakened source and seed. The source that nothing weakens is there once, as weight decay 0."""
    strengths = {
        "dnn": (weight_decay, label_noise, weak_epochs, (0,)),
        "cnn": (cnn_weight_decay, cnn_label_noise, cnn_weak_epochs, (0,)),
    }
    sizes = {
        "dnn": {"depth": depth, "width": width, "side": side, "source_epochs": source_epochs, "per_class": per_class},
        "cnn": {
            "depth": cnn_depth,
            "width": cnn_width,
            "side": cnn_side,
            "source_epochs": cnn_source_epochs,
            "per_class": cnn_per_class,
        },
    }
    return [
        {"family": name, "way": way, "strength": strength, "seed": seed} | sizes[name] | rest
        for name in family
        for seed in range(seeds)
        for way, values in zip(WAYS, strengths[name], strict=True)
        for strength in values
    ]


def noisy(task, share: float, key):
    """The task with that share of its training labels shuffled among themselves, so that every class keeps its size."""
    key_which, key_order = jax.random.split(key)
    count = len(task.y_train)
    chosen = np.asarray(jax.random.permutation(key_which, count))[: round(share * count)]
    labels = task.y_train.copy()
    labels[chosen] = labels[np.asarray(jax.random.permutation(key_order, chosen))]
    return replace(task, y_train=labels)


def weakened(family, task, way, strength, recipe, key, *, seed: int, **sizes):
    """The source, weakened in that way; an untrained one is the random start of the others."""
    if way == "untrained":
        start = jax.random.split(jax.random.key(seed), 3)[0]
        return FAMILIES[family](task.input_shape, task.num_classes, key=start, **sizes)
    if way == "weight decay":
        recipe = replace(recipe, weight_decay=float(strength))
    elif way == "epochs":
        recipe = replace(recipe, epochs=strength)
    task = noisy(task, strength, key) if way == "label noise" else task
    return train(family, task, seed=seed, recipe=recipe, **sizes).source


def compute(
    key, *, family, way, strength, seed, depth, width, side, source_task, task, source_per_class, source_epochs, per_class,
    test, most
):  # fmt: skip
    """One row per target and input transformation; the source's losses are those on the right labels."""
    home, rows = load_task(source_task).with_inputs(np.float32).resized(side), []
    options = {"learning_rate": RATES[family], "batch": BATCH, "patience": 0}
    recipe = Recipe(loss="mse", epochs=source_epochs, per_class=source_per_class, **options)
    keys = jax.random.split(jax.random.fold_in(key, seed), 4)
    source = weakened(family, home, way, strength, recipe, keys[3], seed=42 + seed, depth=depth, width=width)
    about = source_quality(source, home, shown=None)
    for target in task:
        data = examples(load_task(target), keys[0], per_class, test)
        for name in MAPS:
            a = make_input_map(name, data[0].shape[1:], source.input_shape, key=keys[1])
            found = measure_to_the_end(Reprogram(a, source), data, key=keys[2], loss="mse", most=most)
            place = {"family": family, "source_task": source_task, "task": target, "way": way, "strength": strength}
            rows.append(place | {"map": name, "seed": seed} | about | found)
    return rows


def rank_correlations(data):
    """Spearman's correlation of the source's and the target's test loss over all sources, averaged over targets, by seed."""
    rows = []
    for (family, name, seed), part in data.groupby(["family", "map", "seed"], sort=False):
        targets = [rows for _, rows in part.groupby("task")]
        found = np.mean([rows["source_test_loss"].corr(rows["test_loss"], method="spearman") for rows in targets])
        rows.append({"family": family, "map": name, "seed": seed, "correlation": found})
    return pd.DataFrame(rows)


def over_targets(data):
    """One row per source, input map and seed: accuracies, averaged over targets."""
    means = data.groupby(["family", "map", "way", "strength", "seed"], sort=False)
    return means[["source_test_accuracy", "test_accuracy"]].mean().reset_index()


def points(axis, data):
    """Mean accuracies over seeds, a point a strength, with intervals in both directions."""
    for number, way in enumerate(WAYS):
        for k, (_, part) in enumerate(data[data["way"] == way].groupby("strength")):
            values = part[["source_test_accuracy", "test_accuracy"]].to_numpy().T
            bars = [np.abs(np.array(t_interval(row)) - row.mean())[:, None] for row in values]
            axis.errorbar(
                *values.mean(1), xerr=bars[0], yerr=bars[1], color=OKABE_ITO[number], marker=MARKERS[number], linestyle="",
                elinewidth=0.8, markersize=4.5, label=way if k == 0 else None,
            )  # fmt: skip


def render(data):
    """Accuracy of the target against that of the source: a row a family, a column a map."""
    families = list(data["family"].unique())
    figure, axes = plt.subplots(
        len(families), 2, figsize=(7.2, 2.3 * len(families) + 1), sharex=True, sharey=True, squeeze=False
    )
    found, means = rank_correlations(data), over_targets(data)
    for row, family in zip(axes, families, strict=True):
        for axis, name in zip(row, MAPS, strict=True):
            points(axis, means[(means["family"] == family) & (means["map"] == name)])
            mean = found[(found["family"] == family) & (found["map"] == name)]["correlation"].mean()
            axis.set_title(f"{NAMES[family]}, {MAP_NAMES[name]}; rank correlation of losses {mean:+.2f}", fontsize=9)
        row[0].set_ylabel("target test accuracy")
    axes[0, 0].set(xlim=(0, 1), ylim=(0, 1))
    for axis in axes[-1]:
        axis.set_xlabel("test accuracy of the source on its own task")
    title = (
        f"{data['seed'].nunique()} seeds, means over targets with 95 % t intervals;\n"
        "rank correlation of the test losses of source and target over all sources"
    )
    shared_legend(figure, axes[0, 0], title=title, ncols=4)
    return figure


def finds(data):
    """Rank correlations, and what an untrained source costs."""
    words = [
        f"{NAMES[family]} {MAP_NAMES[name]} {with_interval(part['correlation'], sign=True)}"
        for (family, name), part in rank_correlations(data).groupby(["family", "map"], sort=False)
    ]
    means, ends = over_targets(data), []
    for (family, name), part in means.groupby(["family", "map"], sort=False):
        ways = {
            "untrained": part["way"] == "untrained",
            "whole": (part["way"] == "weight decay") & (part["strength"] == 0),
        }
        none, whole = (by_seed(part[rows], "test_accuracy") for rows in ways.values())
        ends.append(f"{NAMES[family]} {MAP_NAMES[name]} {with_interval(none)} and {with_interval(whole)}")
    return (
        "Rank correlation between the test losses of source and target over all weakened sources: "
        f"{'; '.join(words)}. Test accuracy behind the untrained source and behind the one that nothing weakens: "
        f"{'; '.join(ends)}."
    )

"""A worse source, a worse target? One DNN and one CNN, weakened in four ways."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from figures.experiments.converged import measure_to_the_end
from figures.experiments.reprogramming import MAP_NAMES, examples, source_quality
from figures.experiments.sources import BATCH, RATES
from figures.making.drawing import NAMES
from figures.making.statistics import with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.sources.trained import FAMILIES, Recipe, train
from mrntk.support.style import MARKERS, OKABE_ITO, geometric_interval, geometric_mean, t_interval
from mrntk.tasks import load_task

ID = "source_weakening"
TITLE = "Target loss and accuracy against the quality of a weakened source"
PAPER = "notes on the earlier version: weight decay of the source from 0 to 1; label noise, fewer epochs and no training are ours"
ALT = (
    "Two rows of four panels: a fully connected and a convolutional source, each with a fully connected layer and with a "
    "visual prompt as input transformation. Horizontally the accuracy of the source on its own test part; vertically the "
    "target's test loss (above, logarithmic) and its test accuracy (below). One point for each strength of a "
    "weakening, with its own marker for weight decay, label noise, fewer epochs and no training at all. Bars are 95 "
    "percent t intervals over seeds in both directions."
)
SAYS = "The better the source on its own task, the better the reprogrammed target (abstract; author notes sweep weight decay)."
NOTE = (
    "Sources train for a fixed number of epochs without early stopping, CNN on images of 14 x 14 pixels; theta trains with all "
    "target examples at once, until the last tenth of the steps changes the loss by less than 2 %, or until the loss is 1 % of "
    "the constant predictor's."
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
        "label_noise": (0.2, 0.4, 0.6, 0.8, 1.0), "weak_epochs": (1, 2, 5), "cnn_weight_decay": (0.0, 0.01, 0.1),
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
    """The task with that share of its training labels replaced by labels drawn from all classes."""
    key_which, key_what = jax.random.split(key)
    count = len(task.y_train)
    chosen = np.asarray(jax.random.permutation(key_which, count))[: round(share * count)]
    labels = task.y_train.copy()
    labels[chosen] = np.asarray(jax.random.randint(key_what, (count,), 0, task.num_classes))[: len(chosen)]
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
    """One row per source, input map and seed: geometric means of the losses over targets, means of the accuracies."""
    keys = ["family", "map", "way", "strength", "seed"]
    means = data.assign(test_loss=np.log(data["test_loss"])).groupby(keys, sort=False)
    columns = ["source_test_accuracy", "test_loss", "test_accuracy"]
    return means[columns].mean().reset_index().assign(test_loss=lambda d: np.exp(d["test_loss"]))


def points(axis, data, y: str, *, log: bool):
    """Means over seeds, a point a strength, with intervals in both directions."""
    centre, interval = (geometric_mean, geometric_interval) if log else (np.mean, t_interval)
    for number, way in enumerate(WAYS):
        for k, (_, part) in enumerate(data[data["way"] == way].groupby("strength")):
            x, y_values = part["source_test_accuracy"], part[y]
            at = x.mean(), centre(y_values)
            bars = [
                np.abs(np.array(ends) - mid)[:, None]
                for ends, mid in zip((t_interval(x), interval(y_values)), at, strict=True)
            ]
            axis.errorbar(
                *at, xerr=bars[0], yerr=bars[1], color=OKABE_ITO[number], marker=MARKERS[number], linestyle="", elinewidth=0.8,
                markersize=4.5, label=way if k == 0 else None,
            )  # fmt: skip
    axis.set(yscale="log" if log else "linear", xlim=(0, 1))


def render(data):
    """Losses above, accuracies below; a column for each family and map."""
    columns = [(family, name) for family in data["family"].unique() for name in MAPS]
    figure, axes = plt.subplots(2, len(columns), figsize=(7.2, 4.7), sharex=True, sharey="row", squeeze=False)
    found, means = rank_correlations(data), over_targets(data)
    for column, (family, name) in zip(axes.T, columns, strict=True):
        part = means[(means["family"] == family) & (means["map"] == name)]
        points(column[0], part, "test_loss", log=True)
        points(column[1], part, "test_accuracy", log=False)
        mean = found[(found["family"] == family) & (found["map"] == name)]["correlation"].mean()
        column[0].set_title(f"{NAMES[family]}, {MAP_NAMES[name]}\nrank correlation {mean:+.2f}", fontsize=9)
    axes[0, 0].set_ylabel("target test loss (squared)")
    axes[1, 0].set_ylabel("target test accuracy")
    for axis in axes[1]:
        axis.set_xlabel("source accuracy")
    axes[1, 0].set_ylim(0, 1)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    title = (
        f"test accuracy of the source on its own task; {data['seed'].nunique()} seeds, means with 95 % t intervals;\n"
        "rank correlation of the test losses of source and target over all sources"
    )
    figure.legend(handles, labels, loc="outside lower center", ncols=4, title=title, title_fontsize=8)
    return figure


def finds(data):
    """Rank correlations, and what an untrained source costs."""
    words = [
        f"{NAMES[family]} {MAP_NAMES[name]} {with_interval(part['correlation'], sign=True)}"
        for (family, name), part in rank_correlations(data).groupby(["family", "map"], sort=False)
    ]
    return (
        f"Rank correlation between the test losses of source and target over all weakened sources: {'; '.join(words)}."
    )

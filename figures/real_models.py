"""Pretrained image models, reprogrammed: the spectrum of Theta_T at the start, and whether it works at all."""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from figures.experiments.reprogramming import examples, loss_and_accuracy
from figures.making.drawing import LINES
from figures.making.statistics import with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.output_maps import random_mapping
from mrntk.model.reprogram import Reprogram
from mrntk.prediction.before_training import before_training
from mrntk.prediction.functionals import functionals
from mrntk.sources.registry import load_source
from mrntk.spectrum import spectrum
from mrntk.support.style import OKABE_ITO, geometric_interval, geometric_mean, t_interval
from mrntk.tasks import load_task
from mrntk.training import fit
from mrntk.training.recipes import IterativeMapping, reprogramming_optimiser

ID = "real_models"
TITLE = "Pretrained image models: spectra, and accuracies beside an untrained network and a linear model"
PAPER = "beyond the paper"
ALT = (
    "One row for each target task. Left: eigenvalues of the target kernel before training against their rank, both axes "
    "logarithmic, for pretrained EfficientNet-Lite0, 1 and 2 and the same networks with random weights. Right: test accuracy of "
    "each of them after a visual prompt was trained, and of a linear model on the raw images. Bands and bars are 95 percent t "
    "intervals over seeds."
)
SAYS = (
    "Beyond the paper: it takes for granted that reprogramming works, and says that the source's effectiveness plays a critical "
    "role (abstract). Here the source is also replaced by the same network untrained, and by none (a linear model)."
)
SCALES = {
    "smoke": {
        "source": ("efficientnet-lite0",), "side": 32, "task": ("mnist5k",), "seeds": 2, "per_class": 1, "kernel_per_class": 1,
        "test": 10, "epochs": 2, "batch": 10, "ranks": 8,
    },
    "course": {
        "source": ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"), "side": 64,
        "task": ("fashion5k", "mnist5k"), "seeds": 5, "per_class": 10, "kernel_per_class": 3,
        "test": 300, "epochs": 10, "batch": 10, "ranks": 60,
    },
    "paper": {
        "source": ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"), "side": 224,
        "task": ("fashion5k", "mnist5k", "svhn", "stl10"), "seeds": 5, "per_class": 400, "kernel_per_class": 10, "test": 1000,
        "epochs": 150, "batch": 100, "ranks": 60,
    },
}  # fmt: skip
SHORT = {"reprogrammed": "pretrained", "untrained": "untrained", "linear": "linear on raw inputs"}
BASELINES = ("untrained", "linear")


def cells(*, source, **rest):
    """One piece a source; its tasks and seeds share the compiled programs."""
    return [{"source": name} | rest for name in source]


def untrained_like(trained, name, seed, side):
    """The same network with random weights, in the same tree, so that nothing is compiled twice."""
    return jax.tree.unflatten(
        jax.tree.structure(trained), jax.tree.leaves(load_source(name, untrained=seed, side=side))
    )


def linear_accuracy(x, labels, x_test, y_test) -> float:
    """Of logistic regression on the raw values of one channel (the three of a grey image are equal)."""
    flat, flat_test = (part[:, :1].reshape(len(part), -1) for part in (x, x_test))
    return float(LogisticRegression(max_iter=1000).fit(flat, labels).score(flat_test, y_test))


def first_of_each(labels, per_class: int):
    """Rows of the first `per_class` examples of every class."""
    return np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in np.unique(labels)])


def at_start(model, x, y, ranks: int):
    """[(quantity, index, value)]: eigenvalues at `ranks` ranks, evenly spread on a logarithmic scale, and the functionals."""
    before = before_training(model, x, y)
    found = functionals(before)
    values = np.maximum(spectrum(before.kernel).values[::-1], 0)  # below 0 by rounding only
    chosen = np.unique(np.geomspace(1, len(values), ranks).round().astype(int))
    return [("eigenvalue", i, values[i - 1]) for i in chosen] + [(name, 0, value) for name, value in found.items()]


def reprogrammed(source, data, labels, keys, *, few, ranks, epochs, batch):
    """[(quantity, index, value)] of one source: the start, then its test accuracy after training the prompt."""
    x, y, x_test, y_test = data
    b = random_mapping(keys[0], source.num_outputs, y.shape[1])
    remap = IterativeMapping(x, labels)
    model = remap(0, Reprogram(make_input_map("vp", x.shape[1:], source.input_shape, key=keys[0]), source, b))
    rows = at_start(model, x[few], y[few], ranks)
    options = {"optimiser": reprogramming_optimiser(), "loss": "ce", "epochs": epochs, "batch": min(batch, len(x))}
    model = fit(model, x, y, key=keys[1], callback=remap, **options).model
    return [*rows, ("accuracy", 0, loss_and_accuracy(model, x_test, y_test, "ce")[1])]


def compute(key, *, source, side, task, seeds, per_class, kernel_per_class, test, epochs, batch, ranks):
    """One row per task, seed, way, quantity and index."""
    trained, rows = load_source(source, side=side), []
    for name in task:
        target = load_task(name).as_rgb()
        for seed in range(seeds):
            key_draw, *keys = jax.random.split(jax.random.fold_in(key, seed), 3)
            data = examples(target, key_draw, per_class, test)
            labels, answers = data[1].argmax(1), data[3].argmax(1)
            options = {"few": first_of_each(labels, kernel_per_class), "ranks": ranks, "epochs": epochs, "batch": batch}
            found = {"linear": [("accuracy", 0, linear_accuracy(data[0], labels, data[2], answers))]}
            for way, network in (("reprogrammed", trained), ("untrained", untrained_like(trained, source, seed, side))):
                found[way] = reprogrammed(network, data, labels, keys, **options)
            place = {"source": source, "task": name, "seed": seed}
            rows += [
                place | {"way": way, "quantity": quantity, "index": int(index), "value": float(value)}
                for way, values in found.items()
                for quantity, index, value in values
            ]
    return rows


def accuracies(data) -> pd.DataFrame:
    """One row per source, task and seed, with the accuracy of every way as a column."""
    part = data[data["quantity"] == "accuracy"]
    return part.pivot_table(index=["source", "task", "seed"], columns="way", values="value").reset_index()


def verdicts(data) -> pd.DataFrame:
    """The rule: a baseline is beaten if the mean over seeds of the paired difference is positive with its whole 95 % interval.

    One row per source and task: mean accuracies, mean differences with intervals, and what is beaten.
    """
    rows = []
    for (source, task), part in accuracies(data).groupby(["source", "task"], sort=False):
        row = {"source": source, "task": task, "reprogrammed": part["reprogrammed"].mean()}
        for baseline in BASELINES:
            difference = part["reprogrammed"] - part[baseline]
            low, high = t_interval(difference)
            row |= {baseline: part[baseline].mean(), f"above_{baseline}": difference.mean()}
            row |= {f"low_{baseline}": low, f"high_{baseline}": high, f"beats_{baseline}": bool(low > 0)}
        rows.append(row)
    return pd.DataFrame(rows)


def draw_spectra(axis, data, sources):
    """Geometric means over seeds, positive eigenvalues only, with 95 % t intervals as bands."""
    for number, source in enumerate(sources):
        for way, line, width in (("reprogrammed", "-", 1.6), ("untrained", ":", 1.2)):
            part = data[(data["source"] == source) & (data["way"] == way) & (data["value"] > 0)]
            groups = part.groupby("index")["value"]
            ends = np.array([geometric_interval(values) for _, values in groups])
            centre = groups.apply(geometric_mean)
            options = {"color": OKABE_ITO[number], "linestyle": line, "linewidth": width, "marker": "os^"[number % 3]}
            axis.plot(centre.index, centre, markersize=3, markevery=(number, 6), **options)
            axis.fill_between(centre.index, *ends.T, color=OKABE_ITO[number], alpha=0.15, linewidth=0)
    axis.set(xscale="log", yscale="log", ylabel="eigenvalue")


def draw_accuracies(axis, data, sources):
    """Accuracy of every source, pretrained and untrained; the linear model as a band across."""
    rows = accuracies(data)
    low, high = t_interval(rows[rows["source"] == sources[0]]["linear"])  # the same for all sources
    axis.axhspan(low, high, color=OKABE_ITO[7], alpha=0.15, linewidth=0)
    axis.axhline((low + high) / 2, color=OKABE_ITO[7], linestyle=LINES[3], linewidth=1.2)
    for place, source in enumerate(sources):
        for way, face, shift in (("reprogrammed", OKABE_ITO[place], -0.08), ("untrained", "white", 0.08)):
            values = rows[rows["source"] == source][way]
            ends = t_interval(values)
            bars = [[values.mean() - ends[0]], [ends[1] - values.mean()]]
            axis.errorbar(
                place + shift, values.mean(), yerr=bars, color=OKABE_ITO[place], marker="os^"[place % 3], mfc=face, capsize=2,
            )  # fmt: skip
    names = [source.replace("efficientnet-", "").capitalize() for source in sources]
    axis.set(xticks=range(len(sources)), xticklabels=names, xlim=(-0.5, len(sources) - 0.5), ylim=(0, 1))
    axis.set(ylabel="test accuracy")


def render(data):
    """Spectra left, accuracies right, one row a task."""
    tasks, sources = data["task"].unique(), list(data["source"].unique())
    figure, axes = plt.subplots(len(tasks), 2, figsize=(7.2, 2.3 * len(tasks) + 0.9), squeeze=False, sharex="col")
    for row, task in zip(axes, tasks, strict=True):
        part = data[data["task"] == task]
        draw_spectra(row[0], part[part["quantity"] == "eigenvalue"], sources)
        draw_accuracies(row[1], part, sources)
        row[0].set_title(f"target {task}: spectrum at the start")
        row[1].set_title(f"target {task}: after training")
    axes[-1, 0].set_xlabel(r"rank of the eigenvalue of $\Theta_T$")
    handles = [plt.Line2D([], [], color="k", marker="o", markersize=4)]
    handles += [plt.Line2D([], [], color="k", marker="o", markersize=4, mfc="white", linestyle=":")]
    handles += [plt.Line2D([], [], color="k", linestyle=LINES[3], linewidth=1.2)]
    title = (
        f"colours and markers: sources; {data['seed'].nunique()} seeds, bands and bars: 95 % t intervals of the mean"
    )
    figure.legend(handles, list(SHORT.values()), loc="outside lower center", ncols=3, title=title, title_fontsize=8)
    return figure


def finds(data):
    """The verdicts in words, and the largest source against the smallest."""
    table, words = verdicts(data), []
    for baseline, name in (("untrained", "the same network untrained"), ("linear", "a linear model on the raw images")):
        least, most = (
            f"{value:+.2f}" for value in (table[f"above_{baseline}"].min(), table[f"above_{baseline}"].max())
        )
        words.append(
            f"a prompted source beats {name} in {int(table[f'beats_{baseline}'].sum())} of {len(table)} pairs of source and task "
            f"(mean difference in accuracy {least} to {most})"
        )
    rows, sources = accuracies(data), list(data["source"].unique())
    if len(sources) > 1:
        first, last = (
            rows[rows["source"] == source].groupby("seed")["reprogrammed"].mean()
            for source in (sources[0], sources[-1])
        )
        gain = with_interval((last - first).to_numpy(), sign=True)
        words.append(f"{sources[-1]} minus {sources[0]}, mean over tasks: {gain}")
    found = "; ".join(words) + "."
    return found[0].upper() + found[1:]

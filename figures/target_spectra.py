"""Spectra of Theta_T, and where the labels lie in them, for input maps and a trained head in front of and behind four sources."""

import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.reprogramming import MAP_NAMES, MAPS, examples
from figures.making.drawing import LINES, shared_legend
from figures.making.statistics import with_interval
from mrntk.model.input_maps import Resize, make_input_map
from mrntk.model.output_maps import IdentityOutput, TrainedLinear, random_mapping
from mrntk.model.reprogram import Reprogram
from mrntk.ntk.empirical import empirical_ntk
from mrntk.sources.networks import DNN
from mrntk.sources.registry import load_source
from mrntk.sources.trained import Recipe, train
from mrntk.spectrum import spectrum
from mrntk.support.style import MARKERS, OKABE_ITO, geometric_interval, geometric_mean, t_interval
from mrntk.tasks import load_task

ID = "target_spectra"
TITLE = "Spectra of the target kernel, and the labels in them"
PAPER = "The eigenvalue spectrum of Theta_T (abstract); the pictures are beyond the paper"
ALT = (
    "Two rows of four panels, one column a source: a small random fully connected network, a trained one, a trained "
    "convolutional one, and a pretrained EfficientNet. Above, the eigenvalues of Theta_T in falling order on logarithmic "
    "axes, one line each for FC, VP, both, and a linear head; zeros lie on a marked line. Below, the share of the labels "
    "that the leading eigenvectors explain. Shaded: 95 percent t intervals over seeds."
)
SAYS = (
    "The success of reprogramming is governed by the eigenvalue spectrum of the NTK matrix on the target data (abstract). "
    "Which part of the spectrum is not said there; the author notes argue from lambda_min."
)
SCALES = {
    "smoke": {
        "source": ("random", "cnn"), "task": "digits", "source_task": "mnist5k", "seeds": 2, "per_class": 2,
        "random_width": 16, "depth": 2, "width": 32, "cnn_depth": 1, "cnn_width": 4, "side": 32, "source_per_class": 10,
        "source_epochs": 2, "points": 20,
    },
    "course": {
        "source": ("random", "dnn", "cnn", "efficientnet-lite0"), "task": "digits", "source_task": "mnist5k", "seeds": 5,
        "per_class": 3, "random_width": 64, "depth": 3, "width": 256, "cnn_depth": 3, "cnn_width": 16, "side": 64,
        "source_per_class": 200, "source_epochs": 20, "points": 60,
    },
    "paper": {
        "source": ("random", "dnn", "cnn", "efficientnet-lite0"), "task": "digits", "source_task": "mnist5k", "seeds": 5,
        "per_class": 10, "random_width": 64, "depth": 6, "width": 2048, "cnn_depth": 6, "cnn_width": 512, "side": 224,
        "source_per_class": 400, "source_epochs": 50, "points": 100,
    },
}  # fmt: skip
LABELS = MAP_NAMES | {"head": "linear head"}
TITLES = {
    "random": "random DNN",
    "dnn": "trained DNN",
    "cnn": "trained CNN",
    "efficientnet-lite0": "EfficientNet-Lite0",
}
SAID = ("fc", "vp", "head")
LEARNED = tuple(name for name in MAPS if name != "none") + ("head",)


def cells(*, source, random_width, depth, width, cnn_depth, cnn_width, side, source_per_class, source_epochs, **rest):
    """One piece a source."""
    recipe = {"source_per_class": source_per_class, "source_epochs": source_epochs}
    shapes = {
        "random": {"depth": depth, "width": random_width},
        "dnn": {"depth": depth, "width": width, **recipe},
        "cnn": {"depth": cnn_depth, "width": cnn_width, **recipe},
    }
    return [{"source": name, **shapes.get(name, {"side": side}), **rest} for name in source]


def make_source(name, home, seed, key, *, side=None, depth=None, width=None, source_per_class=None, source_epochs=None):
    """A random network, a trained one, or a pretrained one at `side` pixels."""
    if name == "random":
        return DNN(home.input_shape, home.num_classes, depth=depth, width=width, key=key)
    if side is not None:
        return load_source(name, side=side)
    recipe = Recipe(loss="mse", epochs=source_epochs, per_class=source_per_class)
    return train(name, home, seed=42 + seed, recipe=recipe, depth=depth, width=width).source


def make_model(name, source, shape, classes, keys):
    """FC, VP or VP+FC before the source, its outputs mapped one to one; or a linear head behind it, on all of its outputs."""
    if name == "head":
        return Reprogram(Resize(source.input_shape), source, TrainedLinear.random(keys[1], source.num_outputs, classes))
    b = IdentityOutput() if source.num_outputs == classes else random_mapping(keys[1], source.num_outputs, classes)
    return Reprogram(make_input_map(name, shape, source.input_shape, key=keys[0]), source, b)


def thinned(kernel, y, points):
    """(index from 1, eigenvalue, label weight since the last index) of about `points` falling eigenvalues, evenly in log index.

    Labels are taken without their mean over classes. Eigenvalues within rounding of 0 are 0.
    """
    found = spectrum(kernel, vectors=True)
    cumulative = found.cumulative_label_weight(y - y.mean(1, keepdims=True))
    values = np.where(found.values > found.tolerance, found.values, 0.0)[::-1]
    index = np.unique(np.geomspace(1, len(values), points).round().astype(int))
    return index, values[index - 1], np.diff(cumulative[index - 1], prepend=0)


def compute(key, *, source, task, source_task, seeds, per_class, points, **shape):
    """One row per seed, map and kept eigenvalue."""
    home, target, rows = load_task(source_task), load_task(task), []
    for seed in range(seeds):
        keys = jax.random.split(jax.random.fold_in(key, seed), 4)
        model = make_source(source, home, seed, keys[0], **shape)
        there = target.as_rgb() if model.input_shape[0] == 3 else target
        x, y, _, _ = examples(there, keys[1], per_class, 1)
        for name in LEARNED:
            kernel = empirical_ntk(make_model(name, model, x.shape[1:], there.num_classes, keys[2:]), x)
            for index, value, weight in zip(*thinned(kernel, y, points), strict=True):
                row = {"source": source, "map": name, "seed": seed, "index": int(index)}
                rows.append(row | {"eigenvalue": value, "label_weight": weight})
    return rows


def band(axis, groups, number, *, log, label):
    """The mean at every index, and its 95 % t interval shaded."""
    mean, interval = (geometric_mean, geometric_interval) if log else (np.mean, t_interval)
    index = [at for at, _ in groups]
    centre, ends = [mean(values) for _, values in groups], np.array([interval(values) for _, values in groups])
    style = {"color": OKABE_ITO[number], "linestyle": LINES[number], "marker": MARKERS[number], "markersize": 3.5}
    axis.plot(index, centre, label=label, markevery=(number * 2, 9), linewidth=1.3, **style)
    axis.fill_between(index, *ends.T, color=OKABE_ITO[number], alpha=0.25, linewidth=0)


def render(data):
    """Eigenvalues above, cumulative label weights below."""
    data = data.assign(explained=data.groupby(["source", "map", "seed"])["label_weight"].cumsum())
    positive = data["eigenvalue"][data["eigenvalue"] > 0]
    floor = 10 ** (np.floor(np.log10(positive.min())) - 1)
    data["eigenvalue"] = data["eigenvalue"].clip(lower=floor)
    index = np.sort(data["index"].unique())
    sources = list(data["source"].unique())
    figure, axes = plt.subplots(2, len(sources), figsize=(7.2, 4.6), sharex=True, sharey="row", squeeze=False)
    for column, source in zip(axes.T, sources, strict=True):
        for number, name in enumerate(LEARNED):
            part = data[(data["source"] == source) & (data["map"] == name)].groupby("index")
            band(column[0], list(part["eigenvalue"]), number, log=True, label=LABELS[name])
            band(column[1], list(part["explained"]), number, log=False, label=LABELS[name])
        column[0].axhline(floor, color="black", linestyle=(0, (1, 1)), linewidth=0.8)
        column[1].plot(index, index / index[-1], color="black", linewidth=0.8, zorder=1)
        column[0].set(xscale="log", yscale="log", ylim=(floor / 10, 10 * data["eigenvalue"].max()))
        column[0].set_title(TITLES.get(source, source), fontsize=9)
        column[1].set(xlabel="index $k$", ylim=(0, 1.02))
    axes[0, 0].set_ylabel("$k$-th eigenvalue of $\\Theta_T$\n(bottom line: exactly 0)")
    axes[1, 0].set_ylabel("share of the labels along\nthe first $k$ eigenvectors")
    title = f"means (above: geometric) over {data['seed'].nunique()} seeds; shaded: 95 % t intervals; thin: labels spread evenly"
    shared_legend(figure, axes[0, 0], title=title, ncols=4)
    return figure


def half_of_labels(part):
    """For every seed, how many leading eigenvectors hold half of the labels."""
    part = part.assign(explained=part.groupby("seed")["label_weight"].cumsum())
    return part[part["explained"] >= 0.5].groupby("seed")["index"].min()


def finds(data):
    """Where half of the labels is reached, and how far the eigenvalues spread."""
    size, words = data["index"].max(), []
    for source, part in data.groupby("source", sort=False):
        found = [f"{LABELS[name]} {with_interval(half_of_labels(part[part['map'] == name]), 0)}" for name in SAID]
        words.append(f"{TITLES.get(source, source)}: {', '.join(found)}")
    return f"Leading eigenvectors, of {size}, that hold half of the labels: {'; '.join(words)}."

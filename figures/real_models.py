"""Pretrained image models, reprogrammed until training ends: spectra at the start, and accuracies beside simpler models."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import pandas as pd

from figures.experiments.converged import SOLVED, constant_loss
from figures.experiments.linear import linear_accuracies
from figures.experiments.reprogramming import MAP_NAMES, examples, loss_and_accuracy
from figures.making.drawing import LINES
from figures.making.statistics import above_rounding
from mrntk.model.input_maps import Resize, make_input_map
from mrntk.model.output_maps import bayesian_mapping, random_mapping
from mrntk.model.reprogram import Reprogram, predict
from mrntk.prediction.before_training import before_training
from mrntk.prediction.functionals import functionals
from mrntk.sources.pretrained.efficientnet import with_batch_statistics
from mrntk.sources.registry import load_source
from mrntk.support.style import MARKERS, OKABE_ITO, geometric_interval, geometric_mean, t_interval
from mrntk.tasks import load_task
from mrntk.training import fit
from mrntk.training.recipes import IterativeMapping, reprogramming_optimiser

ID = "real_models"
TITLE = "Pretrained image models at the end of training, beside untrained networks and linear models"
PAPER = "beyond the paper"
ALT = (
    "Three panels. Above, test accuracy after training, one group of markers per target task and pretrained network: a prompt, a "
    "fully connected layer, and both, filled for the pretrained network and open for the same network with random weights; lines "
    "across each group are a linear model on the raw images, linear probes of the network's outputs and of its features, and "
    "chance. Below left, eigenvalues of the target kernel before training against their rank, both axes logarithmic. Below "
    "right, the training loss at the end over that of a constant predictor. Bars and bands are 95 percent t intervals over seeds."
)
SAYS = (
    "Beyond the paper: it takes for granted that reprogramming works, and says that the source's effectiveness plays a critical "
    "role (abstract). Here the source is also replaced by the same network untrained, and by none (linear models)."
)
NOTE = (
    "Settings were chosen by whether the training loss comes to its end, in trials with one seed. Adam trains with "
    "minibatches, at constant rates first, which then fall to 0 along a cosine. Falling rates flatten any loss, so its last "
    "tenth says nothing of a plateau. Instead every training that has not solved its examples (a loss of 1 % of the "
    "constant predictor's) is done again with half as many epochs, and a verdict that comes out otherwise then is none. A "
    "layer's rate is 0.0003, because at the authors' 0.001 the loss on Fashion-MNIST did not get there in 20 epochs; VP+FC "
    "had a test accuracy 0.04 to 0.05 higher at 0.001. A prompt reads the source's classes by Bayes, estimated before each "
    "of the first epochs, then held; a layer one class each, estimated once. The twin's batch statistics are estimated on "
    "its inputs at the start; it has as many epochs at most, and its loss has not always come to its end in them. Images "
    "have 64 pixels a side where the network was trained at 224; Lite1 and Lite2 are left to --set source=... for want of "
    "time."
)
SCALES = {
    "smoke": {
        "source": ("efficientnet-lite0",), "side": 32, "task": ("mnist5k",), "seeds": 2, "map": ("vp_fc",), "twin": ("vp_fc",),
        "per_class": 2, "kernel_per_class": 1, "test": 20, "epochs": 3, "prompt_epochs": 3, "batch": 10, "rate": 1e-3,
        "mapped": 1, "falling": 0.5, "ranks": 8,
    },
    "course": {
        "source": ("efficientnet-lite0",), "side": 64, "task": ("mnist5k", "fashion5k"), "seeds": 5, "map": ("fc", "vp", "vp_fc"),
        "twin": ("fc",), "per_class": 100, "kernel_per_class": 3, "test": 1000, "epochs": 20, "prompt_epochs": 40,
        "batch": 50, "rate": 3e-4, "mapped": 5, "falling": 0.6, "ranks": 60,
    },
    "paper": {
        "source": ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"), "side": 128,
        "task": ("mnist5k", "fashion5k", "svhn"), "seeds": 5, "map": ("fc", "vp", "vp_fc"),
        "twin": ("fc", "vp", "vp_fc"), "per_class": 400, "kernel_per_class": 10, "test": 1000, "epochs": 50, "prompt_epochs": 200,
        "batch": 100, "rate": 3e-4, "mapped": 20, "falling": 0.6, "ranks": 60,
    },
}  # fmt: skip
SHORT = {
    "untrained": "the same network untrained", "linear": "linear on raw images", "probe": "linear on its outputs",
    "feature_probe": "linear on its features",
}  # fmt: skip
LOOKS = {name: (OKABE_ITO[i], MARKERS[i]) for i, name in enumerate(("fc", "vp", "vp_fc"))}
TRAINED = {"reprogrammed": LINES[0], "untrained": LINES[2]}
LINEAR = {"linear": LINES[0], "probe": LINES[1], "feature_probe": LINES[3]}
STATISTICS = 100  # images from which the batch statistics of a twin are estimated
SIMPLER = ("untrained", "linear", "probe")  # what a reprogrammed network is compared with


def cells(*, source, task, seeds, map, twin, **rest):
    """One piece a training, and one for the linear models; pieces that share compiled programs stand together."""
    kinds = [
        (name, way) for name in map for way in ("reprogrammed", "untrained") if way == "reprogrammed" or name in twin
    ]
    return [
        {"source": network, "map": name, "way": way, "task": target, "seed": seed} | rest
        for network in source
        for name, way in [("none", "baselines"), *kinds]
        for target in task
        for seed in range(seeds)
    ]


# The linear models.


def without_copies(x):
    """One channel of grey images, whose three are equal; of others all."""
    return x[:, :1] if (x == x[:, :1]).all() else x


class Pooled(eqx.Module):
    """An image, resized, to the means of the network's last feature map, which its classifier sees."""

    network: Callable

    def __call__(self, x):
        return jnp.mean(self.network.features(Resize(self.network.input_shape)(x)), axis=(0, 1))


def baselines(source, data):
    """{way: [(quantity, index, value)]} of linear models: on raw images, on the source's outputs, on its pooled features.

    The source is shown images resized to its side.
    """
    x, y, x_test, y_test = data
    seen = {way: [] for way in LINEAR}
    for part in (x, x_test):
        features = predict(Pooled(source), part, batch=100)
        seen["linear"].append(without_copies(part).reshape(len(part), -1))
        seen["probe"].append(np.asarray(source.classifier(features)))
        seen["feature_probe"].append(np.asarray(features))
    labels, answers = y.argmax(1), y_test.argmax(1)
    found = {
        way: linear_accuracies(inputs, labels, inputs_test, answers) for way, (inputs, inputs_test) in seen.items()
    }
    return {way: [(quantity, 0, value) for quantity, value in values.items()] for way, values in found.items()}


# Reprogramming.


def untrained_like(trained, name, seed, images):
    """The same network with random weights and batch statistics of these images, in the same tree: nothing is compiled twice."""
    fresh = with_batch_statistics(load_source(name, untrained=seed, side=trained.input_shape[-1]), images)
    return jax.tree.unflatten(jax.tree.structure(trained), jax.tree.leaves(fresh))


def first_of_each(labels, per_class: int):
    """Rows of the first `per_class` examples of every class."""
    return np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in np.unique(labels)])


def learnable(before, steps: int) -> float:
    """Share of the labels along eigenvectors of at least lambda_max / steps.

    Those are learned, to a share of 1 - 1/e or more, by `steps` steps of gradient descent at the inverse of lambda_max / N.
    """
    values = before.spectrum.values
    kept = int((values >= values[-1] / steps).sum())
    return float(before.spectrum.cumulative_label_weight(before.labels)[kept - 1])


def at_start(model, x, y, ranks: int, steps: int):
    """[(quantity, index, value)]: eigenvalues at `ranks` ranks, evenly spread on a logarithmic scale, and the functionals."""
    before = before_training(model, x, y)
    found = functionals(before) | {"learnable": learnable(before, steps)}
    values = np.maximum(before.spectrum.values[::-1], 0)  # below 0 by rounding only
    chosen = np.unique(np.geomspace(1, len(values), ranks).round().astype(int))
    return [("eigenvalue", i, values[i - 1]) for i in chosen] + [(name, 0, value) for name, value in found.items()]


@cache
def falling_optimiser(steps: int, falling: float, rate: float) -> optax.GradientTransformation:
    """The authors' Adam with `rate` for a layer; over the last `falling` of the steps all rates fall to 0 along a cosine."""
    last = max(1, round(falling * steps))
    fall = optax.join_schedules([optax.constant_schedule(1.0), optax.cosine_decay_schedule(1.0, last)], [steps - last])
    return optax.chain(reprogramming_optimiser(rate), optax.scale_by_schedule(fall))


def to_the_end(model, x, y, *, key, remap, epochs, batch, falling, rate):
    """(trained model, losses of every epoch): until the loss is `SOLVED` of the constant predictor's, or all epochs are done."""
    solved = SOLVED * constant_loss(y, "ce")
    options = {
        "optimiser": falling_optimiser(epochs * (len(x) // batch), falling, rate),
        "epochs": epochs,
        "batch": batch,
    }
    found = fit(model, x, y, key=key, loss="ce", callback=remap, until=lambda losses: losses[-1] <= solved, **options)
    return found.model, found.train_losses


class FirstEpochs(NamedTuple):
    """A callback of training that is called before its first epochs only: an output map that is estimated, then held."""

    callback: Callable
    epochs: int

    def __call__(self, epoch: int, model):
        return self.callback(epoch, model) if epoch < self.epochs else None


def mapping(name: str, x, labels, epochs: int) -> FirstEpochs:
    """How b is estimated: for a prompt by Bayes, before each of the first epochs; for a layer one class each, once.

    A layer can turn every image into any class, but at its random start the source sees noise, in which it recognises few
    classes: by Bayes their outputs would stand for all targets alike.
    """
    if name == "vp":
        return FirstEpochs(IterativeMapping(x, labels, estimate=bayesian_mapping), epochs)
    return FirstEpochs(IterativeMapping(x, labels), 1)


def reprogrammed(way, source, name, data, keys, *, few, ranks, mapped, untrained, **training):
    """[(quantity, index, value)] of one training: the start, then losses and accuracies at the end, and as "half_..." those of
    a training with half as many epochs, where the whole one has not solved its examples.

    `untrained` is (name, seed) of the twin that takes the place of the source.
    """
    x, y, x_test, y_test = data
    input_map = make_input_map(name, x.shape[1:], source.input_shape, key=keys[0])
    if way == "untrained":
        source = untrained_like(source, *untrained, predict(input_map, x[:: max(1, len(x) // STATISTICS)]))
    remap = mapping(name, x, y.argmax(1), mapped)
    model = remap(0, Reprogram(input_map, source, random_mapping(keys[0], source.num_outputs, y.shape[1])))
    training["batch"] = min(training["batch"], len(x))
    steps_per_epoch = len(x) // training["batch"]
    rows = at_start(model, x[few], y[few], ranks, training["epochs"] * steps_per_epoch)
    constant = constant_loss(y, "ce")
    ended, losses = to_the_end(model, x, y, key=keys[1], remap=remap, **training)
    found = {"steps": len(losses) * steps_per_epoch, "constant_loss": constant} | accuracies(ended, data)
    if losses[-1] > SOLVED * constant:
        training["epochs"] = max(1, training["epochs"] // 2)
        ended, _ = to_the_end(model, x, y, key=keys[1], remap=remap, **training)
    found |= {f"half_{quantity}": value for quantity, value in accuracies(ended, data).items()}
    return rows + [(quantity, 0, value) for quantity, value in found.items()]


def accuracies(model, data) -> dict:
    """{"train_loss", "train_accuracy", "test_loss", "test_accuracy"}."""
    x, y, x_test, y_test = data
    found = {}
    for part, inputs, targets in (("train", x, y), ("test", x_test, y_test)):
        found[f"{part}_loss"], found[f"{part}_accuracy"] = loss_and_accuracy(model, inputs, targets, "ce")
    return found


def compute(
    key, *, source, map, way, task, seed, side, per_class, kernel_per_class, test, epochs, prompt_epochs, **rest
):
    """One row per way, quantity and index, of one training or of the linear models."""
    key_draw, *keys = jax.random.split(jax.random.fold_in(key, seed), 3)
    network = load_source(source, side=side)
    data = examples(load_task(task).as_rgb(), key_draw, per_class, test)
    if way == "baselines":
        found = baselines(network, data)
    else:
        if "fc" in map:  # W needs no copies
            data = tuple(without_copies(part) if part.ndim > 2 else part for part in data)
        few = first_of_each(data[1].argmax(1), kernel_per_class)
        most = prompt_epochs if map == "vp" else epochs
        options = {"few": few, "untrained": (source, seed), "epochs": most} | rest
        found = {way: reprogrammed(way, network, map, data, keys, **options)}
    place = {"source": source, "task": task, "map": map, "seed": seed}
    return [
        place | {"way": way, "quantity": quantity, "index": int(index), "value": float(value)}
        for way, values in found.items()
        for quantity, index, value in values
    ]


# What the data say.


def one(data, quantity) -> pd.DataFrame:
    """One row per source, task, seed and map, with the quantity of every way as a column; linear models go with every map."""
    part = data[data["quantity"] == quantity]
    keys = ["source", "task", "seed"]
    trained, simple = part[part["map"] != "none"], part[part["map"] == "none"]
    table = trained.pivot_table(index=[*keys, "map"], columns="way", values="value").reset_index()
    if simple.empty:
        return table
    return table.merge(simple.pivot_table(index=keys, columns="way", values="value").reset_index(), on=keys)


def verdicts(data) -> pd.DataFrame:
    """The rule: a simpler model is beaten if the mean paired difference over seeds is positive with its whole 95 % interval.

    One row per source, task and map: mean test accuracies, mean differences with intervals, and what is beaten; NaN and False
    where the twin of a map was not trained.
    """
    rows = []
    for (source, task, name), part in one(data, "test_accuracy").groupby(["source", "task", "map"], sort=False):
        row = {"source": source, "task": task, "map": name, "reprogrammed": part["reprogrammed"].mean()}
        for simpler in SIMPLER:
            difference = part["reprogrammed"] - part[simpler]
            low, high = t_interval(difference)
            row |= {simpler: part[simpler].mean(), f"above_{simpler}": difference.mean()}
            row |= {f"low_{simpler}": low, f"high_{simpler}": high, f"beats_{simpler}": bool(low > 0)}
        rows.append(row)
    return pd.DataFrame(rows)


def chance(data) -> float:
    """Accuracy of the constant predictor: 1 / c for c equal classes, of which the constant loss is log c."""
    return float(np.exp(-data[data["quantity"] == "constant_loss"]["value"].mean()))


# Drawing.


def short(source: str) -> str:
    return source.replace("efficientnet-", "").capitalize()


def look(name: str, way: str) -> dict:
    """Colour and marker of an input map, filled for the pretrained network and open for its twin."""
    colour, marker = LOOKS[name]
    return {"color": colour, "marker": marker, "mfc": colour if way == "reprogrammed" else "white"}


def runs(data, table, groups):
    """(place, map, way, values over seeds) of every column of `table`: groups at whole numbers, their markers side by side."""
    names = [(name, way) for name in table["map"].unique() for way in TRAINED if way in table]
    for middle, (source, task) in enumerate(groups):
        part = table[(table["source"] == source) & (table["task"] == task)]
        for number, (name, way) in enumerate(names):
            values = part[part["map"] == name][way].dropna()
            if len(values):
                yield middle + 0.6 * ((number + 0.5) / len(names) - 0.5), name, way, values


def in_groups(axis, groups):
    """Tasks, and sources where there are several, under the groups."""
    several = len({source for source, _ in groups}) > 1
    names = [f"{task}\n{short(source)}" if several else task for source, task in groups]
    axis.set(xticks=range(len(groups)), xticklabels=names, xlim=(-0.5, len(groups) - 0.5))
    axis.grid(visible=False, axis="x")


def draw_accuracies(axis, data, groups):
    """Test accuracy of every map and way in its group, the linear models and chance as lines across the group."""
    table = one(data, "test_accuracy")
    for place, name, way, values in runs(data, table, groups):
        (low, high), centre = t_interval(values), values.mean()
        ends = [[max(centre - low, 0)], [max(high - centre, 0)]]
        axis.errorbar(place, centre, yerr=ends, capsize=2, linestyle="", **look(name, way))
    for middle, (source, task) in enumerate(groups):
        part = table[(table["source"] == source) & (table["task"] == task)]
        for way, line in LINEAR.items():
            axis.hlines(part[way].mean(), middle - 0.4, middle + 0.4, color="k", linestyle=line, linewidth=1.2)
        guess = chance(data[data["task"] == task])
        axis.hlines(guess, middle - 0.4, middle + 0.4, color="0.6", linewidth=1.2)
    in_groups(axis, groups)
    axis.set(ylim=(0, 1), ylabel="test accuracy", title="What it is worth: accuracy after training")


def draw_spectra(axis, data):
    """Geometric means over seeds with 95 % t intervals as bands, as far as the eigenvalue is above rounding for every seed."""
    for (name, way), part in data[data["quantity"] == "eigenvalue"].groupby(["map", "way"], sort=False):
        table = above_rounding(part)
        centre = table.apply(geometric_mean, axis=1)
        ends = np.array([geometric_interval(values) for values in table.to_numpy()])
        options = look(name, way) | {"linestyle": TRAINED[way], "linewidth": 1.3, "markersize": 3, "markevery": 8}
        axis.plot(centre.index, centre, **options)
        axis.fill_between(centre.index, *ends.T, color=options["color"], alpha=0.15, linewidth=0)
    axis.set(xscale="log", yscale="log", xlabel=r"rank of the eigenvalue of $\Theta_T$", ylabel="eigenvalue")


def draw_losses(axis, data, groups):
    """The loss at the end over that of the constant predictor, every run a marker; at the line nothing is left to learn."""
    place = ["source", "task", "seed", "map"]
    end, constant = (one(data, quantity).set_index(place) for quantity in ("train_loss", "constant_loss"))
    for x, name, way, values in runs(data, (end / constant).reset_index(), groups):
        axis.plot(np.full(len(values), x), values, linestyle="", markersize=4, **look(name, way))
    axis.axhline(SOLVED, color="k", linestyle=LINES[2], linewidth=1)
    in_groups(axis, groups)
    axis.set(yscale="log", ylabel="share of the constant's", title="Training loss at the end")


def render(data):
    """Accuracies above; below the spectra of the first source and task, and the losses at the end."""
    trained = data[data["map"] != "none"]
    groups = list(trained[["source", "task"]].drop_duplicates().itertuples(index=False, name=None))
    figure, axes = plt.subplot_mosaic("AA;BC", figsize=(7.2, 5.6), height_ratios=(1.15, 1))
    draw_accuracies(axes["A"], data, groups)
    first, task = groups[0]
    draw_spectra(axes["B"], trained[(trained["source"] == first) & (trained["task"] == task)])
    axes["B"].set_title(f"At the start: {short(first)}, {task}")
    draw_losses(axes["C"], data, groups)
    handles = [
        plt.Line2D([], [], linestyle="", markersize=5, label=MAP_NAMES[name], **look(name, "reprogrammed"))
        for name in trained["map"].unique()
    ]
    handles.append(
        plt.Line2D([], [], color="k", marker="o", mfc="white", linestyle="", label="open: same network, untrained")
    )
    handles += [
        plt.Line2D([], [], color="k", linestyle=line, linewidth=1.2, label=SHORT[way]) for way, line in LINEAR.items()
    ]
    handles.append(plt.Line2D([], [], color="0.6", linewidth=1.2, label="chance"))
    title = f"{data['seed'].nunique()} seeds; bars and bands: 95 % t intervals of the mean"
    figure.legend(handles=handles, loc="outside lower center", ncols=4, title=title, title_fontsize=8)
    return figure


# In words.


def against(table, simpler: str) -> str:
    """In how many of the pairs a simpler model is beaten, and by how much."""
    table = table.dropna(subset=[simpler])
    least, most = (f"{value:+.2f}" for value in (table[f"above_{simpler}"].min(), table[f"above_{simpler}"].max()))
    return f"{SHORT[simpler]} in {int(table[f'beats_{simpler}'].sum())} of {len(table)} (mean difference {least} to {most})"


def reasons(data, table) -> list[str]:
    """What the numbers say of the maps that lose to a linear model on the raw images: do they not learn, or not generalise?"""
    said = []
    for name in table[table["above_linear"] < 0]["map"].unique():
        part = data[(data["map"] == name) & (data["way"] == "reprogrammed")].groupby("quantity")["value"].mean()
        said.append(
            f"{MAP_NAMES[name]} classifies {part['train_accuracy']:.2f} of its training and {part['test_accuracy']:.2f} of the "
            f"test images, its loss ends at {part['train_loss'] / part['constant_loss']:.2f} of the constant predictor's, at the "
            f"start {part['learnable']:.2f} of the labels lie along eigenvectors that its steps could learn, and the effective "
            f"rank is {part['effective_rank']:.0f}"
        )
    return said


def ended(data) -> str:
    """How many trainings of pretrained networks had nothing left to learn, and what the second half of the epochs gave others."""
    solved = one(data, "train_loss")["reprogrammed"] <= 1.1 * SOLVED * one(data, "constant_loss")["reprogrammed"]
    words = f"of the trainings of pretrained networks {solved.mean():.0%} end with nothing left to learn"
    if solved.all():
        return words
    gained = (one(data, "test_accuracy")["reprogrammed"] - one(data, "half_test_accuracy")["reprogrammed"])[~solved]
    return f"{words}; half of the epochs would have given the others {-gained.mean():+.3f} of test accuracy"


def finds(data):
    """The verdicts in words, and what the numbers say of those that lose."""
    table = verdicts(data)
    counted = ", ".join(against(table, simpler) for simpler in SIMPLER if table[simpler].notna().any())
    found = [
        ended(data),
        f"of {len(table)} cases of a source, a task and an input map, reprogramming beats {counted}",
    ]
    ceilings = data[data["quantity"] == "test_accuracy"].groupby("way")["value"].mean()
    found.append(f"linear models reach {', '.join(f'{ceilings[way]:.2f} ({SHORT[way]})' for way in LINEAR)}")
    words = "; ".join(found + reasons(data, table)) + "."
    return words[0].upper() + words[1:]

"""Target loss and accuracy against the depth of the source (the paper's Tables 4 and 6)."""

import itertools

import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.converged import floored, measure_to_the_end
from figures.experiments.reprogramming import MAP_NAMES, MAPS, examples, source_quality
from figures.experiments.sources import BATCH, RATES, source_min_eigenvalue
from figures.making.drawing import NAMES, over_pairs, shared_legend
from figures.making.statistics import slopes, with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.sources.trained import Recipe, train
from mrntk.tasks import load_task
from mrntk.training import late_losses

ID = "depth_to_target"
TITLE = "Target loss and accuracy against the depth of the source"
PAPER = "Tables 4 and 6 (numbers of the earlier version)"
ALT = (
    "Two rows of three panels against the depth of the source: fully connected above, convolutional below. From left to right "
    "the squared loss on the target's training examples at the end of training, the loss on test examples, both logarithmic "
    "with a dotted line for a constant predictor, and the test accuracy. One thick line for each input transformation, averaged "
    "over pairs of source and target task, with bars for 95 percent t intervals over seeds; one thin line for each pair."
)
SAYS = (
    "The deeper the source, the lower the target loss: FC follows this, VP does not at a small input, VP+FC on CNN "
    "only (author notes)."
)
NOTE = (
    "Sources train for a fixed number of epochs without early stopping, CNN on images of 14 x 14 pixels; theta trains with all "
    "target examples at once, until the last tenth of the steps changes the loss by less than 2 %, or until the loss is 1 % of "
    "the constant predictor's. Sources that learned too little are drawn, and count in no verdict."
)
SCALES = {
    "smoke": {
        "family": ("dnn", "cnn"), "depth": (1, 2), "cnn_depth": (1, 2), "source_task": ("mnist5k",),
        "task": ("digits",), "ce_task": ("digits",), "ce_source": ("mnist5k",), "cnn_ce_source": (), "side": 28, "cnn_side": 14,
        "width": 32, "cnn_width": 4, "seeds": 3, "source_per_class": 10, "source_epochs": 2, "cnn_source_epochs": 1,
        "per_class": 2, "cnn_per_class": 1, "test": 50, "most": 10, "ks_per_class": 1,
    },
    "course": {
        "family": ("dnn", "cnn"), "depth": (1, 2, 3, 4, 5, 6, 7, 8, 9), "cnn_depth": (1, 2, 3, 4, 6),
        "source_task": ("mnist5k", "fashion5k"), "task": ("digits", "mnist5k", "fashion5k"), "ce_task": ("digits",),
        "ce_source": ("mnist5k", "fashion5k"), "cnn_ce_source": ("mnist5k",), "side": 28, "cnn_side": 14,
        "width": 512, "cnn_width": 32, "seeds": 5, "source_per_class": 400, "source_epochs": 20, "cnn_source_epochs": 30,
        "per_class": 10, "cnn_per_class": 5, "test": 500, "most": 4000, "ks_per_class": 3,
    },
    "paper": {
        "family": ("dnn", "cnn"), "depth": (1, 2, 3, 4, 5, 6, 7, 8, 9), "cnn_depth": (1, 2, 3, 4, 5, 6, 7, 8, 9),
        "source_task": ("cifar10",), "task": ("stl10", "svhn"), "ce_task": ("stl10", "svhn"), "ce_source": ("cifar10",),
        "cnn_ce_source": ("cifar10",), "side": 32, "cnn_side": 32, "width": 2048, "cnn_width": 512, "seeds": 5,
        "source_per_class": 4500, "source_epochs": 50, "cnn_source_epochs": 50,
        "per_class": 10, "cnn_per_class": 10, "test": 8000, "most": 8000, "ks_per_class": 10,
    },
}  # fmt: skip


def cells(
    *, family, depth, cnn_depth, source_task, task, ce_task, ce_source, cnn_ce_source, side, cnn_side, width, cnn_width,
    seeds, source_epochs, cnn_source_epochs, per_class, cnn_per_class, **rest
):  # fmt: skip
    """One piece per family, depth, source task, loss and seed."""
    plans = {
        "dnn": (
            depth,
            ce_source,
            {"side": side, "width": width, "source_epochs": source_epochs, "per_class": per_class},
        ),
        "cnn": (
            cnn_depth,
            cnn_ce_source,
            {"side": cnn_side, "width": cnn_width, "source_epochs": cnn_source_epochs, "per_class": cnn_per_class},
        ),
    }
    pieces = []
    for name in family:
        depths, with_ce, sizes = plans[name]
        for seed, d, source in itertools.product(range(seeds), depths, source_task):
            for loss, tasks in (("mse", task), ("ce", ce_task if source in with_ce else ())):
                tasks = [target for target in tasks if target != source]
                place = {"family": name, "depth": d, "source_task": source, "loss": loss, "task": tasks, "seed": seed}
                pieces += [place | sizes | rest] if tasks else []
    return pieces


def compute(
    key, *, family, depth, source_task, task, loss, seed, side, width, source_per_class, source_epochs, per_class, test, most,
    ks_per_class
):  # fmt: skip
    """One row per target and input transformation."""
    keys, rows = jax.random.split(jax.random.fold_in(key, seed), 4), []
    home = load_task(source_task).with_inputs(np.float32).resized(side)
    options = {"learning_rate": RATES[family], "batch": BATCH, "patience": 0}
    recipe = Recipe(loss=loss, epochs=source_epochs, per_class=source_per_class, **options)
    trained = train(family, home, seed=42 + seed, recipe=recipe, depth=depth, width=width)
    source = trained.source
    about = {"ks_lambda_min": source_min_eigenvalue(family, depth, home, keys[0], ks_per_class)}
    about |= dict(zip(("source_nine_tenths_loss", "source_end_loss"), late_losses(trained.train_losses), strict=True))
    about |= source_quality(source, home, loss=loss, shown=None)
    for target in task:
        data = examples(load_task(target), keys[1], per_class, test)
        for name in MAPS:
            a = make_input_map(name, data[0].shape[1:], source.input_shape, key=keys[2])
            found = measure_to_the_end(Reprogram(a, source), data, key=keys[3], loss=loss, most=most)
            place = {"family": family, "depth": depth, "source_task": source_task, "task": target, "loss": loss}
            rows.append(place | {"map": name, "seed": seed} | about | found)
    return rows


COLUMNS = (  # (column, title, logarithmic)
    ("train_loss", "training loss, at the end", True),
    ("test_loss", "test loss", True),
    ("test_accuracy", "test accuracy", False),
)


def render(data):
    """A row a family, a column a reading of "target loss", a line an input map: mean over pairs of tasks, each pair thin."""
    data = floored(data[data["loss"] == "mse"], "train_loss")
    families = list(data["family"].unique())
    size = (7.2, 2.2 * len(families) + 0.9)
    figure, axes = plt.subplots(len(families), 3, figsize=size, sharex="row", sharey="col", squeeze=False)
    for row, family in zip(axes, families, strict=True):
        own = data[data["family"] == family]
        for axis, (column, title, log) in zip(row, COLUMNS, strict=True):
            for number, name in enumerate(MAPS):
                over_pairs(axis, own[own["map"] == name], column, number=number, log=log, label=MAP_NAMES[name])
            if log:
                axis.axhline(own["constant_loss"].mean(), color="black", linestyle=":", linewidth=1)
            axis.set_title(f"{NAMES[family]}: {title}", fontsize=9)
            axis.set_xticks(sorted(own["depth"].unique()))
    axes[0, 0].set_ylim(top=2)
    axes[0, 1].set_ylim(top=2)
    axes[0, 2].set_ylim(0, 1)
    for axis in axes[-1]:
        axis.set_xlabel("depth of the source")
    title = (
        f"Thick: geometric mean (accuracy: mean) over pairs of tasks, {data['seed'].nunique()} seeds, 95 % t intervals;\n"
        "thin: every pair; dotted: constant predictor"
    )
    shared_legend(figure, axes[0, 0], title=title, ncols=4)
    return figure


def finds(data):
    """The change of the target loss with depth, by family and map."""
    data = data[(data["loss"] == "mse") & (data["map"] != "none")]
    words = []
    for (family, name), part in data.groupby(["family", "map"], sort=False):
        change = slopes(part, "test_loss", by=("source_task", "task"))
        gained = slopes(part, "test_accuracy", by=("source_task", "task"), log=False)
        words.append(
            f"{NAMES[family]} {MAP_NAMES[name]} {with_interval(100 * np.expm1(change), 0, sign=True)} % of test loss, "
            f"{with_interval(100 * gained, 1, sign=True)} points of test accuracy"
        )
    return f"Change with one more layer, all depths and pairs of tasks together: {'; '.join(words)}."

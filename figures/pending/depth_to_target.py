"""Target loss and accuracy against the depth of the source (the paper's Tables 4 and 6)."""

import itertools

import jax
import numpy as np

from figures.experiments.converged import measure_to_the_end
from figures.experiments.reprogramming import MAP_NAMES, MAPS, examples, source_quality
from figures.experiments.sources import BATCH, RATES, source_min_eigenvalue
from figures.making.drawing import NAMES, against_depth
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
    "Two rows of panels, one column for each input transformation: fully connected, visual prompt, both, none. "
    "Horizontally the depth of "
    "the source, fully connected or convolutional; vertically the squared loss after training (above, logarithmic) and the "
    "test accuracy "
    "(below) on the target, one line for each pair of source and target task. Bars are 95 percent t intervals over seeds."
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


def render(data):
    """Losses above, accuracies below."""
    data = data[data["loss"] == "mse"]
    return against_depth(
        data, (("train_loss", "target loss (squared)", "log"), ("test_accuracy", "test accuracy", "linear")), MAPS
    )


def finds(data):
    """The change of the target loss with depth, by family and map."""
    data = data[(data["loss"] == "mse") & (data["map"] != "none")]
    words = []
    for (family, name), part in data.groupby(["family", "map"], sort=False):
        change = slopes(part, "train_loss", by=("source_task", "task"))
        words.append(f"{NAMES[family]} {MAP_NAMES[name]} {with_interval(100 * np.expm1(change), 0, sign=True)} %")
    return f"Change of the target loss with one more layer: {'; '.join(words)}."

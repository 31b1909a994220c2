"""Target loss and accuracy against the depth of the source (the paper's Tables 4 and 6)."""

import jax
import numpy as np

from figures.experiments.reprogramming import MAP_NAMES, MAPS, examples, measure, source_quality
from figures.making.drawing import NAMES, against_depth
from figures.making.statistics import slopes, with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.ntk.infinite import source_kernel
from mrntk.sources.trained import Recipe, train
from mrntk.spectrum import spectrum
from mrntk.tasks import load_task

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
    "CNN sources end at depth 3, since deeper ones would have cost an hour of two cores; that was decided before any of their "
    "data were looked at. They are small, briefly trained and poor at their own task."
)
SCALES = {
    "smoke": {
        "family": ("dnn",), "depth": (1, 2), "cnn_depth": (1, 2), "source_task": ("mnist5k",),
        "task": ("digits",), "cnn_task": ("digits",), "ce_task": ("digits",),
        "width": 32, "cnn_width": 4, "seeds": 3, "source_per_class": 10, "source_epochs": 2,
        "per_class": 2, "test": 50, "epochs": 5, "ks_per_class": 1,
    },
    "course": {
        "family": ("dnn", "cnn"), "depth": (1, 2, 3, 5, 7, 9), "cnn_depth": (1, 2, 3),
        "source_task": ("mnist5k", "fashion5k"),
        "task": ("digits", "mnist5k", "fashion5k"), "cnn_task": ("digits",), "ce_task": ("digits",),
        "width": 256, "cnn_width": 16, "seeds": 5, "source_per_class": 200, "source_epochs": 20,
        "per_class": 10, "test": 500, "epochs": 100, "ks_per_class": 3,
    },
    "paper": {
        "family": ("dnn", "cnn"), "depth": (1, 2, 3, 4, 5, 6, 7, 8, 9), "cnn_depth": (1, 2, 3, 4, 5, 6, 7, 8, 9),
        "source_task": ("cifar10",), "task": ("stl10", "svhn"), "cnn_task": ("stl10", "svhn"), "ce_task": ("stl10", "svhn"),
        "width": 2048, "cnn_width": 512, "seeds": 5, "source_per_class": 4500, "source_epochs": 50,
        "per_class": 500, "test": 8000, "epochs": 150, "ks_per_class": 10,
    },
}  # fmt: skip
KS_SIDE = 14  # images are averaged down for the pooled kernel, which costs the fourth power of the side


def cells(*, family, depth, cnn_depth, source_task, task, cnn_task, ce_task, width, cnn_width, **rest):
    """One piece per family, depth, source task and loss, all seeds in it: they share what is compiled."""
    pieces = []
    for name in family:
        dnn = name == "dnn"
        for d in depth if dnn else cnn_depth:
            for source in source_task:
                common = {
                    "family": name,
                    "depth": d,
                    "source_task": source,
                    "width": width if dnn else cnn_width,
                    **rest,
                }
                targets = {"mse": task if dnn else cnn_task, "ce": ce_task if source == source_task[0] else ()}
                for loss, tasks in targets.items():
                    tasks = [target for target in tasks if target != source]
                    pieces += [common | {"loss": loss, "task": tasks}] if tasks else []
    return pieces


def source_min_eigenvalue(family, depth, task, key, per_class):
    """lambda_min[K_S] of the infinitely wide source on a few of its own images."""
    x, _ = task.draw(key, per_class)
    if family == "cnn" and x.shape[-1] % KS_SIDE == 0:
        step = x.shape[-1] // KS_SIDE
        x = x.reshape(*x.shape[:2], KS_SIDE, step, KS_SIDE, step).mean((3, 5))
    return spectrum(source_kernel(x, {"dnn": "dnn", "cnn": "cnn_gap"}[family], depth=depth)).min


def compute(
    key, *, family, depth, source_task, task, loss, width, seeds, source_per_class, source_epochs, per_class, test, epochs,
    ks_per_class
):  # fmt: skip
    """One row per seed, target and input transformation."""
    home, rows = load_task(source_task), []
    for seed in range(seeds):
        keys = jax.random.split(jax.random.fold_in(key, seed), 4)
        recipe = Recipe(loss=loss, epochs=source_epochs, per_class=source_per_class)
        source = train(family, home, seed=42 + seed, recipe=recipe, depth=depth, width=width).source
        about = {"ks_lambda_min": source_min_eigenvalue(family, depth, home, keys[0], ks_per_class)}
        about |= source_quality(source, home, loss=loss, shown=None)
        for target in task:
            data = examples(load_task(target), keys[1], per_class, test)
            for name in MAPS:
                a = make_input_map(name, data[0].shape[1:], source.input_shape, key=keys[2])
                found = measure(Reprogram(a, source), data, key=keys[3], loss=loss, epochs=epochs)
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

"""A small CNN on frozen features, reprogrammed: what its depth does (the experiment of the arXiv version)."""

from collections.abc import Callable

import equinox as eqx
import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.converged import floored, measure_to_the_end
from figures.experiments.reprogramming import MAP_NAMES, examples, loss_and_accuracy
from figures.making.drawing import INTERVAL, mean_line, shared_legend
from figures.making.statistics import by_seed, slopes, with_interval
from mrntk.model.input_maps import Resize, make_input_map
from mrntk.model.reprogram import Reprogram, predict
from mrntk.sources.features import FeatureCNN, on_features
from mrntk.sources.registry import load_source
from mrntk.tasks import load_task
from mrntk.training import fit
from mrntk.training.recipes import source_optimiser

ID = "feature_cnn_depth"
TITLE = "A small CNN on frozen features as the source, by its depth"
PAPER = "the experiment of the arXiv version on CLIP features, with EfficientNet-Lite0's feature map in CLIP's place"
ALT = (
    "Four panels against the depth of the convolutional network that was trained on frozen features. Top left its "
    "accuracy on its own task, test and training part; top right the test accuracy on the target after reprogramming by a fully "
    "connected map or a visual prompt; bottom left the training loss at the end, beside a constant predictor; bottom right the "
    "smallest eigenvalue of the target kernel before training, logarithmic. Bars are 95 percent t intervals over seeds."
)
SAYS = (
    "With CLIP as a fixed feature extractor and a CNN of 1 to 6 layers on it, source accuracy rises with depth, target accuracy "
    "rises with the source's depth, and VP beats FC (machine-written summary of the arXiv version)."
)
NOTE = (
    "The head trains for a fixed number of epochs; theta trains with all target examples at once, until the last tenth of the "
    "steps changes the loss by less than 2 %, or until the loss is 1 % of the constant predictor's."
)
SCALES = {
    "smoke": {
        "source": "efficientnet-lite0", "side": 32, "depth": (1,), "width": 4, "source_task": "fashion5k",
        "task": ("digits",), "maps": ("fc", "vp"), "seeds": 2, "source_per_class": 1, "source_test": 10, "source_epochs": 2,
        "per_class": 1, "test": 10, "most": 3,
    },
    "course": {
        "source": "efficientnet-lite0", "side": 64, "depth": (1, 2, 4), "width": 32, "source_task": "fashion5k",
        "task": ("digits",), "maps": ("fc", "vp"), "seeds": 5, "source_per_class": 200, "source_test": 1000,
        "source_epochs": 15, "per_class": 3, "test": 300, "most": 2000,
    },
    "paper": {
        "source": "efficientnet-lite0", "side": 224, "depth": (1, 2, 3, 4, 5, 6), "width": 256, "source_task": "cifar10",
        "task": ("stl10", "svhn"), "maps": ("fc", "vp"), "seeds": 5, "source_per_class": 4500, "source_test": 10000,
        "source_epochs": 50, "per_class": 10, "test": 8000, "most": 8000,
    },
}  # fmt: skip
SOURCE_BATCH = 64


def cells(*, depth, seeds, **rest):
    """One piece per depth and seed; computing the features again for each costs seconds."""
    return [{"depth": d, "seed": seed} | rest for seed in range(seeds) for d in depth]


class Resized(eqx.Module):
    """The frozen features of an image of any size."""

    features: Callable

    def __call__(self, x):
        return self.features(Resize(self.features.input_shape)(x))


def trained_head(features, home, keys, *, depth, width, per_class, test, epochs):
    """(head(features), {"source_train_loss", ...}), trained on the features of the source's task with cross-entropy."""
    x, y, x_test, y_test = examples(home, keys[0], per_class, test)
    parts = {name: (predict(Resized(features), inputs, batch=SOURCE_BATCH), targets)
             for name, inputs, targets in (("train", x, y), ("test", x_test, y_test))}  # fmt: skip
    seen = parts["train"][0]
    head = FeatureCNN(
        seen.shape[1], y.shape[1], depth=depth, width=width, key=keys[1], map_shape=getattr(features, "map_shape", None)
    )
    options = {"optimiser": source_optimiser(), "epochs": epochs, "loss": "ce", "batch": min(SOURCE_BATCH, len(seen))}
    head, about = fit(head, seen, y, key=keys[2], **options).model, {}
    for part, (inputs, targets) in parts.items():
        found = loss_and_accuracy(head, inputs, targets, "ce")
        about |= {f"source_{part}_loss": found[0], f"source_{part}_accuracy": found[1]}
    return on_features(features, head), about


def compute(
    key, *, source, side, depth, seed, width, source_task, task, maps, source_per_class, source_test, source_epochs, per_class,
    test, most
):  # fmt: skip
    """One row per target and input transformation; cross-entropy throughout."""
    features, rows = load_source(source, side=side, features=True), []
    keys = jax.random.split(jax.random.fold_in(key, seed), 6)
    sizes = {"depth": depth, "width": width, "per_class": source_per_class, "test": source_test}
    model, about = trained_head(features, load_task(source_task).as_rgb(), keys[:3], epochs=source_epochs, **sizes)
    for target in task:
        data = examples(load_task(target).as_rgb(), keys[3], per_class, test)
        for name in maps:
            a = make_input_map(name, data[0].shape[1:], model.input_shape, key=keys[4])
            found = measure_to_the_end(Reprogram(a, model), data, key=keys[5], loss="ce", most=most)
            place = {"depth": depth, "map": name, "source_task": source_task, "task": target, "seed": seed}
            rows.append(place | about | found)
    return rows


def case_label(name: str, task: str) -> str:
    return f"target {task}, {MAP_NAMES[name]}"


def render(data):
    """Source accuracy and the target's accuracy, loss and smallest eigenvalue, each against depth."""
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.4), sharex=True)
    (source, accuracy), (loss, eigenvalue) = axes
    once = data.drop_duplicates(["depth", "seed"])
    for number, part in enumerate(("test", "train"), 4):
        mean_line(source, once, "depth", f"source_{part}_accuracy", number=number, label=f"{part} part")
    source.legend(loc="best")
    loss.axhline(data["constant_loss"].mean(), color="grey", linestyle=":", label="constant predictor")
    for number, (case, part) in enumerate(data.groupby(["map", "task"], sort=False)):
        mean_line(accuracy, part, "depth", "test_accuracy", number=number, label=case_label(*case))
        mean_line(loss, floored(part, "train_loss"), "depth", "train_loss", number=number, log=True)
        some = part["lambda_min"] > 0
        if some.any():
            mean_line(eigenvalue, part[some], "depth", "lambda_min", number=number, log=True)
    loss.legend(loc="best")
    titles = {
        source: "source", accuracy: "target, after reprogramming", loss: "target, after reprogramming",
        eigenvalue: "target, before training",
    }  # fmt: skip
    labels = {
        source: "accuracy", accuracy: "test accuracy", loss: "training cross-entropy",
        eigenvalue: r"$\lambda_{\min}[\Theta_T]$" + zeros(data),
    }  # fmt: skip
    for axis, title in titles.items():
        axis.set(title=title, ylabel=labels[axis])
    for axis in axes[1]:
        axis.set(xlabel="convolutions in the trained head", xticks=sorted(data["depth"].unique()))
    shared_legend(figure, accuracy, title=f"{data['seed'].nunique()} seeds, {INTERVAL}")
    return figure


def zeros(data) -> str:
    """How many kernels are singular and so cannot be drawn on a logarithmic axis."""
    singular = int((data["lambda_min"] <= 0).sum())
    return f" ({singular} of {len(data)} are 0, not drawn)" if singular else ""


def finds(data):
    """What one more layer does to the source, to the target and to lambda_min; and VP against FC."""
    once = data.drop_duplicates(["depth", "seed"])
    words = []
    if data["depth"].nunique() > 1:
        gained = with_interval(100 * slopes(once, "source_test_accuracy", log=False), 1, sign=True)
        words.append(f"One more layer changes the source's test accuracy by {gained} points")
        for name, part in data.groupby("map", sort=False):
            accuracy = with_interval(100 * slopes(part, "test_accuracy", by=("task",), log=False), 1, sign=True)
            loss = with_interval(
                100 * np.expm1(slopes(floored(part, "train_loss"), "train_loss", by=("task",))), 0, sign=True
            )
            words.append(f"{MAP_NAMES[name]}: target accuracy {accuracy} points, target loss {loss} %")
            if (part["lambda_min"] > 0).all():
                least = with_interval(100 * np.expm1(slopes(part, "lambda_min", by=("task",))), 0, sign=True)
                words[-1] += rf", lambda_min {least} %"
    if {"fc", "vp"} <= set(data["map"]):
        ahead = by_seed(data[data["map"] == "vp"], "test_accuracy") - by_seed(
            data[data["map"] == "fc"], "test_accuracy"
        )
        words.append(
            f"VP minus FC in target accuracy, over all depths: {with_interval(100 * ahead, 1, sign=True)} points"
        )
    return "; ".join(words) + "."

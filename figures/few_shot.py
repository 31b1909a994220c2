"""How little suffices? Reprogramming beside linear probing, fine-tuning and training from scratch, from 1 example a class on."""

import equinox as eqx
import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.converged import constant_loss
from figures.experiments.reprogramming import examples, loss_and_accuracy, source_quality
from figures.experiments.sources import BATCH, RATES
from figures.making.drawing import INTERVAL, NAMES, mean_line, shared_legend
from figures.making.statistics import by_seed, with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram, predict
from mrntk.sources.networks import reinitialise
from mrntk.sources.trained import FAMILIES, Recipe, train
from mrntk.tasks import load_task
from mrntk.training import fit, late_losses
from mrntk.training.recipes import reprogramming_optimiser, source_optimiser

ID = "few_shot"
TITLE = "Test accuracy against the number of examples: reprogramming and its alternatives"
PAPER = 'beyond the paper: what "small changes have a big impact" can be held against'
ALT = (
    "Two rows of two panels, above for a fully connected source, below for a convolutional one. Left the pair of tasks that are "
    "alike, right the mean over pairs that are not: test accuracy on the target against the number of examples per class, "
    "logarithmic, one line each for FC, VP, VP+FC, linear probing, fine-tuning of all weights and training from scratch. Bars "
    "are 95 percent t intervals over seeds."
)
SAYS = (
    "Beyond the paper: small changes have a big impact, with few trained parameters and little data (ArxivLens' "
    "takeaway); nothing is known of a comparison with linear probing or fine-tuning."
)
NOTE = (
    "Every way is trained for the same number of steps, on all examples at once or on minibatches of 100, by the authors' rates. "
    "Sources train for a fixed number of epochs; CNN on images of 14 x 14 pixels."
)
# Pairs of source and target task, in step with each other.
SCALES = {
    "smoke": {
        "family": ("cnn",), "source_task": ("mnist5k",), "task": ("digits",), "cnn_source_task": ("mnist5k",),
        "cnn_task": ("digits",), "per_class": (10,), "cnn_per_class": (10,), "depth": 2, "width": 16, "cnn_width": 2,
        "side": 28, "cnn_side": 14, "seeds": 2, "source_per_class": 5, "source_epochs": 1, "cnn_source_epochs": 1, "steps": 4,
        "batch": 25, "test": 100,
    },
    "course": {
        "family": ("dnn", "cnn"), "source_task": ("mnist5k", "mnist5k", "fashion5k", "fashion5k"),
        "task": ("digits", "fashion5k", "digits", "mnist5k"), "cnn_source_task": ("mnist5k", "mnist5k"),
        "cnn_task": ("digits", "fashion5k"), "per_class": (1, 3, 10, 30, 100), "cnn_per_class": (1, 10, 30), "depth": 3,
        "width": 512, "cnn_width": 32, "side": 28, "cnn_side": 14, "seeds": 5, "source_per_class": 400, "source_epochs": 20,
        "cnn_source_epochs": 30, "steps": 1000, "batch": 100, "test": 500,
    },
    "paper": {
        "family": ("dnn", "cnn"), "source_task": ("cifar10", "cifar10"), "task": ("stl10", "svhn"),
        "cnn_source_task": ("cifar10", "cifar10"), "cnn_task": ("stl10", "svhn"), "per_class": (1, 3, 10, 30, 100, 300),
        "cnn_per_class": (1, 3, 10, 30, 100, 300), "depth": 6, "width": 2048, "cnn_width": 512, "side": 32, "cnn_side": 32,
        "seeds": 5, "source_per_class": 4500, "source_epochs": 50, "cnn_source_epochs": 50, "steps": 3000, "batch": 100,
        "test": 8000,
    },
}  # fmt: skip
WAYS = {
    "fc": "FC", "vp": "VP", "vp_fc": "VP+FC", "linear_probing": "linear probing", "fine_tuning": "fine-tuning",
    "scratch": "from scratch",
}  # fmt: skip
FEW = 10  # examples per class of the last column


def cells(
    *, family, source_task, task, cnn_source_task, cnn_task, per_class, cnn_per_class, width, cnn_width, side, cnn_side,
    source_epochs, cnn_source_epochs, seeds, **rest
):  # fmt: skip
    """One piece per family, pair of tasks, number of examples and seed, all ways in it."""
    plans = {
        "dnn": (source_task, task, per_class, {"width": width, "side": side, "source_epochs": source_epochs}),
        "cnn": (
            cnn_source_task,
            cnn_task,
            cnn_per_class,
            {"width": cnn_width, "side": cnn_side, "source_epochs": cnn_source_epochs},
        ),
    }
    return [
        {"family": name, "source_task": source, "task": target, "per_class": count, "seed": seed}
        | plans[name][3]
        | rest
        for name in family
        for seed in range(seeds)
        for source, target in zip(*plans[name][:2], strict=True)
        for count in plans[name][2]
    ]


def without_last_layer(family, source):
    """The source up to its last layer: its penultimate features."""
    return eqx.tree_at(lambda net: net.layers[-1] if family == "dnn" else net.head, source, eqx.nn.Identity())


def model_of(way, family, source, data, key, sizes):
    """(what is trained, (x, y, x_test, y_test) in its own input, how many values are trained)."""
    x, y, x_test, y_test = data
    if way in ("fc", "vp", "vp_fc"):
        a = make_input_map(way, x.shape[1:], source.input_shape, key=key)
        return Reprogram(a, source), data, a.num_parameters
    resize = make_input_map("none", x.shape[1:], source.input_shape, key=key)
    x, x_test = (predict(resize, part) for part in (x, x_test))  # all others see the whole input at the source's size
    if way == "linear_probing":
        features = without_last_layer(family, source)
        x, x_test = (predict(features, part) for part in (x, x_test))
        model = reinitialise(eqx.nn.Linear(x.shape[1], y.shape[1], key=key), key)
    else:
        scratch = FAMILIES[family](source.input_shape, y.shape[1], key=key, **sizes)
        model = source if way == "fine_tuning" else scratch
    trained = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
    return model, (x, y, x_test, y_test), trained


def trained_model(model, x, y, key, steps: int, batch: int):
    """The same rule for all ways: `steps` steps of Adam on min(N, batch) examples, cross-entropy, the authors' rates.

    Returns
    -------
    (the trained model, {"steps", "constant_loss", "nine_tenths_loss", "end_loss"}).
    """
    batch = min(batch, len(x))
    optimiser = reprogramming_optimiser() if isinstance(model, Reprogram) else source_optimiser()
    epochs = max(1, round(steps / (len(x) // batch)))
    options = {"optimiser": optimiser, "epochs": epochs, "loss": "ce", "batch": batch if batch < len(x) else None}
    found = fit(model, x, y, key=key, **options)
    about = {"steps": epochs * (len(x) // batch), "constant_loss": constant_loss(y, "ce")}
    return found.model, about | dict(
        zip(("nine_tenths_loss", "end_loss"), late_losses(found.train_losses), strict=True)
    )


def compute(
    key, *, family, source_task, task, per_class, seed, depth, width, side, source_per_class, source_epochs, steps, batch, test
):  # fmt: skip
    """One row per way."""
    home, sizes, rows = (
        load_task(source_task).with_inputs(np.float32).resized(side),
        {"depth": depth, "width": width},
        [],
    )
    options = {"learning_rate": RATES[family], "batch": BATCH, "patience": 0}
    recipe = Recipe(loss="ce", epochs=source_epochs, per_class=source_per_class, **options)
    keys = jax.random.split(jax.random.fold_in(key, seed), 3)
    source = train(family, home, seed=42 + seed, recipe=recipe, **sizes).source
    about = source_quality(source, home, loss="ce", shown=None)
    data = examples(load_task(task), keys[0], per_class, test)
    for way in WAYS:
        model, (x, y, x_test, y_test), trained = model_of(way, family, source, data, keys[1], sizes)
        model, ended = trained_model(model, x, y, keys[2], steps, batch)
        loss, accuracy = loss_and_accuracy(model, x_test, y_test, "ce")
        place = {
            "family": family,
            "source_task": source_task,
            "task": task,
            "way": way,
            "per_class": per_class,
            "seed": seed,
        }
        found = {"trained": trained, "examples": len(x), "test_accuracy": accuracy, "test_loss": loss}
        rows.append(place | about | ended | found)
    return rows


def over_pairs(data):
    """Accuracies averaged over pairs of tasks, a row a seed; and the mean number of trained values."""
    return data.groupby(["way", "seed"])[["test_accuracy", "trained"]].mean().reset_index()


ALIKE = (("mnist5k", "digits"), ("cifar10", "stl10"))  # source and target that show the same things


def are_alike(data) -> np.ndarray:
    """Which rows belong to such a pair."""
    return np.array([pair in ALIKE for pair in zip(data["source_task"], data["task"], strict=True)])


def render(data):
    """A row a family; left the pair of tasks that are alike, right the mean over all others."""
    families, alike = list(data["family"].unique()), are_alike(data)
    figure, axes = plt.subplots(len(families), 2, figsize=(7.2, 2.3 * len(families) + 0.8), sharey=True, squeeze=False)
    for row, family in zip(axes, families, strict=True):
        for axis, rows in zip(row, (data[alike], data[~alike]), strict=True):
            own = rows[rows["family"] == family]
            pairs = [" → ".join(pair) for pair in own[["source_task", "task"]].drop_duplicates().to_numpy()]
            if not pairs:
                axis.set_axis_off()
                continue
            means = own.groupby(["way", "per_class", "seed"])["test_accuracy"].mean().reset_index()
            for number, (way, label) in enumerate(WAYS.items()):
                part = means[means["way"] == way]
                mean_line(axis, part, "per_class", "test_accuracy", number=number, label=label, linewidth=1.1)
            counts = sorted(own["per_class"].unique())
            title = pairs[0] if len(pairs) == 1 else f"mean over {len(pairs)} pairs of unlike tasks"
            axis.set(xscale="log", title=f"{NAMES[family]}: {title}")
            axis.set_xticks(counts, [str(number) for number in counts])
            axis.minorticks_off()
        row[0].set(ylabel="test accuracy", ylim=(0, 1))
    for axis in axes[-1]:
        axis.set_xlabel("examples per class")
    title = f"{data['seed'].nunique()} seeds, {INTERVAL}"
    shared_legend(figure, next(axis for axis in axes.flat if axis.lines), title=title, ncols=6)
    return figure


def finds(data):
    """Accuracies at one size, with the number of trained values; and with the fewest examples, where tasks are alike."""
    count = FEW if FEW in set(data["per_class"]) else int(data["per_class"].max())
    words = []
    for family, part in data[data["per_class"] == count].groupby("family", sort=False):
        means = over_pairs(part)
        found = [
            f"{label} {with_interval(by_seed(rows, 'test_accuracy'))} with {rows['trained'].mean():,.0f} trained values"
            for way, label in WAYS.items()
            for rows in [means[means["way"] == way]]
        ]
        words.append(f"{NAMES[family]}: {', '.join(found)}")
    fewest = data["per_class"].min()
    alike = data[are_alike(data)]
    few = [
        f"{NAMES[family]} {', '.join(f'{label} {part[part.way == way].test_accuracy.mean():.2f}' for way, label in WAYS.items())}"
        for family, part in alike[alike["per_class"] == fewest].groupby("family", sort=False)
    ]
    return (
        f"Test accuracy with {count} examples per class, averaged over pairs of tasks. {'; '.join(words)}. With {fewest} per "
        f"class, where source and target are alike: {'; '.join(few) or 'no such pair'}."
    )

"""Does reprogramming work? Accuracy of reprogrammed sources beside a linear model and the same network untrained."""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from mrntk.inputs import FullyConnected, VisualPrompt
from mrntk.outputs import IdentityOutput, random_mapping
from mrntk.recipes import IterativeMapping, reprogramming_optimiser
from mrntk.reprogram import Reprogram, predict
from mrntk.sources.registry import load_source
from mrntk.style import OKABE_ITO, t_interval
from mrntk.tasks import load_task
from mrntk.training import fit

ID = "reprogramming_works"
TITLE = "Reprogrammed sources beside a linear model and the same network untrained"
PAPER = "beyond the paper"
ALT = (
    "One row for each pair of source and target task; horizontally the test accuracy of the reprogrammed source, of the same "
    "network reprogrammed without having been trained, and of a linear model on the raw inputs; bars are 95 percent t intervals "
    "over seeds. The right margin says which of the two baselines is beaten."
)
# family: (sources, target tasks, input map). FC and an identity mapping from 10 to 10 classes for the networks trained here;
# a prompt and iterative label mapping for the pretrained ones, whose outputs have other meanings.
CASES = {
    "efficientnet": (("efficientnet-lite0",), ("fashion5k", "mnist5k")),
    "crepe": (("crepe-tiny",), ("gunpoint", "arrowhead", "osuleaf")),
    "fashion": (("dnn", "cnn"), ("mnist5k", "digits")),
}
SIZES = {"dnn": {"depth": 3, "width": 512}, "cnn": {"depth": 3, "width": 32}}
SCALES = {
    "smoke": {
        "seeds": 2, "epochs": {"efficientnet": 2, "crepe": 10, "fashion": 20}, "per_class": 10, "test": 50, "side": 32,
        "source_epochs": 2, "targets": ("mnist5k", "gunpoint", "digits"),
    },
    "course": {
        "seeds": 3, "epochs": {"efficientnet": 10, "crepe": 40, "fashion": 40}, "per_class": 30, "test": 500, "side": 96,
        "source_epochs": 50, "targets": ("fashion5k", "mnist5k", "digits", "gunpoint", "arrowhead", "osuleaf"),
    },
    "paper": {
        "seeds": 5, "epochs": {"efficientnet": 150, "crepe": 150, "fashion": 150}, "per_class": 400, "test": 1000, "side": 224,
        "source_epochs": 50, "targets": ("fashion5k", "mnist5k", "digits", "gunpoint", "arrowhead", "osuleaf"),
    },
}  # fmt: skip
BATCH = 50


def sources_of(family, name, seed, side, source_epochs):
    """(trained source, the same network untrained)."""
    if family == "fashion":
        trained = load_source(name, task="fashion5k", seed=42 + seed, epochs=source_epochs, **SIZES[name])
        shapes = dict(input_shape=trained.input_shape, num_outputs=trained.num_outputs)
        return trained, load_source(name, seed=1000 + seed, **shapes, **SIZES[name])
    options = {"side": side} if family == "efficientnet" else {}
    return load_source(name, **options), load_source(name, untrained=seed, **options)


def reprogrammed(source, task, x, labels, epochs, key):
    """The source with its input transformation trained on (x, labels) by cross-entropy."""
    key_map, key_output, key_fit = jax.random.split(key, 3)
    if source.num_outputs == task.num_classes:
        input_map, output_map = FullyConnected(task.input_shape, source.input_shape, key=key_map), IdentityOutput()
        callback = None
    else:
        input_map = VisualPrompt(source.input_shape, tuple(3 * n // 4 for n in source.input_shape[1:]))
        output_map = random_mapping(key_output, source.num_outputs, task.num_classes)
        callback = IterativeMapping(x, labels)
    return fit(
        Reprogram(input_map, source, output_map), x, task.one_hot(labels), key=key_fit, loss="ce",
        optimiser=reprogramming_optimiser(), epochs=epochs, batch=min(BATCH, len(x)), callback=callback,
    ).model  # fmt: skip


def accuracy(model, x, labels):
    """Share of right answers."""
    return float((np.asarray(predict(model, x, batch=100)).argmax(1) == labels).mean())


def compute(key, progress, *, seeds, epochs, per_class, test, side, source_epochs, targets):
    """One row per source, task, seed and way."""
    jobs = [
        (family, name, task, seed)
        for family, (names, tasks) in CASES.items()
        for name in names
        for task in tasks
        if task in targets
        for seed in range(seeds)
    ]
    rows = []
    for family, name, task_name, seed in progress(jobs):
        task = load_task(task_name)
        task = task.as_rgb() if family == "efficientnet" else task
        key_draw, key_map = jax.random.split(jax.random.fold_in(key, seed))
        most = int(np.bincount(task.y_train).min())
        x, labels = task.draw(key_draw, min(per_class, most))
        x, x_test = x.astype(np.float32), task.x_test.astype(np.float32)
        shown = np.linspace(0, len(x_test) - 1, min(test, len(x_test))).astype(int)
        x_test, y_test = x_test[shown], task.y_test[shown]
        trained, untrained = sources_of(family, name, seed, side, source_epochs)
        linear = LogisticRegression(max_iter=1000).fit(x.reshape(len(x), -1), labels)
        found = {"linear": float(linear.score(x_test.reshape(len(x_test), -1), y_test))}
        for way, source in (("reprogrammed", trained), ("untrained", untrained)):
            found[way] = accuracy(reprogrammed(source, task, x, labels, epochs[family], key_map), x_test, y_test)
        rows += [(name, task_name, seed, len(x), way, value) for way, value in found.items()]
    return pd.DataFrame(rows, columns=["source", "task", "seed", "examples", "way", "accuracy"])


def verdicts(data):
    """The rule: a baseline is beaten if the mean over seeds of the paired difference is positive with its whole 95 % interval.

    One row per source and task: mean accuracies, mean differences with intervals, and what is beaten.
    """
    wide = data.pivot_table(index=["source", "task", "seed"], columns="way", values="accuracy").reset_index()
    rows = []
    for (source, task), part in wide.groupby(["source", "task"], sort=False):
        row = {"source": source, "task": task, "reprogrammed": part["reprogrammed"].mean()}
        for baseline in ("untrained", "linear"):
            difference = part["reprogrammed"] - part[baseline]
            low, high = t_interval(difference)
            row |= {baseline: part[baseline].mean(), f"above_{baseline}": difference.mean()}
            row |= {f"low_{baseline}": low, f"high_{baseline}": high, f"beats_{baseline}": low > 0}
        rows.append(row)
    return pd.DataFrame(rows)


def table(data):
    """The verdicts as Markdown: mean accuracies, mean differences with 95 % intervals, and what is beaten."""
    lines = ["| source | task | reprogrammed | untrained | linear | above untrained | above linear | beats |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in verdicts(data).to_dict("records"):
        means = [f"{row[way]:.2f}" for way in ("reprogrammed", "untrained", "linear")]
        baselines = ("untrained", "linear")
        above = [f"{row[f'above_{b}']:+.2f} ({row[f'low_{b}']:+.2f} to {row[f'high_{b}']:+.2f})" for b in baselines]
        beaten = " and ".join(b for b in baselines if row[f"beats_{b}"]) or "neither"
        lines.append("| " + " | ".join([row["source"], row["task"], *means, *above, beaten]) + " |")
    return "\n".join(lines)


def render(data):
    """Accuracies by case, with the verdicts in words."""
    ways = {
        "reprogrammed": "reprogrammed",
        "untrained": "the same network, untrained",
        "linear": "linear model on raw inputs",
    }
    table = verdicts(data)
    figure, axis = plt.subplots(figsize=(7.2, 0.42 * len(table) + 1.4))
    for place, row in enumerate(table.itertuples()):
        for (way, label), colour, marker in zip(ways.items(), OKABE_ITO, "osD", strict=False):
            values = data[(data["source"] == row.source) & (data["task"] == row.task) & (data["way"] == way)][
                "accuracy"
            ]
            low, high = t_interval(values)
            mean = values.mean()
            axis.errorbar(
                mean, place, xerr=[[mean - low], [high - mean]], fmt=marker, color=colour, capsize=2, markersize=5,
                label=label if place == 0 else None,
            )  # fmt: skip
        beaten = [name for name in ("untrained", "linear") if getattr(row, f"beats_{name}")]
        axis.annotate(
            "beats " + " and ".join(beaten) if beaten else "beats neither", (1.01, place), va="center", fontsize=8,
            xycoords=("axes fraction", "data"), annotation_clip=False,
        )  # fmt: skip
    axis.set(yticks=range(len(table)), yticklabels=[f"{row.source} → {row.task}" for row in table.itertuples()])
    axis.set(xlabel="test accuracy", xlim=(0, 1))
    axis.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure

"""Learning curves that the spectrum at the start predicts, beside real gradient descent, and how far the kernel drifts."""

import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.reprogramming import MAP_NAMES, examples
from figures.making.drawing import NAMES, mean_line
from figures.making.statistics import with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.ntk.empirical import empirical_ntk
from mrntk.prediction.closed_form import stability_limit
from mrntk.prediction.lazy import lazy_report
from mrntk.sources.trained import Recipe, train
from mrntk.spectrum import spectrum
from mrntk.tasks import load_task

ID = "predicted_learning_curves"
TITLE = "Learning curves predicted from the spectrum, and real ones"
PAPER = "Theorem 1 (number inferred), put to the test"
ALT = (
    "Two rows of four panels against the number of gradient-descent steps, for a fully connected and a convolutional "
    "source, each behind FC and VP. Above, the real squared loss and the loss that the kernel at the start predicts, on a "
    "logarithmic axis. Below, how far the kernel has moved from its start and how far the outputs are from those of the "
    "linearised model. Bars are 95 percent t intervals."
)
SAYS = (
    "For a wide source, training follows the NTK's dynamics in the eigenbasis of Theta_T, which stays as it was at the "
    "start (author notes; Theorem 1, number inferred)."
)
SCALES = {
    "smoke": {
        "family": ("dnn", "cnn"), "map": ("fc", "vp"), "task": "digits", "source_task": "mnist5k", "seeds": 2,
        "per_class": 1, "depth": 2, "width": 32, "cnn_depth": 1, "cnn_width": 4, "source_per_class": 10,
        "source_epochs": 2, "steps": 6, "cnn_steps": 6, "records": 2, "fraction": 0.1,
    },
    "course": {
        "family": ("dnn", "cnn"), "map": ("fc", "vp"), "task": "digits", "source_task": "mnist5k", "seeds": 5,
        "per_class": 5, "depth": 3, "width": 256, "cnn_depth": 3, "cnn_width": 16, "source_per_class": 200,
        "source_epochs": 20, "steps": 200, "cnn_steps": 100, "records": 10, "fraction": 0.1,
    },
    "paper": {
        "family": ("dnn", "cnn"), "map": ("fc", "vp"), "task": "digits", "source_task": "mnist5k", "seeds": 5,
        "per_class": 20, "depth": 6, "width": 2048, "cnn_depth": 6, "cnn_width": 512, "source_per_class": 400,
        "source_epochs": 50, "steps": 1000, "cnn_steps": 1000, "records": 20, "fraction": 0.1,
    },
}  # fmt: skip
COLUMNS = ["step", "loss", "predicted_loss", "linearisation_error", "kernel_drift"]


def cells(*, family, map, depth, cnn_depth, width, cnn_width, steps, cnn_steps, **rest):
    """One piece a family and input map."""
    sizes = {
        "dnn": {"depth": depth, "width": width, "steps": steps},
        "cnn": {"depth": cnn_depth, "width": cnn_width, "steps": cnn_steps},
    }
    return [{"family": name, "map": kind, **sizes[name], **rest} for name in family for kind in map]


def compute(key, *, family, map, task, source_task, seeds, per_class, depth, width, steps, records, fraction, **recipe):
    """One row per seed and recorded step. The step size is `fraction` of the largest that is stable."""
    home, target, rows = load_task(source_task), load_task(task), []
    trained = Recipe(loss="mse", epochs=recipe["source_epochs"], per_class=recipe["source_per_class"])
    for seed in range(seeds):
        source = train(family, home, seed=42 + seed, recipe=trained, depth=depth, width=width).source
        keys = jax.random.split(jax.random.fold_in(key, seed), 2)
        x, y, _, _ = examples(target, keys[0], per_class, 1)
        model = Reprogram(make_input_map(map, x.shape[1:], source.input_shape, key=keys[1]), source)
        step = fraction * stability_limit(spectrum(empirical_ntk(model, x)), len(x))
        report = lazy_report(model, x, y, step=step, steps=steps, every=max(1, steps // records))
        rows += [{"family": family, "map": map, "seed": seed} | row for row in report[COLUMNS].to_dict("records")]
    return rows


def render(data):
    """Losses above, drift and error below."""
    cases = list(data[["family", "map"]].drop_duplicates().itertuples(index=False, name=None))
    figure, axes = plt.subplots(2, len(cases), figsize=(7.2, 4.8), sharex="col", sharey="row", squeeze=False)
    lines = (
        (0, "loss", "real loss", {"linestyle": "none"}),
        (0, "predicted_loss", "predicted loss", {"marker": "none"}),
        (1, "kernel_drift", r"drift $\|\Theta_t-\Theta_0\|/\|\Theta_0\|$", {}),
        (1, "linearisation_error", "error of the linearised outputs", {}),
    )
    for column, (family, name) in zip(axes.T, cases, strict=True):
        part = data[(data["family"] == family) & (data["map"] == name)]
        for number, (row, y, label, style) in enumerate(lines):
            beside = part["step"] + (-1, 1)[number % 2] * 0.008 * part["step"].max()  # not on top of each other
            mean_line(
                column[row], part.assign(step=beside), "step", y, number=number, log=row == 0, label=label, **style
            )
        column[0].set_title(f"{NAMES[family]}, {MAP_NAMES[name]}")
        column[1].set(xlabel="steps")
    axes[1, 0].set_ylim(bottom=0)  # after all panels: they share the axis
    axes[0, 0].set_ylabel("squared loss")
    axes[1, 0].set_ylabel("relative change")
    title = f"means (losses: geometric) over {data['seed'].nunique()} seeds; bars: 95 % t intervals; shifted sideways a little"
    handles, labels = (
        sum(parts, []) for parts in zip(*(a.get_legend_handles_labels() for a in axes[:, 0]), strict=True)
    )
    figure.legend(handles, labels, loc="outside lower center", ncols=2, title=title, title_fontsize=8)
    return figure


def finds(data):
    """Error of the predicted loss and drift of the kernel at the last step."""
    words = []
    for (family, name), part in data.groupby(["family", "map"], sort=False):
        last = part[part["step"] == part["step"].max()]
        error = 100 * np.abs(last["predicted_loss"] / last["loss"] - 1)
        words.append(
            f"{NAMES[family]} {MAP_NAMES[name]} {with_interval(error, 1)} %, drift {with_interval(last['kernel_drift'])}"
        )
    return f"Relative error of the predicted loss, and drift of the kernel, at the last step: {'; '.join(words)}."

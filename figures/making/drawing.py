"""What figures draw again and again: means over seeds with intervals, against depth."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mrntk.support.style import MARKERS, OKABE_ITO, geometric_interval, geometric_mean, t_interval

INTERVAL = "means over seeds; bars: 95 % t intervals"  # what every caption says of its bars
LINES = ("-", "--", ":", "-.")


def mean_line(axis, data: pd.DataFrame, x: str, y: str, *, number: int = 0, log: bool = False, **options):
    """The mean of column y over seeds at every x, with a 95 % t interval as a bar; on a logarithmic axis of the logarithms.

    `number` picks colour, marker and line together, so that lines differ in grey too.
    """
    mean, interval = (geometric_mean, geometric_interval) if log else (np.mean, t_interval)
    groups = data.groupby(x)[y]
    centre = groups.apply(mean)
    ends = np.array([interval(values) for _, values in groups])
    style = {
        "color": OKABE_ITO[number % 8],
        "marker": MARKERS[number % 8],
        "linestyle": LINES[number % 4],
        "capsize": 2,
    }
    below, above = np.maximum(centre.to_numpy() - ends[:, 0], 0), np.maximum(ends[:, 1] - centre.to_numpy(), 0)
    axis.errorbar(centre.index, centre, yerr=[below, above], **(style | options))
    if log:
        axis.set_yscale("log")


def over_pairs(axis, data: pd.DataFrame, column: str, *, number: int, log: bool, label: str):
    """The mean over pairs of source and target task with its interval over seeds, and a thin line for every pair."""
    values = data.assign(value=np.log(data[column]) if log else data[column])
    back = np.exp if log else np.asarray
    for _, pair in values.groupby(["source_task", "task"], sort=False):
        line = pair.groupby("depth")["value"].mean()
        axis.plot(line.index, back(line), color=OKABE_ITO[number], linewidth=0.6, alpha=0.5)
    means = values.groupby(["depth", "seed"])["value"].mean().reset_index()
    means["value"] = back(means["value"])
    mean_line(axis, means, "depth", "value", number=number, log=log, label=label, markersize=4)


def case_name(case: Sequence[str]) -> str:
    """("dnn", "mnist5k", "digits") as "DNN, mnist5k → digits"."""
    family, *tasks = (str(part) for part in case)
    return f"{NAMES.get(family, family)}, {' → '.join(tasks)}" if tasks else NAMES.get(family, family)


NAMES = {
    "dnn": "DNN", "cnn": "CNN", "cnn_flatten": "CNN, flatten head", "cnn_gap": "CNN, pooled", "vgg": "VGG",
    "resnet": "ResNet", "mse": "squared loss", "ce": "cross-entropy",
}  # fmt: skip


def shared_legend(figure, axis, *, title: str | None = None, ncols: int = 3):
    """One legend for the whole figure under its panels, from the labels of one of them."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=ncols, title=title, title_fontsize=8)

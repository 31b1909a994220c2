"""Squared loss beside cross-entropy: does the target loss fall with depth under both?"""

import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.converged import floored
from figures.experiments.reprogramming import MAP_NAMES
from figures.making.drawing import INTERVAL, NAMES, shared_legend
from figures.making.statistics import READINGS, slopes, with_interval
from mrntk.support.style import MARKERS, OKABE_ITO, t_interval

ID = "ce_mse"
TITLE = "Squared loss beside cross-entropy"
PAPER = "notes on the earlier version: CE against MSE, DNN and CNN"
ALT = (
    "Four panels, one for each reading of the target loss: training loss after 300 steps and at the end, test loss, test "
    "accuracy. Horizontally its change with one more layer under the squared loss, vertically under cross-entropy; one point for "
    "each source family and input transformation, with 95 percent t intervals over seeds in both directions. Where both "
    "tendencies agree a point lies in a shaded quadrant."
)
SAYS = "Cross-entropy and squared loss show the same tendency (author notes)."
FROM = "depth_to_target"
MAPS = ("fc", "vp", "vp_fc")


def both(data):
    """Rows of the families and pairs of tasks for which both losses were run."""
    keys = ["family", "source_task", "task"]
    return data.merge(data[data["loss"] == "ce"][keys].drop_duplicates(), on=keys)


def layer_changes(data):
    """One row per family and map: for every reading (column) the slopes against depth by seed under both losses."""
    data, rows = both(data), []
    for (family, name), part in data[data["map"].isin(MAPS)].groupby(["family", "map"], sort=False):
        for _, column, log, _ in READINGS:
            found = {}
            for loss in ("mse", "ce"):
                own = part[part["loss"] == loss]
                own = floored(own, column) if log else own
                found[loss] = slopes(own, column, by=("source_task", "task"), log=log)
            rows.append({"family": family, "map": name, "column": column} | found)
    return rows


def render(data):
    """A panel a reading, a point a family and map."""
    rows = layer_changes(data)
    cases = list(dict.fromkeys((row["family"], row["map"]) for row in rows))
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.6))
    for axis, (title, column, *_) in zip(axes.flat, READINGS, strict=True):
        for row in (row for row in rows if row["column"] == column):
            number = cases.index((row["family"], row["map"]))
            point(axis, row["mse"], row["ce"], number, f"{NAMES[row['family']]} {MAP_NAMES[row['map']]}")
        quadrants(axis)
        axis.set(title=title, xlabel="squared loss")
        axis.set_ylabel("cross-entropy")
        axis.locator_params(nbins=5)
    title = (
        f"slopes a layer, of the logarithms of losses and of accuracies; shaded: both losses agree\n"
        f"{data['seed'].nunique()} seeds, {INTERVAL}"
    )
    shared_legend(figure, axes[0, 0], title=title)
    return figure


def point(axis, x, y, number: int, label: str):
    """The mean over seeds with 95 % t intervals in both directions."""
    at = np.mean(x), np.mean(y)
    bars = [np.abs(np.array(t_interval(values)) - mid)[:, None] for values, mid in zip((x, y), at, strict=True)]
    style = {"color": OKABE_ITO[number], "marker": MARKERS[number], "linestyle": "", "elinewidth": 0.9, "capsize": 2}
    axis.errorbar(*at, xerr=bars[0], yerr=bars[1], label=label, **style)


def quadrants(axis):
    """Lines at 0 and a shade where both slopes have one sign."""
    x, y = axis.get_xlim(), axis.get_ylim()
    x, y = (min(x[0], 0), max(x[1], 0)), (min(y[0], 0), max(y[1], 0))
    axis.axhline(0, color="black", linewidth=0.8)
    axis.axvline(0, color="black", linewidth=0.8)
    for side in (0, 1):
        axis.fill_between([0, x[side]], 0, y[side], color="grey", alpha=0.15, linewidth=0)
    axis.set(xlim=x, ylim=y)


def finds(data):
    """Slopes under both losses, of test loss and test accuracy."""
    words = []
    for row in layer_changes(data):
        if row["column"] == "test_loss":
            change = [with_interval(100 * np.expm1(row[loss]), 0, sign=True) for loss in ("mse", "ce")]
            words.append(f"{NAMES[row['family']]} {MAP_NAMES[row['map']]} {change[0]} and {change[1]}")
    start = "Change of the test loss a layer in %, squared loss and cross-entropy, on the same pairs of tasks: "
    return start + "; ".join(words) + "."

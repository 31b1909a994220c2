"""The generalisation gap against depth, beside the kernel term of Theorem 2's bound on it."""

import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.reprogramming import MAP_NAMES
from figures.making.drawing import NAMES, over_pairs, shared_legend
from figures.making.statistics import by_seed, with_interval

ID = "generalisation_gap"
TITLE = "The generalisation gap against depth, and the bound's kernel term"
PAPER = "Theorem 2 (number of the earlier version)"
ALT = (
    "Two rows of two panels against the depth of the source: fully connected above, convolutional below. Left the test loss less "
    "the training loss on the target, in units of the constant predictor's loss. Right, logarithmic, the sum of all absolute "
    "entries of the target kernel divided by the number of examples, to which the bound on the gap is proportional. One thick "
    "line for each input transformation, averaged over pairs of source and target task, with bars for 95 percent t intervals "
    "over seeds; one thin line for each pair."
)
SAYS = (
    "Theorem 2 bounds the gap by a multiple of the kernel's summed entries; the authors treat it as effectively "
    "constant (author notes)."
)
FROM = "depth_to_target"
MAPS = ("fc", "vp", "vp_fc")


def with_gap(data):
    """Squared loss alone, with the column `gap`, in units of the constant predictor's loss."""
    data = data[(data["loss"] == "mse") & data["map"].isin(MAPS)]
    return data.assign(gap=(data["test_loss"] - data["train_loss"]) / data["constant_loss"])


def render(data):
    """Gaps left, kernel terms right, a row a family."""
    data = with_gap(data)
    families = list(data["family"].unique())
    size = (7.2, 2.4 * len(families) + 0.9)
    figure, axes = plt.subplots(len(families), 2, figsize=size, sharex="row", sharey="col", squeeze=False)
    for (gap, term), family in zip(axes, families, strict=True):
        own = data[data["family"] == family]
        for number, name in enumerate(MAPS):
            part, label = own[own["map"] == name], MAP_NAMES[name]
            over_pairs(gap, part, "gap", number=number, log=False, label=label)
            over_pairs(term, part, "kernel_sum", number=number, log=True, label=label)
        gap.set_ylabel(f"{NAMES[family]}: gap / constant loss")
        term.set_ylabel(r"$\sum|\Theta_T|\,/\,N_T$")
        gap.set_xticks(sorted(own["depth"].unique()))
    axes[0, 0].set_title("test loss less training loss")
    axes[0, 1].set_title("what the bound is proportional to")
    for axis in axes[-1]:
        axis.set_xlabel("depth of the source")
    title = f"Thick: means over pairs of tasks, {data['seed'].nunique()} seeds, 95 % t intervals; thin: every pair"
    shared_legend(figure, axes[0, 0], title=title)
    return figure


def finds(data):
    """Gaps and kernel terms of the shallowest and the deepest source."""
    data, words = with_gap(data), []
    for (family, name), part in data.groupby(["family", "map"], sort=False):
        ends = [part[part["depth"] == depth] for depth in (part["depth"].min(), part["depth"].max())]
        gap = [with_interval(by_seed(end, "gap")) for end in ends]
        sums = [np.exp(np.log(end["kernel_sum"]).groupby(end["seed"]).mean()) for end in ends]
        words.append(
            f"{NAMES[family]} {MAP_NAMES[name]} from {gap[0]} to {gap[1]}, while the bound's kernel term changes "
            f"{(sums[1] / sums[0]).mean():.2g}-fold"
        )
    start = "The gap from the shallowest to the deepest source, in units of the constant predictor's loss: "
    return start + "; ".join(words) + "."

"""The generalisation gap against depth, beside the kernel term of Theorem 2's bound on it."""

from matplotlib import pyplot as plt

from figures.experiments.reprogramming import MAP_NAMES
from figures.making.drawing import INTERVAL, NAMES, case_name, mean_line, shared_legend
from figures.making.statistics import by_seed, with_interval

ID = "generalisation_gap"
TITLE = "The generalisation gap against depth, and the bound's kernel term"
PAPER = "Theorem 2 (number of the earlier version)"
ALT = (
    "Two rows of panels, one column for each input transformation, against the depth of the source. Above: test loss less "
    "training loss on the "
    "target. Below, logarithmic: the sum of all absolute entries of the target kernel divided by the number of examples, "
    "which the bound on "
    "the gap is proportional to. One line for each source family and pair of tasks; bars are 95 percent t intervals over seeds."
)
SAYS = (
    "Theorem 2 bounds the gap by a multiple of the kernel's summed entries; the authors treat it as effectively "
    "constant (author notes)."
)
FROM = "depth_to_target"
MAPS = ("fc", "vp", "vp_fc")


def with_gap(data):
    """Squared loss alone, with the column `gap`."""
    data = data[(data["loss"] == "mse") & data["map"].isin(MAPS)]
    return data.assign(gap=data["test_loss"] - data["train_loss"])


def render(data):
    """Gaps above, kernel terms below."""
    data = with_gap(data)
    figure, axes = plt.subplots(2, 3, figsize=(7.2, 4.8), sharex=True, sharey="row")
    for column, name in zip(axes.T, MAPS, strict=True):
        cases = data[data["map"] == name].groupby(["family", "source_task", "task"], sort=False)
        for number, (case, part) in enumerate(cases):
            mean_line(column[0], part, "depth", "gap", number=number, label=case_name(case))
            mean_line(column[1], part, "depth", "kernel_sum", number=number, log=True)
        column[0].set_title(MAP_NAMES[name])
        column[1].set(xlabel="depth of the source", xticks=sorted(data["depth"].unique()))
    axes[0, 0].set_ylabel("test loss − training loss")
    axes[1, 0].set_ylabel(r"$\sum|\Theta_T|\,/\,N_T$")
    shared_legend(figure, axes[0, 0], title=f"{data['seed'].nunique()} seeds, {INTERVAL}")
    return figure


def finds(data):
    """Gaps and kernel terms of the shallowest and the deepest source."""
    data, words = with_gap(data), []
    for (family, name), part in data.groupby(["family", "map"], sort=False):
        ends = [part[part["depth"] == depth] for depth in (part["depth"].min(), part["depth"].max())]
        gap = [with_interval(by_seed(end, "gap")) for end in ends]
        ratio = (by_seed(ends[1], "kernel_sum") / by_seed(ends[0], "kernel_sum")).mean()
        words.append(
            f"{NAMES[family]} {MAP_NAMES[name]} from {gap[0]} to {gap[1]}, while the bound's kernel term changes {ratio:.2g}-fold"
        )
    return "The gap from the shallowest to the deepest source: " + "; ".join(words) + "."

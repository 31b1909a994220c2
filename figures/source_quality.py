"""How good the sources are: loss and accuracy on their own test part against depth."""

import numpy as np
from matplotlib import pyplot as plt

from figures.claims.regimes import LEARNED
from figures.making.drawing import INTERVAL, NAMES, case_name, mean_line, shared_legend
from figures.making.statistics import by_seed, slopes, with_interval

ID = "source_quality"
TITLE = "Loss and accuracy of the source against its depth"
PAPER = "the sources behind Tables 4 and 6 (numbers of the earlier version)"
ALT = (
    "Two panels against the depth of the source, fully connected or convolutional, trained on MNIST or on Fashion-MNIST. "
    "Left: squared loss on the training part (thin) and on the test part, logarithmic. Right: accuracy on the test part, with a "
    "line at the accuracy from which a source counts as one that learned. Bars are 95 percent t intervals over seeds."
)
SAYS = "Source accuracy rises with depth (machine-written summary of the arXiv version; author notes)."
FROM = "depth_to_target"


def sources(data):
    """Each source once, though it was reprogrammed to several targets."""
    return data[data["loss"] == "mse"].drop_duplicates(["family", "depth", "source_task", "seed"])


def render(data):
    """Losses left, accuracies right."""
    data = sources(data)
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.5))
    for number, (case, part) in enumerate(data.groupby(["family", "source_task"], sort=False)):
        mean_line(axes[0], part, "depth", "source_train_loss", number=number, log=True, linewidth=0.7, alpha=0.6)
        mean_line(axes[0], part, "depth", "source_test_loss", number=number, log=True, label=case_name(case))
        mean_line(axes[1], part, "depth", "source_test_accuracy", number=number)
    axes[0].set_ylabel("squared loss; thin: training part")
    axes[1].axhline(LEARNED, color="grey", linestyle=":", linewidth=1)
    axes[1].text(data["depth"].max(), LEARNED - 0.01, "counts as learned above", ha="right", va="top", fontsize=7)
    axes[1].set(ylabel="test accuracy", ylim=(None, 1))
    for axis in axes:
        axis.set(xlabel="depth of the source", xticks=sorted(data["depth"].unique()))
    shared_legend(figure, axes[0], title=f"{data['seed'].nunique()} seeds, {INTERVAL}", ncols=4)
    return figure


def finds(data):
    """Slopes of the test loss, and accuracies of the shallowest and the deepest."""
    words = []
    for (family, task), part in sources(data).groupby(["family", "source_task"], sort=False):
        ends = [
            with_interval(by_seed(part[part["depth"] == d], "source_test_accuracy")) for d in sorted(set(part["depth"]))
        ]
        change = with_interval(100 * np.expm1(slopes(part, "source_test_loss")), 0, sign=True)
        words.append(
            f"{NAMES[family]} on {task}: {change} % of test loss a layer, test accuracy from {ends[0]} to {ends[-1]}"
        )
    return "; ".join(words) + "."

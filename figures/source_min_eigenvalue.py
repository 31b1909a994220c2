"""lambda_min of the infinite-width source NTK against depth (the paper's Table 1 and Fig. 2)."""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from mrntk.ntk.infinite import depth_kernels
from mrntk.spectrum import spectrum
from mrntk.style import MARKERS, OKABE_ITO, geometric_interval, geometric_mean
from mrntk.tasks import load_task

ID = "source_min_eigenvalue"
TITLE = "Smallest eigenvalue of the source NTK against depth"
PAPER = "Table 1 and Fig. 2 (numbers of the earlier version)"
ALT = (
    "Two panels against depth of the source network, for a fully connected network and for convolutional networks with two "
    "kinds of head. Left, on a logarithmic axis: the smallest eigenvalue of the infinite-width source kernel. Right: the same "
    "divided by the mean eigenvalue. Bars are 95 percent t intervals of the geometric mean over draws of the images."
)
SCALES = {
    "smoke": {"draws": 2, "per_class": 2, "max_depth": 4, "pooled_side": 7},
    "course": {"draws": 5, "per_class": 10, "max_depth": 9, "pooled_side": 14},
    "paper": {"draws": 5, "per_class": 10, "max_depth": 9, "pooled_side": 28},
}
ARCHITECTURES = ("dnn", "cnn_flatten", "cnn_gap")
LABELS = {"dnn": "DNN", "cnn_flatten": "CNN, flatten head", "cnn_gap": "CNN, global average pooling"}
PUBLIC_VALUE = 0.003857  # lambda_min of a linear source: the only number of the paper's plots that is public


def shrink(x, side):
    """Images averaged down to side x side: the pooled kernel grows with the fourth power of the side."""
    step = x.shape[-1] // side
    return x.reshape(*x.shape[:2], side, step, side, step).mean((3, 5))


def compute(key, progress, *, draws, per_class, max_depth, pooled_side):
    """One row per draw, architecture and depth."""
    task = load_task("mnist5k")
    rows = []
    jobs = [(draw, architecture) for draw in range(draws) for architecture in ARCHITECTURES]
    for draw, architecture in progress(jobs):
        x, _ = task.draw(jax.random.fold_in(key, draw), per_class)
        if architecture == "cnn_gap":
            x = shrink(x, pooled_side)
        for depth, kernel in enumerate(depth_kernels(x, architecture, max_depth), start=1):
            values = spectrum(kernel)
            rows.append((draw, architecture, x.shape[-1], len(x), depth, values.min, values.mean, values.max))
    columns = ["draw", "architecture", "side", "images", "depth", "lambda_min", "lambda_mean", "lambda_max"]
    return pd.DataFrame(rows, columns=columns)


def render(data):
    """Two panels: lambda_min, and lambda_min / mean eigenvalue."""
    sides = data.groupby("architecture")["side"].first()
    names = {key: f"{name}, {sides[key]}×{sides[key]}" for key, name in LABELS.items()}
    data = data.assign(source=data["architecture"].map(names), ratio=data["lambda_min"] / data["lambda_mean"])
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4))
    panels = (("lambda_min", r"$\lambda_{\min}[K_S]$"), ("ratio", r"$\lambda_{\min}[K_S]$ / mean eigenvalue"))
    for axis, (column, label) in zip(axes, panels, strict=True):
        sns.lineplot(
            data,
            x="depth",
            y=column,
            hue="source",
            style="source",
            hue_order=names.values(),
            style_order=names.values(),
            palette=OKABE_ITO[:3],
            markers=MARKERS[:3],
            dashes=False,
            estimator=geometric_mean,
            errorbar=geometric_interval,
            err_style="bars",
            ax=axis,
            err_kws={"capsize": 2},
            legend=axis is axes[0],
        )
        axis.set(yscale="log", xlabel="depth of the source", ylabel=label, xticks=np.unique(data["depth"]))
    axes[0].plot(
        1, PUBLIC_VALUE, "*", color=OKABE_ITO[7], markersize=10, label="paper, linear source, its own data", zorder=5
    )
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].get_legend().remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    n, draws = data["images"].iloc[0], data["draw"].nunique()
    figure.suptitle(f"Source NTK on {n} MNIST images; geometric mean and 95 % interval over {draws} draws", fontsize=10)
    return figure

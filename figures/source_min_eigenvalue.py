"""lambda_min of the infinite-width source NTK against depth (the paper's Table 1 and Fig. 2)."""

import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.making.drawing import mean_line, shared_legend
from figures.making.statistics import slopes, with_interval
from mrntk.ntk.infinite import depth_kernels, source_kernel
from mrntk.spectrum import spectrum
from mrntk.tasks import load_task
from mrntk.theory import theta_s_b

ID = "source_min_eigenvalue"
TITLE = "Smallest eigenvalue of the source NTK against depth"
PAPER = "Table 1 and Fig. 2 (numbers of the earlier version)"
ALT = (
    "Six panels against depth of the source network, for a fully connected network, convolutional networks with two kinds "
    "of head, VGG and "
    "ResNet, on logarithmic axes: the smallest eigenvalue of the infinite-width source kernel; that over the mean and over "
    "the largest "
    "eigenvalue; that of the kernel scaled to a diagonal of one; the smallest eigenvalue of Theta_S^b; and the product of "
    "the two. Bars are "
    "95 percent t intervals of the geometric mean over draws of the images."
)
SAYS = "lambda_min of the source's kernel rises with depth, for DNN and CNN (author notes); of ResNet and VGG too (author notes)."
SCALES = {
    "smoke": {
        "architecture": ("dnn", "cnn_flatten", "cnn_gap", "vgg", "resnet"), "draws": 2, "per_class": 2, "depth": 3,
        "pooled_depth": 2, "pooled_per_class": 1, "pooled_side": 7, "vgg_side": 8, "levels": 2,
    },
    "course": {
        "architecture": ("dnn", "cnn_flatten", "cnn_gap", "vgg", "resnet"), "draws": 5, "per_class": 10, "depth": 9,
        "pooled_depth": 9, "pooled_per_class": 5, "pooled_side": 14, "vgg_side": 14, "levels": 4,
    },
    "paper": {
        "architecture": ("dnn", "cnn_flatten", "cnn_gap", "vgg", "resnet"), "draws": 5, "per_class": 10, "depth": 9,
        "pooled_depth": 9, "pooled_per_class": 10, "pooled_side": 28, "vgg_side": 28, "levels": 4,
    },
}  # fmt: skip
LABELS = {"dnn": "DNN", "cnn_flatten": "CNN, flatten head", "cnn_gap": "CNN, pooled", "vgg": "VGG", "resnet": "ResNet"}
GROUPS = {"vgg": 2, "resnet": 1}
PUBLIC_VALUE = 0.003857  # lambda_min of a linear source: the only number of the paper's plots that is public


def cells(*, architecture, draws, per_class, depth, pooled_depth, pooled_per_class, pooled_side, vgg_side, levels):
    """One piece an architecture, all draws and depths in it; for VGG and ResNet one a depth, which is their `levels`."""
    pieces = []
    for name in architecture:
        pooled = {"draws": draws, "architecture": name, "per_class": pooled_per_class}
        if name in GROUPS:
            pieces += [pooled | {"depth": level, "side": vgg_side} for level in range(1, levels + 1)]
        elif name == "cnn_gap":
            pieces.append(pooled | {"depth": pooled_depth, "side": pooled_side})
        else:
            pieces.append({"draws": draws, "architecture": name, "per_class": per_class, "depth": depth, "side": 28})
    return pieces


def kernels(x, architecture, depth):
    """(depth, K_S) of every depth that is asked for."""
    if architecture in GROUPS:
        return [(depth, source_kernel(x, architecture, levels=depth, groups=GROUPS[architecture]))]
    return enumerate(depth_kernels(x, architecture, depth), start=1)


def compute(key, *, architecture, draws, per_class, depth, side):
    """One row per draw and depth. The pooled kernels cost the fourth power of the side, so they see smaller images."""
    task, rows = load_task("mnist5k").resized(side), []
    for draw in range(draws):
        x, labels = task.draw(jax.random.fold_in(key, draw), per_class)
        for at, kernel in kernels(x, architecture, depth):
            values = spectrum(kernel)
            scale = np.sqrt(np.diag(kernel))
            behind = spectrum(theta_s_b(kernel, task.one_hot(labels)))
            row = {"draw": draw, "architecture": architecture, "side": side, "images": len(x), "depth": at}
            row |= {"lambda_min": values.min, "lambda_mean": values.mean, "lambda_max": values.max}
            row["correlation_min"] = spectrum(kernel / np.outer(scale, scale)).min
            rows.append(row | {"theta_s_b_min": behind.min, "product": values.min * behind.min})
    return rows


def panel(axis, data, column, label):
    """One line an architecture."""
    for number, (name, part) in enumerate(data.groupby("architecture", sort=False)):
        words = f"{LABELS[name]}, {part['side'].iloc[0]}×{part['side'].iloc[0]}"
        mean_line(axis, part, "depth", column, number=number, log=True, label=words)
    axis.set_title(label, pad=3)


def render(data):
    """lambda_min as it is, and four measures that a factor of the kernel does not change."""
    data = data.assign(
        ratio=data["lambda_min"] / data["lambda_mean"], condition=data["lambda_min"] / data["lambda_max"]
    )
    figure, axes = plt.subplots(2, 3, figsize=(7.2, 5), sharex=True)
    panel(axes[0, 0], data, "lambda_min", r"$\lambda_{\min}[K_S]$")
    axes[0, 0].plot(1, PUBLIC_VALUE, "*", color="black", markersize=9, label="paper, linear source, its data", zorder=5)
    panel(axes[0, 1], data, "ratio", r"$\lambda_{\min}$ / mean $\lambda$")
    panel(axes[0, 2], data, "condition", r"$\lambda_{\min}/\lambda_{\max}$")
    panel(axes[1, 0], data, "correlation_min", r"$\lambda_{\min}$, diagonal scaled to 1")
    panel(axes[1, 1], data, "theta_s_b_min", r"$\lambda_{\min}[\Theta_S^b]$")
    panel(axes[1, 2], data, "product", r"$\lambda_{\min}[K_S]\,\lambda_{\min}[\Theta_S^b]$")
    for axis in axes[1]:
        axis.set(xlabel="depth of the source", xticks=range(1, data["depth"].max() + 1, 2))
    title = f"geometric means over {data['draw'].nunique()} draws of MNIST images; bars: 95 % t intervals"
    shared_legend(figure, axes[0, 0], title=title)
    return figure


def finds(data):
    """Slopes of lambda_min, absolute and relative."""
    data = data.rename(columns={"draw": "seed"}).assign(relative=lambda d: d["lambda_min"] / d["lambda_mean"])
    words = []
    for name, part in data.groupby("architecture", sort=False):
        change = [
            with_interval(100 * np.expm1(slopes(part, y)), 0, sign=True) for y in ("lambda_min", "relative", "product")
        ]
        words.append(f"{LABELS[name]} {change[0]}, {change[1]}, {change[2]}")
    return (
        "Change a layer in % of lambda_min[K_S], of the same over the mean eigenvalue, and of its product with "
        "lambda_min[Theta_S^b], which no "
        f"factor of the kernel changes: {'; '.join(words)}."
    )

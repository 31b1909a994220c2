"""The sources of the depth sweeps: how they are trained, and the kernel of their infinitely wide twins."""

from mrntk.ntk.infinite import source_kernel
from mrntk.spectrum import spectrum

KS_SIDE = 14  # images are averaged down for the pooled kernel, which costs the fourth power of the side
RATES = {"dnn": 1e-3, "cnn": 3e-3}  # of Adam for the sources
BATCH = 32


def source_min_eigenvalue(family, depth, task, key, per_class):
    """lambda_min[K_S] of the infinitely wide source on a few of its own images."""
    x, _ = task.draw(key, per_class)
    if family == "cnn" and x.shape[-1] % KS_SIDE == 0:
        step = x.shape[-1] // KS_SIDE
        x = x.reshape(*x.shape[:2], KS_SIDE, step, KS_SIDE, step).mean((3, 5))
    return spectrum(source_kernel(x, {"dnn": "dnn", "cnn": "cnn_gap"}[family], depth=depth)).min

"""How the project's pictures look: colour-blind-safe colours, sizes that stay legible at column width."""

import base64
import io
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
from matplotlib.backends.backend_agg import FigureCanvasAgg

# Okabe & Ito's palette, ordered so that neighbours also differ in grey.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_RC = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 10,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "axes.prop_cycle": plt.cycler(color=OKABE_ITO),
    "pdf.fonttype": 42,
}


@contextmanager
def style():
    """Draw inside this context: `with style(): ...`; nothing global changes.

    Not `plt.rc_context`: in a notebook that would also undo the interactive mode that the first figure switches on.
    """
    before = {name: plt.rcParams[name] for name in _RC}
    plt.rcParams.update(_RC)
    try:
        yield
    finally:
        plt.rcParams.update(before)


def png(figure) -> bytes:
    """The figure as a PNG file, at the resolution of the screen. `savefig` would lay it out and draw it twice."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


@dataclass(frozen=True)
class Picture:
    """A finished figure with its description; as the last line of a notebook's cell, it is shown."""

    png: bytes
    alt: str

    def _repr_mimebundle_(self, **_):
        return {"image/png": base64.b64encode(self.png).decode(), "text/plain": self.alt}, {
            "image/png": {"alt": self.alt}
        }


def picture(figure, alt: str) -> Picture:
    """The figure with a description for readers who do not see it. The figure is closed, so that it is shown once."""
    made = Picture(png(figure), alt)
    plt.close(figure)
    return made


def t_interval(values, confidence: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean over draws or seeds; the value itself, twice, if there is only one."""
    values = np.asarray(values, float)
    mean = values.mean()
    if len(values) < 2:
        return mean, mean
    half = scipy.stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return mean - half, mean + half


def share_interval(right, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a share, from examples that were right or wrong (Wilson 1927): within 0 and 1, and never without a width."""
    right = np.asarray(right, bool)
    found = scipy.stats.binomtest(int(right.sum()), len(right)).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def geometric_mean(values) -> float:
    """The mean on a logarithmic axis, for positive quantities that vary by factors."""
    return float(np.exp(np.mean(np.log(values))))


def geometric_interval(values, confidence: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the geometric mean: never negative, symmetric on a logarithmic axis."""
    low, high = t_interval(np.log(values), confidence)
    return float(np.exp(low)), float(np.exp(high))

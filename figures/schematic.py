"""What model reprogramming is, in one picture (the paper's Fig. 1 in our drawing)."""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import FancyBboxPatch

from mrntk.model.input_maps import VisualPrompt
from mrntk.support.style import OKABE_ITO
from mrntk.tasks import load_task

ID = "schematic"
TITLE = "What model reprogramming is"
PAPER = "Fig. 1 (our drawing)"
ALT = (
    "A chain from left to right. A small image of a digit, the target input x, enters a box marked trained, the input "
    "transformation a. Out comes a larger image: the digit inside a grey frame, the visual prompt. It enters a box marked "
    "frozen, the source model f_S, whose scores enter a box marked fixed, the output mapping b, which gives the target's scores."
)
SAYS = "A target input goes through a trained transformation, the frozen source and a fixed output mapping (abstract)."
SCALES = dict.fromkeys(("smoke", "course", "paper"), {"example": 3})
SOURCE_SHAPE, INNER = (1, 28, 28), (20, 20)


def compute(key, *, example):
    """The pixels of one target image, before and after the input transformation: one pixel a row."""
    task = load_task("digits")
    x = task.x_train[task.y_train == example][0]
    prompted = VisualPrompt(SOURCE_SHAPE, INNER)(jax.numpy.asarray(x))
    rows = []
    for name, picture in (("x", x), ("a(x)", prompted)):
        rows += [(name, i, j, float(value)) for (i, j), value in np.ndenumerate(np.asarray(picture)[0])]
    return pd.DataFrame(rows, columns=["picture", "row", "column", "value"])


def _picture(axis, data, name, centre, half, words):
    pixels = data[data["picture"] == name].pivot(index="row", columns="column", values="value")
    low, high = centre - half, centre + half
    axis.imshow(pixels, extent=(low, high, 2 - half, 2 + half), cmap="gray", vmin=0, vmax=1, zorder=2)
    axis.text(centre, 2 - half - 0.15, words, ha="center", va="top")


def _box(axis, left, colour, symbol, words):
    box = FancyBboxPatch(
        (left, 1.35), 1.6, 1.3, boxstyle="round,pad=0.08", facecolor=colour + "33", edgecolor=colour, lw=2
    )
    axis.add_patch(box)
    axis.text(left + 0.8, 2.15, symbol, ha="center", va="center", fontsize=13)
    axis.text(left + 0.8, 1.62, words, ha="center", va="center", fontsize=8, weight="bold", color=colour)


def render(data):
    """Boxes, arrows and the two pictures."""
    figure, axis = plt.subplots(figsize=(7.2, 1.95))
    trained, frozen, fixed = OKABE_ITO[5], OKABE_ITO[0], "#555555"
    _picture(axis, data, "x", 0.7, 0.55, "target input\n$x\\in\\mathbb{R}^{d_T}$")
    _box(axis, 1.95, trained, r"$a(\cdot\,;\theta_A)$", "trained")
    _picture(axis, data, "a(x)", 5.0, 0.85, "source input\n$a(x)\\in\\mathbb{R}^{d_S}$")
    _box(axis, 6.55, frozen, "$f_S$", "frozen")
    axis.text(9.05, 2, "scores\n$\\in\\mathbb{R}^{c_S}$", ha="center", va="center")
    _box(axis, 9.9, fixed, "$b$", "fixed")
    axis.text(12.8, 2, "target scores\n$f_T(x)\\in\\mathbb{R}^{c_T}$", ha="center", va="center")
    for start, end in ((1.3, 1.85), (3.65, 4.1), (5.9, 6.45), (8.25, 8.6), (9.45, 9.8), (11.6, 11.95)):
        axis.annotate("", (end, 2), (start, 2), arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 1.2})
    axis.set_title(r"$f_T = b\circ f_S\circ a$: only $\theta_A$ is trained")
    axis.set(xlim=(0, 13.65), ylim=(0.3, 2.95), aspect="equal")
    axis.axis("off")
    return figure


def finds(data):
    """Nothing: it is a drawing."""
    return "Nothing is measured here: it defines the terms."

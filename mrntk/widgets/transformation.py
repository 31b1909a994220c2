"""What an input transformation makes of a real image and what it costs, without ever building a layer of its size."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from ..model.input_maps import BIAS_STD, window
from ..support.errors import MrntkError
from ..support.style import OKABE_ITO
from ..tasks import load_task
from .quick import resize_matrix
from .view import Choice, Slider, ViewModel

SAMPLES = 50  # images of a task to choose from
NOTHING, LAYER, DELTA = 0, 1, 2  # what is trained at a place of the source's input
MAPS = {"none": "none", "watermark": "watermark", "VP": "vp", "FC": "fc", "VP+FC": "vp_fc"}
NAMES = {value: label for label, value in MAPS.items()}


def random_layer(x: Float[np.ndarray, "N dT"], d_s: int, rng: np.random.Generator) -> Float[np.ndarray, "N dS"]:
    """W x_i + c of one fully connected layer at its random start, for all rows x_i, without W.

    With the thin QR factorisation X^T = Q R, the rows W x_i are R^T (W Q)^T, and W Q of an N(0, 2 / d_T) matrix W has
    independent N(0, 2 / d_T) entries because Q's columns are orthonormal. So d_s * N numbers are drawn, not d_s * d_T.
    """
    r = np.linalg.qr(x.T, mode="r").astype(np.float32)  # (min(N, d_T), N)
    wq = rng.standard_normal((len(r), d_s), np.float32) * np.float32((2 / x.shape[1]) ** 0.5)
    return r.T @ wq + rng.standard_normal(d_s, np.float32) * np.float32(BIAS_STD)


@cache
def _samples(task: str) -> np.ndarray:
    """SAMPLES training images of a task, evenly spread, (SAMPLES, channels, height, width)."""
    x = load_task(task).x_train
    return np.asarray(x[np.linspace(0, len(x) - 1, SAMPLES).astype(int)], float)


@cache
def _layer(task: str, side: int, seed: int) -> np.ndarray:
    """All samples behind one random layer to side x side pixels, (SAMPLES, channels, side, side)."""
    x = _samples(task)
    flat = random_layer(x.reshape(len(x), -1), x.shape[1] * side**2, np.random.default_rng([seed, side]))
    return flat.reshape(len(x), x.shape[1], side, side)


@cache
def _noise(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, 1]).standard_normal(size)


def _resized(x: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (resize_matrix(size, side) for size in x.shape[1:])
    return rows @ x @ columns.T


def _memory(entries: int) -> str:
    """float32 numbers as words."""
    size = 4.0 * entries
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _displayed(image: np.ndarray) -> np.ndarray:
    """For imshow: colours last, the scale stretched where values leave 0 to 1."""
    low, high = min(image.min(), 0), max(image.max(), 1)
    return np.moveaxis((image - low) / (high - low), 0, -1).squeeze()


class TransformationView(ViewModel):
    """x, a(x), what is trained of a, and how much that is."""

    title = "Input transformations: what the source sees, and what it costs"
    alt = (
        "Three images beside each other: the target input x, the source's input a(x), and a map of a(x) that says what is "
        "trained at each place: nothing, W and c, or delta. Scales stretch where values leave the range from 0 to 1."
    )
    controls = {
        "task": Choice(
            "target task",
            {"MNIST": "mnist5k", "digits": "digits", "Fashion": "fashion5k", "photos": "photos"},
            "digits",
        ),
        "number": Slider("image", 0, SAMPLES - 1, 15),
        "input_map": Choice("transformation", MAPS, "vp"),
        "share": Slider("share of the side kept", 0.1, 1.0, 0.7, 0.05),
        "side": Choice("source's side", {f"{side} pixels": side for side in (28, 56, 112)}, 28),
        "strength": Slider("strength of delta", 0.0, 5.0, 2.0, 0.25),
        "seed": Slider("seed", 0, 9, 0),
    }

    def compute(
        self, *, task: str, number: int, input_map: str, share: float, side: int, strength: float, seed: int
    ) -> dict:
        x = _samples(task)[number]
        channels, d_t, d_s = len(x), x.size, len(x) * side**2
        shape, inner = (channels, side, side), max(1, round(share * side))
        inside = window(shape, (inner, inner))
        framed = input_map in ("vp", "vp_fc")
        if framed and inner == side:
            raise MrntkError(
                f"share of the side kept = {share:g}: the image fills the source's input and no frame is left to train; "
                "keep less of the side, or choose the watermark."
            )
        trained = np.full(shape, {"none": NOTHING, "watermark": DELTA, "fc": LAYER}.get(input_map, DELTA))
        if framed:
            trained[inside] = LAYER if input_map == "vp_fc" else NOTHING
        delta = strength * _noise(seed, int((trained == DELTA).sum()))
        if framed:
            a = np.zeros(shape)
            a[inside] = _layer(task, inner, seed)[number] if input_map == "vp_fc" else _resized(x, inner)
            a[trained == DELTA] = 1 / (1 + np.exp(-delta))
        else:
            a = _layer(task, side, seed)[number] if input_map == "fc" else _resized(x, side)
            a = a + delta.reshape(shape) if input_map == "watermark" else a
        layer = int((trained == LAYER).sum())  # rows of W
        return {
            "x": x, "a": np.asarray(a, float), "trained": trained[0], "delta": delta, "input_map": input_map, "d_T": d_t,
            "d_S": d_s, "inner": inner, "side": side, "parameters": layer * (d_t + 1) + len(delta),
            "weights": (layer or d_s) * d_t, "share": float((trained != NOTHING).mean()),
        }  # fmt: skip

    def draw(self, data):
        figure, axes = plt.subplots(1, 3, figsize=(5.4, 2.3), gridspec_kw={"width_ratios": (1, 1, 1)})
        (height, width), side = data["x"].shape[1:], data["side"]
        titles = (f"target input $x$\n{height} x {width}", f"$a(x)$, {NAMES[data['input_map']]}\n{side} x {side}")
        for axis, image, title in zip(axes, (data["x"], data["a"]), titles, strict=False):
            axis.imshow(_displayed(image), cmap="gray", vmin=0, vmax=1)
            axis.set_title(title)
        colours = plt.matplotlib.colors.ListedColormap(["black", OKABE_ITO[0], OKABE_ITO[6]])
        axes[2].imshow(data["trained"], cmap=colours, vmin=0, vmax=2)
        axes[2].set_title("trained there\n")
        for number, (label, ink) in enumerate((("nothing", "white"), ("$W$ and $c$", "white"), (r"$\delta$", "black"))):
            rows = np.argwhere(data["trained"] == number)[:, 0]
            if len(rows):  # a word on each colour
                row = rows.min() + 0.06 * side if number == DELTA else rows.mean()
                box = {"facecolor": colours(number), "edgecolor": "none", "pad": 1.5}
                axes[2].text(side / 2 - 0.5, row, label, ha="center", va="center", color=ink, fontsize=8, bbox=box)
        for axis in axes:
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
        return figure

    def words(self, data) -> str:
        name, count, layer = data["input_map"], data["parameters"], _memory(data["weights"])
        delta = data["delta"]
        if name == "none":
            does = "The transformation none resizes the image and trains nothing"
        else:
            does = f"{'The watermark' if name == 'watermark' else NAMES[name]} trains {count:,} numbers, which act on "
            does += f"{data['share']:.0%} of the source's input"
        if name in ("fc", "vp_fc"):
            does += f"; its W has {data['weights']:,} entries, {layer} in float32"
        else:
            does += f"; the W of a fully connected layer would have {data['weights']:,} entries, {layer} in float32"
        if name in ("vp", "vp_fc"):
            values = 1 / (1 + np.exp(-delta))
            does += (
                f". The image keeps {data['inner']} of {data['side']} pixels a side, and the frame's values run from "
            )
            does += f"{values.min():.2f} to {values.max():.2f}"
        if name == "watermark":
            does += f". Its values run from {delta.min():.2f} to {delta.max():.2f}"
        return f"d_T = {data['d_T']:,}, d_S = {data['d_S']:,}. {does}."

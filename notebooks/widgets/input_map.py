"""What an input map makes of a real image and what it costs, without ever building a layer of its size."""

from functools import cache

import equinox as eqx
import matplotlib.pyplot as plt
import numpy as np

from mrntk.model.input_maps import INPUT_MAPS, InputMap, VisualPrompt, Watermark
from mrntk.ntk.plain import (
    DELTA,
    LAYER,
    NOTHING,
    apply_input_map,
    drawn_input_map,
    random_layer_outputs,
    resized,
    trained_places,
)
from mrntk.support.errors import MrntkError
from mrntk.support.style import OKABE_ITO
from mrntk.tasks import load_task
from mrntk.widgets.view import Choice, Slider, ViewModel, displayed, input_map_choice

SAMPLES = 50  # images of a task to choose from


@cache
def _samples(task: str) -> np.ndarray:
    """SAMPLES training images of a task, evenly spread, (SAMPLES, channels, height, width)."""
    x = load_task(task).x_train
    return np.asarray(x[np.linspace(0, len(x) - 1, SAMPLES).astype(int)], float)


@cache
def _layer(task: str, side: int, seed: int) -> np.ndarray:
    """All samples behind one random layer to side x side pixels, (SAMPLES, channels, side, side)."""
    x = _samples(task)
    flat = random_layer_outputs(x.reshape(len(x), -1), x.shape[1] * side**2, np.random.default_rng([seed, side]))
    return flat.reshape(len(x), x.shape[1], side, side)


@cache
def _noise(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, 1]).standard_normal(size)


def _prompted(name: str, shape: tuple[int, ...], inner: int, strength: float, seed: int) -> InputMap:
    """The input map without its layer, its delta `strength` times a random direction."""
    without_layer = {"fc": "none", "vp_fc": "vp"}.get(name, name)
    a = drawn_input_map(without_layer, shape, shape, inner=(inner, inner), seed=0)
    if not isinstance(a, (VisualPrompt, Watermark)):
        return a
    return eqx.tree_at(lambda a: a.delta, a, strength * _noise(seed, a.delta.size).reshape(a.delta.shape))


def _memory(entries: int) -> str:
    """float32 numbers as words."""
    size = 4.0 * entries
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


class InputMapView(ViewModel):
    """x, a(x), what is trained of a, and how much that is."""

    title = "Input maps: what the source sees, and what it costs"
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
        "input_map": input_map_choice("input map", ("none", "watermark", "vp", "fc", "vp_fc"), "vp"),
        "share": Slider("share of the side kept", 0.1, 1.0, 0.7, 0.05),
        "side": Choice("source's side", {f"{side} pixels": side for side in (28, 56, 112)}, 28),
        "strength": Slider("strength of delta", 0.0, 5.0, 2.0, 0.25),
        "seed": Slider("seed", 0, 9, 0),
    }

    def compute(
        self, *, task: str, number: int, input_map: str, share: float, side: int, strength: float, seed: int
    ) -> dict:
        x, kind = _samples(task)[number], INPUT_MAPS[input_map]
        channels, d_t, d_s = len(x), x.size, len(x) * side**2
        shape, inner = (channels, side, side), max(1, round(share * side))
        if kind.has_prompt and inner == side:
            raise MrntkError(
                f"share of the side kept = {share:g}: the image fills the source's input and no frame is left to train; "
                "keep less of the side, or choose the watermark."
            )
        a = _prompted(input_map, shape, inner, strength, seed)
        image = x  # what a(x) shows before anything is added
        if kind.has_layer:
            image = _layer(task, inner if kind.has_prompt else side, seed)[number]
        elif input_map == "watermark":
            image = resized(x[None], shape[1:])[0]
        trained = trained_places(a, shape)
        if kind.has_layer:
            trained[trained == NOTHING] = LAYER
        layer = int((trained == LAYER).sum())  # rows of W
        delta = getattr(a, "delta", np.zeros(0)).ravel()
        return {
            "x": x, "a": apply_input_map(a, image[None])[0], "trained": trained[0], "delta": delta, "input_map": input_map,
            "d_T": d_t, "d_S": d_s, "inner": inner, "side": side, "parameters": layer * (d_t + 1) + len(delta),
            "weights": (layer or d_s) * d_t, "share": float((trained != NOTHING).mean()),
        }  # fmt: skip

    def draw(self, data):
        figure, axes = plt.subplots(1, 3, figsize=(5.4, 2.3), gridspec_kw={"width_ratios": (1, 1, 1)})
        (height, width), side = data["x"].shape[1:], data["side"]
        titles = (
            f"target input $x$\n{height} x {width}",
            f"$a(x)$, {INPUT_MAPS[data['input_map']].label}\n{side} x {side}",
        )
        for axis, image, title in zip(axes, (data["x"], data["a"]), titles, strict=False):
            axis.imshow(displayed(image), cmap="gray", vmin=0, vmax=1)
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
            does = "The input map none resizes the image and trains nothing"
        else:
            does = f"{'The watermark' if name == 'watermark' else INPUT_MAPS[name].label} trains {count:,} numbers, which act on "
            does += f"{data['share']:.0%} of the source's input"
        if INPUT_MAPS[name].has_layer:
            does += f"; its W has {data['weights']:,} entries, {layer} in float32"
        else:
            does += f"; the W of a fully connected layer would have {data['weights']:,} entries, {layer} in float32"
        if INPUT_MAPS[name].has_prompt:
            values = 1 / (1 + np.exp(-delta))
            does += (
                f". The image keeps {data['inner']} of {data['side']} pixels a side, and the frame's values run from "
            )
            does += f"{values.min():.2f} to {values.max():.2f}"
        if name == "watermark":
            does += f". Its values run from {delta.min():.2f} to {delta.max():.2f}"
        return f"d_T = {data['d_T']:,}, d_S = {data['d_S']:,}. {does}."

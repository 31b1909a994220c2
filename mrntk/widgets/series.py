"""A time series on its way into CREPE: what an input transformation makes of it, and what the network hears."""

from functools import cache

import equinox as eqx
import jax
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int

from ..model.input_maps import BIAS_STD
from ..sources.pretrained.crepe import BINS, CENTS_PER_BIN, FIRST_BIN_CENTS, SAMPLES, pitch
from ..sources.registry import load_source
from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.style import OKABE_ITO
from ..tasks import load_task
from ..tasks.series import ENTRIES
from .quick import resize_matrix
from .view import Choice, Slider, ViewModel

TASKS = tuple(ENTRIES)
BLOCK = 4  # examples that the network hears at once, so that one compiled program serves any number
PITCHES = 10 * 2 ** ((FIRST_BIN_CENTS + CENTS_PER_BIN * np.arange(BINS)) / 1200)  # Hz


@eqx.filter_jit
def _logits(source, s):
    return jax.vmap(source)(s)


def hear(source, s: Float[Array, "N 1 time"]) -> Float[np.ndarray, "N bins"]:
    """The source's logits for many inputs, in float32, some at a time, the last block filled up with its last input."""
    s = np.asarray(s, np.float32)
    padded = np.concatenate([s, np.repeat(s[-1:], -len(s) % BLOCK, axis=0)])
    blocks = [np.asarray(_logits(source, padded[i : i + BLOCK])) for i in range(0, len(padded), BLOCK)]
    return np.concatenate(blocks)[: len(s)]


def capacity(transform: str, window: int, length: int) -> int:
    """Number of trained values, which the rank of Theta_T cannot exceed: VP the margin's, FC all of W and c, none 0."""
    return {"vp": SAMPLES - window, "fc": SAMPLES * (length + 1), "none": 0}[transform]


@cache
def crepe():
    """CREPE-tiny, loaded once."""
    return load_source("crepe-tiny")


_weights = cache(resize_matrix)


def resized(series: Float[np.ndarray, " length"], size: int) -> Float[np.ndarray, " size"]:
    """What `VisualPrompt` and `Resize` make of one series, without JAX, which compiles anew for every size."""
    return _weights(len(series), size) @ series


@cache
def _random_layer(length: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(W, c) as an FC input transformation starts: N(0, 2 / d_T) and N(0, 0.1)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(SAMPLES, length)) * (2 / length) ** 0.5, rng.normal(size=SAMPLES) * BIAS_STD


@cache
def _prompt(seed: int = 0) -> np.ndarray:
    """The direction of delta, drawn once for all 1,024 samples, so that a moved window changes no sample's prompt."""
    return np.random.default_rng(seed).normal(size=SAMPLES)


def transformed(
    series: Float[np.ndarray, " length"], transform: str, window: int, strength: float
) -> tuple[Float[np.ndarray, " samples"], Int[np.ndarray, " m"]]:
    """(a(x), the samples that are prompt); VP's delta is `strength` times one random direction."""
    nowhere = np.zeros(0, int)
    if transform == "fc":
        weight, bias = _random_layer(len(series))
        return weight @ series + bias, nowhere
    if transform == "none":
        return resized(series, SAMPLES), nowhere
    first = (SAMPLES - window) // 2
    made = 1 / (1 + np.exp(-strength * _prompt()))
    made[first : first + window] = resized(series, window)
    return made, np.r_[:first, first + window : SAMPLES]


@cache
def _heard(task: str, index: int, transform: str, window: int, strength: float) -> tuple[np.ndarray, ...]:
    """(a(x), the samples that are prompt, the network's 360 logits)."""
    made, where = transformed(np.float64(load_task(task).x_train[index, 0]), transform, window, strength)
    return made, where, hear(crepe(), made[None, None])[0]


def _standardised(signal: np.ndarray) -> np.ndarray:
    """What CREPE makes of it first: mean 0, standard deviation 1."""
    return (signal - signal.mean()) / signal.std(ddof=1)


class SeriesView(ViewModel):
    """A series of a UCR task, a(x) of it as CREPE hears it, and CREPE's answer; with the capacity law in words."""

    title = "A time series, reprogrammed for a network that hears pitch"
    alt = (
        "Three panels. A time series as shipped; the 1,024 samples that CREPE hears after the input transformation, "
        "standardised, with the trained margin shaded; CREPE's 360 outputs as probabilities against pitch."
    )
    controls = {
        "task": Choice("task", TASKS, "gunpoint"),
        "label": Slider("class", 0, 9, 0),
        "number": Slider("series number in the class", 0, 9, 0),
        "transform": Choice("input transformation", {"VP": "vp", "FC, random": "fc", "none (resize)": "none"}, "vp"),
        "window": Slider("VP: window for the series", 16, 1008, 736, 16),
        "strength": Slider("VP: prompt's spread of δ", 0.0, 6.0, 0.0, 0.5),
        "per_class": Slider("training examples a class", 1, 100, 6),
    }

    def compute(
        self, *, task: str, label: int, number: int, transform: str, window: int, strength: float, per_class: int
    ) -> dict:
        data = load_task(task)
        if label >= data.num_classes:
            raise MrntkError(f"class={label}: {task} has the classes 0 to {data.num_classes - 1}; choose one of them.")
        index = int(np.flatnonzero(data.y_train == label)[number])
        signal, where, logits = _heard(task, index, transform, window, float(strength))
        heard = _standardised(signal)
        return {
            "series": data.x_train[index, 0],
            "signal": signal,
            "heard": heard,
            "where": where,
            "logits": logits,
            "pitch": float(pitch(logits)),
            "margin_energy": float((heard[where] ** 2).sum() / (heard**2).sum()),
            "demand": per_class * data.num_classes**2,  # N c_T outputs, N = per_class c_T
            "capacity": capacity(transform, window, data.input_shape[1]),
            "transform": transform,
            "title": f"{task}, {data.classes[label]}",
        }

    def draw(self, data):
        figure, axes = plt.subplot_mosaic([["series", "heard"], ["outputs", "outputs"]], figsize=(5.6, 3.7))
        series, heard, outputs = axes["series"], axes["heard"], axes["outputs"]
        series.plot(data["series"], color=OKABE_ITO[0], lw=1.2)
        series.set(title=data["title"], xlabel="time (target's samples)")
        heard.plot(data["heard"], color=OKABE_ITO[0], lw=0.8)
        for run in np.split(data["where"], np.flatnonzero(np.diff(data["where"]) > 1) + 1):
            if len(run):
                heard.axvspan(run[0], run[-1], color=OKABE_ITO[1], alpha=0.3, lw=0, hatch="//", fill=True)
        heard.set(title="what CREPE hears", xlabel="sample, 16 per ms", xlim=(0, SAMPLES - 1))
        outputs.plot(PITCHES, 1 / (1 + np.exp(-data["logits"])), color=OKABE_ITO[5], lw=1.2)
        outputs.set(xscale="log", xlabel="pitch of the output (Hz)", ylabel="probability", ylim=(-0.03, 1.03))
        outputs.set_xticks([50, 100, 200, 500, 1000, 2000], ["50", "100", "200", "500", "1000", "2000"])
        outputs.minorticks_off()
        return figure

    def words(self, data) -> str:
        length, most = len(data["series"]), 1 / (1 + np.exp(-data["logits"].max()))
        words = (
            f"{length} samples become {SAMPLES}; CREPE hears {data['pitch']:.0f} Hz, its largest output is {most:.2f}. "
        )
        if data["transform"] == "vp":
            words += (
                f"The margin of {len(data['where'])} samples carries {data['margin_energy']:.0%} of what it hears. "
            )
        if data["transform"] == "none":
            return words + "Nothing is trained."
        demand, room = data["demand"], data["capacity"]
        fits = (
            "the capacity law leaves room to fit every label to first order"
            if demand <= room
            else f"to first order at least {demand - room:,} directions cannot be reached"
        )
        return words + f"{room:,} values are trained for N c = {demand:,} outputs: {fits}."

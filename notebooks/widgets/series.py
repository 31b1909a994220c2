"""A time series on its way into CREPE: what an input map makes of it, and what the network hears."""

from functools import cache

import equinox as eqx
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from mrntk.model.input_maps import InputMap
from mrntk.model.reprogram import predict
from mrntk.ntk.plain import apply_input_map, drawn_input_map
from mrntk.sources.pretrained.crepe import BINS, SAMPLES, pitch
from mrntk.sources.registry import load_source
from mrntk.support.errors import MrntkError
from mrntk.support.style import OKABE_ITO
from mrntk.tasks import load_task
from mrntk.tasks.series import ENTRIES
from mrntk.widgets.view import Choice, Slider, ViewModel, input_map_choice

TASKS = tuple(ENTRIES)


@cache
def crepe():
    """CREPE-tiny, loaded once."""
    return load_source("crepe-tiny")


@cache
def pitches() -> Float[np.ndarray, " bins"]:
    """The pitch of every output, in Hz: what a network hears that is sure of it."""
    return np.asarray(pitch(1000 * (np.eye(BINS) - 0.5)))


@cache
def _direction() -> np.ndarray:
    """Of delta, drawn once for all 1,024 samples, so that a moved window changes no sample's prompt."""
    return np.random.default_rng(0).normal(size=SAMPLES)


def prompted(name: str, length: int, window: int, strength: float) -> InputMap:
    """The input map for series of that length; VP's delta is `strength` times one random direction."""
    a = drawn_input_map(name, (1, length), (1, SAMPLES), inner=(window,), seed=0)
    return eqx.tree_at(lambda a: a.delta, a, strength * _direction()[a.index]) if name == "vp" else a


@cache
def _heard(task: str, index: int, input_map: str, window: int, strength: float) -> tuple:
    """(the input map, a(x), the network's 360 logits)."""
    x = np.float64(load_task(task).x_train[index : index + 1])
    a = prompted(input_map, x.shape[2], window, strength)
    z = apply_input_map(a, x)
    return a, z[0, 0], np.asarray(predict(crepe(), z.astype(np.float32)))[0]


def _standardised(signal: np.ndarray) -> np.ndarray:
    """What CREPE makes of it first: mean 0, standard deviation 1."""
    return (signal - signal.mean()) / signal.std(ddof=1)


class SeriesView(ViewModel):
    """A series of a UCR task, a(x) of it as CREPE hears it, and CREPE's answer; with the capacity law in words."""

    title = "A time series, reprogrammed for a network that hears pitch"
    alt = (
        "Three panels. A time series as shipped; the 1,024 samples that CREPE hears after the input map, "
        "standardised, with the trained margin shaded; CREPE's 360 outputs as probabilities against pitch."
    )
    controls = {
        "task": Choice("task", TASKS, "gunpoint"),
        "label": Slider("class", 0, 9, 0),
        "number": Slider("series number in the class", 0, 9, 0),
        "input_map": input_map_choice("input map", ("vp", "fc", "none"), "vp"),
        "window": Slider("VP: window for the series", 16, 1008, 736, 16),
        "strength": Slider("VP: prompt's spread of δ", 0.0, 6.0, 0.0, 0.5),
        "per_class": Slider("training examples per class", 1, 100, 6),
    }

    def compute(
        self, *, task: str, label: int, number: int, input_map: str, window: int, strength: float, per_class: int
    ) -> dict:
        data = load_task(task)
        if label >= data.num_classes:
            raise MrntkError(f"class={label}: {task} has the classes 0 to {data.num_classes - 1}; choose one of them.")
        index = int(np.flatnonzero(data.y_train == label)[number])
        a, signal, logits = _heard(task, index, input_map, window, float(strength))
        where = np.asarray(getattr(a, "index", []), int)  # the samples that are prompt
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
            "capacity": a.num_parameters,
            "input_map": input_map,
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
        outputs.plot(pitches(), 1 / (1 + np.exp(-data["logits"])), color=OKABE_ITO[5], lw=1.2)
        outputs.set(xscale="log", xlabel="pitch of the output (Hz)", ylabel="probability", ylim=(-0.03, 1.03))
        outputs.set_xticks([50, 100, 200, 500, 1000, 2000], ["50", "100", "200", "500", "1000", "2000"])
        outputs.minorticks_off()
        return figure

    def words(self, data) -> str:
        length, most = len(data["series"]), 1 / (1 + np.exp(-data["logits"].max()))
        words = (
            f"{length} samples become {SAMPLES}; CREPE hears {data['pitch']:.0f} Hz, its largest output is {most:.2f}. "
        )
        if data["input_map"] == "vp":
            words += (
                f"The margin of {len(data['where'])} samples carries {data['margin_energy']:.0%} of what it hears. "
            )
        if data["input_map"] == "none":
            return words + "Nothing is trained."
        demand, room = data["demand"], data["capacity"]
        fits = (
            "the capacity law leaves room to fit every label to first order"
            if demand <= room
            else f"to first order at least {demand - room:,} directions cannot be reached"
        )
        return words + f"{room:,} values are trained for N c = {demand:,} outputs: {fits}."

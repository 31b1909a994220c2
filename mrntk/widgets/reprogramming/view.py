"""The reprogramming explorer's view model: one setting, what its kernel says, and the real training laid over it."""

from dataclasses import asdict
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from ...ntk.passes import quietly
from ...ntk.plain import DELTA, LAYER, apply_input_map, trained_places
from ...support.style import OKABE_ITO
from ..view import ViewModel, displayed
from .analysis import STEPS, TIMES, Analysis, analyse
from .live import WatchedTraining
from .networks import Network
from .setting import CONTROLS, Setting
from .words import change, facts, finding, label_of, outcome

FLOOR = 1e-16  # of lambda_max, for the axis
CHOSEN = 0  # the example that is shown


class Shown(NamedTuple):
    """What is on the screen."""

    analysis: Analysis
    run: WatchedTraining | None = None  # real training so far
    before: Analysis | None = None  # what was on the screen before the last change


class ReprogrammingView(ViewModel):
    """Source, task, input map and the rest in; sample, spectrum, capacity and predicted learning curve out."""

    title = "Reprogramming explorer: change the source, the task, the input map, and watch the spectrum answer"
    alt = (
        "Upper row: an example x, what the source sees of it, a(x), and which of its places are trained. Lower left: "
        "eigenvalues of the kernel against rank, on logarithmic axes, with a line at the bound of the rank, and dashed the share "
        "of the labels along the leading eigenvectors. Lower right: the training loss against steps, predicted (dashed) and, "
        "once asked for, real."
    )
    controls = CONTROLS

    def compute(self, *, own: Network | None = None, say=quietly, **values) -> Shown:
        return Shown(analyse(Setting(**values), own, say))

    def draw(self, data: Shown):
        """A layout by hand: the automatic one would take longer than the rest."""
        figure = plt.figure(figsize=(6.4, 4.4))
        figure.set_layout_engine("none")
        for left, part in zip((0.055, 0.385, 0.71), _samples(data.analysis), strict=True):
            _draw_sample(figure.add_axes((left, 0.62, 0.265, 0.31)), *part)
        self._draw_spectrum(figure.add_axes((0.125, 0.11, 0.32, 0.4)), data.analysis)
        self._draw_losses(figure.add_axes((0.645, 0.11, 0.335, 0.4)), data)
        return figure

    def _draw_spectrum(self, axis, found: Analysis):
        values, places = found.spectrum.values[::-1], np.arange(1, len(found.weights) + 1)
        floor = FLOOR * values[0]
        axis.plot(places, np.maximum(values, floor), ".-", color=OKABE_ITO[0], ms=3, lw=1)
        axis.axvline(found.capacity, color="k", lw=0.9, ls=":", label="bound of the rank")
        axis.legend(loc="lower left", fontsize=7)
        axis.set(
            xscale="log", yscale="log", ylim=(floor / 3, 10 * values[0]), xlabel="rank", title="spectrum and labels"
        )
        axis.set_ylabel(r"eigenvalue of $\Theta_T$", color=OKABE_ITO[0])
        axis.minorticks_off()
        shares = axis.twinx()
        shares.plot(places, np.cumsum(found.weights), "--", color=OKABE_ITO[5], lw=1.4)
        shares.set(ylim=(0, 1.05), yticks=(0, 0.5, 1))
        shares.set_ylabel("share of the labels", color=OKABE_ITO[5])
        shares.grid(False)

    def _draw_losses(self, axis, data: Shown):
        predicted, top = data.analysis.losses, 3 * data.analysis.losses[0]
        curves = [predicted]
        if data.run is not None:
            real = np.asarray(data.run.losses)
            axis.plot(
                TIMES[: len(real)], np.minimum(real, 1e3 * top), color=OKABE_ITO[1], lw=3, alpha=0.75, label="real"
            )
            curves.append(real)
        axis.plot(TIMES, np.minimum(np.nan_to_num(predicted, nan=1e3 * top, posinf=1e3 * top), 1e3 * top), "--",
                  color=OKABE_ITO[0], label="predicted")  # fmt: skip
        low = min(np.min(curve[np.isfinite(curve)]) for curve in curves)
        axis.set(yscale="log", ylim=(low / 1.5, top), xlim=(0, STEPS), xlabel="steps", ylabel="training loss $L$")
        axis.set_title("learning curve")
        axis.minorticks_off()
        ticks = _ticks(low / 1.5, top)
        axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.legend(loc="upper right")

    def words(self, data: Shown) -> str:
        parts = [finding(data.analysis)]
        if data.run is not None:
            parts.append(outcome(data.analysis, data.run))
        if data.before is not None:
            parts.insert(0, change(facts(data.before), facts(data.analysis)))
        return " ".join(part for part in parts if part)

    def description(self, data: Shown) -> str:
        setting = data.analysis.setting
        shown = ", ".join(f"{CONTROLS[name].label} {label_of(name, value)}" for name, value in asdict(setting).items())
        return f"{self.alt} Shown: {shown}."


def _ticks(low: float, high: float) -> list[float]:
    """A few round numbers between two ends of a logarithmic axis."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    round_ones = (1,) if last - first > 4 else (1, 2, 5)
    found = [
        one * 10.0**power for power in range(first, last + 1) for one in round_ones if low <= one * 10.0**power <= high
    ]
    return found[:: 1 + len(found) // 7]


def _samples(found: Analysis):
    """(title, values, is a map of places?) of x, a(x), and where theta_A acts."""
    before, data = found.before, found.start.data
    name = data.classes[data.labels[CHOSEN]]
    z = apply_input_map(before.model.input_map, before.x[CHOSEN : CHOSEN + 1])[0]
    places = trained_places(before.model.input_map, z.shape)
    legend = " and ".join(word for what, word in ((LAYER, "W, c"), (DELTA, r"$\delta$")) if (places == what).any())
    return (
        (f"$x$: {name[:22]}", data.x[CHOSEN], False),
        ("$a(x)$, what the source sees", z, False),
        (f"trained: {legend}", places, True),
    )


def _draw_sample(axis, title: str, values, is_map: bool):
    axis.set_title(title, fontsize=8.5)
    if values.ndim == 2:  # a series
        axis.plot(
            values[0], color=OKABE_ITO[2] if is_map else "k", lw=0.9, drawstyle="steps-mid" if is_map else "default"
        )
        axis.set(xlim=(0, values.shape[1] - 1))
        if is_map:
            axis.set(yticks=(0, 1, 2), yticklabels=("none", "W, c", r"$\delta$"), ylim=(-0.2, 2.2))
        axis.tick_params(labelsize=7)
        return
    axis.set_axis_off()
    if is_map:
        axis.imshow(values[0], cmap="Greys", vmin=0, vmax=2.4, interpolation="nearest")
        return
    axis.imshow(displayed(values), cmap="gray", vmin=0, vmax=1, interpolation="nearest")

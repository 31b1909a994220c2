"""Training seen in the eigenbasis: a small network on a circle, mode by mode, beside its linearisation."""

import matplotlib.pyplot as plt
import numpy as np

from mrntk.support.style import OKABE_ITO
from mrntk.widgets.view import Choice, Slider, ViewModel
from notebooks.toys.two_layer import ANGLES, GRID, N_POINTS, SPAN, TOLERANCE, run, training_targets

LEGEND = {
    "ncols": 3,
    "columnspacing": 0.8,
    "handlelength": 1.4,
    "handletextpad": 0.4,
    "loc": "upper center",
    "fontsize": 7.5,
}


def _size(share: float) -> str:
    """A share of the start in words."""
    if not np.isfinite(share):
        return "more than can be computed"
    return f"{share:.2g} times the start" if share >= 2 else f"{share:.1%} of the start"


class ModesView(ViewModel):
    """Scrub through training: every mode's residual, the fit, and how long the lazy picture holds."""

    title = "Eigenmode player: training, mode by mode"
    alt = (
        "Three panels. Top left: the residual along every eigenvector of the kernel, largest eigenvalue first, as it was at the "
        "start (outline), in the linearised model (bars) and in the network (dots). Top right: labels, linearised prediction and "
        "network as functions of the angle. Bottom: gap between the two and drift of the kernel against steps, a line at 10 %."
    )
    controls = {
        "steps": Slider("steps of gradient descent", 0, SPAN, 30.0, 0.1, log=True),
        "share": Slider("step size / stability limit", 0.05, 1.2, 0.5, 0.05),
        "target": Choice("target", tuple(training_targets()), "mixed"),
        "width": Choice("width of the network", {str(m): m for m in (32, 128, 512)}, 128),
    }

    def compute(self, *, steps: float, share: float, target: str, width: int) -> dict:
        """The recorded run, and which of its times is nearest to `steps` in ratio."""
        found = run(target, width, round(float(share), 6))
        index = 1 + int(np.argmin(np.abs(np.log(found.times[1:] / steps))))
        return {"run": found, "index": index, "target": target, "width": width, "share": float(share)}

    def draw(self, data):
        """Few artists, fixed ticks and a layout by hand: a third of the time that the constrained layout takes."""
        found, index = data["run"], data["index"]
        figure = plt.figure(figsize=(6.4, 4.6))
        figure.set_layout_engine("none")
        self._draw_modes(figure.add_axes((0.115, 0.475, 0.385, 0.465)), found, index)
        self._draw_fit(figure.add_axes((0.595, 0.475, 0.39, 0.465)), found, index, data["target"])
        self._draw_gap(figure.add_axes((0.115, 0.1, 0.87, 0.25)), found, index)
        return figure

    def _draw_modes(self, axis, found, index):
        start, real = (np.abs(r @ found.vectors)[::-1] for r in (found.real[0], found.real[index]))
        linear = start * found.factors(index)[::-1]
        floor, top, place = 1e-3, 100 * start.max(), np.arange(1, N_POINTS + 1)
        linear, real = (np.clip(np.nan_to_num(q, nan=top), floor, top) for q in (linear, real))
        axis.vlines(place, floor, linear, color=OKABE_ITO[4], lw=3.2, label="linearised")
        axis.step(place, start, where="mid", color="0.35", lw=0.9, label="start")
        axis.plot(place, real, "o", ms=2.8, color=OKABE_ITO[5], label="network")
        axis.set(
            yscale="log",
            ylim=(floor, top),
            ylabel="residual of the mode $|q_k|$",
            title=f"after {found.times[index]} steps",
        )
        axis.minorticks_off()
        axis.set_yticks([0.001, 0.01, 0.1, 1, 10, 100], ["0.001", "0.01", "0.1", "1", "10", "100"])
        shown = [0, 3, 10, 20, 31]
        axis.set_xticks(place[shown], [f"{found.values[::-1][k]:.2g}" for k in shown])
        axis.set_xlabel(r"eigenvalue $\lambda_k$, largest first")
        axis.legend(**LEGEND)

    def _draw_fit(self, axis, found, index, target):
        y, degrees = training_targets()[target], np.degrees(GRID)
        top = 1.3 * np.abs(y).max()
        axis.plot(np.degrees(ANGLES), y, "k.", ms=4, label="labels")
        for fit, line, colour, label in (
            (found.linear_fit[index], "--", OKABE_ITO[0], "linearised"),
            (found.real_fit[index], "-", OKABE_ITO[5], "network"),
        ):
            axis.plot(degrees, np.clip(fit, -9 * top, 9 * top), line, color=colour, label=label)
        axis.set(
            ylim=(-top, 1.55 * top), xticks=range(0, 361, 90), xlabel="angle (degrees)", ylabel="output", title="fit"
        )
        axis.legend(**LEGEND)

    def _draw_gap(self, axis, found, index):
        for values, colour, line, label in (
            (found.gap, OKABE_ITO[2], "-", "network against linearised"),
            (found.drift, OKABE_ITO[3], "--", "kernel drift"),
        ):
            axis.plot(
                found.times[1:], np.clip(np.nan_to_num(values[1:], nan=10), 1e-4, 10), line, color=colour, label=label
            )
        axis.axhline(TOLERANCE, color="k", lw=0.8, ls=":")
        axis.axvline(found.times[index], color="0.5", lw=1)
        if found.end_of_lazy is not None:
            axis.plot(found.end_of_lazy, TOLERANCE, "X", color="k", ms=8, label="lazy picture ends")
        axis.set(xscale="log", yscale="log", ylim=(1e-3, 10), xlabel="steps", ylabel="share of start")
        axis.minorticks_off()
        axis.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
        axis.set_yticks([1e-3, 1e-2, 0.1, 1, 10], ["0.1 %", "1 %", "10 %", "100 %", "over"])
        axis.legend(**LEGEND | {"loc": "upper left"})

    def words(self, data) -> str:
        found, index = data["run"], data["index"]
        size = np.linalg.norm(found.real[0])
        with np.errstate(over="ignore", invalid="ignore"):
            linear, real = (np.linalg.norm(r[index]) / size for r in (found.linear, found.real))
        gap, end = found.gap[index], found.end_of_lazy
        moved = found.drift[index]
        drift = f"the kernel has moved by {moved:.1%}" if np.isfinite(moved) else "the kernel has diverged"
        said = (
            f"{data['target'].capitalize()}, width {data['width']}, step size {data['share']:.2f} of the stability limit, "
            f"after {found.times[index]} steps: the residual of the linearised model is {_size(linear)}, that of the network "
            f"{_size(real)}; they differ by {_size(gap)}, and {drift}. "
        )
        if end is None:
            return (
                said
                + f"The lazy picture holds for all {found.times[-1]} steps: the two never differ by more than {TOLERANCE:.0%}."
            )
        if gap > TOLERANCE:
            said += f"The lazy picture fails here (more than {TOLERANCE:.0%}), and first did so at step {end}."
        elif found.times[index] < end:
            said += f"The lazy picture still holds; it fails at step {end}."
        else:
            said += f"The lazy picture failed at step {end}; by now the two have come together again."
        if data["share"] > 1 and np.linalg.norm(found.real[-1]) < size:  # not so for NaN
            said += (
                f" Above the limit the linearised model diverges. The network does not: in {found.times[-1]} steps its largest "
                f"eigenvalue goes from {found.largest[0]:.1f} to {found.largest[-1]:.1f}, and the limit moves up with it."
            )
        return said

"""Training seen in the eigenbasis: a small network on a circle, mode by mode, beside its linearisation.

The network is f(x) = 1/sqrt(m) sum_k a_k relu(w_k . x) on points x = (cos, sin, 1) of the circle, the 1 in the place of a
bias, all weights drawn from N(0, 1). Its outputs are counted from those at the start (Chizat, Oyallon & Bach 2019), so that
every residual starts as minus the target, whatever the draw. All of it is NumPy: nothing is compiled, a run takes a moment.
"""

from dataclasses import dataclass
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int

from ..prediction.closed_form import Prediction, stability_limit
from ..spectrum import spectrum
from ..support.style import OKABE_ITO
from .view import Choice, Slider, ViewModel
from .width import infinite_ntk

N_POINTS, SPAN = 32, 3  # training points; runs go up to 10^SPAN steps
ANGLES = 2 * np.pi * np.arange(N_POINTS) / N_POINTS
GRID = 2 * np.pi * np.arange(128) / 128  # where fits are drawn
TIMES = np.unique([0, *(round(10 ** (k / 10)) for k in range(10 * SPAN + 1))])  # recorded numbers of steps
TOLERANCE = 0.1  # of the start: a larger gap between network and linearisation counts as the end of the lazy picture
LEGEND = {
    "ncols": 3,
    "columnspacing": 0.8,
    "handlelength": 1.4,
    "handletextpad": 0.4,
    "loc": "upper center",
    "fontsize": 7.5,
}


def targets(angles: Float[np.ndarray, " n"]) -> dict[str, Float[np.ndarray, " n"]]:
    """The functions to learn, by name, at some angles."""
    waves = [np.cos(frequency * angles) for frequency in (1, 2, 3)]
    return {"frequency 1": waves[0], "frequency 2": waves[1], "frequency 3": waves[2], "mixed": sum(waves) / 3**0.5}


def training_targets() -> dict[str, Float[np.ndarray, " n"]]:
    """What is trained on at `ANGLES`: those functions, and the first with noise of standard deviation 1/2."""
    known = targets(ANGLES)
    return known | {"noisy labels": known["frequency 1"] + 0.5 * np.random.default_rng(5).normal(size=N_POINTS)}


def lift(angles: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3"]:
    """Points of the circle with a constant third coordinate, which makes a weight of it a bias."""
    return np.stack([np.cos(angles), np.sin(angles), np.ones_like(angles)], axis=1)


def infinite_kernel(angles_1: Float[np.ndarray, " n"], angles_2: Float[np.ndarray, " m"]) -> Float[np.ndarray, "n m"]:
    """The NTK of the network at infinite width. Source: notebook 01; here from the recursion in `mrntk.widgets.width`, whose
    weights have variance 2 / fan-in instead of 1 / width and 1: a factor of 4/3 for three inputs.
    """
    both = lift(np.concatenate([angles_1, angles_2]))
    return 3 / 4 * infinite_ntk(both, depth=2)[: len(angles_1), len(angles_1) :]


def _kernel(a, w, x_1, x_2):
    """The NTK of the network, as derived in notebook 01."""
    u_1, u_2 = x_1 @ w.T, x_2 @ w.T
    output_layer = np.maximum(u_1, 0) @ np.maximum(u_2, 0).T
    return (output_layer + (x_1 @ x_2.T) * (((u_1 > 0) * a**2) @ (u_2 > 0).T)) / len(a)


def _descend(a, w, x, goal, step):
    """One step of gradient descent on L = 1/(2N) ||f(x) - goal||^2; the parameters after it."""
    u, scale = x @ w.T, len(a) ** -0.5  # (N, m)
    hidden = np.maximum(u, 0)
    push = step / len(x) * scale * (scale * hidden @ a - goal)  # (N,)
    return a - hidden.T @ push, w - ((u > 0) * push[:, None] * a).T @ x


@dataclass(frozen=True)
class Run:
    """One training of the network and of its linearisation, recorded at `times`; r(t) are residuals at `ANGLES`."""

    times: Int[np.ndarray, " T"]
    step: float  # eta
    limit: float  # 2 N / lambda_max at the start
    values: Float[np.ndarray, " n"]  # eigenvalues of the kernel at the start, ascending
    vectors: Float[np.ndarray, "n n"]
    real: Float[np.ndarray, "T n"]  # r(t) of the network
    linear: Float[np.ndarray, "T n"]  # r(t) of the linearised network
    real_fit: Float[np.ndarray, "T g"]  # outputs on `GRID`
    linear_fit: Float[np.ndarray, "T g"]
    drift: Float[np.ndarray, " T"]  # ||Theta(t) - Theta(0)||_F / ||Theta(0)||_F
    largest: Float[np.ndarray, " T"]  # lambda_max of Theta(t)
    off: Float[np.ndarray, " T"]  # ||dr + eta/N Theta(t) r|| over ||dr||, dr being the change of r in the next step
    flips: Float[np.ndarray, " T"]  # share of hidden units that the next step switches on or off at some training point

    def factors(self, index: int) -> Float[np.ndarray, " n"]:
        """|1 - eta lambda_k / N|^t of every mode at the time of that index.

        Not from `linear`: above the limit one mode grows so large that its rounding would drown all others.
        """
        with np.errstate(over="ignore"):
            return np.abs(1 - self.step * self.values / len(self.values)) ** float(self.times[index])

    @property
    def gap(self) -> Float[np.ndarray, " T"]:
        """||r - r_linear|| over ||r(0)||; infinite where one of the two is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            gap = np.linalg.norm(self.real - self.linear, axis=1) / np.linalg.norm(self.real[0])
        return np.where(np.isfinite(gap), gap, np.inf)

    @property
    def end_of_lazy(self) -> int | None:
        """The first recorded number of steps at which the gap is above `TOLERANCE`; None if it never is."""
        beyond = self.times[self.gap > TOLERANCE]
        return int(beyond[0]) if len(beyond) else None


@cache
def run(target: str, width: int, share: float, seed: int = 0) -> Run:
    """Full-batch gradient descent on the squared loss, at `share` of the stability limit of the network's kernel at the start.

    Parameters
    ----------
    target : a name of `training_targets`. width : of the network. share : step size over 2 N / lambda_max. seed : of the weights.
    """
    rng, y = np.random.default_rng(seed), training_targets()[target]
    a, w = rng.normal(size=width), rng.normal(size=(width, 3))
    x, both = lift(ANGLES), lift(np.concatenate([ANGLES, GRID]))
    rows = _kernel(a, w, both, x)
    start, found = rows[:N_POINTS], spectrum(rows[:N_POINTS], vectors=True)
    limit = stability_limit(found, N_POINTS)
    step = share * limit
    everywhere = Prediction(found, -y[:, None], step, test_kernel=rows, test_residual=np.zeros((len(both), 1)))
    predicted = everywhere.test_residual(TIMES)[..., 0]  # outputs, as they start from 0

    scale = width**-0.5
    outputs_0 = scale * np.maximum(both @ w.T, 0) @ a
    goal = outputs_0[:N_POINTS] + y  # what the network itself should put out
    real, drift, largest, off, flips = [], [], [], [], []
    with np.errstate(over="ignore", invalid="ignore"):  # above the limit it may diverge
        for before, now in zip([0, *TIMES], TIMES, strict=False):
            for _ in range(before, now):
                a, w = _descend(a, w, x, goal, step)
            real.append(scale * np.maximum(both @ w.T, 0) @ a - outputs_0)
            kernel = _kernel(a, w, x, x) if now else start
            next_a, next_w = _descend(a, w, x, goal, step)
            r = real[-1][:N_POINTS] - y
            change = scale * np.maximum(x @ next_w.T, 0) @ next_a - goal - r
            off.append(np.linalg.norm(change + step / N_POINTS * kernel @ r) / np.linalg.norm(change))
            flips.append(np.mean(np.any((x @ w.T > 0) != (x @ next_w.T > 0), axis=0)))
            drift.append(np.linalg.norm(kernel - start) / np.linalg.norm(start))
            largest.append(np.linalg.norm(kernel, 2) if np.isfinite(kernel).all() else np.inf)
    real = np.array(real)
    return Run(
        times=TIMES,
        step=step,
        limit=limit,
        values=found.values,
        vectors=found.vectors,
        real=real[:, :N_POINTS] - y,
        linear=predicted[:, :N_POINTS] - y,
        real_fit=real[:, N_POINTS:],
        linear_fit=predicted[:, N_POINTS:],
        drift=np.array(drift),
        largest=np.array(largest),
        off=np.array(off),
        flips=np.array(flips),
    )


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

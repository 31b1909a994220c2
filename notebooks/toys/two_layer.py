"""The smallest network that leaves the lazy regime: two layers on a circle, trained beside their linearisation.

The network is f(x) = 1/sqrt(m) sum_k a_k relu(w_k . x) on points x = (cos, sin, 1) of the circle, the 1 in the place of a
bias, all weights drawn from N(0, 1). Its outputs are counted from those at the start (Chizat, Oyallon & Bach 2019), so that
every residual starts as minus the target, whatever the draw. All of it is NumPy: nothing is compiled, and a thousand steps
with everything that is recorded take less time than the general way, `mrntk.prediction.lazy`, takes to start.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mrntk.prediction.closed_form import Prediction, stability_limit
from mrntk.prediction.lazy import kernel_change
from mrntk.spectrum import spectrum

from .by_layers import Hidden, finite_kernels, kernels_by_depth

N_POINTS, SPAN = 32, 3  # training points; runs go up to 10^SPAN steps
ANGLES = 2 * np.pi * np.arange(N_POINTS) / N_POINTS
GRID = 2 * np.pi * np.arange(128) / 128  # where fits are recorded
TIMES = np.unique([0, *(round(10 ** (k / 10)) for k in range(10 * SPAN + 1))])  # recorded numbers of steps
TOLERANCE = 0.1  # of the start: a larger gap between network and linearisation counts as the end of the lazy picture
# With W_std = sqrt(fan_in) `notebooks.toys.by_layers` has this network's first layer, and sqrt(3) in front of its second.
_AS_HERE = {"w_std": 3**0.5, "b_std": 0.0}


def training_targets() -> dict[str, Float[np.ndarray, " n"]]:
    """What is trained on at `ANGLES`, by name: waves, a mixture, and the first wave with noise of standard deviation 1/2."""
    waves = {f"frequency {frequency}": np.cos(frequency * ANGLES) for frequency in (1, 2, 3)}
    noisy = waves["frequency 1"] + 0.5 * np.random.default_rng(5).normal(size=N_POINTS)
    return waves | {"mixed": sum(waves.values()) / 3**0.5, "noisy labels": noisy}


def lift(angles: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3"]:
    """Points of the circle with a constant third coordinate, which makes a weight of it a bias."""
    return np.stack([np.cos(angles), np.sin(angles), np.ones_like(angles)], axis=1)


def infinite_kernel(angles_1: Float[np.ndarray, " n"], angles_2: Float[np.ndarray, " m"]) -> Float[np.ndarray, "n m"]:
    """The NTK of the network at infinite width. Source: notebook 01."""
    both = lift(np.concatenate([angles_1, angles_2]))
    return kernels_by_depth(both, 2, **_AS_HERE)[-1][: len(angles_1), len(angles_1) :] / 3


class TwoLayer(NamedTuple):
    """The network: call it on points (n, 3)."""

    a: Float[np.ndarray, " m"]
    w: Float[np.ndarray, "m 3"]

    @classmethod
    def random(cls, width: int, seed: int) -> "TwoLayer":
        rng = np.random.default_rng(seed)
        return cls(rng.normal(size=width), rng.normal(size=(width, 3)))

    def __call__(self, x: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
        return np.maximum(x @ self.w.T, 0) @ self.a / len(self.a) ** 0.5

    def kernel(self, x: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n n"]:
        """Its NTK."""
        return finite_kernels(x, [Hidden(self.w, np.zeros(len(self.a)), self.a)], **_AS_HERE)[-1] / 3

    def descended(self, x: Float[np.ndarray, "n 3"], goal: Float[np.ndarray, " n"], step: float) -> "TwoLayer":
        """After one step of gradient descent on L = 1/(2N) ||f(x) - goal||^2."""
        u, scale = x @ self.w.T, len(self.a) ** -0.5  # (N, m)
        hidden = np.maximum(u, 0)
        push = step / len(x) * scale * (scale * hidden @ self.a - goal)  # (N,)
        return TwoLayer(self.a - hidden.T @ push, self.w - ((u > 0) * push[:, None] * self.a).T @ x)


@dataclass(frozen=True)
class Run:
    """One training of the network and of its linearisation, recorded at `times`; r(t) are residuals at `ANGLES`."""

    times: Int[np.ndarray, " T"]
    step: float  # eta
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
    target : a name of `training_targets`.
    width : of the network.
    share : step size over 2 N / lambda_max.
    seed : of the weights.
    """
    net, y = TwoLayer.random(width, seed), training_targets()[target]
    x, both = lift(ANGLES), lift(np.concatenate([ANGLES, GRID]))
    rows, start, outputs_0 = net.kernel(both)[:, :N_POINTS], net.kernel(x), net(both)
    found = spectrum(start, vectors=True)
    step = share * stability_limit(found, N_POINTS)
    everywhere = Prediction(found, -y[:, None], step, test_kernel=rows, test_residual=np.zeros((len(both), 1)))
    predicted = everywhere.test_residual(TIMES)[..., 0]  # outputs, as they start from 0

    goal, real, moments = outputs_0[:N_POINTS] + y, [], []  # what the network itself should put out
    with np.errstate(over="ignore", invalid="ignore"):  # above the limit it may diverge
        for before, now in zip([0, *TIMES], TIMES, strict=False):
            for _ in range(before, now):
                net = net.descended(x, goal, step)
            real.append(net(both) - outputs_0)
            moments.append(_moment(net, x, goal, step, start))
    real = np.array(real)
    return Run(
        times=TIMES,
        step=step,
        values=found.values,
        vectors=found.vectors,
        real=real[:, :N_POINTS] - y,
        linear=predicted[:, :N_POINTS] - y,
        real_fit=real[:, N_POINTS:],
        linear_fit=predicted[:, N_POINTS:],
        **{name: np.array([one[name] for one in moments]) for name in moments[0]},
    )


def _moment(net: TwoLayer, x, goal, step: float, start) -> dict[str, float]:
    """What `Run` records of the kernel at a time and of the step that follows."""
    kernel, r, after = net.kernel(x), net(x) - goal, net.descended(x, goal, step)
    change = after(x) - goal - r
    return {
        "drift": kernel_change(kernel, start)[0],
        "largest": np.linalg.norm(kernel, 2) if np.isfinite(kernel).all() else np.inf,
        "off": np.linalg.norm(change + step / N_POINTS * kernel @ r) / np.linalg.norm(change),
        "flips": np.mean(np.any((x @ net.w.T > 0) != (x @ after.w.T > 0), axis=0)),
    }

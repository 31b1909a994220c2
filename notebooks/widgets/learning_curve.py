"""Predicted against real: the learning curve that the kernel of step 0 promises to a reprogrammed network, and the one it has.

The source is a small network, trained here on MNIST at 14 x 14; the target is scikit-learn's 8 x 8 digits. The output may be
scaled by alpha (`amplified`): what is predicted stays the same, what happens does not.
"""

from functools import cache, lru_cache

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from mrntk.model.input_maps import INNER, INPUT_MAPS
from mrntk.model.reprogram import Reprogram
from mrntk.ntk.passes import outputs_and_rows
from mrntk.ntk.plain import drawn_input_map, kernel_of_rows
from mrntk.prediction.before_training import BeforeTraining
from mrntk.prediction.closed_form import mse
from mrntk.prediction.lazy import amplified, kernel_change
from mrntk.sources.small import CLASSES, trained_half_network
from mrntk.support.style import OKABE_ITO
from mrntk.tasks import load_task
from mrntk.tasks.task import rows_in_turn
from mrntk.training.watched import descend
from mrntk.widgets.view import Choice, Slider, Toggle, ViewModel, input_map_choice

STEPS = 200
TIMES = np.arange(STEPS + 1)


def _kernel(model: Reprogram, x):
    """(f_T(x), Theta_T)."""
    outputs, g = outputs_and_rows(model, x)
    return outputs, kernel_of_rows(model.input_map, x, g)


@cache
def before_training(input_map: str, depth: int, per_class: int) -> BeforeTraining:
    """Model, digits, Theta_T and outputs, before anything is trained."""
    source, digits = trained_half_network(depth), load_task("digits")
    rows = rows_in_turn(digits, per_class * CLASSES, seed=0)
    x, y = np.asarray(digits.x_train[rows], float), digits.one_hot(digits.y_train[rows])
    inner = tuple(round(INNER * side) for side in source.input_shape[1:])
    model = Reprogram(drawn_input_map(input_map, x.shape[1:], source.input_shape, inner=inner, seed=100), source)
    outputs, kernel = _kernel(model, x)
    return BeforeTraining(model, x, y, kernel, outputs)


@lru_cache(maxsize=256)
def real_training(
    input_map: str, depth: int, per_class: int, fraction: float, alpha: float
) -> tuple[np.ndarray, float]:
    """(loss before steps 0 ... STEPS, drift of the kernel by then) of real gradient descent; infinite where it diverged."""
    start = before_training(input_map, depth, per_class)
    model, y = amplified(start.model, start.x, start.y, alpha, outputs=start.outputs)
    states = list(descend(model, start.x, y, step=fraction * start.stability_limit() / alpha**2, steps=STEPS))
    with np.errstate(over="ignore"):
        losses = np.nan_to_num([mse(outputs - y) for _, outputs in states], nan=np.inf)
    if not np.isfinite(losses[-1]):
        return losses, np.inf
    return losses, kernel_change(_kernel(states[-1][0], start.x)[1] / alpha**2, start.kernel)[0]


def steps_to_half(losses: Float[np.ndarray, " T"]) -> int | None:
    """The first number of steps after which the loss is at most half of that at the start; None if it never is."""
    reached = np.flatnonzero(losses <= losses[0] / 2)
    return int(reached[0]) if len(reached) else None


def _after(steps: int | None) -> str:
    if steps is None:
        return "half of the start is not reached"
    return f"half of the start is reached after {steps} {'step' if steps == 1 else 'steps'}"


class LearningCurveView(ViewModel):
    """The loss that the spectrum predicts for a reprogrammed network, and on demand the loss of real training."""

    title = "Predicted before training, and real"
    alt = (
        "Left, the training loss against gradient-descent steps on a logarithmic axis: dashed as the kernel of step 0 "
        "predicts it, and, if asked for, solid as it really is. Right, the share of the squared residual that lies along the "
        "k eigenvectors of largest eigenvalue, against k, with a vertical line between what is half learned by the last step and "
        "what is not."
    )
    controls = {
        "input_map": input_map_choice("input map", ("fc", "vp"), "fc"),
        "depth": Choice("depth of the source", {"1 (linear)": 1, "3": 3, "5": 5}, 3),
        "per_class": Choice("examples per class", (1, 2, 5), 2),
        "fraction": Slider("step, share of the limit", 0.02, 1.2, 0.1, 0.02),
        "alpha": Slider("output scale α", -1, 1.5, 1.0, 0.25, log=True),
        "real": Toggle("show real training"),
    }

    def compute(self, *, input_map: str, depth: int, per_class: int, fraction: float, alpha: float, real: bool) -> dict:
        start = before_training(input_map, depth, per_class)
        step = fraction * start.stability_limit()
        prediction = start.predict(step)
        shrunk = np.abs(1 - step * start.spectrum.values / len(start.y)) ** STEPS  # of every mode, by the last step
        losses, drift = real_training(input_map, depth, per_class, fraction, alpha) if real else (None, None)
        return {
            "input_map": input_map, "depth": depth, "fraction": fraction, "alpha": alpha,
            "predicted": prediction.loss(TIMES), "real": losses, "drift": drift, "floor": mse(prediction.unlearned),
            "cumulative": start.spectrum.cumulative_label_weight(start.residual),
            "half_learned": int((shrunk <= 0.5).sum()), "rank": start.spectrum.rank,
        }  # fmt: skip

    def draw(self, data):
        figure, (left, right) = plt.subplots(1, 2, figsize=(5.8, 2.9), width_ratios=(1.5, 1))
        start = data["predicted"][0]
        if data["real"] is not None:
            left.plot(TIMES, data["real"], color=OKABE_ITO[1], lw=3, alpha=0.7, label="real")
        left.plot(TIMES, data["predicted"], color=OKABE_ITO[0], ls="--", label="predicted")
        shown = [data["predicted"]] + ([] if data["real"] is None else [data["real"]])
        low = min(np.min(losses[np.isfinite(losses)]) for losses in shown)
        left.set(yscale="log", xlabel="steps", ylabel="training loss $L$", ylim=(low / 1.5, 3 * start))
        left.legend()
        places = np.arange(1, len(data["cumulative"]) + 1)
        right.plot(places, data["cumulative"], color=OKABE_ITO[2])
        if data["half_learned"]:
            right.axvline(data["half_learned"], color="black", ls=":", lw=1.2, label="half learned")
            right.legend(loc="upper left")
        right.set(xscale="log", ylim=(0, 1.03), xlabel="eigenvectors $k$", ylabel="share of $\\|r(0)\\|^2$")
        return figure

    def words(self, data) -> str:
        name, predicted, real = INPUT_MAPS[data["input_map"]].label, data["predicted"], data["real"]
        said = f"{name}, source of depth {data['depth']}, step {data['fraction']:.2g} of the limit, α = {data['alpha']:.3g}: "
        if data["fraction"] > 1:
            said += "above the stability limit the kernel of step 0 predicts that the loss grows without end. "
        else:
            said += (
                f"the kernel of step 0 predicts a loss of {predicted[-1]:.3g} after {STEPS} steps, from {predicted[0]:.3g}; "
                f"{_after(steps_to_half(predicted))}. "
            )
        said += f"{data['half_learned']} of {len(data['cumulative'])} directions are at least half learned by then"
        outside = len(data["cumulative"]) - data["rank"]
        said += f", and {outside} can never be. " if outside else ". "
        if real is None:
            return said + "Tick “show real training” to compare."
        if not np.isfinite(real[-1]):
            return said + "Real training diverges."
        if real[-1] > real[0]:
            said += f"Real training ends at {real[-1]:.3g}, above its start. "
        else:
            said += f"Real training ends at {real[-1]:.3g}; {_after(steps_to_half(real))}. "
        if data["fraction"] <= 1:
            said += f"The prediction is off by {predicted[-1] / real[-1] - 1:+.1%} at the end. "
        return said + f"The kernel has moved by {data['drift']:.2g} of its size."

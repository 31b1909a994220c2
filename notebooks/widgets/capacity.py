"""What a prompt can and cannot move: the spectrum of Theta_T against the number of trained values, and the loss that stays."""

from functools import cache, lru_cache

import matplotlib.pyplot as plt
import numpy as np

from mrntk.model.input_maps import INPUT_MAPS
from mrntk.model.reprogram import Reprogram
from mrntk.ntk.passes import outputs_and_rows
from mrntk.ntk.plain import apply_input_map, drawn_input_map, forward, kernel_of_rows, layers_of
from mrntk.prediction.before_training import BeforeTraining
from mrntk.prediction.closed_form import mse
from mrntk.sources.small import CLASSES, random_network, trained_network
from mrntk.support.style import OKABE_ITO
from mrntk.tasks import load_task
from mrntk.tasks.task import rows_in_turn
from mrntk.widgets.view import Choice, Slider, ViewModel, input_map_choice

SIDE = 28
MOST = 5  # examples per class


@cache
def _examples() -> tuple[np.ndarray, np.ndarray]:
    """The target: MOST digits per class, the classes in turn, and their one-hot labels."""
    task = load_task("digits")
    rows = rows_in_turn(task, MOST * CLASSES, seed=0)
    return np.asarray(task.x_train[rows], float), task.one_hot(task.y_train[rows])


@lru_cache(maxsize=40)
def _rows(source: str, depth: int, input_map: str, frame: int):
    """(model, outputs, g, units of the first layer that are on) of all examples: the slow part, once for every model."""
    x = _examples()[0]
    a = drawn_input_map(input_map, x.shape[1:], (1, SIDE, SIDE), inner=(SIDE - 2 * frame,) * 2, seed=SIDE)
    made = random_network(depth, (0, depth)) if source == "random" else trained_network(depth)
    model = Reprogram(a, made)
    before, _ = forward(layers_of(made)[:1], apply_input_map(a, x))  # of a linear source all outputs are on
    return model, *outputs_and_rows(model, x), before > (0 if depth > 1 else -np.inf)


def before_training(source: str, depth: int, input_map: str, frame: int, per_class: int) -> BeforeTraining:
    """What is known of a model on so many examples per class."""
    model, outputs, g, _ = _rows(source, depth, input_map, frame)
    n = per_class * CLASSES
    x, y = (part[:n] for part in _examples())
    return BeforeTraining(model, x, y, kernel_of_rows(model.input_map, x, g[:n]), outputs[:n])


class CapacityView(ViewModel):
    """Spectrum and rank of Theta_T, the bound min(N c, P), and how much of labels and loss lies where nothing can be moved."""

    title = "What can this input map move?"
    alt = (
        "Left, the eigenvalues of Theta_T from the largest to the smallest on a logarithmic axis, up to the rank, with vertical "
        "lines at the bound min(N c, P) and, where it is lower, at what the source's first layer allows. Right, two bars: the "
        "share of the labels and of the starting loss in learned directions, and hatched the share in directions that cannot "
        "be moved."
    )
    controls = {
        "frame": Slider("frame width (pixels)", 1, 12, 3),
        "per_class": Slider("target examples per class", 1, MOST, 3),
        "source": Choice("source", {"trained on MNIST": "trained", "random": "random"}, "trained"),
        "depth": Slider("depth of the source", 1, 4, 2),
        "input_map": input_map_choice("input map", ("vp", "fc", "vp_fc"), "vp"),
    }

    def compute(self, *, frame: int, per_class: int, source: str, depth: int, input_map: str) -> dict:
        before = before_training(source, depth, input_map, frame, per_class)
        found = before.spectrum
        stuck = len(found.values) - found.rank
        on = _rows(source, depth, input_map, frame)[3][: len(before.x)]
        units, always = int(on.any(0).sum()), int(on.all(0).sum())
        return {
            "values": found.values[::-1],
            "rank": found.rank,
            "outputs": before.residual.size,
            "trained": before.model.input_map.num_parameters,
            "labels_stuck": float(found.label_weights(before.labels)[:stuck].sum()),
            "floor": before.training_floor / mse(before.residual),  # of the starting loss
            "units": units,
            "switching": units - always,
            "reach": min(units, CLASSES + units - always) if depth == 2 else units,
            "input_map": input_map,
            "frame": frame,
            "depth": depth,
        }

    def draw(self, data):
        figure, (left, right) = plt.subplots(1, 2, figsize=(5.4, 3.0), width_ratios=(2.2, 1))
        rank, bound = data["rank"], min(data["outputs"], data["trained"])
        left.plot(np.arange(1, rank + 1), data["values"][:rank], ".", ms=3, color=OKABE_ITO[0], label=f"rank {rank}")
        left.axvline(bound, color=OKABE_ITO[5], ls="--", label=f"min(N c, P) = {bound}")
        if data["input_map"] == "vp" and data["reach"] < bound:
            left.axvline(data["reach"], color="black", ls=":", label=f"first layer: {data['reach']}")
        end = data["outputs"]
        left.set(
            yscale="log", xlim=(0, 1.04 * end), xlabel=f"index, up to N c = {end}", ylabel=r"eigenvalue of $\Theta_T$"
        )
        left.legend(loc="upper right", frameon=True, framealpha=1)
        stuck = np.array([data["labels_stuck"], data["floor"]])
        right.bar([0, 1], 1 - stuck, color=OKABE_ITO[4], label="learned")
        right.bar([0, 1], stuck, bottom=1 - stuck, color=OKABE_ITO[1], hatch="///", label="stuck")
        for place, share in enumerate(stuck):
            right.text(place, 1.02, f"{share:.0%}", ha="center", va="bottom", fontsize=8)
        right.set(xticks=[0, 1], ylim=(0, 1.15), ylabel="share; number: stuck")
        right.set_xticks([0, 1], ["labels", "loss"])
        right.grid(False, axis="x")
        right.legend(loc="lower center", frameon=True)
        return figure

    def words(self, data) -> str:
        bound = min(data["outputs"], data["trained"])
        kind = INPUT_MAPS[data["input_map"]]
        where = f"with a frame of {data['frame']} px" if kind.has_prompt else "without a frame"
        said = (
            f"{kind.label} {where} trains P = {data['trained']:,} "
            f"values for N c = {data['outputs']} outputs: the rank is {data['rank']}, the bound min(N c, P) {bound}."
        )
        if data["input_map"] == "vp" and data["reach"] < bound:
            said += " " + self._why(data)
        return said + (
            f" {data['labels_stuck']:.0%} of the labels (without their mean over classes) and {data['floor']:.0%} of the "
            "starting loss lie in directions that the linearised model never moves."
        )

    @staticmethod
    def _why(data) -> str:
        """Which limit of the source is tighter than the number of prompt entries."""
        if data["depth"] == 1:
            return f"A linear source has the same gradients at every input, so the rank is at most {CLASSES}."
        if data["depth"] == 2 and data["reach"] < data["units"]:
            return (
                f"Only {data['switching']} hidden units switch between examples, so the rank is at most "
                f"{CLASSES} + {data['switching']}."
            )
        return (
            f"Only {data['units']} units of the source's first layer are on for any example, and no gradient comes through "
            "the others."
        )

"""What a prompt can and cannot move: the spectrum of Theta_T against the number of trained values, and the loss that stays."""

from functools import cache, lru_cache

import jax
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Float

from ..model.input_maps import BIAS_STD, frame_mask, window
from ..sources.networks import DNN
from ..spectrum import spectrum
from ..support.style import OKABE_ITO
from ..tasks import Task, load_task
from ..training import train_source
from .quick import drawn, resize_matrix
from .view import Choice, Slider, ViewModel

SIDE, CLASSES = 28, 10
MOST = 5  # examples a class
WIDTH = 256  # of the source's hidden layers
SLOPE = 0.25  # sigmoid'(0), the diagonal of D at the start
NAMES = {"vp": "Visual prompt", "fc": "Fully connected", "vp+fc": "FC then prompt"}

Weights = list[tuple[np.ndarray, np.ndarray]]


def dnn_weights(source: DNN) -> Weights:
    """(W, b) of every layer in float64."""
    return [(np.asarray(layer.weight, float), np.asarray(layer.bias, float)) for layer in source.layers]


def first_layer_on(weights: Weights, s: Float[np.ndarray, "N *dS"]) -> Bool[np.ndarray, "N m"]:
    """Which units of the first hidden layer are on, input by input; of a linear source all outputs are."""
    first, bias = weights[0]
    before = s.reshape(len(s), -1) @ first.T + bias
    return before > 0 if len(weights) > 1 else np.ones(before.shape, bool)


def outputs_and_gradients(
    weights: Weights, s: Float[np.ndarray, "N *dS"]
) -> tuple[Float[np.ndarray, "N c"], Float[np.ndarray, "N c d"]]:
    """f_S(s) and g = J_S(s) of a ReLU network by hand: W_L D_{L-1} W_{L-1} ... D_1 W_1, D_h = diag(which units are on)."""
    h, on = s.reshape(len(s), -1), []
    for weight, bias in weights[:-1]:
        before = h @ weight.T + bias
        on.append(before > 0)
        h = before * on[-1]
    last, bias = weights[-1]
    g = np.broadcast_to(last, (len(s), *last.shape))
    for (weight, _), mask in zip(weights[-2::-1], on[::-1], strict=True):
        g = ((g * mask[:, None, :]).reshape(-1, g.shape[-1]) @ weight).reshape(len(s), -1, weight.shape[1])
    return h @ last.T + bias, g


def _draw(task: Task, per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`per_class` training examples a class and their one-hot labels; the first 10 k hold k of every class. By NumPy, which
    compiles nothing."""
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(task.y_train == label))[:per_class] for label in range(task.num_classes)]
    rows = np.stack(members, axis=1).ravel()
    return task.x_train[rows], task.one_hot(task.y_train[rows])


@cache
def _all_examples() -> tuple[np.ndarray, np.ndarray]:
    x, y = _draw(load_task("digits"), MOST, seed=0)
    return np.asarray(x, float), y


def examples(per_class: int = MOST) -> tuple[Float[np.ndarray, "N 1 8 8"], Float[np.ndarray, "N c"]]:
    """The target: 1 to MOST digits a class, and their one-hot labels."""
    x, y = _all_examples()
    return x[: per_class * CLASSES], y[: per_class * CLASSES]


@cache
def _home() -> Task:
    return load_task("mnist5k")


@cache
def random_source(depth: int, seed: int = 0) -> DNN:
    """A network for MNIST's inputs at its random start, in float32, with the distribution of `DNN` drawn by NumPy."""
    with jax.enable_x64(False):
        return drawn(lambda key: DNN((1, SIDE, SIDE), CLASSES, depth=depth, width=WIDTH, key=key), (seed, depth))


@cache
def trained_source(depth: int, seed: int = 0) -> DNN:
    """That network after 20 epochs on 60 images a class with the squared loss."""
    x, y = _draw(_home(), 60, seed)
    with jax.enable_x64(False):
        return train_source(random_source(depth, seed), x, y, key=jax.random.key(seed), epochs=20)[0]


@cache
def _source(kind: str, depth: int) -> Weights:
    return dnn_weights({"random": random_source, "trained": trained_source}[kind](depth))


@cache
def _weight(side: int) -> tuple[np.ndarray, np.ndarray]:
    """A fully connected map from the digits to side x side pixels, as `FullyConnected` starts it."""
    rng = np.random.default_rng(side)
    return rng.normal(size=(side**2, 64)) * (2 / 64) ** 0.5, rng.normal(size=side**2) * BIAS_STD


def transformed(transformation: str, frame: int) -> Float[np.ndarray, "N side side"]:
    """a(x) of all examples at the start."""
    x = examples()[0][:, 0]
    inner = SIDE if transformation == "fc" else SIDE - 2 * frame
    if transformation == "vp":
        resize = resize_matrix(x.shape[1], inner)
        image = resize @ x @ resize.T
    else:
        weight, bias = _weight(inner)
        image = (x.reshape(len(x), -1) @ weight.T + bias).reshape(len(x), inner, inner)
    canvas = np.full((len(x), SIDE, SIDE), 0.5)  # sigmoid(0) on the frame
    canvas[(..., *window((1, SIDE, SIDE), (inner, inner))[1:])] = image
    return canvas


@lru_cache(maxsize=40)
def _rows(kind: str, depth: int, transformation: str, frame: int):
    """(residuals, g, units that are on) of all examples: the slow part, once for every model."""
    s, weights = transformed(transformation, frame), _source(kind, depth)
    outputs, g = outputs_and_gradients(weights, s)
    return outputs - examples()[1], g, first_layer_on(weights, s)


def trained_values(transformation: str, frame: int) -> int:
    """P, the length of theta_A."""
    inside = SIDE**2 if transformation == "fc" else (SIDE - 2 * frame) ** 2
    return (transformation != "fc") * (SIDE**2 - inside) + (transformation != "vp") * inside * 65


def target_kernel(
    kind: str, depth: int, transformation: str, frame: int, per_class: int
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "N c"]]:
    """(Theta_T as a matrix, residuals at the start), by the closed forms."""
    residual, g, _ = _rows(kind, depth, transformation, frame)
    count = per_class * CLASSES
    x, rows, kernel = examples(per_class)[0].reshape(count, -1), g[:count].reshape(count * CLASSES, -1), 0.0
    around = frame_mask((1, SIDE, SIDE), (SIDE - 2 * frame,) * 2).ravel()
    if transformation != "vp":
        part = rows if transformation == "fc" else rows[:, ~around]
        kernel = np.kron(x @ x.T + 1, np.ones((CLASSES, CLASSES))) * (part @ part.T)
    if transformation != "fc":
        part = rows[:, around] * SLOPE
        kernel = kernel + part @ part.T
    return kernel, residual[:count]


class CapacityView(ViewModel):
    """Spectrum and rank of Theta_T, the bound min(N c, P), and how much of labels and loss lies where nothing can be moved."""

    title = "What can this input transformation move?"
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
        "transformation": Choice("input transformation", {name: key for key, name in NAMES.items()}, "vp"),
    }

    def compute(self, *, frame: int, per_class: int, source: str, depth: int, transformation: str) -> dict:
        kernel, residual = target_kernel(source, depth, transformation, frame, per_class)
        found = spectrum(kernel, vectors=True)
        labels = examples(per_class)[1]
        stuck = len(found.values) - found.rank
        on = _rows(source, depth, transformation, frame)[2][: len(residual)]
        units, always = int(on.any(0).sum()), int(on.all(0).sum())
        return {
            "values": found.values[::-1],
            "rank": found.rank,
            "outputs": residual.size,
            "trained": trained_values(transformation, frame),
            "labels_stuck": float(found.label_weights(labels - labels.mean(1, keepdims=True))[:stuck].sum()),
            "floor": float(found.label_weights(residual)[:stuck].sum()),  # of the starting loss
            "units": units,
            "switching": units - always,
            "reach": min(units, CLASSES + units - always) if depth == 2 else units,
            "transformation": transformation,
            "frame": frame,
            "depth": depth,
        }

    def draw(self, data):
        figure, (left, right) = plt.subplots(1, 2, figsize=(5.4, 3.0), width_ratios=(2.2, 1))
        rank, bound = data["rank"], min(data["outputs"], data["trained"])
        left.plot(np.arange(1, rank + 1), data["values"][:rank], ".", ms=3, color=OKABE_ITO[0], label=f"rank {rank}")
        left.axvline(bound, color=OKABE_ITO[5], ls="--", label=f"min(N c, P) = {bound}")
        if data["transformation"] == "vp" and data["reach"] < bound:
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
        what = {"fc": "without a frame", "vp": f"with a frame of {data['frame']} px"}
        said = (
            f"{NAMES[data['transformation']]} {what.get(data['transformation'], what['vp'])} trains P = {data['trained']:,} "
            f"values for N c = {data['outputs']} outputs: the rank is {data['rank']}, the bound min(N c, P) {bound}."
        )
        if data["transformation"] == "vp" and data["reach"] < bound:
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

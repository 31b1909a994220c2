"""The explorer's examples and input transformations, by NumPy: x, a(x), what is trained of a, and the factors of its kernel."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit

from ...model.input_maps import BIAS_STD, window
from ...support.errors import MrntkError
from ...tasks import load_task
from ..quick import resize_matrix

LARGEST_LAYER = 10_000_000  # entries of W
TESTED = 100  # test examples


class Examples(NamedTuple):
    """Some examples of a task, in float64; `labels` are class numbers, y their one-hot rows."""

    x: Float[np.ndarray, "N *dT"]
    labels: Int[np.ndarray, " N"]
    y: Float[np.ndarray, "N c"]
    x_test: Float[np.ndarray, "M *dT"]
    y_test: Float[np.ndarray, "M c"]
    classes: tuple[str, ...]


@lru_cache(maxsize=64)
def examples(name: str, many: int, seed: int) -> Examples:
    """`many` training examples, the classes in turn, so that more examples begin with the same ones; TESTED test examples."""
    task, rng = load_task(name), np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(task.y_train == c)) for c in range(task.num_classes)]
    turns = [rows[k] for k in range(max(map(len, members))) for rows in members if k < len(rows)][:many]
    if len(turns) < many:
        raise MrntkError(
            f"examples={many}: the task {name} has {len(turns)} training examples; choose at most as many."
        )
    shown = np.linspace(0, len(task.x_test) - 1, min(TESTED, len(task.x_test))).astype(int)
    labels = np.asarray(task.y_train)[turns]
    return Examples(
        np.asarray(task.x_train[turns], float), labels, task.one_hot(labels),
        np.asarray(task.x_test[shown], float), task.one_hot(task.y_test[shown]), task.classes,
    )  # fmt: skip


def with_channels(x: Float[np.ndarray, "N C *space"], channels: int) -> Float[np.ndarray, "N channels *space"]:
    """Grey as equal colours, or colours as their mean."""
    if x.shape[1] == channels:
        return x
    grey = x.mean(1, keepdims=True)
    return np.repeat(grey, channels, axis=1)


def resized(x: Float[np.ndarray, "N C *space"], size: tuple[int, ...]) -> Float[np.ndarray, "N C *size"]:
    """Interpolated linearly along every axis of space."""
    for axis, new in enumerate(size, start=2):
        x = np.moveaxis(np.moveaxis(x, axis, -1) @ resize_matrix(x.shape[axis], new).T, -1, axis)
    return x


@lru_cache(maxsize=2)
def _layer(d_t: int, d_s: int, seed: int) -> tuple[Float[np.ndarray, "dS dT"], Float[np.ndarray, " dS"]]:
    """(W, c) at their random start; a layer that ends in a window is made of the rows for its places."""
    if d_t * d_s > LARGEST_LAYER:
        raise MrntkError(
            f"transformation: W would have {d_t * d_s:,} entries here; choose the prompt or the watermark."
        )
    rng = np.random.default_rng([seed, 2])
    return rng.standard_normal((d_s, d_t)) * (2 / d_t) ** 0.5, rng.standard_normal(d_s) * BIAS_STD


class Theta(NamedTuple):
    """theta_A: what is trained. Without a layer, weight and bias are empty; without a prompt, delta is."""

    delta: Float[np.ndarray, " m"]
    weight: Float[np.ndarray, "rows dT"]
    bias: Float[np.ndarray, " rows"]


class Transformation(NamedTuple):
    """a at its start, for one source's shape: the window that holds the input, and the places whose delta is trained."""

    name: str  # one of MAPS
    shape: tuple[int, ...]  # of the source's input
    inner: tuple[int, ...]  # of the window
    mask: Bool[np.ndarray, "*dS"]
    seed: int

    @property
    def inside(self) -> Bool[np.ndarray, "*dS"]:
        """True in the window."""
        found = np.zeros(self.shape, bool)
        found[window(self.shape, self.inner)] = True
        return found

    @property
    def layer_places(self) -> Bool[np.ndarray, "*dS"]:
        """Where the trained layer writes."""
        return self.inside & (self.name in ("fc", "vp_fc"))

    def parameters(self, d_t: int) -> int:
        """How many numbers are trained."""
        return int(self.mask.sum()) + int(self.layer_places.sum()) * (d_t + 1)

    def layer(self, d_t: int):
        """(W, c) of the places where the layer writes."""
        weight, bias = _layer(d_t, int(np.prod(self.shape)), self.seed)
        rows = self.layer_places.ravel()
        return weight[rows], bias[rows]

    def start(self, d_t: int) -> "Theta":
        """theta_A before training: delta = 0, the layer drawn."""
        weight, bias = self.layer(d_t) if self.layer_places.any() else (np.zeros((0, d_t)), np.zeros(0))
        return Theta(np.zeros(int(self.mask.sum())), weight, bias)

    def at(self, x: Float[np.ndarray, "N *dT"], theta: "Theta") -> Float[np.ndarray, "N *dS"]:
        """a(x; theta_A)."""
        z = np.zeros((len(x), *self.shape))
        if self.layer_places.any():
            z[:, self.layer_places] = x.reshape(len(x), -1) @ theta.weight.T + theta.bias
        else:
            z[(slice(None), *window(self.shape, self.inner))] = resized(with_channels(x, self.shape[0]), self.inner)
        z[:, self.mask] += theta.delta if self.name == "watermark" else expit(theta.delta)
        return z

    def __call__(self, x: Float[np.ndarray, "N *dT"]) -> Float[np.ndarray, "N *dS"]:
        """a(x) before training."""
        return self.at(x, self.start(x[0].size))

    def gradient(self, x: Float[np.ndarray, "N *dT"], theta: "Theta", s: Float[np.ndarray, "N *dS"]) -> "Theta":
        """The gradient in theta_A of a loss whose gradients in a(x_i) are the rows of s."""
        frame, rows = s[:, self.mask].sum(0), s[:, self.layer_places]
        slope = 1.0 if self.name == "watermark" else expit(theta.delta) * expit(-theta.delta)
        return Theta(slope * frame, rows.T @ x.reshape(len(x), -1), rows.sum(0))

    def kernel(self, x: Float[np.ndarray, "N *dT"], g: Float[np.ndarray, "N c dS"]) -> Float[np.ndarray, "N*c N*c"]:
        """Theta_T: g . g' over what delta trains, times sigmoid'(0)^2, plus (x . x' + 1) g . g' over what the layer writes."""
        n, c = g.shape[:2]
        slope = 1.0 if self.name == "watermark" else 0.25
        v = g[:, :, self.mask.ravel()].reshape(n * c, -1) * slope
        theta = v @ v.T
        if self.layer_places.any():
            v, flat = g[:, :, self.layer_places.ravel()].reshape(n * c, -1), x.reshape(n, -1)
            theta += np.kron(flat @ flat.T + 1, np.ones((c, c))) * (v @ v.T)
        return theta


def transformation(name: str, shape: tuple[int, ...], frame: float, mask: str, seed: int) -> Transformation:
    """The transformation of a setting for a source of that input shape.

    Raises
    ------
    MrntkError
        If the frame leaves nothing to train, or nothing of the input.
    """
    framed = name in ("vp", "vp_fc")
    inner = tuple(max(1, round((1 - 2 * frame) * side)) if framed else side for side in shape[1:])
    inside = np.zeros(shape, bool)
    inside[window(shape, inner)] = True
    places = {"fc": np.zeros(shape, bool), "watermark": np.ones(shape, bool)}.get(name)
    trained = _masked(inside, mask) if places is None else places
    if framed and not trained.any():
        raise MrntkError(
            f"frame, share of the side: {frame:g} of {min(shape[1:])} places leaves no frame; choose a wider one."
        )
    return Transformation(name, tuple(shape), inner, trained, seed)


def _masked(inside: Bool[np.ndarray, "*dS"], mask: str) -> Bool[np.ndarray, "*dS"]:
    """The places of a prompt that are trained."""
    if mask == "all":
        return np.ones_like(inside)
    if mask == "alternate":
        return ~inside & (np.indices(inside.shape[1:]).sum(0) % 2 == 0)
    if mask == "sides":  # outside of the window's columns
        return np.broadcast_to(~inside.any(axis=tuple(range(inside.ndim - 1))), inside.shape).copy()
    return ~inside

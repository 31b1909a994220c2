"""Each closed-form contraction is what automatic differentiation gives; each map does what its formula says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.model.input_maps import FullyConnected, Identity, InputMap, VisualPrompt, frame_mask
from mrntk.support.precision import double

SOURCE_SHAPE = (1, 6, 6)


def maps(key):
    ring = np.zeros(SOURCE_SHAPE, bool)
    ring[0, 1, 2:5] = ring[0, 3, 0] = True
    random = jax.random.normal(key, (frame_mask(SOURCE_SHAPE, (4, 4)).sum(),))
    prompt = VisualPrompt(SOURCE_SHAPE, (4, 4))
    return {
        "fc": FullyConnected((1, 4, 4), SOURCE_SHAPE, key=key),
        "vp": prompt,
        "vp, trained": jax.tree.map(lambda leaf: random if leaf is prompt.delta else leaf, prompt),
        "vp, any mask": VisualPrompt(SOURCE_SHAPE, (3, 5), mask=ring),
    }


def contract(factors, other):
    return sum((one.u @ two.u) * (one.v @ two.v.T) for one, two in zip(factors, other, strict=True))


@pytest.mark.parametrize("name", ["fc", "vp", "vp, trained", "vp, any mask"])
def test_contraction_equals_automatic_differentiation(name, key, images):
    with jax.enable_x64(True):
        input_map = double(maps(key)[name])
        g = np.random.default_rng(0).normal(size=(6, 3, *SOURCE_SHAPE))
        closed = [input_map.factors(x, row) for x, row in zip(images, g, strict=True)]
        fallback = [InputMap.factors(input_map, x, row) for x, row in zip(images, g, strict=True)]
        for i, j in ((0, 0), (0, 1), (4, 2)):
            expected = contract(fallback[i], fallback[j])
            np.testing.assert_allclose(contract(closed[i], closed[j]), expected, rtol=1e-10, atol=1e-12)


def test_a_map_without_closed_form_falls_back(images):
    """A new input map needs only __call__."""

    class Brightness(InputMap):
        gain: jax.Array

        def __call__(self, x):
            return self.gain * x

    g = jnp.ones((2, 1, 4, 4))
    (factor,) = Brightness(jnp.asarray(2.0)).factors(jnp.asarray(images[0]), g)
    np.testing.assert_allclose(factor.v, np.full((2, 1), images[0].sum()), rtol=1e-6)


def test_identity_trains_nothing(images):
    assert (Identity()(images[0]) == images[0]).all()
    assert Identity().factors(images[0], images[:2]) == ()
    assert Identity().num_parameters == 0


def test_fully_connected_is_an_affine_map(key, images):
    fc = FullyConnected((1, 4, 4), SOURCE_SHAPE, key=key)
    expected = fc.weight @ images[0].ravel() + fc.bias
    np.testing.assert_allclose(fc(jnp.asarray(images[0], jnp.float32)).ravel(), expected, rtol=1e-5)
    assert fc.num_parameters == 16 * 36 + 36


def test_fully_connected_starts_as_the_paper_says(key):
    fc = FullyConnected((1, 40, 40), (1, 20, 20), key=key)
    assert np.var(fc.weight) == pytest.approx(2 / 1600, rel=0.02)
    assert np.var(fc.bias) == pytest.approx(0.1, rel=0.25)


def test_prompt_starts_as_a_half_grey_frame_around_the_image(images):
    prompted = VisualPrompt(SOURCE_SHAPE, (4, 4))(jnp.asarray(images[0]))
    np.testing.assert_allclose(prompted[:, 1:5, 1:5], images[0], rtol=1e-6)
    assert (np.asarray(prompted)[frame_mask(SOURCE_SHAPE, (4, 4))] == 0.5).all()


@pytest.mark.parametrize("size, inner, entries", [(32, 28, 720), (112, 86, 15_444)])
def test_prompt_counts_its_entries(size, inner, entries):
    """The two counts of the capacity law, RGB."""
    assert VisualPrompt((3, size, size), (inner, inner)).num_parameters == entries


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (dict(inner=(7, 4)), "inner=\\(7, 4\\) does not fit"),
        (dict(inner=(6, 6)), "mask is empty"),
        (dict(inner=(4, 4), mask=np.ones((6, 6), bool)), "give it the source's shape"),
    ],
)
def test_bad_prompts(arguments, sentence):
    with pytest.raises(MrntkError, match=sentence):
        VisualPrompt(SOURCE_SHAPE, **arguments)


def test_prompt_wants_the_sources_channels():
    with pytest.raises(MrntkError, match="x has shape .* but the source takes .3, .*as_rgb"):
        VisualPrompt((3, 6, 6), (4, 4))(jnp.zeros((1, 4, 4)))

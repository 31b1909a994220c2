"""The explorer of input maps: its images are those of the input maps, its counts their num_parameters."""

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrntk.model.input_maps import FullyConnectedPrompt, Resize, SeededFullyConnected, VisualPrompt, Watermark
from mrntk.support.errors import MrntkError
from mrntk.support.style import style
from notebooks.widgets.input_map import SAMPLES, InputMapView, _samples

VIEW = InputMapView()


@pytest.mark.parametrize("task", ["digits", "photos"])
def test_prompt_and_watermark_are_those_of_mrntk(task):
    x = jnp.asarray(_samples(task)[15], jnp.float32)
    shape = (len(x), 28, 28)
    data = VIEW.data(task=task)
    prompt = eqx.tree_at(lambda a: a.delta, VisualPrompt(shape, (20, 20)), jnp.asarray(data["delta"], jnp.float32))
    np.testing.assert_allclose(data["a"], prompt(x), atol=1e-5)
    data = VIEW.data(task=task, input_map="watermark", strength=0.5)
    mark = eqx.tree_at(lambda a: a.delta, Watermark(shape), jnp.asarray(data["delta"], jnp.float32).reshape(shape))
    np.testing.assert_allclose(data["a"], mark(Resize(shape)(x)), atol=1e-5)
    np.testing.assert_allclose(VIEW.data(task=task, input_map="none")["a"], Resize(shape)(x), atol=1e-5)


@pytest.mark.parametrize("task", ["digits", "photos"])
@pytest.mark.parametrize("side", [28, 56, 112])
def test_counts_are_those_of_mrntk(task, side):
    target = _samples(task).shape[1:]
    shape, inner = (target[0], side, side), round(0.7 * side)
    frame = VisualPrompt(shape, (inner, inner)).num_parameters
    layers = {s: SeededFullyConnected(target, (target[0], s, s), key=jax.random.key(0)) for s in (side, inner)}
    expected = {
        "none": 0, "watermark": Watermark(shape).num_parameters, "vp": frame, "fc": layers[side].num_parameters,
        "vp_fc": layers[inner].num_parameters + frame,
    }  # fmt: skip
    found = {name: VIEW.data(task=task, side=side, input_map=name)["parameters"] for name in expected}
    assert found == expected


def test_layer_then_prompt():
    """Parameters as in mrntk, the frame as in VP, and another random layer for another seed."""
    data, vp = VIEW.data(input_map="vp_fc"), VIEW.data(input_map="vp")
    a = FullyConnectedPrompt((1, 8, 8), (1, 28, 28), (20, 20), key=jax.random.key(0))
    assert data["parameters"] == a.num_parameters
    frame = data["trained"] == 2
    np.testing.assert_array_equal(data["a"][0][frame], vp["a"][0][frame])
    other = VIEW.data(input_map="vp_fc", seed=1)
    assert not np.allclose(data["a"], other["a"])


def test_without_strength_the_frame_is_grey_whatever_the_seed():
    for seed in (0, 9):
        data = VIEW.data(strength=0.0, seed=seed)
        np.testing.assert_allclose(data["a"][0][data["trained"] == 2], 0.5)


EXTREMES = [
    {"share": 0.1}, {"share": 0.95, "side": 112, "task": "photos"}, {"number": SAMPLES - 1, "task": "mnist5k"}, {"strength": 5.0},
    {"input_map": "fc", "side": 112, "task": "photos", "seed": 9}, {"input_map": "vp_fc", "share": 0.1}, {"number": 0},
    {"input_map": "none", "share": 1.0}, {"input_map": "watermark", "share": 1.0, "strength": 0.0}, {"task": "fashion5k"},
]  # fmt: skip


@pytest.mark.parametrize("changes", EXTREMES, ids=str)
def test_extreme_values_work(changes):
    data = VIEW.data(**changes)
    assert np.isfinite(data["a"]).all() and 0 <= data["share"] <= 1
    with style():
        plt.close(VIEW.draw(data))
    assert VIEW.words(data).endswith(".")


@pytest.mark.parametrize("name", ["vp", "vp_fc"])
def test_no_frame_left_is_said_in_words(name):
    with pytest.raises(MrntkError, match="share of the side kept = 1.*keep less"):
        VIEW.data(input_map=name, share=1.0)


def test_words_name_what_changed():
    assert "VP trains 384 numbers" in VIEW.words(VIEW.data())
    assert "20 of 28 pixels" in VIEW.words(VIEW.data())
    assert "78 of 112 pixels" in VIEW.words(VIEW.data(side=112))
    assert "FC trains 115,643,136 numbers" in VIEW.words(VIEW.data(input_map="fc", side=112, task="photos"))
    assert "462 MB" in VIEW.words(VIEW.data(input_map="fc", side=112, task="photos"))
    assert "trains nothing" in VIEW.words(VIEW.data(input_map="none"))
    assert "run from 0.00 to 0.00" in VIEW.words(VIEW.data(input_map="watermark", strength=0.0))

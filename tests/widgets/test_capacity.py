"""The capacity widget: its closed forms agree with the package's own kernels, and the law is kept everywhere."""

from functools import cache

import equinox as eqx
import jax
import numpy as np
import pytest

from mrntk import FullyConnected, FullyConnectedPrompt, Reprogram, VisualPrompt, empirical_ntk
from mrntk.model.reprogram import predict
from mrntk.prediction.before_training import training_floor
from mrntk.spectrum import as_matrix
from mrntk.support.style import style
from mrntk.widgets import capacity
from mrntk.widgets.capacity import CapacityView


@cache
def view():
    return CapacityView()


def package_model(depth, transformation, frame):
    """The same model from the package's parts."""
    shape, key, inner = (1, 28, 28), jax.random.key(0), (28 - 2 * frame,) * 2
    source = capacity.random_source(depth)
    if transformation == "vp":
        return Reprogram(VisualPrompt(shape, inner), source)
    layer = FullyConnected((1, 8, 8), shape if transformation == "fc" else (1, *inner), key=key)
    weights = capacity._weight(28 if transformation == "fc" else inner[0])
    layer = eqx.tree_at(lambda tree: (tree.weight, tree.bias), layer, weights)
    if transformation == "fc":
        return Reprogram(layer, source)
    both = FullyConnectedPrompt((1, 8, 8), shape, inner, key=key)
    return Reprogram(eqx.tree_at(lambda tree: tree.fully_connected, both, layer), source)


@pytest.mark.parametrize("transformation, frame, depth", [("vp", 11, 1), ("fc", 1, 2), ("vp+fc", 5, 2)])
def test_kernel_and_residuals_are_those_of_the_package(transformation, frame, depth):
    x, y = capacity.examples(1)
    model = package_model(depth, transformation, frame)
    kernel, residual = capacity.target_kernel("random", depth, transformation, frame, 1)
    theirs = empirical_ntk(model, x)
    assert model.input_map.num_parameters == capacity.trained_values(transformation, frame)
    np.testing.assert_allclose(kernel, as_matrix(theirs), rtol=2e-5, atol=2e-5 * np.abs(theirs).max())
    np.testing.assert_allclose(residual, np.asarray(predict(model, x)) - y, atol=1e-4)


@pytest.mark.parametrize("frame", [1, 12])
@pytest.mark.parametrize("per_class", [1, capacity.MOST])
@pytest.mark.parametrize("transformation", ["vp", "fc", "vp+fc"])
def test_law_at_the_ends_of_the_controls(frame, per_class, transformation):
    data = view().data(frame=frame, per_class=per_class, transformation=transformation, source="random")
    assert data["rank"] <= min(data["outputs"], data["trained"])
    if transformation == "vp":
        assert data["rank"] <= data["reach"] <= data["units"]
    assert 0 <= data["floor"] <= 1 and 0 <= data["labels_stuck"] <= 1
    assert str(data["rank"]) in view().words(data)


def test_frame_of_one_pixel_is_full():
    """108 entries, 300 outputs of a random source with enough units that are on."""
    data = view().data(frame=1, per_class=3, source="random", depth=3)
    assert data["trained"] == 28**2 - 26**2 == 108 and data["rank"] == 108


def test_a_linear_source_gives_a_prompt_ten_directions():
    data = view().data(depth=1, frame=5, source="random")
    assert data["rank"] == 10
    assert "linear source" in view().words(data)


def test_floor_is_the_training_floor():
    kernel, residual = capacity.target_kernel("random", 2, "vp", 2, 4)
    data = view().data(depth=2, frame=2, per_class=4, source="random")
    start = (residual**2).sum() / (2 * len(residual))
    np.testing.assert_allclose(data["floor"] * start, training_floor(kernel, residual), rtol=1e-9)


@pytest.mark.parametrize("source", ["random", "trained"])
@pytest.mark.parametrize("frame", [3, 8, 12])
def test_at_depth_two_switching_units_decide(source, frame):
    data = view().data(frame=frame, per_class=5, source=source, depth=2)
    assert data["rank"] == min(data["outputs"], data["trained"], data["reach"])
    if data["reach"] < data["units"]:
        assert f"10 + {data['switching']}" in view().words(data)


def test_units_that_are_off_are_named():
    data = view().data(frame=8, per_class=5, source="random", depth=4)
    assert data["rank"] == data["units"] and f"{data['units']} units" in view().words(data)


def test_trained_source_differs_and_is_drawn():
    view_ = view()
    random, trained = (view_.data(source=kind, depth=2) for kind in ("random", "trained"))
    assert random["values"][0] != trained["values"][0]
    with style():
        figure = view_.draw(trained)
    assert len(figure.axes) == 2


def test_examples_hold_as_many_of_every_class_and_the_smaller_set_is_part_of_the_larger():
    (few, labels), (many, _) = capacity.examples(2), capacity.examples()
    assert few.shape == (20, 1, 8, 8) and (labels.sum(0) == 2).all()
    np.testing.assert_array_equal(few, many[:20])


def test_random_source_is_drawn_as_the_package_draws_it():
    source = capacity.random_source(3, seed=1)
    assert [layer.weight.shape for layer in source.layers] == [(256, 784), (256, 256), (10, 256)]
    assert source.layers[0].weight.std() == pytest.approx((2 / 784) ** 0.5, rel=0.02)
    assert source.layers[1].bias.std() == pytest.approx(0.1**0.5, rel=0.2)
    assert source.name == "dnn-d3-w256"

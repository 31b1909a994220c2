"""The capacity widget: its closed forms agree with the package's own kernels, and the law is kept everywhere."""

from functools import cache

import jax
import numpy as np
import pytest

from mrntk import empirical_ntk, predict
from mrntk.prediction.before_training import training_floor
from mrntk.support.style import style
from notebooks.widgets import capacity
from notebooks.widgets.capacity import CapacityView


@cache
def view():
    return CapacityView()


@pytest.mark.parametrize("input_map, frame, depth", [("vp", 11, 1), ("fc", 1, 2), ("vp_fc", 5, 2)])
def test_kernel_and_outputs_are_those_of_the_package(input_map, frame, depth):
    before = capacity.before_training("random", depth, input_map, frame, 1)
    theirs = empirical_ntk(before.model, before.x)
    np.testing.assert_allclose(before.kernel, theirs, rtol=2e-5, atol=2e-5 * np.abs(theirs).max())
    np.testing.assert_allclose(before.outputs, np.asarray(predict(before.model, before.x)), atol=1e-4)
    _, _, g, on = capacity._rows("random", depth, input_map, frame)
    assert on.all() if depth == 1 else 0 < on.mean() < 1
    assert g.shape == (50, 10, 1, 28, 28) and on.shape == (50, 10 if depth == 1 else 256)


def test_units_that_are_on_are_those_of_the_source():
    model, _, _, on = capacity._rows("random", 2, "vp", 3)
    z = np.asarray(jax.vmap(model.input_map)(capacity._examples()[0]))
    first = model.source.layers[0]
    before = z.reshape(50, -1) @ np.asarray(first.weight).T + np.asarray(first.bias)
    sure = np.abs(before) > 1e-4
    np.testing.assert_array_equal(on[sure], (before > 0)[sure])


@pytest.mark.parametrize("frame", [1, 12])
@pytest.mark.parametrize("per_class", [1, capacity.MOST])
@pytest.mark.parametrize("input_map", ["vp", "fc", "vp_fc"])
def test_law_at_the_ends_of_the_controls(frame, per_class, input_map):
    data = view().data(frame=frame, per_class=per_class, input_map=input_map, source="random")
    assert data["rank"] <= min(data["outputs"], data["trained"])
    if input_map == "vp":
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
    before = capacity.before_training("random", 2, "vp", 2, 4)
    data = view().data(depth=2, frame=2, per_class=4, source="random")
    start = (before.residual**2).sum() / (2 * len(before.residual))
    np.testing.assert_allclose(data["floor"] * start, training_floor(before.kernel, before.residual), rtol=1e-9)


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

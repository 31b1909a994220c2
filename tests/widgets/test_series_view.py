"""The series explorer: what it shows agrees with the package's own transformations, network and laws."""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrntk import Reprogram, empirical_ntk, load_task
from mrntk.model.input_maps import FullyConnected, Resize, VisualPrompt
from mrntk.model.output_maps import random_mapping
from mrntk.sources.pretrained.crepe import SAMPLE_RATE, SAMPLES
from mrntk.support.errors import MrntkError
from mrntk.widgets import Explorer
from mrntk.widgets.series import PITCHES, TASKS, SeriesView, capacity, crepe, hear, resized, transformed


@pytest.fixture(scope="module")
def view():
    return SeriesView()


@pytest.mark.parametrize(("task", "window"), [("gunpoint", 736), ("acsf1", 512), ("italypower", 16), ("trace", 1008)])
def test_prompt_is_that_of_the_package(task, window):
    x = load_task(task).x_train[0].astype(np.float32)
    made, where = transformed(x[0].astype(float), "vp", window, 0.0)
    prompt = VisualPrompt((1, SAMPLES), window)
    np.testing.assert_allclose(made, prompt(x)[0], atol=1e-4)
    np.testing.assert_array_equal(where, prompt.index)
    assert len(where) == prompt.num_parameters == capacity("vp", window, x.shape[1])


def test_resizing_is_that_of_the_package():
    x = load_task("gunpoint").x_train[3].astype(np.float32)
    np.testing.assert_allclose(resized(x[0].astype(float), SAMPLES), Resize((1, SAMPLES))(x)[0], atol=1e-4)


def test_random_layer_has_the_law_and_the_size_of_the_package():
    x = load_task("osuleaf").x_train[0, 0].astype(float)
    made, where = transformed(x, "fc", 736, 0.0)
    layer = FullyConnected((1, len(x)), (1, SAMPLES), key=jax.random.key(1))
    assert len(where) == 0 and capacity("fc", 736, len(x)) == layer.num_parameters
    theirs = np.asarray(layer(x[None].astype(np.float32)))[0]
    assert made.std() == pytest.approx(theirs.std(), rel=0.15)
    assert made.std() == pytest.approx((2 * np.mean(x**2) + 0.1) ** 0.5, rel=0.15)


def test_hearing_in_blocks_changes_nothing():
    time = np.arange(SAMPLES) / SAMPLE_RATE
    tones = np.sin(2 * np.pi * np.linspace(100, 900, 6)[:, None] * time)[:, None]
    together = hear(crepe(), tones)
    assert together.shape == (6, 360)
    np.testing.assert_allclose(together[5], np.asarray(crepe()(tones[5].astype(np.float32))), atol=1e-3)
    np.testing.assert_allclose(PITCHES[together.argmax(1)], np.linspace(100, 900, 6), rtol=0.03)


def test_capacity_is_the_rank_of_the_kernel():
    """Six outputs, four trained samples: the rank is 4 and no more."""
    task = load_task("arrowhead")
    model = Reprogram(
        VisualPrompt((1, SAMPLES), SAMPLES - 4), crepe(), random_mapping(jax.random.key(0), 360, task.num_classes)
    )
    kernel = empirical_ntk(model, task.x_train[:2]).reshape(6, 6)
    assert np.linalg.matrix_rank(kernel, rtol=1e-10) == capacity("vp", SAMPLES - 4, 251) == 4


def test_words_follow_the_capacity_law(view):
    room = SAMPLES - 736
    most = room // 4  # of two classes
    assert "leaves room" in view.words(view.data(per_class=most))
    over = view.data(per_class=most + 1)
    assert over["demand"] == 4 * (most + 1) and f"{4 * (most + 1) - room} directions" in view.words(over)
    assert "Nothing is trained" in view.words(view.data(transform="none"))
    assert f"{1024 * 151:,} values" in view.words(view.data(transform="fc"))


def test_the_prompt_starts_flat_and_becomes_rough(view):
    flat, rough = view.data(), view.data(strength=6.0)
    assert np.ptp(flat["signal"][flat["where"]]) == 0 and flat["signal"][0] == 0.5
    assert np.ptp(rough["signal"][rough["where"]]) > 0.9
    inside = np.setdiff1d(np.arange(SAMPLES), flat["where"])
    np.testing.assert_array_equal(flat["signal"][inside], rough["signal"][inside])
    assert rough["margin_energy"] > flat["margin_energy"]
    assert view.words(flat) != view.words(rough)


def test_a_moved_window_keeps_the_prompt_outside(view):
    one, two = view.data(strength=2.0, window=512), view.data(strength=2.0, window=736)
    np.testing.assert_array_equal(one["signal"][two["where"]], two["signal"][two["where"]])


def test_the_network_hears_standardised_samples(view):
    for transform in ("vp", "fc", "none"):
        heard = view.data(transform=transform)["heard"]
        assert abs(heard.mean()) < 1e-9 and heard.std(ddof=1) == pytest.approx(1)


@pytest.mark.parametrize("task", TASKS)
def test_extremes_of_every_control(view, task):
    last = load_task(task).num_classes - 1
    for values in (
        {"label": last, "number": 9, "window": 16, "strength": 6.0, "per_class": 100},
        {"label": 0, "number": 0, "window": 1008, "strength": 0.0, "per_class": 1},
        {"label": last, "transform": "fc"},
        {"label": last, "transform": "none"},
    ):
        data = view.data(task=task, **values)
        assert np.isfinite(data["logits"]).all() and np.isfinite(data["heard"]).all()
        assert view.words(data).count(".") >= 2
    plt.close(view.draw(data))


def test_a_class_that_the_task_lacks_is_named(view):
    with pytest.raises(MrntkError, match="class=2: gunpoint has the classes 0 to 1"):
        view.data(label=2)
    face = Explorer(view)
    face.set(label=5)
    assert 'role="alert"' in face.shown.value
    face.set(task="osuleaf")
    assert "Quercus kelloggii" in face.data["title"]

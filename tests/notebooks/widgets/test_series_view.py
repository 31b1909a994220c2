"""The series explorer: what it shows agrees with the package's own input maps, network and laws."""

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrntk import Reprogram, empirical_ntk, load_task, predict
from mrntk.model.input_maps import FullyConnected, Resize, VisualPrompt
from mrntk.model.output_maps import random_mapping
from mrntk.sources.pretrained.crepe import SAMPLE_RATE, SAMPLES
from mrntk.support.errors import MrntkError
from mrntk.widgets import Explorer
from notebooks.widgets.series import TASKS, SeriesView, crepe, pitches


@pytest.fixture(scope="module")
def view():
    return SeriesView()


@pytest.mark.parametrize(("task", "window"), [("gunpoint", 736), ("acsf1", 512), ("italypower", 16), ("trace", 1008)])
def test_what_is_shown_is_the_package_s(view, task, window):
    """a(x), the network's answer and the number of trained values."""
    x = load_task(task).x_train[int(np.flatnonzero(load_task(task).y_train == 0)[0])].astype(np.float32)
    theirs = {
        "vp": VisualPrompt((1, SAMPLES), window), "none": Resize((1, SAMPLES)),
        "fc": FullyConnected((1, x.size), (1, SAMPLES), key=jax.random.key(1)),
    }  # fmt: skip
    for name, a in theirs.items():
        data = view.data(task=task, window=window, input_map=name)
        assert data["capacity"] == a.num_parameters
        np.testing.assert_array_equal(data["where"], a.index if name == "vp" else [])
        np.testing.assert_allclose(
            data["logits"], np.asarray(crepe()(data["signal"][None].astype(np.float32))), atol=1e-3
        )
        if name == "fc":
            assert data["signal"].std() == pytest.approx((2 * np.mean(x**2) + 0.1) ** 0.5, rel=0.15)
        else:
            np.testing.assert_allclose(data["signal"], a(x)[0], atol=1e-4)


def test_pitches_are_heard():
    time = np.arange(SAMPLES) / SAMPLE_RATE
    tones = np.sin(2 * np.pi * np.linspace(100, 900, 6)[:, None] * time)[:, None]
    logits = np.asarray(predict(crepe(), tones.astype(np.float32)))
    np.testing.assert_allclose(pitches()[logits.argmax(1)], np.linspace(100, 900, 6), rtol=0.03)
    np.testing.assert_allclose(np.diff(np.log2(pitches())), 20 / 1200, rtol=1e-3)


def test_capacity_is_the_rank_of_the_kernel():
    """Six outputs, four trained samples: the rank is 4 and no more."""
    task = load_task("arrowhead")
    model = Reprogram(
        VisualPrompt((1, SAMPLES), SAMPLES - 4), crepe(), random_mapping(jax.random.key(0), 360, task.num_classes)
    )
    kernel = empirical_ntk(model, task.x_train[:2]).reshape(6, 6)
    assert np.linalg.matrix_rank(kernel, rtol=1e-10) == model.input_map.num_parameters == 4


def test_words_follow_the_capacity_law(view):
    room = SAMPLES - 736
    most = room // 4  # of two classes
    assert "leaves room" in view.words(view.data(per_class=most))
    over = view.data(per_class=most + 1)
    assert over["demand"] == 4 * (most + 1) and f"{4 * (most + 1) - room} directions" in view.words(over)
    assert "Nothing is trained" in view.words(view.data(input_map="none"))
    assert f"{1024 * 151:,} values" in view.words(view.data(input_map="fc"))


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
    for name in ("vp", "fc", "none"):
        heard = view.data(input_map=name)["heard"]
        assert abs(heard.mean()) < 1e-9 and heard.std(ddof=1) == pytest.approx(1)


@pytest.mark.parametrize("task", TASKS)
def test_extremes_of_every_control(view, task):
    last = load_task(task).num_classes - 1
    for values in (
        {"label": last, "number": 9, "window": 16, "strength": 6.0, "per_class": 100},
        {"label": 0, "number": 0, "window": 1008, "strength": 0.0, "per_class": 1},
        {"label": last, "input_map": "fc"},
        {"label": last, "input_map": "none"},
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

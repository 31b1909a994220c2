"""The explorer's numbers: held to the package's own kernels and to JAX's derivatives, and to the laws of the theory."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.linalg import eigvalsh

from mrntk import CNN, empirical_ntk, predict_float64
from mrntk.model.input_maps import INPUT_MAPS
from mrntk.ntk import plain
from mrntk.ntk.passes import scores
from mrntk.support.errors import MrntkError
from mrntk.support.precision import double
from mrntk.support.style import png, style
from mrntk.widgets.reprogramming import ReprogrammingView, Setting, read_setting
from mrntk.widgets.reprogramming.analysis import STEPS, analyse, start
from mrntk.widgets.reprogramming.face import Stopped
from mrntk.widgets.reprogramming.inputs import input_map
from mrntk.widgets.reprogramming.live import train
from mrntk.widgets.reprogramming.networks import Network
from mrntk.widgets.reprogramming.setting import CONTROLS, MAPPINGS, MASKS, OWN
from mrntk.widgets.reprogramming.words import change, facts, finding, outcome

TOY = Setting(source="random", examples=10)
SHAPE = (1, 6, 6)
MAPS = CONTROLS["input_map"].values


@pytest.fixture(scope="module")
def convolutional():
    """A network that goes the way of the real ones: through JAX, in blocks."""
    with jax.enable_x64(True):
        source = double(CNN(SHAPE, 10, depth=2, width=4, key=jax.random.key(0)))
    return Network(source, "a small CNN", (OWN, "cnn", 0))


@pytest.mark.parametrize(
    "changes", [{}, {"depth": 5, "frame": 0.3, "task": "photos", "loss": "ce"}, {"fraction": 1.2, "seed": 9}]
)
def test_a_setting_survives_json_and_links(changes):
    setting = Setting(**changes)
    for text in (setting.json(), setting.query(), f"?{setting.query()}", f"http://localhost:8866/?{setting.query()}"):
        assert read_setting(text) == setting
    assert read_setting(setting.__dict__) == setting and read_setting(None) == Setting()


@pytest.mark.parametrize(
    "text, words",
    [
        ("?deep=3", "'deep' is unknown in a setting: choose from source"),
        ("?depth=three", "depth='three': give a number from 1 to 6"),
        ("?depth=7", "depth=7: give a number from 1 to 6"),
        ('{"depth": 2.5}', "depth=2.5: give a whole number"),
        ('{"source": "vgg"}', "source='vgg': choose one of random"),
        ("{depth: 3}", "not JSON"),
        ("hello", "setting='hello': give JSON, or a link"),
    ],
)
def test_a_wrong_setting_is_an_error_in_words(text, words):
    with pytest.raises(MrntkError, match=words.replace("?", r"\?")):
        read_setting(text)


def test_the_menu_of_input_maps_is_made_from_the_one_table():
    assert all(
        INPUT_MAPS[name].label in label or name == "watermark" for label, name in CONTROLS["input_map"].options.items()
    )
    assert list(CONTROLS["input_map"].options)[:2] == ["prompt (VP)", "fully connected layer (FC)"]


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("own", [False, True])
def test_outputs_and_kernel_are_those_of_the_package(convolutional, name, own):
    setting = replace(
        TOY, input_map=name, source=OWN if own else "random", mapping="random", mask="alternate", examples=7
    )
    before = start(setting, convolutional if own else None).before
    np.testing.assert_allclose(before.outputs, predict_float64(before.model, before.x), atol=1e-5)
    theirs = empirical_ntk(before.model, before.x)
    np.testing.assert_allclose(before.kernel, theirs, atol=1e-5 * np.abs(theirs).max())


def test_answers_are_remembered_whatever_the_loss_and_the_step():
    one = start(TOY)
    assert start(replace(TOY, loss="ce", fraction=0.1)) is one
    other = start(replace(TOY, seed=1))
    assert other is not one and start(TOY) is one
    for frame in (0.1, 0.2, 0.25, 0.3, 0.35, 0.4):
        start(replace(TOY, frame=frame))
    assert start(TOY) is not one


@pytest.mark.parametrize("mask", MASKS.values())
def test_masks_have_their_places_outside_of_the_window_and_the_rank_keeps_the_capacity_law(mask):
    found = analyse(replace(TOY, mask=mask))
    places = plain.trained_places(found.before.model.input_map, (1, 14, 14)) == plain.DELTA
    assert found.spectrum.rank <= found.capacity <= found.parameters == places.sum()
    assert places.sum() == {"frame": 96, "alternate": 48, "sides": 56, "all": 196}[mask]
    if mask != "all":
        assert not places[:, 2:12, 2:12].any()


def test_more_examples_interlace():
    """Cauchy: the kernel of fewer examples is a block of the kernel of more."""
    few, many = (analyse(replace(TOY, input_map="fc", examples=n)) for n in (8, 13))
    np.testing.assert_array_equal(few.start.data.x, many.start.data.x[:8])
    assert many.spectrum.max >= few.spectrum.max and many.spectrum.min <= few.spectrum.min
    assert "eigenvalues interlace: the largest cannot fall, the smallest cannot rise" in change(facts(few), facts(many))
    assert "interlace" not in change(facts(few), facts(analyse(replace(TOY, examples=13))))  # another input map as well


def test_numbers_are_those_of_the_kernel():
    found = analyse(replace(TOY, input_map="fc", mapping="frequency"))
    before = found.before
    theta = empirical_ntk(before.model, before.x).reshape(100, 100)
    values = eigvalsh(theta)
    np.testing.assert_allclose((before.lambda_min, found.spectrum.max), values[[0, -1]], rtol=1e-6)
    np.testing.assert_allclose(found.condition, values[-1] / values[0], rtol=1e-6)
    np.testing.assert_allclose(found.step, 0.5 * 2 * 10 / values[-1])
    np.testing.assert_allclose(found.weights.sum(), 1)
    residual = before.residual.ravel()
    for _ in range(STEPS):
        residual = residual - found.step / 10 * theta @ residual
    np.testing.assert_allclose(found.losses[-1], residual @ residual / 20, rtol=1e-8)


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_a_linear_model_trains_as_predicted(loss):
    """Depth 1 and a watermark: f is linear in theta, so the prediction is exact."""
    found = analyse(replace(TOY, depth=1, input_map="watermark", loss=loss))
    *_, run = train(found)
    np.testing.assert_allclose(run.losses, found.losses, rtol=1e-8)
    assert run.done and run.accuracy == found.accuracy and 0 <= run.test_accuracy <= 1
    assert "not lazy" not in outcome(found, run)


def test_training_above_the_limit_diverges_in_words():
    found = analyse(replace(TOY, depth=1, input_map="fc", fraction=1.2))
    assert found.losses[-1] > found.losses[0] and "predicts that the loss grows" in finding(found)
    *_, run = train(found)
    assert run.losses[-1] > 1e3 * run.losses[0]


def test_work_can_be_stopped_in_the_midst(convolutional):
    told = []

    def say(share):
        told.append(share)
        if share > 0.5:
            raise Stopped

    setting = replace(TOY, source=OWN, mapping="frequency", seed=7)
    with pytest.raises(Stopped):
        analyse(setting, convolutional, say)
    assert told == sorted(told) and told[-1] < 0.7  # the scores for b come first, then the Jacobian
    runs = train(analyse(setting, convolutional), told.append)
    told.clear()
    assert len(next(runs).losses) == 1 and len(next(runs).losses) == 2
    assert told and max(told) < 3 / STEPS


@pytest.mark.parametrize("mapping", MAPPINGS.values())
def test_every_mapping_reads_the_source(mapping):
    found = start(replace(TOY, mapping=mapping))
    model, x, b = found.before.model, found.before.x, found.before.model.output_map.matrix
    z = plain.apply_input_map(model.input_map, x)
    np.testing.assert_allclose(found.before.outputs, scores(model.source, z) @ b.T)
    np.testing.assert_allclose(b.sum(1)[b.any(1)], 1)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"task": "gunpoint"}, "sees images; choose one of 8x8 digits"),
        ({"source": "own"}, "choose an .onnx file first"),
    ],
)
def test_combinations_that_do_not_exist_are_errors_in_words(changes, words):
    with pytest.raises(MrntkError, match=words):
        analyse(replace(TOY, **changes))


def test_a_frame_without_places_is_an_error_in_words():
    with pytest.raises(MrntkError, match="leaves no frame; choose a wider one"):
        input_map(replace(TOY, frame=0.05), (1, 8, 8), (1, 4, 4))


@pytest.mark.parametrize(
    "changes", [{}, {"input_map": "fc", "loss": "ce"}, {"input_map": "watermark", "fraction": 1.1}]
)
def test_every_state_is_drawn_and_said(changes):
    view = ReprogrammingView()
    first = view.data(source="random", examples=6)
    data = view.data(source="random", examples=6, **changes)._replace(before=first.analysis)
    *_, run = train(data.analysis)
    data = data._replace(run=run)
    with style():
        figure = view.draw(data)
        assert len(png(figure)) > 10_000
    said = view.words(data)
    assert "Real training" in said and ("Changed: " in said) == bool(changes)
    assert "Shown: source random network" in view.description(data)

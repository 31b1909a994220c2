"""The explorer's numbers: held to the package's own kernels and to JAX's derivatives, and to the laws of the theory."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import eigvalsh

from mrntk.model.input_maps import FullyConnected, FullyConnectedPrompt, VisualPrompt, Watermark
from mrntk.model.output_maps import LinearOutput
from mrntk.model.reprogram import Reprogram
from mrntk.ntk.empirical import empirical_ntk
from mrntk.sources.networks import CNN
from mrntk.support.errors import MrntkError
from mrntk.support.precision import double
from mrntk.support.style import png, style
from mrntk.training import LOSSES as LOSS_FUNCTIONS
from mrntk.widgets.reprogramming import ReprogrammingView, Setting, read_setting
from mrntk.widgets.reprogramming.analysis import STEPS, analyse, start
from mrntk.widgets.reprogramming.inputs import Theta, resized, transformation, with_channels
from mrntk.widgets.reprogramming.live import train
from mrntk.widgets.reprogramming.networks import Network, Stopped, jacobian, network, pulled, scores
from mrntk.widgets.reprogramming.setting import MAPPINGS, MAPS, MASKS
from mrntk.widgets.reprogramming.words import change, finding, outcome

TOY = Setting(source="random", examples=10)
SHAPE = (1, 6, 6)


@pytest.fixture(scope="module")
def convolutional():
    """A network that goes the way of the real ones: through JAX, in blocks."""
    with jax.enable_x64(True):
        source = double(CNN(SHAPE, 5, depth=2, width=4, key=jax.random.key(0)), jnp)
    return Network(source, "a small CNN", ("cnn", 0, 0))


def module(a, x) -> tuple:
    """(the transformation as a module of mrntk.model.input_maps, inputs as it wants them), in float64."""
    theta, d_t = a.start(x[0].size), x[0].size
    layer = jnp.asarray(theta.weight), jnp.asarray(theta.bias)
    if a.name == "watermark":
        return eqx.tree_at(lambda m: m.delta, Watermark(a.shape), jnp.zeros(a.shape)), resized(
            with_channels(x, a.shape[0]), a.shape[1:]
        )
    prompt = VisualPrompt(a.shape, a.inner, mask=a.mask) if a.mask.any() else None
    if prompt is not None:
        prompt = eqx.tree_at(lambda m: m.delta, prompt, jnp.zeros(len(prompt.index)))
    if a.name == "vp":
        return prompt, with_channels(x, a.shape[0])
    if a.name == "fc":
        empty = FullyConnected((d_t,), a.shape, key=jax.random.key(0))
        return eqx.tree_at(lambda m: (m.weight, m.bias), empty, layer), x
    whole = FullyConnectedPrompt((d_t,), a.shape, a.inner, key=jax.random.key(0))
    parts = (*layer, prompt)
    return eqx.tree_at(lambda m: (m.fully_connected.weight, m.fully_connected.bias, m.prompt), whole, parts), x


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


@pytest.mark.parametrize("name", MAPS.values())
@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_kernel_and_one_step_are_those_of_the_package(convolutional, name, loss):
    """The closed forms against `empirical_ntk`, and a step of training against JAX's gradient of the package's own loss."""
    x = np.random.default_rng(0).uniform(size=(7, 1, 5, 5))
    b, y = np.random.default_rng(1).normal(size=(3, 5)), np.eye(3)[np.arange(7) % 3]
    a = transformation(name, SHAPE, 0.2, "alternate" if loss == "ce" else "frame", seed=1)
    with jax.enable_x64(True):
        mapped, inputs = module(a, x)
        model = Reprogram(mapped, convolutional.source, LinearOutput(jnp.asarray(b)))
        theta_T = np.asarray(empirical_ntk(model, inputs)).reshape(21, 21)
        np.testing.assert_allclose(
            jax.vmap(mapped)(inputs), a(x), atol=1e-7
        )  # jax.image.resize works in its own precision
        moving, rest = eqx.partition(mapped, eqx.is_inexact_array)

        def loss_of_theta(moving):
            return LOSS_FUNCTIONS[loss](
                Reprogram(eqx.combine(moving, rest), model.source, model.output_map), jnp.asarray(inputs), y
            )

        expected = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(jax.grad(loss_of_theta)(moving))])
    g = jacobian(convolutional, a(x), b)
    np.testing.assert_allclose(a.kernel(x, g), theta_T, atol=1e-6 * np.abs(theta_T).max())

    def slope(found, place):
        f = found @ b.T
        p = np.exp(f) / np.exp(f).sum(1, keepdims=True)
        return ((p if loss == "ce" else f) - y[place]) @ b / len(y)

    found, s = pulled(convolutional, a(x), slope)
    np.testing.assert_allclose(found, scores(convolutional, a(x)))
    step = a.gradient(x, a.start(25), s)
    parts = (step.delta, step.weight, step.bias) if name == "watermark" else (step.weight, step.bias, step.delta)
    np.testing.assert_allclose(np.sort(np.concatenate([np.ravel(p) for p in parts])), np.sort(expected), atol=1e-7)
    assert a.parameters(25) == len(expected)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_numpy_and_jax_agree_on_small_networks(depth):
    net = network(replace(TOY, depth=depth))
    z = np.random.default_rng(0).uniform(size=(3, *net.shape))
    with jax.enable_x64(True):
        source = double(net.source, jnp)
        np.testing.assert_allclose(scores(net, z), jax.vmap(source)(jnp.asarray(z)), atol=1e-10)
        rows = jax.vmap(jax.jacrev(source))(jnp.asarray(z)).reshape(3, 10, -1)
    np.testing.assert_allclose(jacobian(net, z, np.eye(10)), rows, atol=1e-10)


@pytest.mark.parametrize("mask", MASKS.values())
def test_masks_have_their_places_outside_of_the_window_and_the_rank_keeps_the_capacity_law(mask):
    found = analyse(replace(TOY, mask=mask))
    a = found.model.a
    assert found.spectrum.rank <= found.capacity <= found.parameters == a.mask.sum()
    if mask != "all":
        assert not (a.mask & a.inside).any()
        assert a.mask.sum() == {"frame": 96, "alternate": 48, "sides": 56}[mask]


def test_more_examples_interlace():
    """Cauchy: the kernel of fewer examples is a block of the kernel of more."""
    few, many = (analyse(replace(TOY, transformation="fc", examples=n)) for n in (8, 13))
    np.testing.assert_array_equal(few.model.data.x, many.model.data.x[:8])
    assert many.spectrum.max >= few.spectrum.max and many.spectrum.min <= few.spectrum.min
    assert "eigenvalues interlace: the largest cannot fall, the smallest cannot rise" in change(few, many)
    assert "interlace" not in change(few, analyse(replace(TOY, examples=13)))  # another transformation as well


def test_numbers_are_those_of_the_kernel():
    found = analyse(replace(TOY, transformation="fc", mapping="frequency"))
    model = found.model
    theta = model.a.kernel(model.data.x, jacobian(model.network, model.z, model.b))
    values = eigvalsh(theta)
    np.testing.assert_allclose((found.smallest, found.spectrum.max), values[[0, -1]], rtol=1e-6)
    np.testing.assert_allclose(found.condition, values[-1] / values[0], rtol=1e-6)
    np.testing.assert_allclose(found.step, 0.5 * 2 * 10 / values[-1])
    np.testing.assert_allclose(found.weights.sum(), 1)
    residual = (model.outputs - model.data.y).ravel()
    for _ in range(STEPS):
        residual = residual - found.step / 10 * theta @ residual
    np.testing.assert_allclose(found.losses[-1], residual @ residual / 20, rtol=1e-8)


@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_a_linear_model_trains_as_predicted(loss):
    """Depth 1 and a watermark: f is linear in theta, so the prediction is exact."""
    found = analyse(replace(TOY, depth=1, transformation="watermark", loss=loss))
    *_, run = train(found)
    np.testing.assert_allclose(run.losses, found.losses, rtol=1e-8)
    assert run.done and run.accuracy == found.accuracy and 0 <= run.test_accuracy <= 1
    assert "not lazy" not in outcome(found, run)


def test_training_above_the_limit_diverges_in_words():
    found = analyse(replace(TOY, depth=1, transformation="fc", fraction=1.2))
    assert found.losses[-1] > found.losses[0] and "predicts that the loss grows" in finding(found)
    *_, run = train(found)
    assert run.losses[-1] > 1e3 * run.losses[0]


def test_training_can_be_stopped_in_the_midst(convolutional):
    def say(share):
        raise Stopped

    with pytest.raises(Stopped):
        scores(convolutional, np.zeros((3, *SHAPE)) + 0.1, say=say)
    found = analyse(replace(TOY))
    runs = train(found)
    assert len(next(runs).losses) == 1 and len(next(runs).losses) == 2


@pytest.mark.parametrize("mapping", MAPPINGS.values())
def test_every_mapping_reads_the_source(mapping):
    model = start(replace(TOY, mapping=mapping))
    np.testing.assert_allclose(model.outputs, scores(model.network, model.z) @ model.b.T)
    np.testing.assert_allclose(model.b.sum(1)[model.b.any(1)], 1)


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
        transformation("vp", (1, 4, 4), 0.05, "frame", seed=0)


def test_colours_and_grey_become_each_other():
    grey = np.random.default_rng(0).uniform(size=(2, 1, 3, 3))
    colours = with_channels(grey, 3)
    np.testing.assert_array_equal(colours[:, 2], grey[:, 0])
    np.testing.assert_allclose(with_channels(colours, 1), grey)


def test_theta_is_counted():
    a = transformation("vp_fc", SHAPE, 0.2, "frame", 0)
    theta = a.start(25)
    assert isinstance(theta, Theta) and sum(map(np.size, theta)) == a.parameters(25)


@pytest.mark.parametrize(
    "changes", [{}, {"transformation": "fc", "loss": "ce"}, {"transformation": "watermark", "fraction": 1.1}]
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

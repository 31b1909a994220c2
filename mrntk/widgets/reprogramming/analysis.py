"""What the kernel says of a setting before training: spectrum, labels, capacity, the predicted learning curve."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ...model.output_maps import bayesian_mapping, frequency_mapping
from ...prediction.closed_form import Prediction, cross_entropy, mse, stability_limit
from ...spectrum import Spectrum, alignment, spectrum
from ...support.errors import MrntkError
from ..quick import one_thread
from .inputs import Examples, Transformation, examples, transformation
from .networks import Network, jacobian, network, quietly, scores
from .setting import IMAGES, SERIES, Setting

STEPS = 100
TIMES = np.arange(STEPS + 1)


class Model(NamedTuple):
    """A reprogrammed model at its start: f_T = b . source . a, and the examples it is trained on."""

    setting: Setting
    network: Network
    data: Examples
    a: Transformation
    z: Float[np.ndarray, "N *dS"]  # a(x)
    b: Float[np.ndarray, "cT cS"]
    outputs: Float[np.ndarray, "N cT"]  # f_T(x)


class Analysis(NamedTuple):
    """What the kernel says."""

    model: Model
    spectrum: Spectrum
    weights: Float[np.ndarray, " n"]  # share of the centred labels along every eigenvector, largest eigenvalue first
    alignment: float
    parameters: int
    step: float
    losses: Float[np.ndarray, " T"]  # predicted, at TIMES
    accuracy: float  # on the training examples, predicted after the last step

    @property
    def capacity(self) -> int:
        """What the rank cannot exceed: the trained parameters, or all N c of the kernel."""
        return min(self.parameters, len(self.spectrum.values))

    @property
    def smallest(self) -> float:
        """lambda_min, 0 where it cannot be told from rounding."""
        return self.spectrum.min if self.spectrum.min > self.spectrum.tolerance else 0.0

    @property
    def condition(self) -> float:
        """lambda_max / lambda_min."""
        return self.spectrum.max / self.smallest if self.smallest else np.inf


def _check(setting: Setting, net: Network):
    images = len(net.shape) == 3
    if images and setting.task in SERIES.values():
        raise MrntkError(f"task: {net.words} sees images; choose one of {', '.join(IMAGES)}.")
    if not images and setting.task in IMAGES.values():
        raise MrntkError(f"task: {net.words} hears series; choose one of {', '.join(SERIES)}.")


def _mapping(name: str, found: np.ndarray, data: Examples, seed: int) -> Float[np.ndarray, "cT cS"]:
    """b, from the source's scores on the training examples where it depends on them."""
    num_source, num_target = found.shape[1], data.y.shape[1]
    if num_target > num_source:
        raise MrntkError(
            f"task: it has {num_target} classes, the source only {num_source}; choose another task or source."
        )
    if name == "first":
        return np.eye(num_target, num_source)
    if name == "random":
        return np.eye(num_source)[np.random.default_rng([seed, 3]).permutation(num_source)[:num_target]]
    make = frequency_mapping if name == "frequency" else bayesian_mapping
    return np.asarray(make(found, data.labels, num_target).matrix, float)


def start(setting: Setting, own: Network | None = None, say: Callable = quietly) -> Model:
    """The model before training.

    Raises
    ------
    MrntkError
        For a combination that does not exist; the message names the control.
    """
    net = network(setting, own)
    _check(setting, net)
    data = examples(setting.task, setting.examples, setting.seed)
    a = transformation(setting.transformation, net.shape, setting.frame, setting.mask, setting.seed)
    z = a(data.x)
    found = scores(net, z, say=say)
    b = _mapping(setting.mapping, found, data, setting.seed)
    return Model(setting, net, data, a, z, b, found @ b.T)


def softmax(f):
    f = np.exp(f - f.max(-1, keepdims=True))
    return f / f.sum(-1, keepdims=True)


def loss_of(name: str, outputs, y) -> float:
    return mse(outputs - y) if name == "mse" else cross_entropy(outputs, y)


def _predicted(model: Model, found: Spectrum, theta, step: float):
    """(losses at TIMES, outputs after the last step) of gradient descent on the linearised model."""
    y, outputs = model.data.y, model.outputs
    if model.setting.loss == "mse":
        prediction = Prediction(found, outputs - y, step)
        return prediction.loss(TIMES), prediction.residual([STEPS])[0] + y
    losses, f = [], outputs
    for _ in TIMES:
        losses.append(cross_entropy(f, y))
        last, f = f, f - step / len(y) * (theta @ (softmax(f) - y).ravel()).reshape(y.shape)
    return np.array(losses), last


def analyse(setting: Setting, own: Network | None = None, say: Callable = quietly) -> Analysis:
    """Everything that is known before training.

    Parameters
    ----------
    own : the source of the setting "own". say : is told the share of the work that is done, and may raise to stop it.

    Raises
    ------
    MrntkError
        As for `start`.
    """
    with one_thread():
        return _analyse(start(setting, own, lambda share: say(0.1 * share)), lambda share: say(0.1 + 0.9 * share))


def _analyse(model: Model, say: Callable) -> Analysis:
    setting, y = model.setting, model.data.y
    g = jacobian(model.network, model.z, model.b, say=say)
    theta = model.a.kernel(model.data.x, g)
    found = spectrum(theta, vectors=True)
    step = setting.fraction * stability_limit(found, len(y), setting.loss)
    centred = y - y.mean(0)
    losses, last = _predicted(model, found, theta, step)
    n, c = y.shape
    return Analysis(
        model, found, found.label_weights(centred)[::-1], alignment(theta.reshape(n, c, n, c), centred),
        model.a.parameters(model.data.x[0].size), step, losses, float((last.argmax(1) == model.data.labels).mean()),
    )  # fmt: skip

"""What the kernel says of a setting before training: spectrum, labels, capacity, the predicted learning curve."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ...choosing.candidates import suited
from ...model.accuracy import accuracy
from ...model.output_maps import LinearOutput, bayesian_mapping, frequency_mapping
from ...model.reprogram import Reprogram
from ...ntk.passes import outputs_and_rows, quietly, scores
from ...ntk.plain import apply_input_map, kernel_of_rows
from ...prediction.before_training import BeforeTraining
from ...prediction.closed_form import cross_entropy, mse
from ...spectrum import Spectrum
from ...support.errors import MrntkError
from ...training.watched import descend_linearised
from ..explorer import one_thread
from .inputs import Examples, examples, input_map
from .networks import Network, network
from .setting import IMAGES, SERIES, Setting

STEPS = 100
TIMES = np.arange(STEPS + 1)
REMEMBERED = 6  # answers: those of a real network take seconds


class Start(NamedTuple):
    """A setting's model at its start; neither the loss nor the step size is part of it."""

    network: Network
    data: Examples
    before: BeforeTraining


class Analysis(NamedTuple):
    """What the kernel says."""

    setting: Setting
    start: Start
    weights: Float[np.ndarray, " n"]  # share of the centred labels along every eigenvector, largest eigenvalue first
    step: float
    losses: Float[np.ndarray, " T"]  # predicted, at TIMES
    accuracy: float  # on the training examples, predicted after the last step

    @property
    def before(self) -> BeforeTraining:
        return self.start.before

    @property
    def spectrum(self) -> Spectrum:
        return self.before.spectrum

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return self.before.model.input_map.num_parameters

    @property
    def capacity(self) -> int:
        """What the rank cannot exceed: the trained parameters, or all N c of the kernel."""
        return min(self.parameters, len(self.spectrum.values))

    @property
    def condition(self) -> float:
        """lambda_max / lambda_min."""
        return self.spectrum.max / self.before.lambda_min if self.before.lambda_min else np.inf


def _check(setting: Setting, net: Network):
    images = len(net.shape) == 3
    if images and setting.task in SERIES.values():
        raise MrntkError(f"task: {net.words} sees images; choose one of {', '.join(IMAGES)}.")
    if not images and setting.task in IMAGES.values():
        raise MrntkError(f"task: {net.words} hears series; choose one of {', '.join(SERIES)}.")


def _output_map(setting: Setting, data: Examples, num_source: int, found: Callable) -> LinearOutput:
    """b; `found()` gives the source's scores on the training examples, where it depends on them."""
    name, num_target = setting.mapping, data.y.shape[1]
    if num_target > num_source:
        raise MrntkError(
            f"task: it has {num_target} classes, the source only {num_source}; choose another task or source."
        )
    if name == "first":
        return LinearOutput(np.eye(num_target, num_source))
    if name == "random":
        order = np.random.default_rng([setting.seed, 3]).permutation(num_source)
        return LinearOutput(np.eye(num_source)[order[:num_target]])
    make = frequency_mapping if name == "frequency" else bayesian_mapping
    return LinearOutput(np.asarray(make(found(), data.labels, num_target).matrix, float))


_starts: OrderedDict[tuple, Start] = OrderedDict()


def start(setting: Setting, own: Network | None = None, say: Callable = quietly) -> Start:
    """The model before training, with its kernel; the last REMEMBERED ones are known.

    Raises
    ------
    MrntkError
        For a combination that does not exist; the message names the control.
    """
    net, default = network(setting, own), Setting()
    key = net.identity, replace(setting, loss=default.loss, fraction=default.fraction)
    found = _starts.pop(key, None) or _start(setting, net, say)
    _starts[key] = found  # as the newest
    while len(_starts) > REMEMBERED:
        _starts.popitem(last=False)
    return found


def _start(setting: Setting, net: Network, say: Callable) -> Start:
    _check(setting, net)
    data = examples(setting.task, setting.examples, setting.seed)
    a = input_map(setting, data.x.shape[1:], net.shape)
    x = suited(data.x, setting.input_map, net.shape)

    def found():
        return scores(net.source, apply_input_map(a, x), lambda share: say(0.1 * share))

    model = Reprogram(a, net.source, _output_map(setting, data, net.source.num_outputs, found))
    outputs, g = outputs_and_rows(model, x, lambda share: say(0.1 + 0.9 * share))
    return Start(net, data, BeforeTraining(model, x, data.y, kernel_of_rows(a, x, g), outputs))


def loss_of(name: str, outputs: Float[np.ndarray, "N c"], y: Float[np.ndarray, "N c"]) -> float:
    return mse(outputs - y) if name == "mse" else cross_entropy(outputs, y)


def analyse(setting: Setting, own: Network | None = None, say: Callable = quietly) -> Analysis:
    """Everything that is known before training.

    Parameters
    ----------
    setting : what the controls say.
    own : the source of the setting "own".
    say : is told the share of the work that is done, and may raise to stop it.

    Raises
    ------
    MrntkError
        As for `start`.
    """
    with one_thread():
        begun = start(setting, own, say)
        before = begun.before
        step = setting.fraction * before.stability_limit(setting.loss)
        losses, last = _predicted(before, setting.loss, step)
        right = float(accuracy(last, before.y))
        return Analysis(setting, begun, before.spectrum.label_weights(before.labels)[::-1], step, losses, right)


def _predicted(before: BeforeTraining, loss: str, step: float):
    """(losses at TIMES, outputs after the last step) of gradient descent on the linearised model."""
    if loss == "mse":
        prediction = before.predict(step)
        return prediction.loss(TIMES), prediction.residual([STEPS])[0] + before.y
    outputs = descend_linearised(before.kernel, before.outputs, before.y, step=step, steps=STEPS, loss=loss)
    return np.array([cross_entropy(f, before.y) for f in outputs]), outputs[-1]

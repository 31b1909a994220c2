"""One candidate of a ranking: every score that is known before training, and what training gave."""

import math
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mrntk.choosing import peers
from mrntk.choosing.candidates import Candidate, model_of, suited
from mrntk.choosing.scores import probed
from mrntk.model.input_maps import Resize
from mrntk.model.reprogram import Reprogram, predict
from mrntk.ntk.rows import apply_input_map
from mrntk.prediction.before_training import BeforeTraining, before_training
from mrntk.prediction.closed_form import mse
from mrntk.prediction.functionals import functionals
from mrntk.prediction.leave_one_out import left_out_residuals
from mrntk.sources.networks import CNN, DNN
from mrntk.sources.pretrained.efficientnet import EfficientNet
from mrntk.tasks.task import rows_in_turn
from mrntk.training import fit, late_losses
from mrntk.training.recipes import reprogramming_optimiser

from .converged import constant_loss
from .folds import held_out_outputs
from .reprogramming import loss_and_accuracy

HORIZONS = (10, 30, 100, 300, 1000)  # steps of the linearised model that are tried for the score


def features_of(source):
    """What its last layer sees; its outputs where that is not known."""
    if isinstance(source, DNN):
        return lambda s: _through(source.layers[:-1], s.ravel())
    if isinstance(source, CNN):
        return lambda s: jnp.mean(_through(source.convolutions, s), axis=(1, 2))
    if isinstance(source, EfficientNet):
        return lambda s: jnp.mean(source.features(s), axis=(0, 1))
    return source


def _through(layers, h):
    for layer in layers:
        h = jax.nn.relu(layer(h))
    return h


def drawn(task, examples: int, test: int, seed: int):
    """(x, labels, x_test, labels of the test): training examples, the classes in turn, and test examples evenly spread."""
    rows = rows_in_turn(task, min(examples, len(task.y_train)), seed)
    shown = np.linspace(0, len(task.x_test) - 1, min(test, len(task.x_test))).astype(int)
    return (
        task.x_train[rows].astype(np.float32), np.asarray(task.y_train)[rows],
        task.x_test[shown].astype(np.float32), np.asarray(task.y_test)[shown],
    )  # fmt: skip


def of_peers(prefix: str, source, z, labels) -> dict[str, float]:
    """The scores by others, of the source at its inputs z; features and outputs in float64."""
    outputs, features = (np.asarray(predict(part, z, batch=50), np.float64) for part in (source, features_of(source)))
    found = {
        "logme": peers.logme(features, labels), "leep": peers.leep(outputs, labels), "nce": peers.nce(outputs, labels),
        "h_score": peers.h_score(features, labels), "gbc": peers.gbc(features, labels),
        "transrate": peers.transrate(features, labels), "probe_outputs": peers.linear_probe(outputs, labels),
        "probe_features": peers.linear_probe(features, labels),
    }  # fmt: skip
    return {prefix + name: value for name, value in found.items()}


def of_gradients(model: Reprogram, x, y) -> dict[str, float]:
    """The two scores of Zheng et al. 2023, from the gradient of the cross-entropy of every example at the source's input."""

    @eqx.filter_jit
    def slopes(model, x, y):
        def loss(z, y):
            return -jnp.vdot(y, jax.nn.log_softmax(model.after_input(z)))

        return jax.vmap(lambda one, row: jax.grad(loss)(model.input_map(one), row))(x, y)

    found = np.asarray(slopes(model, x, y), np.float64).reshape(len(x), -1)
    return {"gradient_size": peers.gradient_size(found), "gradient_alignment": peers.gradient_alignment(found)}


def of_kernel(prefix: str, before: BeforeTraining) -> dict[str, float]:
    """What one kernel says: functionals, and the accuracy predicted at examples that were left out."""
    y, found = before.y, functionals(before) | {"start_loss": mse(before.residual)}
    for steps in HORIZONS:
        outputs = held_out_outputs(before, steps=steps)
        found[f"accuracy_{steps}"] = float(np.mean(outputs.argmax(1) == y.argmax(1)))
        log_p = jax.nn.log_softmax(outputs)
        found[f"loss_{steps}"] = float(-np.mean(np.sum(np.asarray(log_p) * y, axis=1)))
        if before.spectrum.max > 0:
            left = left_out_residuals(before.spectrum, before.residual, before.spectrum.max / steps)
            found[f"ridge_{steps}"] = float(np.mean((before.y + left).argmax(1) == y.argmax(1)))
        else:
            found[f"ridge_{steps}"] = float(np.mean(before.outputs.argmax(1) == y.argmax(1)))
    return {prefix + name: float(value) for name, value in found.items()}


def measured(source, candidate: Candidate, task, *, examples, scored, test, steps, batch, seed, key) -> dict:
    """Scores before training from `scored` of the examples, then training on all of them, and what it gave."""
    keys = jax.random.split(key, 3)
    x, labels, x_test, labels_test = drawn(task, examples, test, seed)
    model, x = model_of(source, candidate, task, x, labels, keys[0])
    x_test = suited(x_test, candidate.input_map, source.input_shape)
    y, y_test = task.one_hot(labels), task.one_hot(labels_test)
    few = slice(scored)  # the classes stand in turn, so that the first are evenly of all
    behind = apply_input_map(model.input_map, x[few])
    alike = x.ndim == 1 + len(
        source.input_shape
    )  # images for images: what the source makes of them without an input map
    seen = apply_input_map(Resize(source.input_shape), suited(x[few], "vp", source.input_shape)) if alike else behind
    row = of_peers("", source, seen, labels[few]) | of_peers("behind_", source, behind, labels[few])
    row |= of_gradients(model, x[few], y[few])
    row |= of_kernel("start_", before_training(model, x[few], y[few]))
    began = time.perf_counter()
    before = before_training(probed(model, x[few], y[few], key=keys[1], steps=steps), x[few], y[few])
    right = held_out_outputs(before).argmax(1) == y[few].argmax(1)
    row |= {"predicted": float(right.mean()), "predicted_seconds": time.perf_counter() - began}
    row |= of_kernel("probe_", before) | {"probe": loss_and_accuracy(before.model, x[few], y[few], "ce")[0]}
    began = time.perf_counter()
    batch = min(batch, len(x))
    epochs = math.ceil(steps / (len(x) // batch))
    options = {"optimiser": reprogramming_optimiser(), "epochs": epochs, "loss": "ce", "batch": batch}
    found = fit(model, x, y, key=keys[2], **options)
    row["training_seconds"] = time.perf_counter() - began
    nine_tenths, end = late_losses(found.train_losses)
    row |= {"constant_loss": constant_loss(y, "ce"), "nine_tenths_loss": nine_tenths, "end_loss": end}
    row["train_loss"], row["train_accuracy"] = loss_and_accuracy(found.model, x, y, "ce")
    row["test_loss"], row["test_accuracy"] = loss_and_accuracy(found.model, x_test, y_test, "ce")
    return row

"""The epochs that `mrntk.training` walks: what moves in a model, one compiled epoch, of one model or of many, and the loop."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int, Key, PyTree, Shaped

from ..model.reprogram import Reprogram
from ..support.arrays import Array
from ..support.checkpoints import fingerprint_of, read_checkpoint, write_checkpoint
from ..support.errors import MrntkError
from ..support.files import ensure_writable


class TrainingResult(eqx.Module):
    """What training gives; from `fit_seeds` every array, those of the model too, has a leading axis of seeds.

    `train_losses` holds the mean over an epoch's minibatches of the loss before each step, `validation_losses` the loss after
    each epoch. A seed that stopped before the others has NaN from there on.
    """

    model: Any
    train_losses: Float[np.ndarray, "*seeds epochs"]
    validation_losses: Float[np.ndarray, "*seeds epochs"] | None
    epochs: int | Int[np.ndarray, " seeds"]
    stopped_early: bool | Shaped[np.ndarray, " seeds"]

    def of_seed(self, i: int) -> "TrainingResult":
        """Result i of `fit_seeds`, in the form in which `fit` gives it."""
        epochs, validation = int(self.epochs[i]), self.validation_losses
        model = jax.tree.map(lambda leaf: leaf[i] if eqx.is_array(leaf) else leaf, self.model)
        validation = None if validation is None else validation[i, :epochs]
        return TrainingResult(model, self.train_losses[i, :epochs], validation, epochs, bool(self.stopped_early[i]))


# A model in two parts: what may change while it trains, and the rest.


class Moving(NamedTuple):
    """What may change in a model while it trains."""

    theta: PyTree  # the trained arrays
    mapping: PyTree  # arrays of a fixed output map, which a callback may exchange


def moving_of(model) -> Moving:
    """theta of a `Reprogram` and the arrays of its fixed output map; every inexact array of any other model."""
    if not isinstance(model, Reprogram):
        return Moving((eqx.filter(model, eqx.is_inexact_array),), None)
    trained = getattr(model.output_map, "trained", False)
    return Moving(model.theta(), None if trained else eqx.filter(model.output_map, eqx.is_array))


def with_moving(model, moving: Moving):
    """The model with these values in it."""
    if not isinstance(model, Reprogram):
        return eqx.combine(moving.theta[0], model)
    output_map = eqx.combine(moving.mapping, model.output_map)
    return Reprogram(model.input_map, model.source, output_map).with_theta(moving.theta)


# What a training is made of: what stays as it is, and what it carries from epoch to epoch.


class Examples(NamedTuple):
    """Inputs and their targets."""

    x: Float[Array, "N *shape"]
    y: Float[Array, "N c"]


class Data(NamedTuple):
    """What a model is trained on, and what it is judged by."""

    train: Examples
    validation: Examples | None


class Models(NamedTuple):
    """Many models at once: two trees to be joined by `eqx.combine`."""

    own: PyTree  # what differs between the models, stacked
    shared: PyTree  # what is the same in all, once


@dataclass(frozen=True)
class EpochSettings:
    """The arguments of `fit` that the compiled epoch depends on and that are not arrays."""

    loss: Callable
    optimiser: optax.GradientTransformation
    batch: int | None
    patience: int | None


class TrainingState(NamedTuple):
    """Everything that training carries from epoch to epoch."""

    moving: Moving
    optimiser_state: PyTree
    epochs: Int[Array, "*seeds"]  # done so far
    best: Moving | None  # None without patience
    best_loss: Float[Array, "*seeds"]
    waited: Int[Array, "*seeds"]  # epochs since the best one

    def active(self, settings: EpochSettings) -> Bool[Array, "*seeds"]:
        """False once it has stopped early."""
        return self.waited < (jnp.inf if settings.patience is None else settings.patience)


def first_state(model, settings: EpochSettings) -> TrainingState:
    """The state of one model before its first epoch."""
    moving = jax.tree.map(jnp.asarray, moving_of(model))  # in JAX's current precision
    best = None if settings.patience is None else moving
    optimiser_state = settings.optimiser.init(moving.theta)
    return TrainingState(moving, optimiser_state, jnp.array(0), best, jnp.array(jnp.inf, float), jnp.array(0))


# One epoch: of one model, and of many. Steps are compiled one by one and walked from Python: inside XLA's loops a convolution's
# gradients are far slower on a CPU.


def _update(state: TrainingState, model, x, y, rows, settings: EpochSettings):
    """(the state after one step of the optimiser on these rows, or on all examples if None; the loss before the step)."""
    x, y = (x, y) if rows is None else (x[rows], y[rows])

    def loss(theta):
        return settings.loss(with_moving(model, state.moving._replace(theta=theta)), x, y)

    value, grads = jax.value_and_grad(loss)(state.moving.theta)
    updates, optimiser_state = settings.optimiser.update(grads, state.optimiser_state, state.moving.theta)
    theta = optax.apply_updates(state.moving.theta, updates)
    return state._replace(moving=state.moving._replace(theta=theta), optimiser_state=optimiser_state), value


def _outputs(state: TrainingState, model, x):
    return jax.vmap(with_moving(model, state.moving))(x)


def _judge(state: TrainingState, outputs, y, settings: EpochSettings):
    """(the state with its best model brought up to date, validation loss)."""
    loss = settings.loss(lambda output: output, outputs, y)
    if settings.patience is None:
        return state, loss
    better = loss < state.best_loss
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.moving, state.best)
    waited = jnp.where(better, 0, state.waited + 1)
    return state._replace(best=best, best_loss=jnp.where(better, loss, state.best_loss), waited=waited), loss


def _order(key, epoch, count: int, batch: int) -> Int[Array, "steps batch"]:
    """The minibatches of an epoch; the examples that are left over after the last whole one sit this epoch out."""
    order = jax.random.permutation(jax.random.fold_in(key, epoch), count)
    return order[: count // batch * batch].reshape(-1, batch)


def _keep_stopped(after: TrainingState, losses, before: TrainingState, settings: EpochSettings):
    """A seed that has stopped stays as it was, with NaN for its losses."""

    def one(after, losses, before):
        active = before.active(settings)
        after = jax.tree.map(lambda new, old: jnp.where(active, new, old), after, before)
        return after, jax.tree.map(lambda loss: jnp.where(active, loss, jnp.nan), losses)

    return jax.vmap(one)(after, losses, before)


class Parts(NamedTuple):
    """The compiled parts of an epoch, of one model or of many at once (then every array has a leading axis of seeds)."""

    update: Callable
    outputs: Callable
    judge: Callable
    order: Callable


def _of_all(function: Callable) -> Callable:
    """`function` for every seed; its second argument is `Models`."""

    def over_seeds(states, models: Models, *data, per_seed=(), settings=None):
        last = () if settings is None else (settings,)

        def of_one(state, own, *seeds):
            return function(state, eqx.combine(own, models.shared), *data, *seeds, *last)

        return jax.vmap(of_one)(states, models.own, *per_seed)

    return over_seeds


_update_of_all, _outputs_of_all = _of_all(_update), _of_all(_outputs)
ONE = Parts(
    eqx.filter_jit(_update),
    eqx.filter_jit(_outputs),
    eqx.filter_jit(_judge),
    jax.jit(_order, static_argnums=(2, 3)),
)
ALL = Parts(
    eqx.filter_jit(
        lambda states, models, x, y, rows, settings: _update_of_all(
            states, models, x, y, per_seed=(rows,), settings=settings
        )
    ),
    eqx.filter_jit(lambda states, models, x: _outputs_of_all(states, models, x)),
    eqx.filter_jit(
        lambda states, outputs, y, settings: jax.vmap(lambda state, out: _judge(state, out, y, settings))(
            states, outputs
        )
    ),
    jax.jit(jax.vmap(_order, in_axes=(0, 0, None, None)), static_argnums=(2, 3)),
)
_compiled_keep_stopped = eqx.filter_jit(_keep_stopped)


class Training(NamedTuple):
    """What stays as it is from the first epoch to the last."""

    parts: Parts  # ONE or ALL
    model: Any  # or `Models`
    key: Key[jax.Array, "*seeds"]  # of the order of the examples
    data: Data
    settings: EpochSettings


def one_epoch(state: TrainingState, training: Training):
    """(the state after one more epoch, training loss, validation loss or None); each of them by seed where there are many."""
    parts, model, settings = training.parts, training.model, training.settings
    (x, y), validation = training.data.train, training.data.validation
    before, steps, losses = state, [None], []
    if settings.batch is not None:
        steps = np.moveaxis(np.asarray(parts.order(training.key, state.epochs, len(x), settings.batch)), -2, 0)
    for rows in steps:
        state, loss = parts.update(state, model, x, y, rows, settings)
        losses.append(loss)
    state, found = state._replace(epochs=state.epochs + 1), [jnp.stack(losses).mean(0)]
    if validation is not None:
        block = settings.batch or len(x)  # blocks no larger than in training
        starts = range(0, len(validation.x), block)
        outputs = [parts.outputs(state, model, validation.x[i : i + block]) for i in starts]
        state, held_out = parts.judge(state, jnp.concatenate(outputs, axis=-2), validation.y, settings)
        found.append(held_out)
    if parts is ALL:
        state, found = _compiled_keep_stopped(state, found, before, settings)
    return state, found[0], found[1] if validation is not None else None


def program_of(state: TrainingState, training: Training) -> str:
    """The text of the compiled step with what else decides an epoch: network, loss, optimiser, batch and patience.

    Without the names that results have in this code, so that a field can be renamed and a checkpoint still continues.
    """
    (x, y), settings = training.data.train, training.settings
    rows = None if settings.batch is None else np.zeros((*state.epochs.shape, settings.batch), np.int32)
    text = training.parts.update.lower(state, training.model, x, y, rows, settings).as_text()
    return re.sub('jax.result_info = "[^"]*"', "", text) + f"{settings.batch} {settings.patience}"


# Many models at once.


def stacked_trees(trees):
    """One tree whose leaves are those of the trees, stacked."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def own_and_shared(models: list) -> Models:
    """The models as one pair of trees; a leaf is shared if it is the same object in all."""
    leaves, structures = zip(*map(jax.tree.flatten, models), strict=True)
    own, shared = [], []
    for same in zip(*leaves, strict=False):
        is_shared = all(leaf is same[0] for leaf in same)
        own.append(None if is_shared else same)
        shared.append(same[0] if is_shared else None)
    shapes = [{leaf.shape if eqx.is_array(leaf) else None for leaf in same} for same in own if same is not None]
    if len(set(structures)) != 1 or any(len(found) != 1 or None in found for found in shapes):
        raise MrntkError("make_model gives models of different structure: let the key change array values alone.")
    own = [None if same is None else jnp.stack(same) for same in own]
    return Models(structures[0].unflatten(own), structures[0].unflatten(shared))


# The loop over epochs, which `fit` and `fit_seeds` share.


def run_epochs(
    state: TrainingState,
    training: Training,
    call_back,
    *,
    callback,
    until=None,
    epochs,
    checkpoint,
    checkpoint_every,
    progress,
):
    """(the state at the end, training and validation losses as (2, *seeds, epochs run)).

    `call_back(epoch, state)` gives the state that the reader's `callback` leaves; it is called if there is a callback.
    """
    losses = np.full((2, *state.epochs.shape, epochs), np.nan)
    if checkpoint is not None:
        checkpoint = Path(checkpoint)
        ensure_writable(checkpoint.parent, hint="give checkpoint a path in another folder")
        fingerprint = fingerprint_of(
            program=program_of(state, training),
            start=(state, training.model),
            key=training.key,
            data=training.data,
            callback=callback,
            epochs=epochs,
        )
        if checkpoint.exists():
            state, losses = read_checkpoint(checkpoint, fingerprint, (state, losses))

    def ended(done: int) -> bool:
        stopped = not np.any(state.active(training.settings))
        return done == epochs or stopped or (until is not None and done > 0 and bool(until(losses[0, :done])))

    finished = ended(int(np.max(state.epochs)))
    for number in (progress or iter)(range(epochs if finished else int(np.max(state.epochs)), epochs)):
        if callback is not None:
            state = call_back(number, state)
        state, *new = one_epoch(state, training)
        losses[..., number] = [np.full(state.epochs.shape, np.nan) if loss is None else loss for loss in new]
        finished = ended(number + 1)
        if checkpoint is not None and (finished or (number + 1) % checkpoint_every == 0):
            write_checkpoint(checkpoint, fingerprint, (state, losses))
        if finished:
            break
    return state, losses[..., : int(np.max(state.epochs))]


def after_callback(callback, epoch: int, model, moving: Moving) -> Moving:
    """What moves in the model that the callback gives back, if it gives one."""
    returned = callback(epoch, with_moving(model, moving))
    if returned is None:
        return moving
    new = moving_of(returned)
    if jax.tree.map(jnp.shape, new) != jax.tree.map(jnp.shape, moving):
        raise MrntkError("callback returned a model of another structure: change the values of its arrays alone.")
    return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), new, moving)


def result_of(model, state: TrainingState, losses, training: Training) -> TrainingResult:
    """The result of a training that has ended, with the best model if there was patience."""
    moving = state.moving if training.settings.patience is None else state.best
    epochs, stopped = np.asarray(state.epochs), ~np.asarray(state.active(training.settings))
    if not epochs.shape:
        epochs, stopped = int(epochs), bool(stopped)
    validation_losses = None if training.data.validation is None else losses[1]
    return TrainingResult(with_moving(model, moving), losses[0], validation_losses, epochs, stopped)

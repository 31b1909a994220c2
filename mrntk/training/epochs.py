"""The epochs that `mrntk.training` walks: what moves in a model, one compiled epoch, of one model or of many, and the loop."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int, PyTree, Shaped

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


def put(model, moving: Moving):
    """The model with these values in it."""
    if not isinstance(model, Reprogram):
        return eqx.combine(moving.theta[0], model)
    output_map = eqx.combine(moving.mapping, model.output_map)
    return Reprogram(model.input_map, model.source, output_map).with_theta(moving.theta)


# One epoch: of one model, and of many.


@dataclass(frozen=True)
class Plan:
    """The arguments of `fit` that the compiled epoch depends on and that are not arrays."""

    loss: Callable
    optimiser: optax.GradientTransformation
    batch: int | None
    patience: int | None


class Run(NamedTuple):
    """Everything that training carries from epoch to epoch."""

    moving: Moving
    state: PyTree  # of the optimiser
    epochs: Int[Array, "*seeds"]  # done so far
    best: Moving | None  # None without patience
    best_loss: Float[Array, "*seeds"]
    waited: Int[Array, "*seeds"]  # epochs since the best one

    def active(self, plan: Plan) -> Bool[Array, "*seeds"]:
        """False once it has stopped early."""
        return self.waited < (jnp.inf if plan.patience is None else plan.patience)


def start(model, plan: Plan) -> Run:
    """The run of one model before its first epoch."""
    moving = jax.tree.map(jnp.asarray, moving_of(model))  # in JAX's current precision
    best = None if plan.patience is None else moving
    return Run(moving, plan.optimiser.init(moving.theta), jnp.array(0), best, jnp.array(jnp.inf, float), jnp.array(0))


# Steps are compiled one by one and walked from Python: inside XLA's loops a convolution's gradients are far slower on a CPU.


def _update(run: Run, model, x, y, rows, plan: Plan):
    """(the run after one step of the optimiser on these rows, or on all examples if None; the loss before the step)."""
    x, y = (x, y) if rows is None else (x[rows], y[rows])

    def loss(theta):
        return plan.loss(put(model, run.moving._replace(theta=theta)), x, y)

    value, grads = jax.value_and_grad(loss)(run.moving.theta)
    updates, state = plan.optimiser.update(grads, run.state, run.moving.theta)
    theta = optax.apply_updates(run.moving.theta, updates)
    return run._replace(moving=run.moving._replace(theta=theta), state=state), value


def _outputs(run: Run, model, x):
    return jax.vmap(put(model, run.moving))(x)


def _judge(run: Run, outputs, y, plan: Plan):
    """(the run with its best model brought up to date, validation loss)."""
    loss = plan.loss(lambda output: output, outputs, y)
    if plan.patience is None:
        return run, loss
    better = loss < run.best_loss
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), run.moving, run.best)
    waited = jnp.where(better, 0, run.waited + 1)
    return run._replace(best=best, best_loss=jnp.where(better, loss, run.best_loss), waited=waited), loss


def _order(key, epoch, count: int, batch: int) -> Int[Array, "steps batch"]:
    """The minibatches of an epoch; the examples that are left over after the last whole one sit this epoch out."""
    order = jax.random.permutation(jax.random.fold_in(key, epoch), count)
    return order[: count // batch * batch].reshape(-1, batch)


def _keep_stopped(after: Run, losses, before: Run, plan: Plan):
    """A seed that has stopped stays as it was, with NaN for its losses."""

    def one(after, losses, before):
        active = before.active(plan)
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
    """`function` for every seed; its second argument is (what differs between the models, what they share)."""

    def over_seeds(runs, models, *data, per_seed=(), plan=None):
        own, shared = models
        last = () if plan is None else (plan,)
        return jax.vmap(lambda run, own, *seeds: function(run, eqx.combine(own, shared), *data, *seeds, *last))(
            runs, own, *per_seed
        )

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
        lambda runs, models, x, y, rows, plan: _update_of_all(runs, models, x, y, per_seed=(rows,), plan=plan)
    ),
    eqx.filter_jit(lambda runs, models, x: _outputs_of_all(runs, models, x)),
    eqx.filter_jit(lambda runs, outputs, y, plan: jax.vmap(lambda run, out: _judge(run, out, y, plan))(runs, outputs)),
    jax.jit(jax.vmap(_order, in_axes=(0, 0, None, None)), static_argnums=(2, 3)),
)
_compiled_keep_stopped = eqx.filter_jit(_keep_stopped)


def epoch(run: Run, parts: Parts, model, key, data, plan: Plan):
    """(the run after one more epoch, training loss, validation loss or None); each of them by seed where there are many."""
    (x, y), validation = data
    before, steps, losses = run, [None], []
    if plan.batch is not None:
        steps = np.moveaxis(np.asarray(parts.order(key, run.epochs, len(x), plan.batch)), -2, 0)
    for rows in steps:
        run, loss = parts.update(run, model, x, y, rows, plan)
        losses.append(loss)
    run, found = run._replace(epochs=run.epochs + 1), [jnp.stack(losses).mean(0)]
    if validation is not None:
        block = plan.batch or len(x)  # blocks no larger than in training
        outputs = [parts.outputs(run, model, validation[0][i : i + block]) for i in range(0, len(validation[0]), block)]
        run, held_out = parts.judge(run, jnp.concatenate(outputs, axis=-2), validation[1], plan)
        found.append(held_out)
    if parts is ALL:
        run, found = _compiled_keep_stopped(run, found, before, plan)
    return run, found[0], found[1] if validation is not None else None


def program(run: Run, parts: Parts, model, key, data, plan: Plan) -> str:
    """The text of the compiled step with what else decides an epoch: network, loss, optimiser, batch and patience."""
    (x, y), _ = data
    rows = None if plan.batch is None else np.zeros((*run.epochs.shape, plan.batch), np.int32)
    return parts.update.lower(run, model, x, y, rows, plan).as_text() + f"{plan.batch} {plan.patience}"


# Many models at once.


def stack(trees):
    """The trees with their leaves stacked."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def own_and_shared(models: list):
    """(what differs between the models, stacked; what they share, once), two trees to be joined by `eqx.combine`."""
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
    return structures[0].unflatten(own), structures[0].unflatten(shared)


# The loop over epochs, which `fit` and `fit_seeds` share.


def run_epochs(run: Run, fixed, exchange, *, callback, epochs, checkpoint, checkpoint_every, progress):
    """(the run at its end, training and validation losses as (2, *seeds, epochs run)), by `epoch(run, *fixed)`."""
    plan = fixed[-1]
    losses = np.full((2, *run.epochs.shape, epochs), np.nan)
    if checkpoint is not None:
        checkpoint = Path(checkpoint)
        ensure_writable(checkpoint.parent, hint="give checkpoint a path in another folder")
        fingerprint = fingerprint_of(program(run, *fixed), run, fixed[1:], callback, epochs)
        if checkpoint.exists():
            run, losses = read_checkpoint(checkpoint, fingerprint, (run, losses))
    finished = not np.any(run.active(plan))
    for number in (progress or iter)(range(epochs if finished else int(np.max(run.epochs)), epochs)):
        if callback is not None:
            run = exchange(number, run)
        run, *new = epoch(run, *fixed)
        losses[..., number] = [np.full(run.epochs.shape, np.nan) if loss is None else loss for loss in new]
        finished = number + 1 == epochs or not np.any(run.active(plan))
        if checkpoint is not None and (finished or (number + 1) % checkpoint_every == 0):
            write_checkpoint(checkpoint, fingerprint, (run, losses))
        if finished:
            break
    return run, losses[..., : int(np.max(run.epochs))]


def exchanged(callback, epoch: int, model, moving: Moving) -> Moving:
    """What moves in the model that the callback gives back, if it gives one."""
    returned = callback(epoch, put(model, moving))
    if returned is None:
        return moving
    new = moving_of(returned)
    if jax.tree.map(jnp.shape, new) != jax.tree.map(jnp.shape, moving):
        raise MrntkError("callback returned a model of another structure: change the values of its arrays alone.")
    return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), new, moving)


def result_of(model, run: Run, losses, validation, plan: Plan) -> TrainingResult:
    """The result of a run that has ended, with the best model if there was patience."""
    moving = run.moving if plan.patience is None else run.best
    epochs, stopped = np.asarray(run.epochs), ~np.asarray(run.active(plan))
    if not epochs.shape:
        epochs, stopped = int(epochs), bool(stopped)
    return TrainingResult(put(model, moving), losses[0], None if validation is None else losses[1], epochs, stopped)

"""Training of sources and of input maps, by optax.

`fit` trains one model, `fit_seeds` many at once; both walk the same epochs. What is trained: theta of a `Reprogram` (its
source stays as it is), every inexact array of anything else. `gradient_descent` is the plain full-batch descent in float64 that
`mrntk.prediction.closed_form` predicts.
"""

from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Key, PRNGKeyArray, Shaped

from ..model.reprogram import Reprogram
from ..support.arrays import Array
from ..support.errors import MrntkError, first_line
from ..support.pinned import pinned
from ..support.precision import in_float64
from .epochs import (
    ALL,
    ONE,
    Data,
    EpochSettings,
    Examples,
    Models,
    Training,
    TrainingResult,
    after_callback,
    first_state,
    moving_of,
    own_and_shared,
    result_of,
    run_epochs,
    stacked_trees,
    with_moving,
)
from .recipes import source_optimiser


def mse_loss(model, x: Float[Array, "N *shape"], y: Float[Array, "N c"]) -> Float[Array, ""]:
    """L = 1/(2N) sum ||f(x_i) - y_i||^2, the convention of `mrntk.prediction.closed_form`."""
    return 0.5 * jnp.mean(jnp.sum((jax.vmap(model)(x) - y) ** 2, axis=1))


def cross_entropy_loss(model, x: Float[Array, "N *shape"], y: Float[Array, "N c"]) -> Float[Array, ""]:
    """L = -1/N sum_i y_i . log softmax f(x_i), in nats; y_i is a one-hot row, or any distribution over classes."""
    return jnp.mean(optax.softmax_cross_entropy(jax.vmap(model)(x), y))


LOSSES = {"mse": mse_loss, "ce": cross_entropy_loss}


# Arguments.


def _finite(argument: str, value, dtype=float) -> jax.Array:
    value = jnp.asarray(value, dtype)
    if not jnp.isfinite(value).all():
        raise MrntkError(f"{argument} holds NaN or infinite values: remove or replace those examples first.")
    return value


def _examples(names: tuple[str, str], model, x, y, loss: str) -> Examples:
    """x and y as arrays, once they are known to suit each other and the model."""
    x, y = _finite(names[0], x), _finite(names[1], y)
    if y.ndim != 2 or len(y) != len(x) or len(x) == 0:
        raise MrntkError(
            f"{names[1]} has shape {y.shape}: give one row of targets for each of the {len(x)} examples of {names[0]}, "
            "for example task.one_hot(labels)."
        )
    try:
        outputs = eqx.filter_eval_shape(model, x[0]).shape
    except MrntkError:
        raise
    except (TypeError, ValueError) as error:
        raise MrntkError(
            f"{names[0]} has examples of shape {x.shape[1:]}, on which the model fails ({first_line(error)}): reshape them, "
            "or make the model's parts fit each other."
        ) from error
    if outputs != y.shape[1:]:
        raise MrntkError(f"{names[1]} has rows of {y.shape[1]} values, but the model gives {outputs}: make them equal.")
    if loss == "ce" and not ((y >= 0).all() and jnp.allclose(y.sum(1), 1, atol=1e-4)):
        raise MrntkError(f"{names[1]} is not a distribution over classes in every row: give one-hot rows to loss='ce'.")
    return Examples(x, y)


def _checked(model, x, y, validation, loss, batch, epochs, patience, checkpoint_every) -> Data:
    """The data as JAX arrays, or the error that says which argument is wrong."""
    if loss not in LOSSES:
        raise MrntkError(f"loss={loss!r} is unknown: choose one of {', '.join(LOSSES)}.")
    for name, value in {"epochs": epochs, "patience": patience, "checkpoint_every": checkpoint_every}.items():
        if value is not None and value < 1:
            raise MrntkError(f"{name}={value}: give at least 1.")
    if patience is not None and validation is None:
        raise MrntkError(f"patience={patience} needs validation=(x, y): give held-out data, or leave patience out.")
    if not jax.tree.leaves(moving_of(model).theta):
        raise MrntkError("model has nothing to train: give it an input map or an output map with parameters.")
    train = _examples(("x", "y"), model, x, y, loss)
    if batch is not None and not 1 <= batch <= len(train.x):
        raise MrntkError(f"batch={batch}: give 1 to {len(train.x)}, the number of examples, or None for all of them.")
    if validation is not None and not (isinstance(validation, tuple) and len(validation) == 2):
        raise MrntkError("validation: give a pair (x, y) of held-out inputs and targets.")
    names = ("validation[0]", "validation[1]")
    return Data(train, None if validation is None else _examples(names, model, *validation, loss))


@pinned(x64=None)
def fit(
    model,
    x: Float[Array, "N *shape"],
    y: Shaped[Array, "..."],
    *,
    key: PRNGKeyArray,
    optimiser: optax.GradientTransformation,
    epochs: int,
    loss: str = "mse",
    batch: int | None = None,
    validation: tuple | None = None,
    patience: int | None = None,
    callback: Callable | None = None,
    until: Callable | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    progress: Callable | None = None,
) -> TrainingResult:
    """Train theta of a `Reprogram`, or all weights of any other model. The same arguments give the same numbers.

    It computes in JAX's current precision, float32 unless it runs under `jax.enable_x64`.

    Parameters
    ----------
    model : a function of one example, as an Equinox module. It is not changed.
    x, y : inputs (N, ...) and targets (N, c); one-hot rows for classes.
    key : draws the order of the examples of every epoch.
    optimiser : any of optax; weight decay and schedules come with it. See `source_optimiser`, `reprogramming_optimiser`.
    epochs : how many, or the most with `patience`.
    loss : "mse", 1/(2N) sum ||f(x_i) - y_i||^2, or "ce", cross-entropy in nats.
    batch : examples per step; None takes all of them. What is left over after the last whole batch waits for the next epoch.
    validation : (x, y) held out; the loss on it is recorded after every epoch.
    patience : stop after that many epochs in a row without a new lowest validation loss, and return the model of the lowest one
        (of the start, if the validation loss never was a number). Without it the model of the last epoch is returned.
    callback : `callback(epoch, model)` is called before every epoch, counted from 0. It may return the model with other values to
        go on with, else None; see `IterativeMapping`. To be resumable it must depend on its arguments alone.
    until : `until(train_losses so far)` is asked after every epoch; training ends when it says True. See `Plateau`.
    checkpoint : file from which an interrupted training continues, to the same numbers bit for bit.
    checkpoint_every : epochs from one writing of the checkpoint to the next; it is written at the end as well.
    progress : wraps the iterable of epochs, for example `tqdm`.

    Returns
    -------
    TrainingResult
        The trained model, its losses by epoch, and how many epochs there were.

    Raises
    ------
    MrntkError
        For data that are not finite or do not fit the model, a batch larger than N, patience without validation, a model with
        nothing to train, or a checkpoint that is damaged or belongs to other arguments.

    Examples
    --------
    The watermark delta goes from 0 to 1; steps of size 1/2 halve its distance, and the loss is half of its square.

    >>> import jax
    >>> import numpy as np
    >>> import optax
    >>> from mrntk import Reprogram, Watermark, fit
    >>> model = Reprogram(Watermark((1,)), lambda s: s)
    >>> x, y = np.zeros((4, 1)), np.ones((4, 1))
    >>> result = fit(model, x, y, key=jax.random.key(0), optimiser=optax.sgd(0.5), epochs=3)
    >>> result.train_losses.tolist(), result.model.input_map.delta.tolist()
    ([0.5, 0.125, 0.03125], [0.875])
    """
    data = _checked(model, x, y, validation, loss, batch, epochs, patience, checkpoint_every)
    settings = EpochSettings(LOSSES[loss], optimiser, batch, patience)
    training = Training(ONE, model, key, data, settings)

    def call_back(epoch, state):
        return state._replace(moving=after_callback(callback, epoch, model, state.moving))

    state, losses = run_epochs(
        first_state(model, settings),
        training,
        call_back,
        callback=callback,
        until=until,
        epochs=epochs,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        progress=progress,
    )
    return result_of(model, state, losses, training)


@pinned(x64=None)
def fit_seeds(
    make_model: Callable,
    keys: Key[jax.Array, " seeds"],
    x: Float[Array, "N *shape"],
    y: Shaped[Array, "..."],
    *,
    optimiser: optax.GradientTransformation,
    epochs: int,
    loss: str = "mse",
    batch: int | None = None,
    validation: tuple | None = None,
    patience: int | None = None,
    callback: Callable | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1,
    progress: Callable | None = None,
) -> TrainingResult:
    """`fit` for many seeds at once, by vmap: the same numbers as one after the other, to rounding.

    Every seed stops early by itself, and the callback is called seed by seed.

    Parameters
    ----------
    make_model : `make_model(key)` gives a seed's model. Arrays that are the same object for every seed, such as those of a frozen
        source made outside, are kept once.
    keys : (seeds,) keys. Seed i is `fit(make_model(key_model), x, y, key=key_fit)` with
        `key_model, key_fit = jax.random.split(keys[i])`.
    x, y, optimiser, epochs, loss, batch, validation, patience, callback, checkpoint, checkpoint_every, progress : as for `fit`.

    Returns
    -------
    TrainingResult
        With a leading axis of seeds on every array; `of_seed(i)` gives one seed's.

    Raises
    ------
    MrntkError
        As `fit`, and if `make_model` gives models of different structure.
    """
    model_keys, fit_keys = jax.vmap(jax.random.split, out_axes=1)(keys)
    models = [make_model(key) for key in model_keys]
    data = _checked(models[0], x, y, validation, loss, batch, epochs, patience, checkpoint_every)
    settings = EpochSettings(LOSSES[loss], optimiser, batch, patience)
    training = Training(ALL, own_and_shared(models), fit_keys, data, settings)

    def call_back(epoch, states):
        moving = [jax.tree.map(lambda leaf, i=i: leaf[i], states.moving) for i in range(len(models))]
        for i in np.flatnonzero(states.active(settings)):
            moving[i] = after_callback(callback, epoch, models[i], moving[i])
        return states._replace(moving=stacked_trees(moving))

    states, losses = run_epochs(
        stacked_trees([first_state(model, settings) for model in models]),
        training,
        call_back,
        callback=callback,
        epochs=epochs,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        progress=progress,
    )
    return result_of(_with_seed_axis(training.model, len(models)), states, losses, training)


def _with_seed_axis(models: Models, count: int):
    """All models as one, with a leading axis on every array; of views where it can be, so that a shared source is kept once."""

    def view(leaf):
        return np.broadcast_to(leaf, (count, *leaf.shape)) if eqx.is_array(leaf) else leaf

    return eqx.combine(models.own, jax.tree.map(view, models.shared))


def train_source(
    model,
    x: Float[Array, "N *shape"],
    y: Float[Array, "N c"],
    *,
    key: PRNGKeyArray,
    epochs: int = 20,
    batch: int = 128,
    learning_rate: float = 1e-3,
):
    """Train all weights of a source with Adam on the squared loss; returns (trained source, loss of every epoch).

    The short form of `fit` with the authors' recipe; a batch larger than N counts as N.
    """
    optimiser = source_optimiser(learning_rate)
    result = fit(model, x, y, key=key, optimiser=optimiser, epochs=epochs, batch=min(batch, len(x)))
    return result.model, result.train_losses


# Plain descent whose step size is its state, so that another step size is not compiled anew.
_DESCENT = optax.GradientTransformation(
    lambda theta: jnp.zeros(()), lambda grads, step, _: (jax.tree.map(lambda grad: -step * grad, grads), step)
)
_compiled_loss = eqx.filter_jit(mse_loss)


@in_float64
def gradient_descent(
    model: Reprogram,
    x: Float[Array, "N *dT"],
    y: Float[Array, "N c"],
    *,
    step: float,
    steps: int,
) -> tuple[Reprogram, Float[Array, " {steps}+1"]]:
    """Full-batch gradient descent on theta alone, in float64: (trained model, loss before step 0, 1, ..., steps).

    Parameters
    ----------
    model : at its start. It is not changed.
    x, y : inputs and targets.
    step : the step size eta.
    steps : how many.

    Raises
    ------
    MrntkError
        For data that are not finite or do not fit the model, or a step size that is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from mrntk import Reprogram, Watermark, gradient_descent
    >>> model = Reprogram(Watermark((1,)), lambda s: s)
    >>> trained, losses = gradient_descent(model, np.zeros((1, 1)), np.ones((1, 1)), step=0.5, steps=3)
    >>> losses.tolist()
    [0.5, 0.125, 0.03125, 0.0078125]
    >>> trained.input_map.delta.tolist()
    [0.875]
    """
    if not step > 0 or steps < 0:
        raise MrntkError(
            f"step={step}, steps={steps}: the step size must be positive, the number of steps not negative."
        )
    x, y = _examples(("x", "y"), model, x, y, "mse")
    settings = EpochSettings(mse_loss, _DESCENT, None, None)
    state, losses = first_state(model, settings)._replace(optimiser_state=jnp.asarray(step)), []
    for _ in range(steps):
        state, loss = ONE.update(state, model, x, y, None, settings)
        losses.append(loss)
    model = with_moving(model, state.moving)
    return model, jnp.stack([*losses, _compiled_loss(model, x, y)])

"""Training: of sources (Adam, minibatches) and of input maps (full-batch gradient descent)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, PRNGKeyArray

from .arrays import Array
from .precision import in_float64
from .reprogram import Reprogram


def mse_loss(model, x: Float[Array, "N *shape"], y: Float[Array, "N c"]) -> Float[Array, ""]:
    """L = 1/(2N) sum ||f(x_i) - y_i||^2, the convention of `mrntk.dynamics`."""
    return 0.5 * jnp.mean(jnp.sum((jax.vmap(model)(x) - y) ** 2, axis=1))


@eqx.filter_jit
def _adam_epochs(model, x, y, key, optimiser, epochs: int, batch: int):
    arrays, rest = eqx.partition(model, eqx.is_inexact_array)
    batches = len(x) // batch

    def step(carry, rows):
        arrays, state = carry
        loss, grads = jax.value_and_grad(lambda a: mse_loss(eqx.combine(a, rest), x[rows], y[rows]))(arrays)
        updates, state = optimiser.update(grads, state, arrays)
        return (optax.apply_updates(arrays, updates), state), loss

    order = jax.vmap(lambda k: jax.random.permutation(k, len(x))[: batches * batch])(jax.random.split(key, epochs))
    (arrays, _), losses = jax.lax.scan(step, (arrays, optimiser.init(arrays)), order.reshape(-1, batch))
    return eqx.combine(arrays, rest), losses.reshape(epochs, batches).mean(1)


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
    """Train all weights of a source with Adam on the squared loss; returns (trained source, loss of every epoch)."""
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)
    return _adam_epochs(model, x, y, key, optax.adam(learning_rate), epochs, min(batch, len(x)))


@eqx.filter_jit
def _descend(model: Reprogram, x, y, step, steps: int):
    def loss(theta):
        return mse_loss(model.with_theta(theta), x, y)

    def update(theta, _):
        value, grads = jax.value_and_grad(loss)(theta)
        return jax.tree.map(lambda t, g: t - step * g, theta, grads), value

    theta, losses = jax.lax.scan(update, model.theta(), length=steps)
    return model.with_theta(theta), jnp.append(losses, loss(theta))


@in_float64
def gradient_descent(
    model: Reprogram,
    x: Float[Array, "N *dT"],
    y: Float[Array, "N c"],
    *,
    step: float,
    steps: int,
) -> tuple[Reprogram, Float[Array, " {steps}+1"]]:
    """Full-batch gradient descent on theta_A alone, in float64: (trained model, loss before step 0, 1, ..., steps)."""
    return _descend(model, jnp.asarray(x), jnp.asarray(y), jnp.asarray(step), steps)

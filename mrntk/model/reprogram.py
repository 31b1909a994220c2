"""The reprogrammed model f_T = b o f_S o a."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.pinned import pinned
from ..support.precision import double
from .input_maps import InputMap
from .output_maps import IdentityOutput


class Reprogram(eqx.Module):
    """f_T = b o f_S o a: a trained input map `a`, a frozen source `f_S`, a fixed output map `b`.

    Call it on ONE input; batch with `jax.vmap` or `predict`.

    Parameters
    ----------
    input_map : a, an `InputMap`.
    source : f_S, callable on ONE example.
    output_map : b, an `OutputMap`; by default class i of the source means class i of the target.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from mrntk import LinearOutput, Reprogram, Watermark
    >>> model = Reprogram(Watermark((3,)), lambda s: s**2, LinearOutput(jnp.eye(2, 3)))
    >>> model(jnp.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 4.0]
    >>> jax.tree.leaves(model.theta())  # the watermark alone is trained
    [Array([0., 0., 0.], dtype=float32)]
    """

    input_map: InputMap
    source: Callable
    output_map: Callable = IdentityOutput()

    def __call__(self, x: Float[Array, "*dT"]) -> Float[Array, " cT"]:
        return self.output_map(self.source(self.input_map(x)))

    def theta(self):
        """The trained arrays, as a pytree: those of the input map, and of an output map that says `trained = True`."""
        trains_output = getattr(self.output_map, "trained", False)
        output = eqx.filter(self.output_map, eqx.is_inexact_array if trains_output else lambda leaf: False)
        return eqx.filter(self.input_map, eqx.is_inexact_array), output

    def with_theta(self, theta):
        """This model with other trained arrays, as `theta` returns them."""
        input_map, output_map = (
            eqx.combine(*pair) for pair in zip(theta, (self.input_map, self.output_map), strict=True)
        )
        return Reprogram(input_map, self.source, output_map)

    def after_input(self, s: Float[Array, "*dS"]) -> Float[Array, " cT"]:
        """b(f_S(s)): everything behind the input map."""
        return self.output_map(self.source(s))


@eqx.filter_jit
def _outputs(model: Callable, x):
    return jax.vmap(model)(x)


def predict(model: Callable, x: Float[Array, "N *shape"], *, batch: int | None = None) -> Float[Array, "N c"]:
    """The model's outputs on many inputs, `batch` at a time, the last filled up so that one program serves; None: all at once."""
    if batch is not None and batch < 1:
        raise MrntkError(f"batch={batch}: give at least 1, or None for all at once.")
    if batch is None or len(x) <= batch:
        return _outputs(model, x)
    missing = -len(x) % batch
    padded = jnp.concatenate([jnp.asarray(x), jnp.repeat(jnp.asarray(x[-1:]), missing, axis=0)]) if missing else x
    blocks = [_outputs(model, padded[i : i + batch]) for i in range(0, len(padded), batch)]
    return jnp.concatenate(blocks)[: len(x)]


def predict_float64(
    model: Callable, x: Float[Array, "N *shape"], *, batch: int | None = None
) -> Float[np.ndarray, "N c"]:
    """f_T(x) in float64, as a kernel's residual wants it: model and inputs are converted before anything is computed.

    Parameters
    ----------
    model : called on ONE input; its arrays are converted as well.
    x : inputs, the examples along the first axis.
    batch : examples that are computed together; None takes all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from mrntk import Reprogram, Watermark, predict_float64
    >>> model = Reprogram(Watermark((2,)), lambda s: 3 * s)
    >>> predict_float64(model, np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[3.0, 6.0], [9.0, 12.0]]
    """
    with pinned(x64=True):
        return np.asarray(predict(double(model), np.asarray(x, np.float64), batch=batch))

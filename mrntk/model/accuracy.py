"""Which share of examples a model's outputs classify right."""

import numpy as np
from jaxtyping import Float

from ..support.arrays import Array
from ..support.errors import MrntkError


def accuracy(outputs: Float[Array, "*times N c"], y: Float[Array, "N c"]) -> Float[np.ndarray, "*times"]:
    """Share of examples whose largest output is the target's largest; of a single output, those with the target's sign.

    Raises
    ------
    MrntkError
        If the targets of a single output hold a 0, which has no sign.
    """
    outputs, y = np.asarray(outputs), np.asarray(y)
    if y.shape[-1] > 1:
        return np.asarray(np.mean(outputs.argmax(-1) == y.argmax(-1), axis=-1))
    if not y.all():
        raise MrntkError("y holds 0 for a single output, whose sign decides: give -1 and 1, or one column per class.")
    return np.asarray(np.mean((outputs[..., 0] > 0) == (y[..., 0] > 0), axis=-1))

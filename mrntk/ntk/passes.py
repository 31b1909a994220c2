"""A source's passes forward and backward over many examples, some at a time, so that they can be watched and stopped.

A fully connected source goes by NumPy, all examples at once (`mrntk.ntk.plain`); any other by the compiled programs of
`mrntk.ntk.rows`, in blocks of one size, so that each source compiles once. All in float64.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..model.reprogram import Reprogram
from ..support.pinned import pinned
from . import plain, rows

BLOCK = 4  # examples differentiated at once


def quietly(share: float):
    """Progress that nobody looks at."""


class Pass(NamedTuple):
    """One block of examples behind a source."""

    place: slice  # which examples
    scores: Float[np.ndarray, "n cS"]
    pull: Callable  # w, (k, cS) or (n, k, cS), back to the source's input: w J_S, (n, k, *dS)


def passes(source: Callable, z: Float[np.ndarray, "N *dS"], say: Callable = quietly) -> Iterator[Pass]:
    """The blocks one after the other.

    Parameters
    ----------
    source : f_S, in float64.
    z : its inputs.
    say : is told the share of the examples that is done, before each block and each backward pass; may raise to stop.
    """
    if plain.is_fully_connected(source):
        say(0.0)
        yield Pass(slice(0, len(z)), *plain.forward(plain.layers_of(source), z))
        return
    for place in rows.blocks(len(z), BLOCK):
        say(place.start / len(z))
        full = z[np.minimum(np.arange(place.start, place.start + BLOCK), len(z) - 1)]  # filled up with the last example
        with pinned(x64=True):
            scores, pull = rows.forward(source, jnp.asarray(full))
            scores = np.asarray(scores)

        def pull_rows(w, pull=pull, place=place):
            n, k = place.stop - place.start, w.shape[-2]
            w = np.broadcast_to(w, (n, *w.shape[-2:]))
            back = np.zeros((n, k, *z.shape[1:]))
            for row in range(k):
                say((place.start + n * row / k) / len(z))
                cotangent = np.zeros((BLOCK, w.shape[-1]))
                cotangent[:n] = w[:, row]
                with pinned(x64=True):
                    back[:, row] = np.asarray(rows.pull_back(pull, jnp.asarray(cotangent)))[:n]
            return back

        yield Pass(place, scores[: place.stop - place.start], pull_rows)


def scores(source: Callable, z: Float[np.ndarray, "N *dS"], say: Callable = quietly) -> Float[np.ndarray, "N cS"]:
    """f_S(z); the parameters are those of `passes`."""
    return np.concatenate([one.scores for one in passes(source, z, say)])


def outputs_and_rows(
    model: Reprogram, x: Float[np.ndarray, "N *dT"], say: Callable = quietly
) -> tuple[Float[np.ndarray, "N cT"], Float[np.ndarray, "N cT *dS"]]:
    """f_T(x), and the rows g = b J_S(a(x)) of which `mrntk.ntk.plain.kernel_of_rows` makes Theta_T.

    Parameters
    ----------
    model : an input map of INPUT_MAPS, any source in float64, and a linear output map that is not trained.
    x : inputs.
    say : as for `passes`.
    """
    b = plain.output_matrix(model.output_map, model.source.num_outputs)
    blocks = passes(model.source, plain.apply_input_map(model.input_map, x), say)
    pairs = [(one.scores @ b.T, one.pull(b)) for one in blocks]
    return tuple(np.concatenate(part) for part in zip(*pairs, strict=True))

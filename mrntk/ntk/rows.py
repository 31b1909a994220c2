"""What every kernel of a reprogrammed model is made of, computed once an example: the factors of its rows.

The only expensive thing is g = b J_S(a(x)), the source's input Jacobian, (c_T, d_S) numbers per example. A block of examples
goes forward once; then one backward pass a class shares what the forward pass kept. The input map turns g into its factors
(see `mrntk.model.input_maps`), and only those are kept: in memory while they fit, else in a temporary file.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from ..model.input_maps import Factor
from ..model.reprogram import Reprogram
from ..support.arrays import Array
from ..support.pinned import pinned
from .storage import Rows


def jacobian_rows(model: Reprogram, x: Float[Array, "*dT"]) -> Float[Array, "c *dS"]:
    """g = b J_S(a(x)) for ONE input: the gradient of every output with respect to the source's input."""
    return jax.jacrev(model.after_input)(model.input_map(x))


# Compiled by part: source, input map and output map are arguments of their own, so that another input map, another output map or
# other weights of the same shapes find the source compiled. Only `forward` and `pull_back` are expensive to compile.


@eqx.filter_jit
def forward(source: Callable, z: Float[Array, "N *dS"]):
    """The source's scores, (N, c_S), and the function that pulls one cotangent of that shape back to z."""
    return jax.vjp(jax.vmap(source), z)


@jax.jit
def pull_back(pull: Callable, cotangent: Float[Array, "N cS"]) -> Float[Array, "N *dS"]:
    """w^T J_S(z), example by example, for the cotangents w; `pull` as `forward` gives it."""
    return pull(cotangent)[0]


@eqx.filter_jit
def apply_input_map(input_map: Callable, x: Float[Array, "N *dT"]) -> Float[Array, "N *dS"]:
    """a(x) of many inputs."""
    return jax.vmap(input_map)(x)


@eqx.filter_jit
def apply_output_map(output_map: Callable, scores: Float[Array, "N cS"]) -> Float[Array, "N cT"]:
    """b(s) of many scores."""
    return jax.vmap(output_map)(scores)


@eqx.filter_jit
def _row_of_b(output_map: Callable, scores: Float[Array, "N cS"], unit: Float[Array, " cT"]):
    """The gradient with respect to the scores, (N, c_S), of the output that the unit vector names."""
    outputs, pull = jax.vjp(jax.vmap(output_map), scores)
    return pull(jnp.broadcast_to(unit, outputs.shape))[0]


@eqx.filter_jit
def factors_of(input_map, output_map, x, g, scores) -> tuple[Factor, ...]:
    """The factors that the input map makes of g, and those that a trained output map adds; a fixed one may be any function."""
    added = getattr(output_map, "factors", lambda scores: ())
    return jax.vmap(input_map.factors)(x, g) + jax.vmap(added)(scores)


def block_factors(model: Reprogram, x: Float[Array, "N *dT"], z: Float[Array, "N *dS"]) -> tuple[Factor, ...]:
    """The factors of one block of examples, given z = a(x); the leading axis counts the examples."""
    scores, pull = forward(model.source, z)
    outputs = jax.eval_shape(apply_output_map, model.output_map, scores).shape[1]
    units = np.eye(outputs, dtype=scores.dtype)  # a plain number would be compiled for, one by one
    rows = (pull_back(pull, _row_of_b(model.output_map, scores, unit)) for unit in units)
    g = jnp.stack(list(rows), axis=1)
    return factors_of(model.input_map, model.output_map, x, g, scores)


def blocks(count: int, block: int) -> Iterator[slice]:
    return (slice(start, min(start + block, count)) for start in range(0, count, block))


def _padded(x, size: int):
    """The last block at full size, so that nothing is compiled twice and every device gets a share."""
    missing = size - len(x)
    return np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) if missing else np.asarray(x)


def _on_devices(x, mesh: Mesh | None):
    if mesh is None:
        return jnp.asarray(x)
    sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])


def _on_host(x, mesh: Mesh | None) -> np.ndarray:
    if mesh is not None and not x.is_fully_addressable:
        from jax.experimental.multihost_utils import process_allgather

        return np.asarray(process_allgather(x, tiled=True))
    return np.asarray(x)


def compute_rows(
    model: Reprogram,
    x: Float[Array, "N *dT"],
    shapes,
    *,
    block: int,
    lanes: int,
    on_disk: bool,
    mesh: Mesh | None,
    progress,
) -> Rows:
    """All factors, each example once, `block` examples at a time on each of `lanes` threads, or on every device of `mesh`.

    `shapes` holds the shapes of one example's u and v, as `mrntk.ntk.plan.Sizes.factors`; `on_disk` puts all of them into a
    temporary file.

    Raises
    ------
    MrntkError
        If the disk has no room for them.
    """
    count = len(x)
    size = block if mesh is None else block * mesh.size  # of a block; the last one is filled up
    rows = Rows(count, shapes, on_disk=on_disk)
    # A seeded layer draws its whole W for each evaluation, so it is evaluated once, on everything.
    everything = getattr(model.input_map, "whole_batch", False)
    z = np.asarray(apply_input_map(model.input_map, x)) if everything else None

    def one_block(part: slice):
        inputs = _on_devices(_padded(x[part], size), mesh)
        inner = _on_devices(_padded(z[part], size), mesh) if everything else apply_input_map(model.input_map, inputs)
        factors = block_factors(model, inputs, inner)
        rows[part] = tuple(Factor(*(_on_host(f, mesh)[: part.stop - part.start] for f in pair)) for pair in factors)

    def in_a_thread(part: slice):
        with pinned(x64=True):  # which holds for one thread
            one_block(part)

    parts = list(blocks(count, size))
    try:
        if mesh is not None or lanes == 1 or len(parts) == 1:
            for part in progress(parts):
                one_block(part)
            return rows
        with ThreadPoolExecutor(lanes) as pool:
            tasks = {part.start: pool.submit(in_a_thread, part) for part in parts}
            try:
                for part in progress(parts):
                    tasks[part.start].result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    except BaseException:
        rows.close()
        raise
    return rows

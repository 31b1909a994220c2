"""What every kernel of a reprogrammed model is made of, computed once an example: the factors of its rows.

The only expensive thing is g = b J_S(a(x)), the source's input Jacobian, (c_T, d_S) numbers an example. A block of examples
goes forward once; then one backward pass a class shares what the forward pass kept. The input map turns g into its factors
(see `mrntk.inputs`), and only those are kept: in memory while they fit, else in a temporary file.
"""

import math
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from ..arrays import Array
from ..errors import MrntkError
from ..inputs import Factor
from ..reprogram import Reprogram


def jacobian_rows(model: Reprogram, x: Float[Array, "*dT"]) -> Float[Array, "c *dS"]:
    """g = b J_S(a(x)) for ONE input: the gradient of every output with respect to the source's input."""
    return jax.jacrev(model.after_input)(model.input_map(x))


@eqx.filter_jit
def _forward(model: Reprogram, z):
    """Outputs, the function that pulls one cotangent back to the source's input, and the source's scores."""

    def behind_the_input(z):
        scores = jax.vmap(model.source)(z)
        return jax.vmap(model.output_map)(scores), scores

    return jax.vjp(behind_the_input, z, has_aux=True)


@jax.jit
def _pull_class(pull, outputs, k):
    return pull(jnp.zeros_like(outputs).at[:, k].set(1))[0]


@eqx.filter_jit
def _input_map(model: Reprogram, x):
    return jax.vmap(model.input_map)(x)


@eqx.filter_jit
def _scores(model: Reprogram, z):
    return jax.vmap(model.source)(z)


@eqx.filter_jit
def _output_map(model: Reprogram, scores):
    return jax.vmap(model.output_map)(scores)


@eqx.filter_jit
def _factors(model: Reprogram, x, g, scores) -> tuple[Factor, ...]:
    return jax.vmap(model.input_map.factors)(x, g) + jax.vmap(_of_output_map(model))(scores)


def _of_output_map(model: Reprogram):
    """The factors that a trained output map adds; none for a fixed one, which may be any function."""
    return getattr(model.output_map, "factors", lambda scores: ())


def block_factors(model: Reprogram, x: Float[Array, "N *dT"], z: Float[Array, "N *dS"]) -> tuple[Factor, ...]:
    """The factors of one block of examples, given z = a(x); the leading axis counts the examples."""
    outputs, pull, scores = _forward(model, z)
    g = jnp.stack([_pull_class(pull, outputs, k) for k in range(outputs.shape[1])], axis=1)
    return _factors(model, x, g, scores)


def _blocks(count: int, block: int) -> Iterator[slice]:
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


class Rows:
    """The factors of all examples, each computed once: `rows[i]` is a tuple of `Factor` with arrays u (n, p), v (n, c, m).

    Use as a context manager when a temporary file may be in play: leaving it removes the file.
    """

    def __init__(self, factors: tuple[Factor, ...], count: int, folder: Path | None):
        self.factors, self.count, self.folder = factors, count, folder

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, rows: slice) -> tuple[Factor, ...]:
        return tuple(Factor(factor.u[rows], factor.v[rows]) for factor in self.factors)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.factors = ()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Sizes:
    """What one example takes, known before anything is computed."""

    outputs: int  # c_T
    source_input: int  # d_S
    factors: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]  # shapes of every u and v

    @property
    def row_bytes(self) -> int:
        """Bytes of the factors in float64."""
        return 8 * sum(math.prod(u) + math.prod(v) for u, v in self.factors)

    @property
    def jacobian_bytes(self) -> int:
        """Bytes of g in float64."""
        return 8 * self.outputs * self.source_input


def sizes(model: Reprogram, x: Float[Array, "N *dT"]) -> Sizes:
    """The sizes of this model on inputs like `x`; the network is traced forward once, and not run.

    Raises
    ------
    MrntkError
        If the parts of the model do not fit each other or the inputs; the message says which.
    """

    def shapes(function, *arguments, part):
        try:  # the functions are jitted, so JAX remembers what it traced
            return eqx.filter_eval_shape(function, model, *arguments)
        except MrntkError:
            raise
        except (TypeError, ValueError) as error:
            given = arguments[-1].shape[1:]
            raise MrntkError(
                f"{part} does not take what it is given, shape {given}: {str(error).splitlines()[0]}"
            ) from error

    one = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    z = shapes(_input_map, one, part="x: the input map")
    scores = shapes(_scores, z, part="input_map: the source")
    if len(getattr(scores, "shape", ())) != 2:
        raise MrntkError(f"source gives {scores}: it must map ONE input to a vector of scores.")
    outputs = shapes(_output_map, scores, part="output_map: it").shape[1]
    g = jax.ShapeDtypeStruct((1, outputs, *z.shape[1:]), z.dtype)
    factors = shapes(_factors, one, g, scores, part="output_map: it")
    shape_of_one = tuple((factor.u.shape[1:], factor.v.shape[1:]) for factor in factors)
    return Sizes(outputs, math.prod(z.shape), shape_of_one)


def compute_rows(
    model: Reprogram, x: Float[Array, "N *dT"], size: Sizes, *, block: int, on_disk: bool, mesh: Mesh | None, progress
) -> Rows:
    """All factors, `block` examples at a time (a device), each example once; with `on_disk`, into a temporary file.

    Raises
    ------
    MrntkError
        If the disk has no room for them.
    """
    count = len(x)
    block = min(block, count) if mesh is None else block * mesh.size
    folder = Path(tempfile.mkdtemp(prefix="mrntk-rows-")) if on_disk else None
    needed = count * size.row_bytes
    if folder is not None and shutil.disk_usage(folder).free < needed:
        shutil.rmtree(folder)
        raise MrntkError(
            f"x has {count} examples, whose Jacobian rows take {needed / 1e9:.1f} GB of temporary disk space, "
            "which is not there: use fewer examples, or set TMPDIR to a larger disk."
        )

    def storage(number, name, shape):
        shape = (count, *shape)
        return (
            np.lib.format.open_memmap(folder / f"{number}{name}.npy", "w+", np.float64, shape)
            if folder
            else np.empty(shape)
        )

    factors = tuple(
        Factor(storage(number, "u", u), storage(number, "v", v)) for number, (u, v) in enumerate(size.factors)
    )
    try:
        # A seeded layer draws its whole W for each evaluation, so it is evaluated once, on everything.
        everything = getattr(model.input_map, "whole_batch", False)
        z = np.asarray(_input_map(model, x)) if everything else None
        for rows in progress(list(_blocks(count, block))):
            part = _on_devices(_padded(x[rows], block), mesh)
            inner = _on_devices(_padded(z[rows], block), mesh) if everything else _input_map(model, part)
            for stored, computed in zip(factors, block_factors(model, part, inner), strict=True):
                for kept, new in zip(stored, computed, strict=True):
                    kept[rows] = _on_host(new, mesh)[: rows.stop - rows.start]
    except BaseException:
        Rows(factors, count, folder).__exit__()
        raise
    return Rows(factors, count, folder)

"""How large a kernel's pieces are, and how to cut the work so that it fits into memory; all before anything is computed."""

import math
import os
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from ..model.reprogram import Reprogram
from ..support.arrays import Array
from ..support.errors import MrntkError, first_line
from . import rows as parts

BLOCK = 32  # examples whose Jacobians are computed together, where memory allows
LIGHT = 500_000  # bytes: differentiating one example within them costs less than compiling for another N


@dataclass(frozen=True)
class Sizes:
    """What one example takes, known before anything is computed."""

    outputs: int  # c_T
    source_input: int  # d_S
    factors: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]  # shapes of every u and v
    kept: int  # bytes that the forward pass keeps for the backward passes

    @property
    def row_bytes(self) -> int:
        """Bytes of the factors in float64."""
        return 8 * sum(math.prod(u) + math.prod(v) for u, v in self.factors)

    @property
    def jacobian_bytes(self) -> int:
        """Bytes of g in float64."""
        return 8 * self.outputs * self.source_input

    @property
    def work_bytes(self) -> int:
        """Bytes that differentiating takes at its peak: what is kept and as much again in passing; g, its stack, its factors."""
        return 2 * self.kept + 2 * self.jacobian_bytes + self.row_bytes


def _bytes(tree) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype"))


def sizes(model: Reprogram, x: Float[Array, "N *dT"]) -> Sizes:
    """The sizes of this model on inputs like `x`; the network is traced, and not run.

    Raises
    ------
    MrntkError
        If the parts of the model do not fit each other or the inputs; the message says which.
    """

    def shapes(function, *arguments, part):
        try:  # the functions are jitted, so JAX remembers what it traced
            return eqx.filter_eval_shape(function, *arguments)
        except MrntkError:
            raise
        except (TypeError, ValueError) as error:
            given = arguments[-1].shape[1:]
            raise MrntkError(f"{part} does not take what it is given, shape {given}: {first_line(error)}") from error

    one = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    z = shapes(parts.apply_input_map, model.input_map, one, part="x: the input map")
    scores, kept_by_one = shapes(parts.forward, model.source, z, part="input_map: the source")
    if len(getattr(scores, "shape", ())) != 2:
        raise MrntkError(f"source gives {scores}: it must map ONE input to a vector of scores.")
    outputs = shapes(parts.apply_output_map, model.output_map, scores, part="output_map: it").shape[1]
    g = jax.ShapeDtypeStruct((1, outputs, *z.shape[1:]), z.dtype)
    factors = shapes(parts.factors_of, model.input_map, model.output_map, one, g, scores, part="output_map: it")
    shape_of_one = tuple((factor.u.shape[1:], factor.v.shape[1:]) for factor in factors)
    # What several examples keep less what one keeps: the weights, kept once, cancel. `several` is the block's likely size,
    # because JAX remembers what it traced, and a process whose programs are compiled already does little else.
    several = max(2, _heavy_block(len(x), _lanes(None)))
    many = jax.ShapeDtypeStruct((several, *z.shape[1:]), z.dtype)
    _, kept_by_several = eqx.filter_eval_shape(parts.forward, model.source, many)
    kept = (_bytes(kept_by_several) - _bytes(kept_by_one)) // (several - 1)
    return Sizes(outputs, math.prod(z.shape), shape_of_one, kept)


def available_memory() -> int:
    """Bytes of main memory that are free for use now."""
    import psutil

    return psutil.virtual_memory().available


def _device_memory() -> float:
    """Bytes that are free on the accelerator; no bound where it does not say, as on a CPU."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("bytes_limit", math.inf) - stats.get("bytes_in_use", 0)


def _lanes(mesh: Mesh | None) -> int:
    """Blocks that are differentiated side by side: one per device, or one per core, as XLA convolves float64 on one core."""
    if mesh is not None:
        return mesh.size
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Plan:
    """How to compute a kernel within the memory that there is."""

    on_disk: bool  # do the rows wait in a temporary file?
    block: int  # examples of one block of Jacobians
    lanes: int  # such blocks side by side
    gram: int  # examples of one block of the Gram matrix


def _power_of_two(number: float | int) -> int:
    """The largest that is not above `number`, at least 1."""
    return 2 ** max(0, math.floor(math.log2(max(number, 1))))


def _heavy_block(examples: int, lanes: int) -> int:
    """Examples of an expensive block where memory allows: a lane's whole share if that is one of a few sizes, else on a CPU
    two blocks or more of at least 4 examples, so that filling up wastes little."""
    share = -(-examples // lanes)
    wanted = _power_of_two(2 * share - 1)  # not below the share
    if wanted > share and jax.default_backend() == "cpu":
        wanted = max(_power_of_two(share / 2), min(4, _power_of_two(share)))
    return min(wanted, BLOCK)


def _block(size: Sizes, examples: int, lanes: int, together: int) -> int:
    """Examples of a block, filled up: one of a few sizes, so that another N seldom compiles anew; where cheap, the largest."""
    wanted = BLOCK if size.work_bytes <= LIGHT else _heavy_block(examples, lanes)
    return min(wanted, _power_of_two(together / lanes))


def plan_rows(size: Sizes, examples: int, room: float, *, block: int | None, mesh: Mesh | None) -> tuple[int, int]:
    """(examples per block, blocks side by side) that differentiate within `room` bytes, and within the accelerator's memory."""
    lanes, room = _lanes(mesh), min(room, 0.5 * _device_memory() * (1 if mesh is None else mesh.size))
    together = max(1, int(room // size.work_bytes))  # examples in work at any time
    if mesh is None:
        lanes = max(1, min(lanes, together // (block or 1)))
    return min(block, examples) if block else _block(size, examples, lanes, together), lanes


def plan(
    size: Sizes, result: int, n: int, m: int | None, *, form: str, block: int | None, limit: float, mesh: Mesh | None
) -> Plan:
    """A plan that keeps a kernel of `result` bytes, n x m examples, and all that it is made of within `limit` bytes.

    Raises
    ------
    MrntkError
        If not even one example at a time fits.
    """
    examples, room = n + (m or 0), limit - result
    if room < size.work_bytes + 2 * size.row_bytes:
        raise MrntkError(
            f"x has {n} examples: the {form} kernel takes {result / 1e9:.2f} GB, differentiating one example "
            f"{size.work_bytes / 1e9:.2f} GB, and memory_limit is {limit / 1e9:.2f} GB; use fewer examples, form='class_sum', "
            "or the matrix-free mrntk.ntk.operators."
        )
    on_disk = examples * size.row_bytes > min(0.7 * room, room - size.work_bytes)
    free = room - (0 if on_disk else examples * size.row_bytes)
    block, lanes = plan_rows(size, examples, 0.8 * free, block=block, mesh=mesh)
    # b examples of Gram: two blocks of rows if they come from disk, and the product twice. Solve 2 b row + 16 (b c)^2 = room / 4.
    quadratic, linear = 16.0 * size.outputs**2, 2.0 * size.row_bytes * on_disk
    gram = (-linear + (linear**2 + quadratic * room) ** 0.5) / (2 * quadratic)
    return Plan(on_disk, block, lanes, int(np.clip(gram, 1, max(n, m or 0))))

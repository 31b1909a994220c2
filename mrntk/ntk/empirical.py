"""The empirical NTK of a reprogrammed model, exactly and in float64."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from ..model.input_maps import Factor
from ..model.reprogram import Reprogram
from ..support.arrays import Array
from ..support.errors import MrntkError
from ..support.pinned import pinned
from ..support.precision import double, in_float64
from .plan import Sizes, available_memory, plan, plan_rows, sizes
from .rows import blocks, compute_rows, jacobian_rows

__all__ = ["empirical_ntk", "estimated_bytes", "jacobian_rows", "stacked_factors"]

FORMS = ("full", "class_sum", "class_blocks")


def _result_shape(form: str, n: int, m: int, c: int) -> tuple[int, ...]:
    return {"full": (n, c, m, c), "class_sum": (n, m), "class_blocks": (c, n, m)}[form]


def contract(one: tuple[Factor, ...], two: tuple[Factor, ...], form: str, xp=np) -> np.ndarray:
    """sum_terms (u . u') (v v'^T) between two blocks, in the asked form, by NumPy, whose BLAS knows that V V^T is symmetric."""
    out = None
    for left, right in zip(one, two, strict=True):
        (n, c, m), k = left.v.shape, len(right.v)
        v, w, outer = xp.asarray(left.v), xp.asarray(right.v), xp.asarray(left.u) @ xp.asarray(right.u).T
        if left.v is right.v:
            w = v
        if form == "full":
            a, b = v.reshape(n * c, m), w.reshape(k * c, m)
            product = (a @ (a.T if w is v else b.T)).reshape(n, c, k, c)
            outer = outer[:, None, :, None]
        elif form == "class_sum":
            product = v.reshape(n, c * m) @ w.reshape(k, c * m).T
        else:
            product = v.transpose(1, 0, 2) @ w.transpose(1, 2, 0)
        product = product * outer if xp is jnp else np.multiply(product, outer, out=product)
        out = product if out is None else out + product
    return np.asarray(out)


def _into(out: np.ndarray, rows: slice, columns: slice, block: np.ndarray, form: str):
    if form == "class_blocks":
        out[:, rows, columns] = block
    elif form == "class_sum":
        out[rows, columns] = block
    else:
        out[rows, :, columns] = block


def _transposed(block: np.ndarray, form: str) -> np.ndarray:
    return block.transpose({"full": (2, 3, 0, 1), "class_sum": (1, 0), "class_blocks": (0, 2, 1)}[form])


def _checked(x, argument: str) -> Float[np.ndarray, "N *dT"]:
    x = np.asarray(x, np.float64)
    if x.ndim < 2 or len(x) == 0:
        raise MrntkError(
            f"{argument} has shape {x.shape}: give a batch of inputs, with the examples along the first axis."
        )
    if not np.isfinite(x).all():
        raise MrntkError(f"{argument} holds NaN or infinite values: remove or replace those inputs first.")
    return x


def _result_bytes(size: Sizes, n: int, m: int, form: str) -> int:
    return 8 * math.prod(_result_shape(form, n, m, size.outputs))


@in_float64
def estimated_bytes(model: Reprogram, x, x_other=None, *, form: str = "full") -> dict[str, int]:
    """Bytes that `empirical_ntk` needs: {"result": the kernel, "rows": the Jacobian rows that it is made of, in memory or on
    disk, "work": differentiating one example}."""
    size, others = sizes(model, np.asarray(x)), x if x_other is None else x_other
    examples = len(x) + (0 if x_other is None else len(x_other))
    return {
        "result": _result_bytes(size, len(x), len(others), form),
        "rows": examples * size.row_bytes,
        "work": size.work_bytes,
    }


@in_float64
def stacked_factors(model: Reprogram, x: Float[Array, "N *dT"], *, block: int | None = None) -> tuple[Factor, ...]:
    """The factors of all examples, in memory: u (N, p), v (N, c, m); the kernel is sum_terms (u . u') (v v'^T)."""
    x = _checked(x, "x")
    size = sizes(model, x)
    room = 0.5 * (available_memory() - len(x) * size.row_bytes)
    block, lanes = plan_rows(size, len(x), room, block=block, mesh=None)
    rows = compute_rows(model, x, size.factors, block=block, lanes=lanes, on_disk=False, mesh=None, progress=iter)
    return rows.factors


def empirical_ntk(
    model: Reprogram,
    x: Float[Array, "N *dT"],
    x_other: Float[Array, "M *dT"] | None = None,
    *,
    form: str = "full",
    block: int | None = None,
    memory_limit: float | int | None = None,
    mesh: Mesh | None = None,
    progress=iter,
) -> Float[np.ndarray, "..."]:
    """Theta_T(x, x_other) with respect to what the model trains (paper, Definition 3), in float64.

    Every Jacobian row is computed once, also where the rows do not fit into memory: then they wait in a temporary file.

    Parameters
    ----------
    model : the reprogrammed model; trained are its input map, and its output map if that says so.
    x, x_other : inputs; `x_other` defaults to `x`.
    form : "full", shape (N, c, M, c), whose `.reshape(N * c, M * c)` is the matrix of the theory; "class_sum", shape (N, M),
        the sum of Theta^{ii} over the outputs i; "class_blocks", shape (c, N, M), the blocks Theta^{ii}.
    block : examples whose Jacobians are computed together, on every device, or on every core of a CPU; default: at most 32,
        fewer where memory is short. The result does not depend on it.
    memory_limit : bytes that the kernel, its rows and the differentiation of the network may take together; default: 80 % of
        what is free. An estimate decides, made from the shapes alone; what JAX's compiler and libraries hold comes on top.
    mesh : devices to share the Jacobians among, of one process or of several; every process gets the whole kernel.
    progress : wraps the list of blocks, for example `tqdm`.

    Raises
    ------
    MrntkError
        If the inputs hold NaN or infinite values or do not fit the model, if `form` is unknown, or if the kernel does not fit
        into `memory_limit`.
    """
    if form not in FORMS:
        raise MrntkError(f"form={form!r} is unknown: choose one of {', '.join(FORMS)}.")
    if block is not None and block < 1:
        raise MrntkError(f"block={block} is too small: at least one example at a time.")
    if memory_limit is not None and not memory_limit > 0:
        raise MrntkError(f"memory_limit={memory_limit}: give bytes, more than 0, or leave it out.")
    x = _checked(x, "x")
    x_other = None if x_other is None else _checked(x_other, "x_other")
    with pinned(x64=True):  # several processes must pass NumPy arrays
        model = double(model)
        if mesh is None:  # placed once; NumPy has converted them, which compiles nothing
            model = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, model)
        return _empirical_ntk(model, x, x_other, form, block, memory_limit, mesh, progress)


def _empirical_ntk(model, x, x_other, form, block, memory_limit, mesh, progress):
    size, m = sizes(model, x), None if x_other is None else len(x_other)
    limit, result = float(memory_limit or 0.8 * available_memory()), _result_bytes(size, len(x), m or len(x), form)
    how = plan(size, result, len(x), m, form=form, block=block, limit=limit, mesh=mesh)
    options = dict(block=how.block, lanes=how.lanes, on_disk=how.on_disk, mesh=mesh, progress=progress)
    out = np.zeros(_result_shape(form, len(x), m or len(x), size.outputs))
    xp = np if jax.default_backend() == "cpu" else jnp  # the Gram step is the accelerator's where there is one
    with compute_rows(model, x, size.factors, **options) as first:
        if not first.factors:
            return out  # nothing is trained
        if x_other is None:
            _fill_symmetric(out, first, how.gram, form, xp)
        else:
            with compute_rows(model, x_other, size.factors, **options) as second:
                for i in blocks(len(x), how.gram):
                    for j in blocks(len(x_other), how.gram):
                        _into(out, i, j, contract(first[i], second[j], form, xp), form)
    return out


def _fill_symmetric(out, rows, gram, form, xp):
    """Each pair of blocks once; the mirror image is copied."""
    for i in blocks(len(rows), gram):
        left = rows[i]
        for j in blocks(i.stop, gram):
            block = contract(left, left if j == i else rows[j], form, xp)
            _into(out, i, j, block, form)
            if j != i:
                _into(out, j, i, _transposed(block, form), form)

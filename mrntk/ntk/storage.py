"""Where the rows of a kernel wait until they are contracted: in memory, or in a temporary file."""

import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..model.input_maps import Factor
from ..support.errors import MrntkError


class OnDisk:
    """A float64 array in a file, read and written by rows; not mapped into memory, so it takes none between the reads."""

    def __init__(self, path: Path, shape: tuple[int, ...]):
        self.path, self.shape = path, shape
        self.row_bytes = 8 * math.prod(shape[1:])
        with open(path, "wb") as file:
            file.truncate(shape[0] * self.row_bytes)

    def __setitem__(self, rows: slice, values: Float[np.ndarray, "n ..."]):
        with open(self.path, "r+b") as file:
            file.seek(rows.start * self.row_bytes)
            file.write(np.ascontiguousarray(values, np.float64).data)

    def __getitem__(self, rows: slice) -> Float[np.ndarray, "n ..."]:
        start, stop, _ = rows.indices(self.shape[0])
        shape = (stop - start, *self.shape[1:])
        return np.fromfile(self.path, count=math.prod(shape), offset=start * self.row_bytes).reshape(shape)


class Rows:
    """The factors of all examples: `rows[i]` is a tuple of `Factor` with arrays u (n, p), v (n, c, m).

    Use as a context manager when a temporary file may be in play: leaving it removes the file.
    """

    def __init__(self, count: int, shapes, *, on_disk: bool):
        """`shapes` holds the shapes of u and of v of ONE example for every factor.

        Raises
        ------
        MrntkError
            If the disk has no room for them.
        """
        self.count, self.folder = count, None
        if on_disk:
            needed = 8 * count * sum(math.prod(u) + math.prod(v) for u, v in shapes)
            self.folder = Path(tempfile.mkdtemp(prefix="mrntk-rows-"))
            if shutil.disk_usage(self.folder).free < needed:
                self.close()
                raise MrntkError(
                    f"x has {count} examples, whose Jacobian rows take {needed / 1e9:.1f} GB of temporary disk space, "
                    "which is not there: use fewer examples, or set TMPDIR to a larger disk."
                )
        self.factors = tuple(
            Factor(*(self._storage(f"{number}{name}", shape) for name, shape in zip("uv", pair, strict=True)))
            for number, pair in enumerate(shapes)
        )

    def _storage(self, name: str, shape: tuple[int, ...]):
        shape = (self.count, *shape)
        return np.empty(shape) if self.folder is None else OnDisk(self.folder / name, shape)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, rows: slice) -> tuple[Factor, ...]:
        return tuple(Factor(factor.u[rows], factor.v[rows]) for factor in self.factors)

    def __setitem__(self, rows: slice, factors: tuple[Factor, ...]):
        for stored, computed in zip(self.factors, factors, strict=True):
            stored.u[rows], stored.v[rows] = computed

    def close(self):
        """Give memory and disk back."""
        self.factors = ()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()

"""The pieces of a figure's data: computed side by side, each kept as soon as it is finished.

A cell is one call of a figure module's `compute`, given by its keyword arguments. What is finished lies in
data/SCALE/pieces/ID/ until the figure's data are whole. Its name says what it was computed from: the arguments, the seed, the
code that `compute` reaches, JAX's version and flags that change numbers, and nothing of the machine or of Python. So after a
kill only what is missing is computed, also on another machine that has the pieces: at course scale Git does not ignore them.
"""

import hashlib
import importlib.metadata
import io
import json
import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mrntk.support.compiled import keep_compiled
from mrntk.support.errors import MrntkError
from mrntk.support.files import write_atomically
from mrntk.support.pinned import pinned, unpinned

DIGITS = "%.8g"  # of what is written; more would differ between machines


@dataclass(frozen=True)
class Cell:
    """One piece: the figure module's file, the arguments of its `compute`, and where the result is kept meanwhile."""

    module: Path
    arguments: dict
    seed: int
    store: Path

    def __str__(self) -> str:
        return f"{self.module.stem}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"


def make_cells(module: Path, code: str, pieces: list[dict], seed: int, folder: Path) -> list[Cell]:
    """The cells of a figure.

    Parameters
    ----------
    code : hash of all code that they reach.
    folder : what an earlier run has finished of them lies here.
    """
    jax = importlib.metadata.version("jax")

    flags = {name: value for name, value in unpinned().items() if name != "device"}  # two machines may share the pieces

    def name(arguments: dict) -> str:
        text = json.dumps([code, jax, flags, seed, arguments], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    return [Cell(module, arguments, seed, folder / f"{name(arguments)}.json") for arguments in pieces]


def to_csv(data: pd.DataFrame) -> str:
    return data.to_csv(index=False, float_format=DIGITS, lineterminator="\n")


def from_csv(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=["", "nan"])  # "none" is a word here


def _sealed(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def finished(cell: Cell, say: Callable) -> dict | None:
    """What `keep` was given of a cell, if an earlier run finished it, else None; a damaged file is said and removed."""
    try:
        content = json.loads(cell.store.read_text(encoding="utf-8"))
        if content.pop("sha256") == _sealed(content):
            return content
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError, OSError):
        pass
    say(f"{cell.store.name}, a piece of an unfinished run, is damaged: it is computed again")
    cell.store.unlink(missing_ok=True)
    return None


def keep(cell: Cell, content: dict):
    """Write what a cell gave, so that no later run computes it again."""
    cell.store.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(cell.store, json.dumps(content | {"sha256": _sealed(content)}).encode())


def compute(cell: Cell) -> dict:
    """{"csv", "seconds"} of a cell."""
    import jax

    from .registry import load

    started = time.perf_counter()
    with pinned():
        found = load(cell.module).module.compute(jax.random.key(cell.seed), **cell.arguments)
    return {"csv": to_csv(pd.DataFrame(found)), "seconds": round(time.perf_counter() - started, 2)}


@contextmanager
def _compiling(quickly: bool):
    """Inside, XLA spends little time on optimising programs if `quickly`: for sizes at which compiling is most of the work."""
    import jax

    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", quickly)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def _attempt(number: int, cell: Cell, quickly: bool) -> tuple[int, dict | None, str]:
    """(number, result, "") or (number, None, what went wrong)."""
    try:
        with _compiling(quickly):
            return number, compute(cell), ""
    except MrntkError as error:
        return number, None, str(error)
    except Exception as error:
        traceback.print_exc()
        return number, None, repr(error)


def _in_worker(number: int, cell: Cell, quickly: bool) -> tuple[int, dict | None, str]:
    # One thread per worker, since there is one worker per core. Read when JAX computes for the first time.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    keep_compiled()  # what one worker has compiled the others find, and the next run
    return _attempt(number, cell, quickly)


def compute_all(
    cells: list[Cell], *, jobs: int, dask: str | None = None, quickly: bool = False
) -> Iterator[tuple[Cell, dict]]:
    """(cell, what it gave) for every cell, in the order in which they are finished. One that fails does not stop the others.

    Parameters
    ----------
    jobs : worker processes on this machine; with 1 everything is computed in this process.
    dask : address of a Dask scheduler whose workers compute instead, or "local" for a cluster on this machine.
    quickly : programs are compiled with little optimisation.

    Raises
    ------
    MrntkError
        In the end, if cells failed, with what the first said; or if the cluster cannot be reached.
    """
    failed = []
    for number, content, error in _results(cells, jobs, dask, quickly):
        if content is None:
            failed.append(f"{cells[number]} failed ({error.strip().rstrip('.')})")
        else:
            yield cells[number], content
    if failed:
        others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise MrntkError(f"{failed[0]}{others}; what was finished is kept, and is not computed again.")


def _results(cells: list[Cell], jobs: int, dask: str | None, quickly: bool) -> Iterator[tuple[int, dict | None, str]]:
    if jobs == 1 and dask is None:
        yield from (_attempt(number, cell, quickly) for number, cell in enumerate(cells))
        return
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    from .cluster import backend

    # loky ends a worker whose memory has grown and starts another, as it should: compiled programs pile up
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
    try:
        with backend(dask, jobs) as options, joblib.parallel_config(**options):
            tasks = (joblib.delayed(_in_worker)(number, cell, quickly) for number, cell in enumerate(cells))
            # batches of one: a cell that is finished must not wait for others
            yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(tasks)
    except TerminatedWorkerError:
        raise MrntkError(
            "a worker process was ended from outside, perhaps for want of memory; what was finished is kept: run the same "
            "command again, with fewer --jobs if it happens again."
        ) from None

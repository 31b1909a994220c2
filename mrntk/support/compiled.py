"""Compiled programs kept on disk, by JAX's own persistent cache: a second process finds what the first has compiled.

Nothing is kept unless a process asks for it. The course's kernels, the page's, the workers that compute figures and the tests do.
"""

import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path

from .cache import cache_folder
from .provenance import processor

LARGEST = 10**9  # bytes
WORTH_KEEPING = 0.02  # seconds of compiling


def _folder() -> Path:
    """One for each kind of processor, since programs are made for it, in case machines share the cache."""
    kind = hashlib.sha256(f"{processor()} {platform.machine()}".encode()).hexdigest()[:8]
    folder = cache_folder("compiled") / kind
    make_room(folder, LARGEST)
    return folder


def make_room(folder: Path, largest: int):
    """Delete the oldest programs until what is left takes at most `largest` bytes.

    JAX can keep such a bound itself, but looks at every program whenever it keeps one, while other processes wait.
    """
    found = []
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):  # another process may be making room too
            found.append((path.stat().st_mtime, path.stat().st_size, path))
    excess = sum(size for _, size, _ in found) - largest
    for _, size, path in sorted(found):
        if excess > 0:
            excess -= size
            path.unlink(missing_ok=True)


def compiled_environment() -> dict[str, str]:
    """Environment variables with which another Python process keeps compiled programs; those that are set already stay.

    Raises
    ------
    MrntkError
        If the cache folder cannot be written.
    """
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(_folder())
    seconds = os.environ.get("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS") or str(WORTH_KEEPING)
    return {"JAX_COMPILATION_CACHE_DIR": folder, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": seconds}


def keep_compiled():
    """From now on this process keeps what it compiles, and so do the processes that it starts."""
    import jax

    os.environ.update(compiled_environment())
    jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
    seconds = float(os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", seconds)

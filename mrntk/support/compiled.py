"""Compiled programs kept on disk, by JAX's own persistent cache: a second process finds what the first has compiled.

Nothing is kept unless a process asks for it. The course's kernels, the page's, the workers that compute figures and the tests do.
"""

import hashlib
import os
import platform
from pathlib import Path

from .cache import cache_folder
from .provenance import processor

LARGEST = 2 * 10**9  # bytes; the programs that were used longest ago go first
WORTH_KEEPING = 0.02  # seconds of compiling


def _folder() -> Path:
    """One for each kind of processor, since programs are made for it, in case machines share the cache."""
    kind = hashlib.sha256(f"{processor()} {platform.machine()}".encode()).hexdigest()[:8]
    return cache_folder("compiled") / kind


def compiled_environment() -> dict[str, str]:
    """Environment variables with which another Python process keeps compiled programs; those that are set already stay.

    Raises
    ------
    MrntkError
        If the cache folder cannot be written.
    """
    wanted = {
        "JAX_COMPILATION_CACHE_DIR": str(_folder()),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(LARGEST),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": str(WORTH_KEEPING),
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def keep_compiled():
    """From now on this process keeps what it compiles, and so do the processes that it starts."""
    import jax

    wanted = compiled_environment()
    os.environ.update(wanted)
    folder, largest, seconds = wanted.values()
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_compilation_cache_max_size", int(largest))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", float(seconds))

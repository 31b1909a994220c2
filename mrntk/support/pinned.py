"""Settings of JAX that change numbers, held still while something is drawn, trained or computed.

They come from the reader's environment (JAX_ENABLE_X64=1, JAX_DEFAULT_PRNG_IMPL=rbg and so on), and the same call is to give the
same numbers whatever that says. What cannot be held still, `unpinned` names, so that it can stand in the name of a result.
"""

import os
from contextlib import ExitStack, contextmanager, nullcontext

import jax

# Flags of XLA that change no number: how many devices the host shows, and whether a product uses several threads.
HARMLESS = ("--xla_force_host_platform_device_count", "--xla_cpu_multi_thread_eigen")


@contextmanager
def pinned(*, x64: bool | None = False):
    """A context, or a decorator, in which JAX has its own defaults, and NaN and infinity raise nothing.

    `x64` says whether float64 is there; None leaves that as it is.
    """
    held = (
        nullcontext() if x64 is None else jax.enable_x64(x64),
        jax.default_prng_impl("threefry2x32"),
        jax.threefry_partitionable(True),
        jax.default_matmul_precision(None),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
        jax.disable_jit(False),
        jax.debug_nans(False),
        jax.debug_infs(False),
    )
    with ExitStack() as stack:
        for setting in held:
            stack.enter_context(setting)
        yield


def unpinned() -> dict[str, str]:
    """What changes numbers and cannot be held still: the kind of device, XLA's flags, such settings of JAX if they are on."""
    flags = (flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(HARMLESS))
    found = {"device": jax.default_backend(), "XLA_FLAGS": " ".join(sorted(flags))}
    found["jax_random_seed_offset"] = jax.config.jax_random_seed_offset
    found["jax_disable_most_optimizations"] = jax.config.read("jax_disable_most_optimizations")
    return {name: str(value) for name, value in found.items() if value}

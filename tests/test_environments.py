"""The same calls give the same numbers, and the same names in the cache, whatever the reader's environment says."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest

from mrntk.support.pinned import pinned, unpinned

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = {
    "float64, another generator, coarse products": {
        "JAX_ENABLE_X64": "1",
        "JAX_DEFAULT_PRNG_IMPL": "rbg",
        "JAX_THREEFRY_PARTITIONABLE": "0",
        "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    },
    "strict, debugging": {
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
        "JAX_DEBUG_NANS": "1",
        "JAX_DEBUG_INFS": "1",
        "JAX_DISABLE_JIT": "1",
    },
    "four devices, one thread": {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_cpu_multi_thread_eigen=false",
        "OMP_NUM_THREADS": "1",
    },
}


def numbers(environment: dict[str, str], folder: Path) -> dict:
    """What `numbers_of_this_environment` finds in a process with these variables and an empty cache."""
    settings = os.environ | {"MRNTK_CACHE": str(folder), "PYTHONPATH": str(ROOT)} | environment
    command = [sys.executable, ROOT / "tests" / "numbers_of_this_environment.py"]
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@cache
def plain_numbers(folder: Path) -> dict:
    return numbers({}, folder)


@pytest.mark.xdist_group("environments")
@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_same_numbers(environment, tmp_path, tmp_path_factory):
    plain = dict(plain_numbers(tmp_path_factory.getbasetemp() / "plain"))
    found = numbers(environment, tmp_path)
    kernels = found.pop("kernels"), plain.pop("kernels")
    assert found == plain  # first, since a kernel differs if the network behind it does
    for one, other in zip(*kernels, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12 * max(other))


def test_what_cannot_be_pinned_is_named(monkeypatch):
    plain = unpinned()
    assert plain == {"device": jax.default_backend()}
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=3 --xla_cpu_enable_fast_math=true")
    assert unpinned() == plain | {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}
    for name, value in (("jax_random_seed_offset", 3), ("jax_disable_most_optimizations", True)):
        before = getattr(jax.config, name, False)
        jax.config.update(name, value)
        try:
            assert unpinned()[name] == str(value)
        finally:
            jax.config.update(name, before)


def test_pinned_leaves_float64_as_it_is_if_asked():
    with jax.enable_x64(True), pinned(x64=None):
        assert jax.numpy.zeros(1).dtype == "float64"
    with jax.enable_x64(True), pinned():
        assert jax.numpy.zeros(1).dtype == "float32"

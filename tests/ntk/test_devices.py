"""Several devices, in one process and in two, give the matrix of one device."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

SETTING = """
import sys
import jax
import numpy as np
from mrntk import CNN, FullyConnectedPrompt, Reprogram, empirical_ntk
from mrntk.model.output_maps import TrainedLinear

key = jax.random.key(0)
shape = (1, 6, 6)
model = Reprogram(
    FullyConnectedPrompt(shape, shape, (4, 4), key=key), CNN(shape, 3, depth=2, width=4, key=key), TrainedLinear.random(key, 3, 2)
)
x = np.random.default_rng(0).uniform(size=(11, *shape))
def kernel():
    return empirical_ntk(model, x, block=1, mesh=jax.sharding.Mesh(np.array(jax.devices()), ("examples",)))
"""


def python(code, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", SETTING + code, *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def on_one_device():
    names = {}
    exec(SETTING, names)
    return names["empirical_ntk"](names["model"], names["x"])


def test_eight_devices_in_one_process(on_one_device, tmp_path):
    code = "assert len(jax.devices()) == 8; np.save(sys.argv[1], kernel())"
    process = python(code, tmp_path / "k.npy", XLA_FLAGS="--xla_force_host_platform_device_count=8")
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    np.testing.assert_allclose(np.load(tmp_path / "k.npy"), on_one_device, rtol=1e-12, atol=1e-13)


def test_two_processes(on_one_device, tmp_path):
    """Joined on loopback, two devices each; both end with the whole kernel."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    code = (
        "jax.distributed.initialize(sys.argv[1], num_processes=2, process_id=int(sys.argv[2]));"
        "assert len(jax.devices()) == 4 and len(jax.local_devices()) == 2; np.save(sys.argv[3], kernel())"
    )
    # initialise before anything touches a device
    code = code.split(";", 1)[0] + "\n" + SETTING + code.split(";", 1)[1]
    head = "import sys, jax\n"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", head + code, address, str(rank), str(tmp_path / f"k{rank}.npy")],
            env={**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    for rank in (0, 1):
        np.testing.assert_allclose(np.load(tmp_path / f"k{rank}.npy"), on_one_device, rtol=1e-12, atol=1e-13)

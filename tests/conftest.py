"""Shared by all tests: small models and inputs in float64, and the rule that everything runs at smoke scale."""

import gc
import os
import socket
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest

from mrntk import CNN, DNN
from mrntk.support.compiled import keep_compiled

os.environ["MRNTK_SCALE"] = "smoke"
CACHE = tempfile.TemporaryDirectory(prefix="mrntk-test-cache-")  # never the reader's own
os.environ["MRNTK_CACHE"] = CACHE.name
NO_BROWSER = "no browser"  # what `tests/browser/conftest.py` says when it skips
COMPILED = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_configure(config):
    """Compiled programs are kept for this run of the tests, and shared by its processes, notebook kernels and workers."""
    if not hasattr(config, "workerinput"):  # workers of xdist inherit the environment
        config.stash[COMPILED] = tempfile.TemporaryDirectory(prefix="mrntk-test-compiled-")
        os.environ["JAX_COMPILATION_CACHE_DIR"] = config.stash[COMPILED].name
    keep_compiled()


def pytest_terminal_summary(terminalreporter):
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if NO_BROWSER in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} browser tests were skipped: install Chromium (Debian, Ubuntu: apt install chromium) to run them."
        )


@pytest.fixture(autouse=True, scope="module")
def forget_compiled():
    """Compiled programs would pile up to gigabytes; those that are needed again are read from disk."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Everything that is tested works without a network: only this machine's own addresses can be reached."""
    connect = socket.socket.connect

    def guarded(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test tried to reach {address[0]}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def key():
    return jax.random.key(7)


@pytest.fixture
def images():
    """Six random 1 x 4 x 4 images."""
    return np.random.default_rng(3).uniform(size=(6, 1, 4, 4))


@pytest.fixture(params=["dnn", "cnn"])
def source(request, key):
    """A small random source on 1 x 6 x 6 images with three outputs, of either family."""
    if request.param == "dnn":
        return DNN((1, 6, 6), 3, depth=3, width=11, key=key)
    return CNN((1, 6, 6), 3, depth=2, width=5, key=key)


@pytest.fixture(scope="session")
def linear_file() -> bytes:
    """An .onnx file: 1 x 5 x 5 pixels to 12 scores, W s."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).normal(size=(25, 12)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["s"], ["flat"]), helper.make_node("MatMul", ["flat", "W"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, [1, 1, 5, 5])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 12])],
        [numpy_helper.from_array(weight, "W")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()

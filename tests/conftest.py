"""Shared by all tests: small models and inputs in float64, and the rule that everything runs at smoke scale."""

import os
import socket
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest

from mrntk import CNN, DNN

os.environ["MRNTK_SCALE"] = "smoke"
CACHE = tempfile.TemporaryDirectory(prefix="mrntk-test-cache-")  # never the reader's own
os.environ["MRNTK_CACHE"] = CACHE.name


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

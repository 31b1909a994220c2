"""Importing is cheap, and the public names are there."""

import subprocess
import sys

import pytest

import mrntk


def in_fresh_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_is_quick_and_leaves_neural_tangents_alone():
    out = in_fresh_python(
        "import sys, time; start = time.perf_counter(); import mrntk; seconds = time.perf_counter() - start;"
        "mrntk.Reprogram, mrntk.DNN, mrntk.empirical_ntk;"
        "print(seconds < 2, 'neural_tangents' in sys.modules)"
    )
    assert out.split() == ["True", "False"]


def test_every_public_name_loads():
    for name in mrntk.__all__:
        assert getattr(mrntk, name) is not None


def test_unknown_name():
    with pytest.raises(AttributeError, match="nothing"):
        mrntk.nothing  # noqa: B018

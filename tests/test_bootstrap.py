"""`make` on a machine that cannot: each obstacle ends in one sentence and exit code 2."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest


@pytest.fixture
def bootstrap(root, tmp_path):
    """bootstrap.py, loaded from a copy, so that it works on an empty folder."""
    for name in ("bootstrap.py", "requirements.txt", "pyproject.toml", "Makefile"):
        shutil.copy(root / name, tmp_path)
    spec = importlib.util.spec_from_file_location("bootstrap_copy", tmp_path / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_old_python_without_a_newer_one(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    with pytest.raises(bootstrap.SetupError, match=r"Python 3\.9 is too old: install Python 3\.11 or newer"):
        bootstrap.find_python()


def test_old_python_beside_a_newer_one(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: sys.executable if name == "python3.12" else None)
    assert bootstrap.find_python() == sys.executable


def test_full_disk_is_noticed_before_anything_is_written(bootstrap, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**8))
    with pytest.raises(bootstrap.SetupError, match="disk is too full: 0.1 GB free"):
        bootstrap.install("cpu")
    assert not bootstrap.VENV.exists()


@pytest.mark.parametrize(
    "output, sentence",
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("urllib3.exceptions.NewConnectionError: ... Temporary failure in name resolution", "network"),
        ("ERROR: Could not find a version that satisfies the requirement jax==9", "no build for this Python"),
        ("Collecting x\nOSError: Readme file does not exist: README.md\nhint: See above", "Readme file does not exist"),
        ("", "it printed nothing"),
    ],
)
def test_pip_failures_become_sentences(bootstrap, output, sentence):
    assert sentence in bootstrap.explain(output)


def run_make(folder, *arguments, **environment):
    return subprocess.run(
        ["make", "--no-print-directory", "setup", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_no_network(bootstrap, tmp_path):
    """A registry that refuses connections: one sentence, exit code 2, and no half environment stays behind."""
    nowhere = "http://127.0.0.1:9"
    pip = {"PIP_INDEX_URL": nowhere, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    done = run_make(tmp_path, **pip, PIP_NO_CACHE_DIR="1", JAX="cpu")
    assert done.returncode == 2
    assert "Setting up failed: the network or the package registry does not answer" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / ".venv").exists()


def test_unknown_jax_variant(bootstrap, tmp_path):
    done = run_make(tmp_path, JAX="cuda99")
    assert done.returncode == 2
    assert "JAX=cuda99 is unknown: choose one of cpu, cuda12, cuda13" in done.stderr


def test_missing_python(bootstrap, tmp_path):
    done = run_make(tmp_path, "PYTHON=no-such-python")
    assert done.returncode == 2
    assert "no-such-python was not found: install Python 3.11 or newer" in done.stderr


def test_second_time_does_nothing(bootstrap, monkeypatch, capsys):
    """A stamp that matches: no pip, no output."""
    (bootstrap.VENV / "bin").mkdir(parents=True)
    (bootstrap.VENV / "bin" / "python").touch()
    bootstrap.STAMP.write_text(bootstrap.json.dumps(bootstrap.wanted("cpu")))
    monkeypatch.delenv("JAX", raising=False)
    monkeypatch.setattr(bootstrap, "pip", lambda *arguments: pytest.fail("pip ran"))
    bootstrap.main()
    assert capsys.readouterr().out == ""


def test_without_fcntl(bootstrap, monkeypatch, capsys):
    """As on Windows: what it sets up it sets up without a lock."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    bootstrap.__spec__.loader.exec_module(bootstrap)
    assert bootstrap.fcntl is None
    monkeypatch.setattr(bootstrap, "install", lambda variant, say: say(f"set up for {variant}"))
    monkeypatch.setenv("JAX", "cuda13")
    bootstrap.main()
    assert capsys.readouterr().out == "set up for cuda13\n"


def test_changed_requirements_are_noticed(bootstrap):
    before = bootstrap.wanted("cpu")
    (bootstrap.ROOT / "requirements.txt").write_text("numpy==2.0\n")
    assert bootstrap.wanted("cpu") != before
    assert bootstrap.wanted("cuda13") != bootstrap.wanted("cpu")

"""Notebooks and the app served as web pages, for tests that speak to them."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

# One thing after the other on two cores, and no reader's own settings of Jupyter.
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JUPYTER_NO_CONFIG": "1"}


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants that live."""
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def serving(command: list, port: int, log: Path, path: str = "", **environment: str) -> Iterator[subprocess.Popen]:
    """Run a server until the block ends, with the first answer to this path before it begins; then end it with all its processes.

    Raises
    ------
    AssertionError
        If it ends, or does not answer within a minute; the message is its log.
    """
    with open(log, "w") as sink:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
            env=os.environ | QUIET | environment,
        )  # fmt: skip
    try:
        for _ in range(240):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.25)
        else:
            raise AssertionError(log.read_text())
        yield process
    finally:
        members = family(process.pid)
        process.send_signal(signal.SIGINT)
        psutil.wait_procs(members, timeout=10)
        for member in members:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()


@contextmanager
def notebook_served(notebook: Path, folder: Path, **environment: str) -> Iterator[str]:
    """Serve a notebook by Voila; yields its address. The log is written to `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "voila", notebook, "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    # a file that Voila always serves: the page itself would start a kernel
    with serving(command, port, folder / "voila.log", "voila/static/voila.js", **environment):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def app_served(folder: Path, *words: str, **environment: str) -> Iterator[tuple[str, int]]:
    """Run `mrntk app` with these words; yields its address and the server's process number. The log is written to `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "mrntk.__main__", "app", "--no-browser", "--port", port, *words]
    with serving(command, port, folder / "app.log", **environment) as process:
        yield f"http://127.0.0.1:{port}/", process.pid

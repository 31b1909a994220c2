"""The command `mrntk lab`: open JupyterLab on the course."""

import argparse
import os
import subprocess
import sys

from mrntk.support.browser import can_show_browser
from mrntk.support.compiled import compiled_environment
from mrntk.support.errors import MrntkError
from mrntk.support.port import usable_port

from .notebooks import notebooks_folder

FIRST = "notebooks/00_start_here.ipynb"


def _first_port() -> int:
    """Jupyter's usual port, or a free one where another Jupyter has that."""
    try:
        return usable_port(8888)
    except MrntkError:
        return usable_port(0)


def lab(port: int | None = None, browser: bool | None = None) -> int:
    """Run JupyterLab at the checkout's root, on notebook 00, until it is interrupted; returns its exit code.

    Raises
    ------
    MrntkError
        Outside a checkout, or if another program has the port.
    """
    root = notebooks_folder().parent
    if not (root / FIRST).exists():
        raise MrntkError(f"{root / FIRST} is not there: run this inside a checkout of the project.")
    port = _first_port() if port is None else usable_port(port)
    browser = can_show_browser() if browser is None else browser
    print("Starting JupyterLab on the course; its address follows. Stop it with Ctrl-C.", flush=True)
    if not browser:
        print(
            f"From another machine, first: ssh -L {port}:localhost:{port} USER@THIS-MACHINE, then open the address there.",
            flush=True,
        )
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--log-level=ERROR",
        "--LabApp.log_level=ERROR",  # the address, and what goes wrong; not every page that is opened
        f"--LabApp.default_url=/lab/tree/{FIRST}",
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container everyone is root; Jupyter would refuse to start
    try:
        return subprocess.call(command, cwd=root, env={**os.environ, **compiled_environment()})
    except KeyboardInterrupt:
        return 0


def main(words: list[str]) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="mrntk lab", description="Open JupyterLab on the course.")
    parser.add_argument("--port", type=int, help="0 takes a free one (default: 8888, or a free one if that is taken)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    arguments = parser.parse_args(words)
    return lab(arguments.port, browser=False if arguments.no_browser else None)

"""Open JupyterLab on the course."""

import os
import subprocess
import sys

from .errors import MrntkError
from .figures import figures_folder

FIRST = "notebooks/00_start_here.ipynb"


def can_show_browser(environment=os.environ, platform: str = sys.platform) -> bool:
    """Whether a browser opened here would be seen: not over SSH, and not on a Linux without a display."""
    if "SSH_CONNECTION" in environment:
        return False
    return platform == "darwin" or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def lab(port: int = 8888, browser: bool | None = None) -> int:
    """Run JupyterLab at the checkout's root, on notebook 00, until it is interrupted; returns its exit code.

    Raises
    ------
    MrntkError
        Outside a checkout.
    """
    root = figures_folder().parent
    if not (root / FIRST).exists():
        raise MrntkError(f"{root / FIRST} is not there: run this inside a checkout of the project.")
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
        f"--LabApp.default_url=/lab/tree/{FIRST}",
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container everyone is root; Jupyter would refuse to start
    try:
        return subprocess.call(command, cwd=root)
    except KeyboardInterrupt:
        return 0

"""`mrntk lab` serves the course; a browser is opened only where one would be seen."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from mrntk.support.browser import can_show_browser
from notebooks.course import lab


@pytest.mark.parametrize(
    "environment, platform, expected",
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1"}, "linux", False),
        ({}, "linux", False),
        ({}, "darwin", True),
    ],
)
def test_browser_only_where_it_is_seen(environment, platform, expected):
    assert can_show_browser(environment, platform) is expected


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_lab_answers_with_notebook_00(root, tmp_path):
    """The address that it prints works: the Lab page opens, and notebook 00 is there with its outputs."""
    port = free_port()
    log = tmp_path / "log"
    quiet = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(tmp_path),
        "JUPYTER_RUNTIME_DIR": str(tmp_path),
        "SSH_CONNECTION": "x",
    }
    with open(log, "w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "mrntk", "lab", "--port", str(port)],
            stdout=sink, stderr=subprocess.STDOUT, env=quiet, start_new_session=True,
        )  # fmt: skip
    try:
        address = None
        for _ in range(240):
            time.sleep(0.25)
            address = re.search(rf"http://127\.0\.0\.1:{port}/lab\S*token=(\w+)", log.read_text())
            if address or process.poll() is not None:
                break
        assert address, log.read_text()
        page = urllib.request.urlopen(address.group(0), timeout=30)
        assert page.status == 200 and b"JupyterLab" in page.read()
        contents = f"http://127.0.0.1:{port}/api/contents/{lab.FIRST}?content=1&token={address.group(1)}"
        assert b"Start here" in urllib.request.urlopen(contents, timeout=30).read()
        assert lab.FIRST in log.read_text() or "00_start_here" in address.group(0)
        assert f"ssh -L {port}:localhost:{port}" in log.read_text()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

"""`mrntk lab` serves the course; a browser is opened only where one would be seen."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest

from mrntk import MrntkError
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


def test_a_port_that_another_program_has():
    """One that was asked for is refused; Jupyter's usual one gives way to a free one, before any word of it is said."""
    with socket.socket() as taken:
        with suppress(OSError):  # another Jupyter has it
            taken.bind(("127.0.0.1", 8888))
            taken.listen()
        with pytest.raises(MrntkError, match="127.0.0.1 port 8888 cannot be listened on"):
            lab.lab(8888, browser=False)
        assert lab._first_port() not in (0, 8888)


def test_lab_answers_with_notebook_00(root, tmp_path):
    """The address that it prints works: the Lab page opens, and notebook 00 is there with its outputs."""
    log = tmp_path / "log"
    quiet = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(tmp_path),
        "JUPYTER_RUNTIME_DIR": str(tmp_path),
        "SSH_CONNECTION": "x",
    }
    with open(log, "w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "mrntk", "lab", "--port", "0"],
            stdout=sink, stderr=subprocess.STDOUT, env=quiet, start_new_session=True,
        )  # fmt: skip
    try:
        address = None
        for _ in range(240):
            time.sleep(0.25)
            address = re.search(r"http://127\.0\.0\.1:(\d+)/lab\S*token=(\w+)", log.read_text())
            if address or process.poll() is not None:
                break
        assert address, log.read_text()
        port, token = address.groups()
        page = urllib.request.urlopen(address.group(0), timeout=30)
        assert page.status == 200 and b"JupyterLab" in page.read()
        contents = f"http://127.0.0.1:{port}/api/contents/{lab.FIRST}?content=1&token={token}"
        assert b"Start here" in urllib.request.urlopen(contents, timeout=30).read()
        assert lab.FIRST in log.read_text() or "00_start_here" in address.group(0)
        said = log.read_text()
        assert f"ssh -L {port}:localhost:{port}" in said
        assert "[I " not in said and "[W " not in said, said  # no log beside the address
        assert len(said.splitlines()) < 15, said
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

"""The page behind a reverse proxy, under a path and a name of the proxy's; and what a server leaves when it is killed."""

import os
import re
import shutil
import signal
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import psutil
import pytest
import websocket
from reverse_proxy import proxied
from test_server import V1, ask, connected, heard, send
from web_server import app_served, family, kernels

pytestmark = pytest.mark.xdist_group("app")
BASE, HOST = "/course/explorer/", "www.example.org"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(address, process number, temporary folder) of a server that knows of its proxy."""
    temporary = Path(tempfile.mkdtemp())  # pytest's own have names that are too long for sockets
    words = ("--visitors", "1", "--base", BASE.strip("/"), "--trusted-host", HOST)
    with app_served(tmp_path_factory.mktemp("app"), *words, TMPDIR=str(temporary)) as (address, pid):
        yield address, pid, temporary
    shutil.rmtree(temporary)


@pytest.fixture(scope="module")
def address(served):
    """Where visitors find it: at the proxy."""
    with proxied(urlsplit(served[0]).port) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def page(address):
    status, _, text = ask(address, BASE)
    assert status == 200
    return text


def test_asking_for_the_head_starts_no_kernel(served, address):
    """As those do that watch whether a page is there."""
    status, headers, text = ask(address, BASE, "HEAD")
    assert (status, headers["Content-Type"], text) == (200, "text/html; charset=utf-8", "")
    assert ask(address, f"{BASE}page.ipynb", "HEAD")[0] == 404
    assert not kernels(served[1])


def test_all_that_the_page_names_lies_under_the_path(address, page):
    named = set(re.findall(r"""(?:src|href)=["']([^"'#:]+)["']""", page)) | set(
        re.findall(r"""["'](/[\w@./-]+\.js)["']""", page)
    )
    assert len(named) > 3
    for one in named:
        path = urljoin(BASE, one)
        assert path.startswith(BASE) and ask(address, path)[0] == 200, one
    assert f'"baseUrl": "{BASE}"' in page
    status, headers, _ = ask(address, BASE.rstrip("/"))
    assert (status, headers["Location"]) == (301, BASE)
    assert ask(address, "/")[0] == ask(address, "/voila/static/voila.js")[0] == 404


@pytest.mark.parametrize(
    "origin, host", [(f"https://{HOST}", None), (f"https://{HOST}", HOST), (f"http://{HOST}:81", None)]
)
def test_the_page_reaches_its_kernel(served, address, page, origin, host):
    """Through a proxy that calls the server by an address of its own, and one that hands on the visitor's name."""
    kernel = re.search(r'"kernelId": "([\w-]+)"', page).group(1)
    where = urljoin(served[0] if host else address, BASE)
    with connected(where, kernel, V1, origin=origin, host=host) as connection:
        send(connection, "kernel_info_request", {}, "shell", V1)
        assert heard(connection, "kernel_info_reply")


def test_other_names_are_refused_all_the_same(served, address, page):
    kernel = re.search(r'"kernelId": "([\w-]+)"', page).group(1)
    assert ask(served[0], BASE, "HEAD", Host=HOST)[0] == 200
    for name in ("evil.example", f"{HOST}.evil.example", f"evil-{HOST}", HOST.replace(".", "x")):
        assert ask(served[0], BASE, "HEAD", Host=name)[0] == 403
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            closing(connected(urljoin(address, BASE), kernel, origin=f"https://{name}"))


def test_a_server_that_is_killed_leaves_nothing(served, page):
    _, pid, temporary = served
    members = family(pid)
    assert kernels(pid) and list(temporary.glob("voila_*/kernel-*"))
    os.kill(pid, signal.SIGKILL)
    assert not psutil.wait_procs(members, timeout=15)[1]
    assert not list(temporary.glob("voila_*"))

"""Downloads against a local server that cuts, stalls, corrupts, redirects, ignores ranges and changes its mind."""

import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from collections import namedtuple
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import MrntkError
from mrntk.support import transfer
from mrntk.support.downloads import download as fetch

CONTENT = np.random.default_rng(0).bytes(1_500_000)
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content` by the server's attributes; counts requests and bytes of bodies."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.send(body)

    def send(self, body):
        server = self.server
        for start in range(0, len(body), 10_000):
            if server.cuts and server.sent >= server.cuts[0]:
                server.cuts.pop(0)
                self.close_connection = True
                return
            if server.stall_at is not None and server.sent >= server.stall_at:
                server.stall_at = None
                server.stalled.set()
                server.go_on.wait(20)
            server.sent += len(body[start : start + 10_000])
            self.wfile.write(body[start : start + 10_000])

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        if self.path != "/file":
            target = {
                "/moved": "/file",
                "/local": "file:///etc/hostname",
                "/ftp": "ftp://localhost/x",
                "/loop": "/loop",
            }[self.path]
            return self.answer(302, Location=target)
        if server.failures:
            return self.answer(server.failures.pop(0), b"<html>no</html>")
        content = server.content
        headers = {"ETag": server.etag} if server.etag else {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        unchanged = self.headers.get("If-Range") in (None, server.etag)
        if not (asked and server.ranges and unchanged):
            return self.answer(200, content, **headers)
        start = int(asked[1]) if not server.deaf else 0
        if start >= len(content):
            return self.answer(416, Content_Range=f"bytes */{len(content)}")
        body = content[start:]
        self.answer(206, body, Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}", **headers)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges, self.etag = CONTENT, True, '"one"'
        self.deaf = False  # to where a range begins
        self.failures, self.cuts, self.stall_at = [], [], None  # answers in error; bytes after which to cut or to stall
        self.stalled, self.go_on = threading.Event(), threading.Event()
        self.requests, self.sent = [], 0

    def handle_error(self, request, address):
        pass  # the client went away, as it should

    def url(self, path="file"):
        return f"http://127.0.0.1:{self.server_port}/{path}"


@contextmanager
def serving(folder):
    """A server, and a cache in `folder`; no pauses between attempts."""
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MRNTK_CACHE", str(folder))
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setattr(transfer, "PAUSE", 0)
        patch.setattr(transfer, "SPARE", 0)
        yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as server:
        yield server


def files(tmp_path):
    return sorted(os.listdir(tmp_path / "downloads"))


def test_once(server, tmp_path):
    path = fetch(server.url(), name="data.bin", sha256=SHA256, md5=MD5, bytes=len(CONTENT))
    assert path == tmp_path / "downloads" / "data.bin" and path.read_bytes() == CONTENT
    assert fetch(server.url(), name="data.bin", md5=MD5.upper()) == path
    assert len(server.requests) == 1 and files(tmp_path) == ["data.bin"]


def test_a_damaged_file_in_the_cache_is_fetched_again(server, tmp_path):
    path = fetch(server.url(), name="data.bin", sha256=SHA256)
    path.write_bytes(CONTENT[:-1] + b"?")
    assert fetch(server.url(), name="data.bin", sha256=SHA256).read_bytes() == CONTENT
    assert len(server.requests) == 2


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, len(CONTENT) - 1), max_size=4), st.booleans(), st.booleans())
def test_cut_anywhere(tmp_path_factory, cuts, tagged, sized):
    """However often the connection drops, every byte is sent once and the file is right."""
    with serving(tmp_path_factory.mktemp("cache")) as server:
        server.cuts, server.etag = sorted(set(cuts)), '"one"' if tagged else None
        path = fetch(server.url(), name="a", sha256=SHA256, bytes=len(CONTENT) if sized else None)
        assert path.read_bytes() == CONTENT and server.sent == len(CONTENT)


def test_cut_by_a_server_without_ranges(server):
    server.ranges, server.cuts = False, [900_000, 1_400_000]
    assert fetch(server.url(), name="a", sha256=SHA256).read_bytes() == CONTENT
    assert server.sent == 900_000 + 500_000 + len(CONTENT)


def test_another_range_than_asked_for(server):
    server.deaf, server.cuts = True, [900_000]
    assert fetch(server.url(), name="a", sha256=SHA256).read_bytes() == CONTENT
    assert [request.get("Range") for request in server.requests] == [None, "bytes=900000-", None]


def test_cut_every_time(server, tmp_path):
    server.ranges, server.cuts = False, [100_000 * i for i in range(1, 30)]
    with pytest.raises(
        MrntkError, match="the connection ended after 100,000 of 1,500,000 bytes, 5 times in a row; try again"
    ):
        fetch(server.url(), name="a", sha256=SHA256)
    assert len(server.requests) == 6 and files(tmp_path) == ["a.part"]


def test_stall(server):
    server.stall_at = 500_000
    started = time.monotonic()
    assert fetch(server.url(), name="a", sha256=SHA256, timeout=0.3).read_bytes() == CONTENT
    assert 0.3 < time.monotonic() - started < 5 and server.requests[1]["Range"] == "bytes=500000-"


def test_the_file_changes_on_the_way(server):
    """If-Range: the rest of another version is never glued on."""
    server.content, server.etag, server.cuts = bytes(1_500_000), '"old"', [700_000]
    real = Handler.do_GET

    def change(handler):
        if server.requests:
            server.content, server.etag = CONTENT, '"new"'
        real(handler)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handler, "do_GET", change)
        assert fetch(server.url(), name="a", sha256=SHA256).read_bytes() == CONTENT
    assert server.requests[1]["If-Range"] == '"old"' and len(server.requests) == 2


@pytest.mark.parametrize("old", [bytes(700_000), bytes(1_500_000), bytes(1_600_000)])
@pytest.mark.parametrize("sized", [True, False])
def test_a_part_of_another_file(server, tmp_path, old, sized):
    """Left by an earlier call: shorter, as long, longer; found by the digest or by the range, and begun again."""
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a.part").write_bytes(old)
    assert fetch(server.url(), name="a", sha256=SHA256, bytes=len(CONTENT) if sized else None).read_bytes() == CONTENT
    assert files(tmp_path) == ["a"]


@pytest.mark.parametrize("sized", [True, False])
def test_a_complete_part_is_only_moved(server, tmp_path, sized):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a.part").write_bytes(CONTENT)
    assert fetch(server.url(), name="a", md5=MD5, bytes=len(CONTENT) if sized else None).read_bytes() == CONTENT
    assert server.sent == 0


def test_wrong_content(server, tmp_path):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(
        MrntkError, match=f"damaged or another file: its sha256 is .* instead of {SHA256}; try again later, or"
    ):
        fetch(server.url(), name="a", sha256=SHA256)
    assert len(server.requests) == 1 and files(tmp_path) == []


def test_wrong_size_is_said_before_it_is_fetched(server, tmp_path):
    with pytest.raises(MrntkError, match="the server's file has 1,500,000 bytes instead of 1,500,001"):
        fetch(server.url(), name="a", sha256=SHA256, bytes=1_500_001)
    assert len(server.requests) == 1 and files(tmp_path) == []


def test_errors_of_the_server(server, tmp_path):
    server.failures = [404]
    where = re.escape(str(tmp_path / "downloads" / "a"))
    message = f"^cannot download {server.url()}: the server answers 404 Not Found; try again .*yourself and put it at {where}$"
    with pytest.raises(MrntkError, match=message):
        fetch(server.url(), name="a", sha256=SHA256)
    assert len(server.requests) == 1 and files(tmp_path) == []
    server.failures = [500, 503]
    assert fetch(server.url(), name="a", sha256=SHA256).read_bytes() == CONTENT
    server.failures = [500] * 9
    with pytest.raises(MrntkError, match="answers 500 Internal Server Error, 5 times in a row"):
        fetch(server.url(), name="b", sha256=SHA256)
    assert server.failures == [500] * 4


def test_pauses_grow(server, monkeypatch):
    pauses = []
    monkeypatch.setattr(transfer, "PAUSE", 1)
    monkeypatch.setattr(transfer.time, "sleep", pauses.append)
    server.failures = [500] * 9
    with pytest.raises(MrntkError):
        fetch(server.url(), name="a", sha256=SHA256)
    assert pauses == [1, 2, 4, 8]


def test_redirects(server):
    assert fetch(server.url("moved"), name="a", sha256=SHA256).read_bytes() == CONTENT
    for path in ("local", "ftp", "loop"):
        with pytest.raises(MrntkError, match="redirect"):
            fetch(server.url(path), name="b", sha256=SHA256)


def test_never_from_https_to_http():
    request = transfer.urllib.request.Request("https://example.org/a")
    with pytest.raises(transfer.Failed, match="redirects to http://example.org/b"):
        transfer._Redirects().redirect_request(request, None, 302, "Found", {}, "http://example.org/b")


def test_nobody_there(server, tmp_path):
    with pytest.raises(MrntkError, match="the host cannot be reached"):
        fetch("http://127.0.0.1:1/a", name="a", sha256=SHA256)
    assert files(tmp_path) == []


def test_full_disk(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 10**6))
    with pytest.raises(MrntkError, match="needs 0 MB|needs 1 MB more of free disk space"):
        fetch(server.url(), name="a", sha256=SHA256)
    assert files(tmp_path) == []


def test_progress(server):
    class Bar:
        def __init__(self, **options):
            self.options, self.n, self.closed = options, options["initial"], False

        def update(self, n):
            self.n += n

        def close(self):
            self.closed = True

    bars = []
    server.ranges, server.cuts = False, [400_000]
    fetch(server.url(), name="a", sha256=SHA256, progress=lambda **options: bars.append(Bar(**options)) or bars[-1])
    (bar,) = bars
    assert bar.options == {"desc": "a", "total": len(CONTENT), "initial": 0} and bar.n == len(CONTENT) and bar.closed


def test_silent_where_stderr_is_no_terminal(server, capsys):
    fetch(server.url(), name="a", sha256=SHA256)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "sha256 is missing"),
        ({"sha256": SHA256, "name": "../a"}, "plain name of a file"),
        ({"sha256": SHA256, "name": ".."}, "plain name of a file"),
        ({"sha256": SHA256, "url": "file:///etc/hostname"}, "begins with http:// or https://"),
        ({"sha256": SHA256, "url": "ftp://localhost/a"}, "begins with http:// or https://"),
    ],
)
def test_arguments(server, options, message):
    with pytest.raises(MrntkError, match=message):
        fetch(**{"url": server.url(), "name": "a", **options})


SCRIPT = "import sys; from mrntk.support.downloads import download; download(sys.argv[1], name='a', sha256=sys.argv[2])"


def wait_until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_kill_and_resume(server, tmp_path):
    """A killed process leaves what it has, and no lock; what it had is not sent again."""
    server.stall_at = 600_000
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, server.url(), SHA256])
    assert server.stalled.wait(60)
    wait_until(lambda: (tmp_path / "downloads" / "a.part").stat().st_size == 600_000)
    process.kill()
    process.wait()
    assert files(tmp_path) == ["a.part"]
    assert fetch(server.url(), name="a", sha256=SHA256).read_bytes() == CONTENT and files(tmp_path) == ["a"]
    assert [request.get("Range") for request in server.requests] == [None, "bytes=600000-"]


@pytest.mark.parametrize("first_fails", [False, True])
def test_two_at_once(server, tmp_path, capsys, first_fails):
    """One waits for the other and fetches nothing; if the other fails, it takes over."""
    server.stall_at = 300_000
    paths = []

    def load(wanted):
        with suppress(MrntkError):
            paths.append(fetch(server.url(), name="a", sha256=wanted))

    threads = [
        threading.Thread(target=load, args=(digest,)) for digest in ("0" * 64 if first_fails else SHA256, SHA256)
    ]
    threads[0].start()
    assert server.stalled.wait(20)
    threads[1].start()
    wait_until(lambda: "waiting for another process that downloads a" in capsys.readouterr().err)
    server.go_on.set()
    for thread in threads:
        thread.join(20)
    assert [path.read_bytes() for path in paths] == [CONTENT] * (2 - first_fails) and files(tmp_path) == ["a"]
    assert len(server.requests) == 1 + first_fails

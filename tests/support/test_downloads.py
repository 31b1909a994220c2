"""Downloads against a local server that cuts, stalls, corrupts, redirects, ignores ranges and never ends."""

import hashlib
import io
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pooch.core
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk import MrntkError
from mrntk.support import downloads

CONTENT = np.random.default_rng(0).bytes(1_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content` by the server's attributes; counts requests and bytes of bodies."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        if self.server.sized:
            headers.setdefault("Content-Length", str(len(body)))
        else:
            self.close_connection = True
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
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not (asked and server.ranges):
            return self.answer(200, content)
        start = int(asked[1]) if not server.deaf else 0
        if start >= len(content):
            return self.answer(416, Content_Range=f"bytes */{len(content)}")
        body = content[start:]
        self.answer(206, body, Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}")


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges, self.sized = CONTENT, True, True
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
        patch.setattr(downloads, "PAUSE", 0)
        patch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
        yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path) as server:
        yield server


def fetch(url, name="a", sha256=SHA256, size=1_500_000):
    return downloads.download(url, name=name, sha256=sha256, size=size)


def files(tmp_path):
    return sorted(os.listdir(tmp_path / "downloads"))


def ranges(server):
    return [request.get("Range") for request in server.requests]


def whole_blocks(size):
    return size // downloads.BLOCK * downloads.BLOCK


def test_once(server, tmp_path):
    path = fetch(server.url())
    assert path == tmp_path / "downloads" / "a" and path.read_bytes() == CONTENT
    assert fetch(server.url(), sha256=SHA256.upper()) == path
    assert len(server.requests) == 1 and files(tmp_path) == ["a"]


def test_a_damaged_file_in_the_cache_is_fetched_again(server):
    path = fetch(server.url())
    path.write_bytes(CONTENT[:-1] + b"?")
    assert fetch(server.url()).read_bytes() == CONTENT
    assert len(server.requests) == 2


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, len(CONTENT) - 1), max_size=4), st.booleans())
def test_cut_anywhere(tmp_path_factory, cuts, sized):
    """However often the connection drops, the file is right, and no more than the last block is sent again."""
    with serving(tmp_path_factory.mktemp("cache")) as server:
        server.cuts, server.sized = sorted(set(cuts)), sized
        assert fetch(server.url()).read_bytes() == CONTENT
        assert server.sent <= len(CONTENT) + len(cuts) * downloads.BLOCK


def test_cut_by_a_server_without_ranges(server):
    server.ranges, server.cuts = False, [900_000, 1_850_000]
    assert fetch(server.url()).read_bytes() == CONTENT
    assert server.sent == 900_000 + 950_000 + len(CONTENT)


def test_another_range_than_asked_for(server):
    server.deaf, server.cuts = True, [900_000]
    assert fetch(server.url()).read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=900000-", None]


def test_cut_every_time(server, tmp_path):
    """The call ends, and the next one goes on."""
    server.cuts = [100_000 * i for i in range(1, 9)]
    with pytest.raises(MrntkError, match=r"^cannot download .*IncompleteRead\(100000 bytes read, 900000 .*; try again"):
        fetch(server.url())
    assert len(server.requests) == downloads.ATTEMPTS == 6 and files(tmp_path) == ["a.part"]
    assert fetch(server.url()).read_bytes() == CONTENT and ranges(server)[6] == "bytes=600000-"


def test_stall(server, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.3)
    server.stall_at = 500_000
    started = time.monotonic()
    assert fetch(server.url()).read_bytes() == CONTENT
    assert 0.3 < time.monotonic() - started < 5 and ranges(server) == [None, f"bytes={whole_blocks(500_000)}-"]


@pytest.mark.parametrize("old", [bytes(700_000), bytes(1_500_000), bytes(1_600_000)])
def test_a_part_of_another_file(server, tmp_path, old):
    """Left by an earlier call: shorter, as long, longer; found by the digest or by the range, and begun again."""
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a.part").write_bytes(old)
    assert fetch(server.url()).read_bytes() == CONTENT
    assert files(tmp_path) == ["a"]


def test_a_complete_part_is_only_moved(server, tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a.part").write_bytes(CONTENT)
    assert fetch(server.url()).read_bytes() == CONTENT
    assert server.requests == []


@pytest.mark.parametrize("cuts", [0, 5])
def test_wrong_content(server, tmp_path, cuts):
    """Also in the last attempt of a call; nothing of it stays."""
    server.content, server.cuts = CONTENT[:-1] + b"?", [200_000 * (i + 1) for i in range(cuts)]
    with pytest.raises(MrntkError, match="damaged or another file, its sha256 is not the expected one; try again"):
        fetch(server.url())
    assert len(server.requests) == cuts + 1 and files(tmp_path) == []


def test_wrong_size_is_said_before_it_is_fetched(server, tmp_path):
    with pytest.raises(MrntkError, match="the server's file has 1,500,000 bytes, not 1,500,001"):
        fetch(server.url(), size=1_500_001)
    assert len(server.requests) == 1 and files(tmp_path) == []


def test_no_more_is_taken_than_the_file_has(server, tmp_path):
    """From a server that does not say how much it sends, and sends more."""
    server.sized, server.content = False, CONTENT + bytes(50_000_000)
    assert fetch(server.url()).read_bytes() == CONTENT
    assert server.sent < 40_000_000 and files(tmp_path) == ["a"]


def test_errors_of_the_server(server, tmp_path):
    server.failures = [404]
    where = re.escape(str(tmp_path / "downloads" / "a"))
    message = (
        f"^cannot download {server.url()}: 404 Client Error: Not Found .*; try again .*yourself and put it at {where}$"
    )
    with pytest.raises(MrntkError, match=message):
        fetch(server.url())
    assert len(server.requests) == 1 and files(tmp_path) == []
    server.failures = [500, 503]
    assert fetch(server.url()).read_bytes() == CONTENT
    server.failures = [500] * 9
    with pytest.raises(MrntkError, match="too many 500 error responses"):
        fetch(server.url(), name="b")
    assert server.failures == [500] * 6


def test_redirects(server):
    assert fetch(server.url("moved")).read_bytes() == CONTENT
    for path, found in (("local", "'file:///etc/hostname'"), ("ftp", "'ftp://localhost/x'"), ("loop", "30 redirects")):
        with pytest.raises(MrntkError, match=f"^cannot download .*{found}; try again"):
            fetch(server.url(path), name="b")


def test_never_from_https_to_http(server, monkeypatch):
    def send(adapter, request, **options):
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 302, request.url, request
        answer.headers["Location"], answer.raw = server.url(), io.BytesIO()
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    with pytest.raises(MrntkError, match=f"No connection adapters were found for '{server.url()}'; try again"):
        fetch("https://127.0.0.1/file")


def test_nobody_there(server, tmp_path):
    with pytest.raises(MrntkError, match="^cannot download http://127.0.0.1:1/a: .*Connection refused; try again"):
        fetch("http://127.0.0.1:1/a")
    assert files(tmp_path) == []


def test_too_little_room(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda folder: SimpleNamespace(free=400_000))
    with pytest.raises(MrntkError, match="downloads needs 1 MB more of free disk space"):
        fetch(server.url())
    assert files(tmp_path) == []


def test_progress(server, monkeypatch):
    bars = []

    class Bar(downloads.tqdm):
        def __init__(self, **options):
            super().__init__(file=io.StringIO(), **options | {"disable": False})
            bars.append((self, options["initial"], options["total"]))

    monkeypatch.setattr(downloads, "tqdm", Bar)
    server.cuts = [400_000]
    fetch(server.url())
    (_, begun, whole), (bar, later, same) = bars
    assert begun == 0 < later <= 400_000 and bar.n == whole == same == len(CONTENT)


def test_without_a_terminal_a_line_says_what_is_fetched_from_where(server, capsys):
    fetch(server.url())
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") <= 1 and "\r" not in err


SCRIPT = f"""
import sys, resource
from mrntk.support.downloads import download
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
download(sys.argv[1], name="a", sha256={SHA256!r}, size={len(CONTENT)})
"""


def start(server, limit=10**9):
    """A process that downloads, and can write no file of more than `limit` bytes."""
    command = [sys.executable, "-c", SCRIPT, server.url(), str(limit)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_write_that_fails_is_a_sentence_and_leaves_no_half_file(server, tmp_path):
    process = start(server, limit=300_000)
    said = process.communicate(timeout=60)[1].splitlines()[-1]
    assert re.fullmatch(r".*MrntkError: cannot download .*: \[Errno 27\] File too large; try again later, or .*", said)
    assert files(tmp_path) == ["a.part"]


def test_kill_and_resume(server, tmp_path):
    """A killed process leaves what it has, and no lock; what it had is not sent again."""
    server.stall_at = 600_000
    process = start(server)
    assert server.stalled.wait(60)
    had, part = whole_blocks(600_000), tmp_path / "downloads" / "a.part"
    wait_until(lambda: part.exists() and part.stat().st_size == had)
    process.kill()
    process.communicate()
    assert "a.part" in files(tmp_path) and "a" not in files(tmp_path)
    assert fetch(server.url()).read_bytes() == CONTENT and "a.part" not in files(tmp_path)
    assert ranges(server) == [None, f"bytes={had}-"]


@pytest.mark.parametrize("first_fails", [False, True])
def test_two_at_once(server, tmp_path, capsys, first_fails):
    """One waits for the other and fetches nothing; if the other fails, it takes over."""
    server.stall_at = 300_000
    paths = []

    def load(wanted):
        with suppress(MrntkError):
            paths.append(fetch(server.url(), sha256=wanted))

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

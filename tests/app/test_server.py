"""What the page's server answers, and what it refuses: everything but the page and questions about settings."""

import http.client
import json
import re
import time
from contextlib import closing
from urllib.parse import quote, urlsplit

import psutil
import pytest
from web_server import app_served, family

from mrntk import MrntkError
from mrntk.__main__ import main
from mrntk.app import server
from mrntk.widgets.reprogramming import read_setting
from mrntk.widgets.reprogramming.analysis import analyse
from mrntk.widgets.reprogramming.upload import LARGEST
from mrntk.widgets.reprogramming.words import finding, headline

pytestmark = pytest.mark.xdist_group("app")  # one server, wherever groups are kept together
ABSENT = {403, 404, 405}
QUICK = "source=random&depth=1&examples=8"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(address, number of the server's process)."""
    with app_served(tmp_path_factory.mktemp("app")) as found:
        yield found


@pytest.fixture(scope="module")
def address(served):
    return served[0]


def ask(address, path="/", method="GET", body=None, **headers):
    """(status, headers, text) of a request whose path is sent as it stands."""
    where = urlsplit(address)
    with closing(http.client.HTTPConnection(where.hostname, where.port, timeout=120)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): words for name, words in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode(errors="replace")


def told(address, path, setting, **words):
    """All messages of a question, as (kind, content)."""
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in {"setting": setting, **words}.items())
    status, _, text = ask(address, f"/{path}?{query}")
    assert status == 200
    return [next(iter(json.loads(line).items())) for line in text.splitlines()]


def data_of(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text).group(1))


# What it answers.


def test_the_page_holds_its_first_answer(address):
    status, headers, text = ask(address)
    assert status == 200 and '<html lang="en">' in text and "<title>Model reprogramming explorer</title>" in text
    data = data_of(text)
    assert data["answer"]["headline"] == headline(analyse(read_setting(""))) and data["problem"] == ""
    assert len(text) < 100_000


def test_an_answer_is_the_library_s_and_says_what_changed(address):
    (*_, (kind, found)) = told(address, "answer", QUICK)
    there = analyse(read_setting(QUICK))
    assert kind == "answer" and found["finding"] == finding(there) and found["query"] == QUICK
    assert found["changed"] == ""
    (*_, (kind, then)) = told(address, "answer", f"{QUICK}&loss=ce", was=QUICK)
    assert then["changed"].startswith("Changed: loss: squared → cross-entropy.") and then["setting"]["loss"] == "ce"


def test_training_is_told_while_it_runs_and_known_afterwards(address):
    messages = told(address, "train", QUICK)
    losses = [loss for kind, content in messages if kind in ("run", "done") for loss in content["losses"]]
    assert messages[-1][0] == "done" and len(losses) == 101 and losses[-1] < losses[0]
    again = told(address, "train", QUICK)
    assert [kind for kind, _ in again] == ["done"] and again[0][1]["losses"] == losses


@pytest.mark.parametrize(
    "setting, said",
    [
        ("depth=99", "give a number from 1 to 6"),
        ("deep=3", "'deep' is unknown in a setting"),
        ("source=crepe-tiny&task=digits", "hears series"),
        ("frame=0.05&source=random&task=digits&mask=sides&examples=nan", "examples='nan'"),
        ("source=own", "choose an .onnx file first"),
    ],
)
@pytest.mark.parametrize("path", ["answer", "train"])
def test_what_cannot_be_computed_is_said(address, path, setting, said):
    messages = told(address, path, setting)
    assert messages[-1][0] == "refused" and said in messages[-1][1]


def test_a_link_to_nothing_opens_the_default_and_says_so(address):
    _, _, text = ask(address, "/?depth=99&task=%3Cimg%20src%3Dx%3E")
    data = data_of(text)
    assert "this is the default one" in data["problem"] and data["setting"]["depth"] == 3
    assert "<img" not in text.split("</head>")[0]


# Files of a visitor's own.


def upload(address, name, content, **headers):
    origin = {"Origin": f"http://{urlsplit(address).netloc}"} | headers
    status, _, text = ask(address, f"/upload?name={name}", "POST", content, **origin)
    return status, json.loads(text) if status == 200 else text


def test_a_file_is_read_in_a_process_of_its_own_and_goes_with_its_page(served, linear_file):
    address, server_pid = served
    before = {one.pid for one in family(server_pid)}
    status, found = upload(address, "mine.onnx", linear_file)
    assert status == 200 and found["words"] == "your file mine.onnx" and found["axes"] == 3
    mine = {one.pid for one in family(server_pid)} - before
    assert len(mine) == 1
    kind, answer = told(address, "answer", "source=own&examples=8", own=found["own"])[-1]
    assert kind == "answer" and answer["facts"]["network"] == "your file mine.onnx"
    for token in ("", "x", found["own"][:-1]):  # who does not know the token, does not get at it
        kind, said = told(address, "answer", "source=own&examples=8", own=token)[-1]
        assert kind == "refused"
    origin = f"http://{urlsplit(address).netloc}"
    assert ask(address, f"/farewell?own={found['own']}", "POST", Origin=origin)[0] == 204
    until(lambda: not mine & {one.pid for one in family(server_pid)})
    assert told(address, "answer", "source=own&examples=8", own=found["own"])[-1][0] == "refused"


@pytest.mark.parametrize(
    "name, content, said",
    [("mine.txt", b"x", "give an .onnx file"), ("mine.onnx", b"no model", "truncated, damaged or not an ONNX file")],
)
def test_another_file_is_refused_in_words(served, name, content, said):
    before = len(family(served[1]))
    status, found = upload(served[0], name, content)
    assert status == 200 and said in found["refused"] and "/" not in found["refused"].replace("and/or", "")
    until(lambda: len(family(served[1])) == before)


def until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


# What it refuses.


def test_the_page_names_no_other_server_and_forbids_any(address):
    _, headers, text = ask(address)
    assert re.findall(r"""(?:src=|<link[^>]*href=)["']((?:https?:)?//[^"']+)""", text) == []
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "//" not in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff" and "Set-Cookie" not in headers and "Server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/page.html", "/server.py", "/static/page.js", "/pagexcss", "/page.css/", "/../server.py", "/..%2fserver.py",
        "/static/../server.py", "//etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page.js/../../server.py", "/x.js", "/answer/",
        "/voila/static/voila.js", "/api/kernels", "/api/contents", "/tree", "/lab", "/login", "/files/page.js", "/favicon.ico",
    ],
)  # fmt: skip
def test_there_is_nothing_else_to_read(address, path):
    status, headers, text = ask(address, path)
    assert status in ABSENT, (status, headers["Location"], text[:200])
    assert "root:" not in text and "mrntk" not in text


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/page.js", "/answer", "/train", "/nothing"])
def test_nothing_can_be_written(address, path, method):
    assert ask(address, path, method, "{}")[0] in ABSENT


@pytest.mark.parametrize("path, most", [("/answer", server.BODY), ("/upload?name=x.onnx", LARGEST + 1)])
def test_a_large_body_is_refused_before_it_is_read(address, path, most):
    where = urlsplit(address)
    with closing(http.client.HTTPConnection(where.hostname, where.port, timeout=30)) as connection:
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", str(most + 1))
        connection.putheader("Origin", f"http://{where.netloc}")
        connection.endheaders()
        try:
            assert connection.getresponse().status in {400, 405, 413}
        except (ConnectionError, http.client.RemoteDisconnected):
            pass  # hung up on


@pytest.mark.parametrize("path", ["/", "/page.js", "/answer?setting=", "/train?setting=", "/rank?setting="])
def test_other_names_for_this_machine_are_refused(address, path):
    """A page elsewhere whose name is made to point at 127.0.0.1 has that name in its requests."""
    status, _, text = ask(address, path, Host="evil.example")
    assert status == 403 and text == "This is not allowed."


@pytest.mark.parametrize("path", ["/answer?setting=", "/train?setting=", "/rank?setting="])
def test_a_page_elsewhere_cannot_make_it_work(address, path):
    assert ask(address, path, Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(address, path, Origin="http://evil.example")[0] == 403
    assert ask(address, "/upload?name=x.onnx", "POST", b"x")[0] == 403  # without an origin
    assert ask(address, "/upload?name=x.onnx", "POST", b"x", Origin="http://evil.example")[0] == 403


def test_the_page_is_a_page_and_no_picture(address):
    assert ask(address, "/", Sec_Fetch_Dest="image")[0] == ask(address, "/", Sec_Fetch_Dest="iframe")[0] == 403
    assert ask(address, "/", Sec_Fetch_Dest="document", Sec_Fetch_Site="cross-site")[0] == 200  # a link leads here


def test_the_head_alone(address):
    status, headers, text = ask(address, "/", "HEAD")
    assert (status, headers["Content-Type"], text) == (200, "text/html; charset=utf-8", "")


def test_who_hangs_up_stops_what_was_computed_for_them(served):
    """A slow job ends soon after its listener; a quick question is answered meanwhile."""
    address, _ = served
    where = urlsplit(address)
    slow = quote("source=crepe-tiny&task=trace&examples=40&input_map=fc", safe="")
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
    connection.request("GET", f"/train?setting={slow}")
    time.sleep(1)
    assert told(address, "answer", f"{QUICK}&seed=7")[-1][0] == "answer"
    connection.close()
    assert told(address, "train", f"{QUICK}&seed=7")[-1][0] == "done"  # also slow, and first in the queue


# What needs no server.


@pytest.mark.parametrize(
    "words, said",
    [
        ({"port": 99999999}, "port"),
        ({"address": "192.0.2.1"}, "192.0.2.1"),
        ({"workers": 1}, "--workers 1"),
        ({"base": "/a b"}, "--base /a b/"),
        ({"hosts": ["x.org:80"]}, "--trusted-host x.org:80"),
    ],
)
def test_what_cannot_be_served_is_said(words, said):
    with pytest.raises(MrntkError, match=said):
        server.app(browser=False, **words)


@pytest.mark.parametrize("address, warned", [("127.0.0.1", False), ("0.0.0.0", True)])
def test_whoever_lets_others_in_is_warned(monkeypatch, capsys, address, warned):
    served = []

    async def pretended(port, address, base, hosts, workers, ready):
        served.append((address, base, hosts, workers))
        ready()

    monkeypatch.setattr(server, "serve", pretended)
    monkeypatch.setattr(server, "usable_port", lambda port, address: port)
    assert main(["app", "--no-browser", "--port", "9000", "--address", address]) == 0
    said = capsys.readouterr().out
    assert ("Warning: everyone who reaches 0.0.0.0" in said) == warned and ":9000/" in said
    assert served == [(address, "/", [], 2)]


def test_processes_end_with_the_server(tmp_path):
    with app_served(tmp_path) as (_, pid):
        members = family(pid)
        assert len(members) >= 3
        psutil.Process(pid).kill()
        assert not psutil.wait_procs(members, timeout=20)[1]

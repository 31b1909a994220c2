"""What the web page's server refuses: everything but showing the page and moving its controls. One server, one visitor."""

import http.client
import json
import os
import re
import time
import uuid
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import websocket
from web_server import app_served

from mrntk import MrntkError
from mrntk.__main__ import main
from mrntk.widgets.app import page, server
from mrntk.widgets.app.page import explorer

pytestmark = pytest.mark.xdist_group("app")  # one server, wherever groups are kept together
V1 = "v1.kernel.websocket.jupyter.org"
ABSENT = {403, 404, 405}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server with place for one visitor."""
    with app_served(tmp_path_factory.mktemp("app"), "--visitors", "1") as (address, _):
        yield address


def ask(address, path="/", method="GET", body=None, **headers):
    """(status, headers, text) of a request whose path is sent as it stands."""
    where = urlsplit(address)
    with closing(http.client.HTTPConnection(where.hostname, where.port, timeout=60)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): words for name, words in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode(errors="replace")


@pytest.fixture(scope="module")
def visitor(address):
    """(kernel, headers, text) of the one visitor, who asks for another template and so for a setting that does not exist."""
    status, headers, text = ask(address, "/?template=reveal")
    assert status == 200
    return re.search(r'"kernelId": "([\w-]+)"', text).group(1), headers, text


def test_the_page_is_ours_and_says_what_is_wrong_with_its_address(visitor):
    _, _, text = visitor
    assert '<html lang="en">' in text and "<title>Model reprogramming explorer</title>" in text
    assert "this is the default one" in text and "is unknown in a setting: choose from source, depth" in text


def test_the_page_names_no_other_server_and_forbids_any(visitor):
    _, headers, text = visitor
    named = re.findall(r"""(?:src|href)=["']((?:https?:)?//[^"']+)""", text)
    assert named == []
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "connect-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "//" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/page.ipynb", "/server.py", "/voila/files/page.ipynb", "/voila/files/page.py", "/voila/files/template/page.css",
        "/voila/files/..%2fcli.py", "/voila/tree", "/voila/tree/..", "/voila/render/page.ipynb", "/voila/render/../page.ipynb",
        "/tree", "/lab", "/login", "/api/contents", "/voila/api/contents", "/voila/api/contents/page.ipynb", "/api/kernels",
        "/api/kernelspecs", "/api/sessions", "/api/terminals", "/terminals/websocket/1", "/api/status", "/files/page.py",
        "/voila/static/../../../../../../../../../../etc/passwd", "/voila/static/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/voila/static//etc/passwd", "/voila/templates/mrntk/static/page.css", "/voila/templates/..%2f..%2f/static/x",
        "/voila/templates/lab/static/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/voila/labextensions/@jupyter-widgets/jupyterlab-manager/../../../../../../../../../etc/passwd",
        "/voila/labextensions/@jupyter-widgets/jupyterlab-manager/..%2f..%2f..%2f..%2fetc%2fjupyter",
        "/voila/api/themes/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd", "/voila/api/themes/",
    ],
)  # fmt: skip
def test_there_is_nothing_else_to_read(address, path):
    status, headers, text = ask(address, path)
    assert status in ABSENT, (status, headers["Location"], text[:200])
    assert "root:" not in text and "mrntk.widgets.app" not in text


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/api/contents/x.py", "/voila/files/x.py", "/voila/static/x.js", "/api/kernels"])
def test_nothing_can_be_written(address, path, method):
    assert ask(address, path, method, "{}")[0] in ABSENT


def test_a_large_body_is_refused_before_it_is_read(address):
    try:
        assert ask(address, "/", "POST", b"x" * (server.BODY + 1))[0] in {400, 413}
    except (ConnectionError, http.client.RemoteDisconnected):
        pass  # hung up on while still sending


def test_other_names_for_this_machine_are_refused(address, visitor):
    """A page elsewhere whose name is made to point at 127.0.0.1 has that name in its requests."""
    status, _, text = ask(address, "/", Host="evil.example")
    assert status == 403 and "This is not allowed." in text
    assert ask(address, f"/api/kernels/{visitor[0]}", Host="evil.example")[0] == 403


def test_the_page_is_a_page_and_no_picture(address):
    assert ask(address, "/", Sec_Fetch_Dest="image")[0] == 403


def test_one_more_visitor_is_asked_to_wait(address, visitor):
    status, _, text = ask(address)
    assert status == 503 and "Too many visitors: all 1 places are taken." in text and "evil" not in text


def test_others_cannot_end_a_visit(address, visitor):
    assert ask(address, f"/voila/api/shutdown/{visitor[0]}", "POST")[0] == 403
    assert ask(address, f"/voila/api/shutdown/{visitor[0]}", "POST", Origin="http://evil.example")[0] in ABSENT
    assert ask(address, f"/api/kernels/{visitor[0]}")[0] == 200


# The kernel's connection.


def connected(address, kernel, protocol=V1, **words):
    where = f"{address.replace('http', 'ws')}api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
    protocols = [protocol] if protocol else None
    return closing(websocket.create_connection(where, timeout=20, subprotocols=protocols, **words))


def message(kind, content, channel, protocol, padding=b""):
    """A message to a kernel, as the page writes it."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "username": "",
        "session": "s",
        "date": "",
        "version": "5.3",
    }
    if not protocol:
        whole = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel}
        return json.dumps(whole | {"buffers": []})
    parts = [channel.encode(), json.dumps(header).encode(), b"{}", b"{}", json.dumps(content).encode(), padding]
    starts = [8 * (len(parts) + 2)]
    for part in parts:
        starts.append(starts[-1] + len(part))
    return b"".join(number.to_bytes(8, "little") for number in (len(starts), *starts)) + b"".join(parts)


def send(connection, *words, padding=b""):
    written = message(*words, padding=padding)
    connection.send(written, websocket.ABNF.OPCODE_BINARY if isinstance(written, bytes) else websocket.ABNF.OPCODE_TEXT)


def heard(connection, until):
    """All that comes, in words, up to the first that holds `until`."""
    told = []
    while until not in (told or [""])[-1]:
        one = connection.recv()
        told.append(one.decode(errors="replace") if isinstance(one, bytes) else one)
    return told


@pytest.mark.parametrize("protocol", [V1, None])
@pytest.mark.parametrize("channel", ["shell", "control"])
def test_a_page_cannot_run_code(address, visitor, tmp_path, protocol, channel):
    left = tmp_path / "ran"
    code = {"code": f"open({str(left)!r}, 'w').close()", "silent": False, "store_history": False, "allow_stdin": False}
    with connected(address, visitor[0], protocol) as connection:
        for kind, content in {
            "execute_request": code | {"user_expressions": {"x": code["code"]}},
            "complete_request": {"code": "import os; os.", "cursor_pos": 14},
            "inspect_request": {"code": "open", "cursor_pos": 4, "detail_level": 1},
            "history_request": {"hist_access_type": "tail", "n": 10, "raw": True, "output": True},
            "debug_request": {"type": "request", "seq": 1, "command": "initialize", "arguments": {}},
            "create_subshell_request": {},
        }.items():
            send(connection, kind, content, channel, protocol)
        send(connection, "kernel_info_request", {}, channel, protocol)
        told = heard(connection, "kernel_info_reply")
        time.sleep(0.2)
    assert not left.exists()
    assert not [one for one in told if re.search(r"(execute|complete|inspect|history|debug|subshell)_reply", one)]


def test_only_our_own_page_reaches_a_kernel(address, visitor):
    for words in ({"origin": "http://evil.example"}, {"host": "evil.example"}):
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"), connected(address, visitor[0], **words):
            pass
    with pytest.raises(websocket.WebSocketBadStatusException, match="404"), connected(address, uuid.uuid4()):
        pass


def test_a_message_has_at_most_the_size_of_an_upload(address, visitor):
    with connected(address, visitor[0]) as connection:
        content = {"comm_id": "nobody's", "data": {}}
        send(connection, "comm_msg", content, "shell", V1, padding=bytes(server.LARGEST))
        send(connection, "kernel_info_request", {}, "shell", V1)
        assert heard(connection, "kernel_info_reply")
        with pytest.raises((websocket.WebSocketException, ConnectionError)):
            send(connection, "comm_msg", content, "shell", V1, padding=bytes(server.MESSAGE + 1))
            send(connection, "kernel_info_request", {}, "shell", V1)
            heard(connection, "kernel_info_reply")


# What needs no server.


def test_kernels_are_limited_and_go_when_nobody_is_there():
    kernels = server.Kernels(config=server.configuration(8866, server.LOCAL, 3, False, "/", ()))
    assert (kernels.most, kernels.cull_idle_timeout, kernels.cull_connected) == (3, server.IDLE, False)
    assert list(server.ThisPython().find_kernel_specs()) == ["python3"]


def test_a_visitor_s_kernel_keeps_what_it_compiles_before_it_shows_anything(monkeypatch):
    done = []
    monkeypatch.setenv("QUERY_STRING", "source=random&depth=1")
    monkeypatch.setattr(page, "keep_compiled", lambda: done.append("kept"))
    monkeypatch.setattr(page, "display", lambda shown: done.append(shown.setting.depth))
    page.show()
    assert done == ["kept", 1]


def test_the_address_says_the_setting():
    shown, problem = explorer("source=random&depth=2")
    assert (shown.setting.source, shown.setting.depth, problem) == ("random", 2, "")
    shown, problem = explorer("source=random&depth=99")
    assert shown.setting == type(shown.setting)() and problem.startswith(
        "depth='99'" if "'99'" in problem else "depth=99"
    )


@pytest.mark.parametrize(
    "words, said",
    [
        ({"port": 99999999}, "port"),
        ({"address": "192.0.2.1"}, "192.0.2.1"),
        ({"visitors": 0}, "--visitors 0"),
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

    class Pretended:
        def __init__(self, config):
            served.append(config.Server.ip)

        def initialize(self, argv):
            assert argv == []

        def start(self):
            pass

    monkeypatch.setattr(server, "Server", Pretended)
    monkeypatch.setattr(server, "usable_port", lambda port, address: port)
    assert main(["app", "--no-browser", "--port", "9000", "--address", address]) == 0
    said = capsys.readouterr().out
    assert ("Warning: everyone who reaches 0.0.0.0" in said) == warned and ":9000/" in said
    assert served == [address]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere kernels are spoken to by ports")
def test_sockets_have_names_that_are_short_enough(tmp_path):
    """In the longest folder that is kept as it is, a name as Jupyter makes it can be bound; in a longer one it goes to /tmp."""
    assert server.room_for_sockets("/" + 50 * "a") == server.room_for_sockets("/" + 20 * "é") == "/tmp"
    longest = "/tmp/" + 33 * "a"
    assert server.room_for_sockets(longest) == longest
    name = f"{longest}/voila_{8 * 'x'}/kernel-{uuid.uuid4()}-ipc-5"
    assert len(name) <= 103  # macOS's limit, and Linux's is 107

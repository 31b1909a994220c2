"""The page behind a reverse proxy, under a path and a name of the proxy's."""

import json
import re
from urllib.parse import urljoin, urlsplit

import pytest
from reverse_proxy import proxied
from test_server import QUICK, ask
from web_server import app_served

pytestmark = pytest.mark.xdist_group("app")
BASE, HOST = "/course/explorer/", "www.example.org"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a server that knows of its proxy."""
    words = ("--base", BASE.strip("/"), "--trusted-host", HOST)
    with app_served(tmp_path_factory.mktemp("app"), *words) as (address, _):
        yield address


@pytest.fixture(scope="module")
def address(served):
    """Where visitors find it: at the proxy."""
    with proxied(urlsplit(served).port) as port:
        yield f"http://127.0.0.1:{port}/"


def test_all_that_the_page_names_lies_under_the_path(address):
    status, _, page = ask(address, BASE)
    named = set(re.findall(r"""(?:src|href)=["']([^"'#:]+)["']""", page))
    assert status == 200 and named == {"page.css", "page.js"}
    for one in named:
        path = urljoin(BASE, one)
        status, _, text = ask(address, path)
        assert path.startswith(BASE) and status == 200, one
        for script in re.findall(r'from "\./(\w+\.js)"', text):
            assert ask(address, urljoin(BASE, script))[0] == 200
    status, headers, _ = ask(address, BASE.rstrip("/"))
    assert (status, headers["Location"]) == (301, BASE)
    assert ask(address, "/")[0] == ask(address, "/page.js")[0] == 404


@pytest.mark.parametrize("origin", [f"https://{HOST}", f"http://{HOST}:81"])
def test_the_page_is_answered(address, origin):
    path = f"{BASE}answer?setting={QUICK.replace('=', '%3D').replace('&', '%26')}"
    status, headers, text = ask(address, path, Origin=origin, Sec_Fetch_Site="same-origin")
    assert status == 200 and "answer" in json.loads(text.splitlines()[-1])
    assert headers["X-Accel-Buffering"] == "no"


def test_other_names_are_refused(served):
    for name in ("evil.example", f"evil-{HOST}", HOST.replace(".", "x")):
        assert ask(served, BASE, Host=name)[0] == 403
        assert ask(served, f"{BASE}answer?setting=", Origin=f"https://{name}")[0] == 403
    assert ask(served, BASE, Host=HOST)[0] == 200

"""Serve the explorer: one page, its questions as streams of JSON lines, from this machine alone unless told otherwise.

The server computes nothing and keeps no visitor's state: every question carries its whole setting. There is nothing to log in
to, no cookie and no path that leads to a file; a page can ask for answers, and for nothing else.
"""

import asyncio
import json
import logging
import re
import signal
import threading
import webbrowser
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RedirectHandler, RequestHandler, stream_request_body

from ..support.browser import can_show_browser
from ..support.errors import MrntkError
from ..support.port import usable_port
from ..widgets.reprogramming.setting import OWN, Setting, read_setting
from ..widgets.reprogramming.upload import LARGEST
from .page import FILES, POLICY, page
from .service import Service, line

LOCAL = "127.0.0.1"
OURS = ("localhost", "127.0.0.1", "::1")
WORKERS = 2
BODY = 10_000  # bytes of a request; only an upload has more
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
SAID = {403: "This is not allowed.", 404: "There is no such page here.", 405: "This is not allowed."}


class Handler(RequestHandler):
    """What all parts share: who may ask."""

    SUPPORTED_METHODS = ("GET", "HEAD")
    service: Service

    def initialize(self, service: Service, hosts: Sequence[str], anybody: bool):
        self.service, self.hosts, self.anybody = service, hosts, anybody

    def set_default_headers(self):
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self):
        """Refuse a page elsewhere: one whose name is made to point here, and one that names this server."""
        if not self.anybody and _host(self.request.host) not in (*OURS, *self.hosts):
            raise HTTPError(403)
        if not self._from_our_page():
            raise HTTPError(403)

    def _from_our_page(self) -> bool:
        headers = self.request.headers
        if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = headers.get("Origin")
        return origin is None or _host(urlsplit(origin).netloc) in (_host(self.request.host), *self.hosts)

    def write_error(self, status_code: int, **words):
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(SAID.get(status_code, "Something went wrong; please load the page again."))


def _host(netloc: str) -> str:
    """The name in "name:port"."""
    return (urlsplit(f"//{netloc}").hostname or "").lower()


class Page(Handler):
    """The page, with the answer to the setting of its address where that is known already."""

    def _from_our_page(self) -> bool:  # a link may lead here from anywhere; a picture or a frame may not
        return self.request.headers.get("Sec-Fetch-Dest", "document") == "document"

    def head(self):
        self.set_header("Content-Type", "text/html; charset=utf-8")

    def get(self):
        setting, problem = Setting(), ""
        try:
            setting = self._setting()
        except MrntkError as error:
            problem = f"The setting in this page's address cannot be shown, so this is the default one. {error}"
        self.head()
        self.finish(page(setting, self.service.first(setting), problem))

    def _setting(self) -> Setting:
        setting = read_setting(self.request.query)
        if setting.source == OWN:
            raise MrntkError("source=own: a file stays with the page that chose it.")
        return setting


class File(Handler):
    """A script or a style of the page."""

    def get(self, name: str):
        if name not in FILES:
            raise HTTPError(404)
        kind, content = FILES[name]
        self.set_header("Content-Type", kind)
        self.finish(content)

    head = get


class Question(Handler):
    """A question about a setting: GET, answered by lines of JSON while it is worked at; the connection's end ends the work."""

    task: asyncio.Task | None = None

    async def get(self):
        self.set_header("Content-Type", "application/x-ndjson")
        self.set_header("X-Accel-Buffering", "no")  # a proxy hands on every line at once
        self.task = asyncio.current_task()
        try:
            async with aclosing(self.messages()) as messages:
                async for kind, content in messages:
                    self.write(line(kind, content))
                    await self.flush()
        except MrntkError as error:
            self.write(line("refused", str(error)))
        except (StreamClosedError, asyncio.CancelledError):
            return
        finally:
            self.task = None
        await self.finish()

    def on_connection_close(self):
        if self.task is not None:
            self.task.cancel()

    def messages(self) -> AsyncIterator[tuple]:
        raise NotImplementedError

    def setting(self, name: str) -> Setting | None:
        """The setting of an argument, in which it is written as a query."""
        words = self.get_argument(name, None, strip=False)
        return None if words is None else read_setting(words)


class Answer(Question):
    """?setting=QUERY&was=QUERY&own=TOKEN"""

    def messages(self):
        return self.service.answer(
            self.setting("setting") or Setting(), self.setting("was"), self.get_argument("own", "")
        )


class Train(Question):
    """?setting=QUERY&own=TOKEN"""

    def messages(self):
        return self.service.train(self.setting("setting") or Setting(), self.get_argument("own", ""))


class Rank(Question):
    """?setting=QUERY&own=TOKEN"""

    def messages(self):
        return self.service.rank(self.setting("setting") or Setting(), self.get_argument("own", ""))


@stream_request_body
class Upload(Handler):
    """POST ?name=NAME with the file as its body; answered by {"own": token, ...} or {"refused": why}."""

    SUPPORTED_METHODS = ("POST",)

    def prepare(self):
        super().prepare()
        if "Origin" not in self.request.headers:  # browsers always send it with a POST
            raise HTTPError(403)
        self.request.connection.set_max_body_size(LARGEST + 1)
        self.parts: list[bytes] = []

    def data_received(self, chunk: bytes):
        self.parts.append(chunk)

    async def post(self):
        try:
            found = await self.service.upload(self.get_query_argument("name", "")[:200], b"".join(self.parts))
        except MrntkError as error:
            found = {"refused": str(error)}
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(found))


class Farewell(Handler):
    """POST ?own=TOKEN when a page goes that had a file of its own."""

    SUPPORTED_METHODS = ("POST",)

    def post(self):
        self.service.forget(self.get_query_argument("own", ""))
        self.set_status(204)


class Nothing(Handler):
    """Everything else."""

    SUPPORTED_METHODS = RequestHandler.SUPPORTED_METHODS

    def prepare(self):
        raise HTTPError(404)


def application(service: Service, base: str, hosts: Sequence[str], anybody: bool) -> Application:
    """The paths that there are, all of them."""
    shared = {"service": service, "hosts": [host.lower() for host in hosts], "anybody": anybody}
    paths = [
        (base, Page, shared),
        (f"{base}(page[.]css|[a-z]+[.]js)", File, shared),
        (f"{base}answer", Answer, shared),
        (f"{base}train", Train, shared),
        (f"{base}rank", Rank, shared),
        (f"{base}upload", Upload, shared),
        (f"{base}farewell", Farewell, shared),
    ]
    if base != "/":
        paths.append((base.rstrip("/"), RedirectHandler, {"url": base}))
    return Application(paths, default_handler_class=Nothing, default_handler_args=shared, compress_response=False)


async def serve(port: int, address: str, base: str, hosts: Sequence[str], workers: int, ready) -> None:
    """Serve until interrupted; `ready` is called once the first answer is known."""
    service, ended = Service(workers), asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # on Windows a KeyboardInterrupt ends it
            asyncio.get_running_loop().add_signal_handler(name, ended.set)
    server = HTTPServer(
        application(service, base, hosts, anybody=address not in OURS),
        max_body_size=BODY, max_header_size=20_000, idle_connection_timeout=120, body_timeout=120,
    )  # fmt: skip
    try:
        async for _ in service.answer(Setting()):
            pass
        server.listen(port, address)
        ready()
        warming = asyncio.create_task(service.warm())
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 60)
            service.tidy()
        warming.cancel()
    finally:
        service.close()


def app(
    port: int = 8866,
    address: str = LOCAL,
    workers: int = WORKERS,
    browser: bool | None = None,
    base: str = "/",
    hosts: Sequence[str] = (),
) -> int:
    """Serve the explorer as a web page until it is interrupted; returns the exit code.

    Parameters
    ----------
    port : of the address; 0 takes one that is free.
    address : where to listen; only programs of this machine reach the default.
    workers : processes that compute, 2 or more; each takes some 500 MB.
    browser : open one; None opens it where it would be seen.
    base : path under which the page stands, where a proxy serves other things beside it.
    hosts : names by which visitors call the proxy in front of the page.

    Raises
    ------
    MrntkError
        If the address, the port, the path or a name cannot be used, or there are too few workers.
    """
    if workers < 2:
        raise MrntkError(f"--workers {workers}: give at least 2, so that a long training does not hold up the others.")
    base = f"/{base.strip('/')}/".replace("//", "/")
    if not re.fullmatch(r"[\w./~-]+", base, re.ASCII):
        raise MrntkError(f"--base {base}: give a path of letters, digits and the signs . _ ~ - such as /explorer/.")
    for host in hosts:
        if not re.fullmatch(r"[\w.-]+", host, re.ASCII):
            raise MrntkError(f"--trusted-host {host}: give a name alone, such as www.example.org.")
    port = usable_port(port, address)
    browser = can_show_browser() if browser is None else browser
    where = f"http://{address if ':' not in address else f'[{address}]'}:{port}{base}"
    logging.getLogger("tornado").setLevel(logging.ERROR)  # not a line for every visitor

    def ready():
        if address not in OURS:
            print(
                f"Warning: everyone who reaches {address} can use this page, unencrypted and without a password, and takes "
                "processor time and memory of this machine.",
                flush=True,
            )
        print(f"The explorer is at {where}. Stop it with Ctrl-C.", flush=True)
        if browser:
            threading.Thread(target=webbrowser.open, args=(where,), daemon=True).start()
        else:
            print(
                f"From another machine, first: ssh -L {port}:localhost:{port} USER@THIS-MACHINE, then open the address there.",
                flush=True,
            )

    with suppress(KeyboardInterrupt):
        asyncio.run(serve(port, address, base, hosts, workers, ready))
    return 0

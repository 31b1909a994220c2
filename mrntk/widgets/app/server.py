"""Serve the explorer with Voila: this one page, from this machine alone, a kernel per visitor.

Voila is made for whole folders of notebooks. Here it serves one notebook of ours, so most of what it could serve is left out:
see `Server.init_handlers`. A page can change the state of the widgets in its own kernel and nothing else.
"""

import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_server.services.kernels.handlers import KernelHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError, RedirectHandler
from traitlets import Integer, List
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from ...support.browser import can_show_browser
from ...support.errors import MrntkError
from ...support.port import usable_port
from ..reprogramming.upload import LARGEST

HERE = Path(__file__).resolve().parent
LOCAL = "127.0.0.1"
VISITORS = 16  # at the same time, each with a kernel
IDLE = 15 * 60  # seconds that a kernel without a page is kept: its visitor may be behind a tunnel
MESSAGE = LARGEST + 1_000_000  # bytes from a page at once: one upload with what goes around it
BODY = 100_000  # bytes of a request; nothing here reads one
# JupyterLab's extensions that the page needs: the manager of widgets, and the widgets
WIDGETS = ["@voila-dashboards/widgets-manager8", "@jupyter-widgets/jupyterlab-manager"]
SERVED = ("/channels", "/voila/static/(.*)", "/voila/api/themes/(.*)", "/api/shutdown/(.*)")
# The browser itself refuses whatever would come from elsewhere. Voila's scripts stand in the page and build functions.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
FULL = "Too many visitors: all {} places are taken. Please try again in a few minutes."


class Kernels(AsyncMappingKernelManager):
    """The visitors' kernels, of which there are at most so many."""

    most = Integer(VISITORS, config=True)
    _starting = 0

    async def start_kernel(self, **words):
        if len(self) + self._starting >= self.most:
            raise HTTPError(503, reason=FULL.format(self.most))
        self._starting += 1
        try:
            return await super().start_kernel(**words)
        finally:
            self._starting -= 1


class ThisPython(KernelSpecManager):
    """Knows the kernel of the Python that runs the server alone, whatever else is installed under its name."""

    kernel_dirs = []


class Page(TornadoVoilaHandler):
    """The page at "/"; elsewhere there is nothing."""

    async def get(self, path=None):
        if path:
            raise HTTPError(404)
        # a foreign page could otherwise start kernels by naming this one as a picture
        if self.request.headers.get("Sec-Fetch-Dest", "document") != "document":
            raise HTTPError(403)
        _ = self.xsrf_token  # reading it sets the cookie without which the page's farewell is refused
        await super().get()

    def head(self, path=None):
        """Whether there is a page, without a kernel for it."""
        if path:
            raise HTTPError(404)
        self.set_header("Content-Type", "text/html; charset=utf-8")

    def write_error(self, status_code: int, **words):
        error = (words.get("exc_info") or (None, None))[1]
        said = getattr(error, "reason", None) or {404: "There is no such page here.", 403: "This is not allowed."}.get(
            status_code, "Something went wrong; please load the page again."
        )
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(self.get_template("sorry.html").render(said=said, home=self.base_url))


class Server(Voila):
    """Voila with fewer doors."""

    trusted_hosts = List(config=True)
    config_file_paths = []  # the reader's own settings of Voila are for other notebooks

    def setup_template_dirs(self):
        super().setup_template_dirs()
        self.template_paths.insert(0, str(HERE / "template"))

    def init_settings(self) -> dict:
        return super().init_settings() | {
            "allow_remote_access": self.ip != LOCAL,  # else only requests that call this machine by one of these names
            "local_hostnames": ["localhost", *self.trusted_hosts],
            # a proxy may have called us by another name than the visitor called it
            "allow_origin_pat": rf"https?://({'|'.join(map(re.escape, self.trusted_hosts)) or '(?!)'})(:\d+)?$",
            "websocket_max_message_size": MESSAGE,
            "headers": {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"},
        }

    def init_handlers(self) -> list:
        """Those of Voila that the page uses. Left out: files beside the notebook, login, and whatever a new Voila brings."""
        self.app.listen = partial(self.app.listen, max_body_size=BODY)
        kept = [(self.base_url.rstrip("/"), RedirectHandler, {"url": self.base_url})]
        for pattern, handler, *words in super().init_handlers():
            if handler is KernelHandler or pattern.endswith(SERVED):
                kept.append((pattern, handler, *words))
            elif pattern.endswith("/voila/templates/(.*)"):
                kept.append((pattern.replace("(.*)", r"(lab/static/[\w.-]+)"), handler, *words))
            elif pattern.endswith("/voila/labextensions/(.*)"):
                kept.append((pattern.replace("(.*)", f"((?:{'|'.join(WIDGETS)})/.*)"), handler, *words))
            elif handler is TornadoVoilaHandler:
                kept.append((pattern, Page, *words))
        return kept

    def listen(self):
        # The folder of the kernels' connections goes when this process ends, whatever ended it: another one waits for that.
        program = "import shutil, sys; sys.stdin.read(); shutil.rmtree(sys.argv[1], ignore_errors=True)"
        words = [sys.executable, "-I", "-c", program, self.connection_dir]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        with subprocess.Popen(words, stdin=subprocess.PIPE, **quiet):
            super().listen()

    def launch_browser(self):
        threading.Thread(target=webbrowser.open, args=(self.display_url,), daemon=True).start()


def room_for_sockets(folder: str) -> str:
    """The folder, or /tmp if sockets under it would have names longer than systems take: 103 bytes, of which Jupyter uses 65."""
    return folder if os.name != "posix" or len(os.fsencode(folder)) <= 103 - 65 else "/tmp"  # noqa: S108


def configuration(port: int, address: str, visitors: int, browser: bool, base: str, hosts: Sequence[str]) -> Config:
    """What Voila is told."""
    server = {"ip": address, "port": port, "port_retries": 0, "open_browser": browser, "log_level": "ERROR"}
    server |= {"connection_dir_root": room_for_sockets(tempfile.gettempdir())}
    server |= {"base_url": base, "trusted_hosts": [host.lower() for host in hosts]}
    page = {
        "allow_template_override": "NO",
        "allow_theme_override": "NO",
        "extension_allowlist": WIDGETS,
        "extension_denylist": [],
        "file_allowlist": [],
        "multi_kernel_manager_class": Kernels,
        "kernel_spec_manager_class": ThisPython,
    }
    culling = {"cull_idle_timeout": IDLE, "cull_interval": 60, "cull_connected": False}
    return Config(
        Server=server | {"notebook_path": str(HERE / "page.ipynb")},
        VoilaConfiguration=page,
        Kernels=culling | {"most": visitors},
        KernelRestarter={"restart_limit": 0},  # a kernel that starts again knows nothing of its page
        KernelManager={"transport": "ipc" if os.name == "posix" else "tcp"},  # not to be overheard by others here
    )


def app(
    port: int = 8866,
    address: str = LOCAL,
    visitors: int = VISITORS,
    browser: bool | None = None,
    base: str = "/",
    hosts: Sequence[str] = (),
) -> int:
    """Serve the explorer as a web page until it is interrupted; returns the exit code.

    Parameters
    ----------
    port : of the address; 0 takes one that is free.
    address : where to listen; only programs of this machine reach the default.
    visitors : at the same time; a further one is asked to wait.
    browser : open one; None opens it where it would be seen.
    base : path under which the page stands, where a proxy serves other things beside it.
    hosts : names by which visitors call the proxy in front of the page.

    Raises
    ------
    MrntkError
        If the address, the port, the path or a name cannot be used, or there is no place for a visitor.
    """
    if visitors < 1:
        raise MrntkError(f"--visitors {visitors}: give at least 1.")
    base = f"/{base.strip('/')}/".replace("//", "/")
    if not re.fullmatch(r"[\w./~-]+", base, re.ASCII):
        raise MrntkError(f"--base {base}: give a path of letters, digits and the signs . _ ~ - such as /explorer/.")
    for host in hosts:
        if not re.fullmatch(r"[\w.-]+", host, re.ASCII):
            raise MrntkError(f"--trusted-host {host}: give a name alone, such as www.example.org.")
    port = usable_port(port, address)
    browser = can_show_browser() if browser is None else browser
    if address not in (LOCAL, "localhost", "::1"):
        print(
            f"Warning: everyone who reaches {address} can use this page, unencrypted and without a password, and takes "
            "processor time and memory of this machine.",
            flush=True,
        )
    where = f"http://{address if ':' not in address else f'[{address}]'}:{port}{base}"
    print(f"The explorer is at {where}. Stop it with Ctrl-C.", flush=True)
    if not browser:
        print(
            f"From another machine, first: ssh -L {port}:localhost:{port} USER@THIS-MACHINE, then open the address there.",
            flush=True,
        )
    logging.getLogger("tornado").setLevel(logging.ERROR)  # not a line for every visitor
    server = Server(config=configuration(port, address, visitors, browser, base, hosts))
    server.initialize(argv=[])
    server.start()
    return 0

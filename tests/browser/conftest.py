"""A real Chromium, and notebooks served as web pages to it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# One thing after the other on two cores, and no reader's own settings of Jupyter.
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JUPYTER_NO_CONFIG": "1"}


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants that live."""
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def serving(command: list, port: int, log: Path, **environment: str) -> Iterator[subprocess.Popen]:
    """Run a server until the block ends, with the first answer before it begins; then end it with all its kernels.

    Raises
    ------
    AssertionError
        If it ends, or does not answer within a minute; the message is its log.
    """
    with open(log, "w") as sink:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=sink, stderr=subprocess.STDOUT, start_new_session=True,
            env=os.environ | QUIET | environment,
        )  # fmt: skip
    try:
        for _ in range(240):
            assert process.poll() is None, log.read_text()
            try:
                # a file that Voila always serves: the page itself would start a kernel
                urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/voila.js", timeout=10).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.25)
        else:
            raise AssertionError(log.read_text())
        yield process
    finally:
        members = family(process.pid)
        process.send_signal(signal.SIGINT)
        psutil.wait_procs(members, timeout=10)
        for member in members:
            if member.is_running():
                member.kill()
        process.wait()


@contextmanager
def notebook_served(notebook: Path, folder: Path, **environment: str) -> Iterator[str]:
    """Serve a notebook by Voila; yields its address. The log is written to `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "voila", notebook, "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with serving(command, port, folder / "voila.log", **environment):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH; install Chromium to run these tests.")
    return found


# Not for the session: while it lives, its event loop counts as running, and widgets tested without one would wait for it.
@pytest.fixture(scope="module")
def browser(chromium):
    """A headless Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page_at(browser):
    """A function that opens an address in a visitor's own context; `page.mistakes` collects what the console calls errors.

    Further words go to the context, for example viewport={"width": 390, "height": 800}.
    """
    contexts = []

    def opened(address: str, **words):
        context = browser.new_context(**words)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.mistakes, page.requested = [], []
        page.on("console", lambda message: message.type == "error" and page.mistakes.append(message.text))
        page.on("pageerror", lambda error: page.mistakes.append(str(error)))
        page.on("request", lambda request: page.requested.append(request.url))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def page(page_at):
    """An empty page, as `page_at` opens them."""
    return page_at("about:blank")

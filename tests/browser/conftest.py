"""A real Chromium, and pages opened in it; `web_server` serves them."""

import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


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


@contextmanager
def _opening(browser):
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
        page.goto(address, wait_until="commit")  # what the visitor waits for, the test names; several may wait at once
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def page_at(browser):
    """A function that opens an address in a visitor's own context, until the test ends.

    Further words go to the context, for example viewport={"width": 390, "height": 800}. `page.mistakes` collects what the
    console calls errors, `page.requested` the addresses of all requests.
    """
    with _opening(browser) as opened:
        yield opened


@pytest.fixture(scope="module")
def kept_page_at(browser):
    """The same for pages that several tests of a module look at."""
    with _opening(browser) as opened:
        yield opened


@pytest.fixture
def page(page_at):
    """An empty page, as `page_at` opens them."""
    return page_at("about:blank")

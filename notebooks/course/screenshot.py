"""The README's picture of the page: `python -m notebooks.course.screenshot` opens it in a Chromium and takes it again."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_name("explorer.png")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main():
    """Serve the page, choose a guided setting, train it, and write the picture."""
    command = [sys.executable, "-m", "mrntk.__main__", "app", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as server, sync_playwright() as playwright:
        address = re.search(r"http://\S+", server.stdout.readline()).group(0).rstrip(".")
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1024, "height": 640})
        page.goto(address)
        page.get_by_role("button", name="Better source").click()
        page.get_by_role("button", name="Train it").click()
        page.get_by_text("Real training after 100 steps").wait_for(timeout=120_000)
        page.screenshot(path=PICTURE)
        browser.close()
        server.terminate()


if __name__ == "__main__":
    main()

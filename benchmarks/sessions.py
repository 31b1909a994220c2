"""Ten visitors of the web page at once: is each answered rightly, how soon, and what memory does a session take?

    python benchmarks/sessions.py [--sessions N] [--quick]

One server, one headless Chromium, a context of its own for every visitor. All open the page at the same moment, each at another
setting; a visitor is answered when the page shows the sentence that the view model gives in this process for that setting.
Then all change the loss at the same moment. Memory is that of the kernel's process: PSS, which shares out the pages that
processes have in common, where the system counts it, else RSS. At last all close the page, and the memory must come back.
Results: benchmarks/results/sessions.json, and a table in benchmarks/README.md. A wrong answer ends it with exit code 1.
"""

import argparse
import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil
from playwright.async_api import async_playwright

from mrntk.support.provenance import PACKAGES, provenance, versions
from mrntk.widgets.reprogramming import ReprogrammingView, read_setting

FOLDER = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120  # seconds for an answer
SAID = "p[aria-live]"
SETTINGS = [
    f"source={source}&depth={depth}&task={task}&input_map={input_map}"
    for depth, input_map in ((2, "vp"), (3, "fc"), (4, "vp_fc"), (5, "watermark"))
    for source, task in (("trained", "digits"), ("random", "mnist5k"), ("trained", "fashion5k"))
]


def sentence(query: str) -> str:
    """What the page should say of a setting, computed here."""
    view = ReprogrammingView()
    return view.words(view.compute(**asdict(read_setting(query))))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def memory(process: psutil.Process) -> float:
    """Megabytes of a process."""
    found = process.memory_full_info()
    return getattr(found, "pss", found.rss) / 1e6


def is_kernel(process: psutil.Process) -> bool:
    """Whether it is a kernel that lives; one that ends meanwhile is none."""
    try:
        return "ipykernel_launcher" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def kernels(server: psutil.Process) -> list[psutil.Process]:
    return [child for child in server.children(recursive=True) if is_kernel(child)]


async def until(true, what: str):
    """Seconds until something holds."""
    start = time.perf_counter()
    while not await true():
        if time.perf_counter() - start > PATIENCE:
            raise SystemExit(f"{what}: not within {PATIENCE} s.")
        await asyncio.sleep(0.05)
    return time.perf_counter() - start


async def shows(page, said: str, query: str) -> float:
    """Seconds until a page shows a sentence, alone or behind what changed."""

    async def there():
        found = page.locator(SAID)
        return await found.count() > 0 and (await found.inner_text()).endswith(said)

    return await until(there, f"the right answer for {query}")


async def visit(page, address: str, query: str, said: str) -> float:
    """Seconds from opening the page to its right answer."""
    start = time.perf_counter()
    await page.goto(f"{address}?{query}", timeout=1000 * PATIENCE)
    await shows(page, said, query)
    return time.perf_counter() - start


async def change(page, query: str, said: str) -> float:
    """Seconds from another loss to the right answer."""
    start = time.perf_counter()
    await page.get_by_role("combobox", name="loss").select_option("cross-entropy")
    await shows(page, said, f"{query}&loss=ce")
    return time.perf_counter() - start


async def sessions(address: str, server: psutil.Process, queries: list[str]) -> dict:
    """One visit, then all at once; what they took."""
    said, then = [sentence(query) for query in queries], [sentence(f"{query}&loss=ce") for query in queries]
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise SystemExit(f"No browser: none of {', '.join(BROWSERS)} is on the PATH.")
    before = memory(server)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        pages = [await (await browser.new_context()).new_page() for _ in queries]
        alone = await visit(pages[0], address, queries[0], said[0])
        await pages[0].goto("about:blank")

        async def ended():
            return not kernels(server)

        await until(ended, "the end of the first visit")
        first = await asyncio.gather(*map(visit, pages, [address] * len(pages), queries, said))
        shown = [memory(kernel) for kernel in kernels(server)]
        changed = await asyncio.gather(*map(change, pages, queries, then))
        sizes, during = [memory(kernel) for kernel in kernels(server)], memory(server)
        for page in pages:
            await page.close()
        freed = await until(ended, "the end of all visits")
        version = browser.version
        await browser.close()
    rows = [
        {"setting": query, "first_s": round(one, 3), "change_s": round(two, 3)}
        for query, one, two in zip(queries, first, changed, strict=True)
    ]
    return {
        "chromium": version, "sessions": rows, "alone_s": round(alone, 3),
        "kernel_mb": [round(size, 1) for size in sorted(sizes)], "kernel_first_mb": [round(one, 1) for one in sorted(shown)],
        "server_mb": {"before": round(before, 1), "during": round(during, 1), "after": round(memory(server), 1)},
        "memory": "PSS" if hasattr(server.memory_full_info(), "pss") else "RSS", "freed_after_s": round(freed, 3),
    }  # fmt: skip


def summary(record: dict) -> str:
    """The results in Markdown."""
    rows, origin = record["sessions"], record["provenance"]
    first, changed = ([row[part] for row in rows] for part in ("first_s", "change_s"))
    sizes, server = record["kernel_mb"], record["server_mb"]
    lines = [
        f"{len(rows)} sessions, {origin['processor']}, {origin['cores']} cores:",
        "",
        "| | median | worst |",
        "|---|---|---|",
        f"| seconds to the first right answer, all at once | {np.median(first):.1f} | {max(first):.1f} |",
        f"| seconds to the right answer after a change, all at once | {np.median(changed):.2f} | {max(changed):.2f} |",
        f"| MB of a session's kernel ({record['memory']}) | {np.median(sizes):.0f} | {max(sizes):.0f} |",
        "",
        f"A visitor alone waits {record['alone_s']:.1f} s. The server takes {server['before']:.0f} MB before, "
        f"{server['during']:.0f} MB during and {server['after']:.0f} MB after; {record['freed_after_s']:.1f} s after the last "
        "page was closed, all kernels and their memory were gone.",
    ]
    return "\n".join(lines)


def write_table(record: dict):
    """The table in the README."""
    begin, end = "<!-- sessions -->", "<!-- end of sessions -->"
    readme = FOLDER / "README.md"
    block = f"{begin}\n{summary(record)}\n{end}"
    readme.write_text(
        re.sub(f"{begin}.*{end}", lambda _: block, readme.read_text(encoding="utf-8"), flags=re.S), encoding="utf-8"
    )


def main():
    """Serve, visit, print, and write the results."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--sessions", type=int, default=10, choices=range(1, len(SETTINGS) + 1), metavar="N")
    command.add_argument("--quick", action="store_true", help="two sessions, nothing is written")
    words = command.parse_args()
    queries = SETTINGS[: 2 if words.quick else words.sessions]
    origin = provenance() | {"versions": versions((*PACKAGES, "voila", "ipywidgets", "ipykernel", "playwright"))}
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "mrntk.__main__", "app", "--no-browser", "--port", str(port)])
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(10 * PATIENCE):
            try:
                urllib.request.urlopen(f"{address}voila/static/voila.js").close()
                break
            except OSError:
                time.sleep(0.1)
        found = asyncio.run(sessions(address, psutil.Process(process.pid), queries))
    finally:
        process.terminate()
        process.wait()
    record = {"provenance": origin} | found
    print(summary(record))
    if not words.quick:
        (FOLDER / "results" / "sessions.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        write_table(record)


if __name__ == "__main__":
    main()

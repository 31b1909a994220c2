"""Many visitors of the web page at once: how soon is each answered, is the answer right, and what memory does it take in all?

    python benchmarks/sessions.py [--quick]
    python benchmarks/sessions.py --soak MINUTES

The seconds are the server's, taken by light clients that speak the page's protocol: 1, 10 and 30 visitors open the page at the
same moment, each at another setting; then all drag a slider for five seconds, twenty changes a second, with one question on its
way at a time and then the newest, as the page does. A change counts as answered when the answer to it or to a later one is there.
Real browsers, 1, 4 and 10 of them on the same cores, stand beside. Memory is that of the server and all its processes: PSS, which
shares out the pages that they have in common. A wrong answer ends it with exit code 1.

The soak lets visitors come, drag, train, hang up in the midst and leave for so long, and looks at memory and at who still waits.

Results: benchmarks/results/sessions.json and sessions-soak.json, and tables in benchmarks/README.md.
"""

import argparse
import asyncio
import json
import math
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psutil
from playwright.async_api import async_playwright

from mrntk.support.provenance import PACKAGES, provenance, versions
from mrntk.widgets.reprogramming import read_setting
from mrntk.widgets.reprogramming.analysis import analyse
from mrntk.widgets.reprogramming.words import finding, headline

FOLDER = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120  # seconds for an answer
VISITORS, WITH_BROWSERS = (1, 10, 30), (1, 4, 10)
DRAG, PAUSE = 5.0, 0.05  # seconds of dragging, and between two changes
DRAGGED = {"frame": (0.05, 0.45, 0.05), "fraction": (0.05, 1.2, 0.05), "examples": (10, 30, 1)}  # low, high, step


def visitor_setting(number: int) -> str:
    """Another setting for every visitor, and none that the server knows beforehand."""
    source = ("trained", "random")[number % 2]
    task = ("digits", "mnist5k", "fashion5k")[number % 3]
    return f"source={source}&depth={2 + number % 5}&task={task}&input_map={('vp', 'fc')[number % 4 == 3]}&seed={1 + number % 9}"


def sentences(query: str) -> list[str]:
    """What the page should say of a setting, computed here."""
    found = analyse(read_setting(query))
    return [headline(found), finding(found)]


# The server.


@contextmanager
def served():
    """(address, process) of a server of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "mrntk.__main__", "app", "--no-browser", "--port", str(port)])
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(10 * PATIENCE):
            with suppress(OSError):
                urllib.request.urlopen(address).close()
                break
            time.sleep(0.1)
        time.sleep(5)  # the guided settings are computed meanwhile
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def memory(server: psutil.Process) -> float:
    """Megabytes of the server and all its processes."""
    total = 0.0
    for process in (server, *server.children(recursive=True)):
        with suppress(psutil.Error):
            found = process.memory_full_info()
            total += getattr(found, "pss", found.rss) / 1e6
    return round(total, 1)


# Light clients.


async def request(port: int, path: str, until=None) -> str:
    """The text of an answer; with `until`, the connection is closed once that is in it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        text = b""
        while part := await reader.read(2**16):
            text += part
            if until and until in text:
                break
        return text.decode()
    finally:
        writer.close()


def messages(text: str) -> dict:
    """The messages of an answer by their kinds; of several of one kind, the last."""
    found = {}
    for line in text.split("\r\n"):
        if line.startswith("{"):
            found |= json.loads(line)
    return found


async def question(port: int, query: str) -> dict:
    """The answer to a setting."""
    found = messages(await request(port, f"/answer?setting={quote(query, safe='')}"))
    if "answer" not in found:
        raise SystemExit(f"{query}: {found}")
    return found["answer"]


async def opens(port: int, query: str) -> float:
    """Seconds from opening the page to the first answer, which is in it or comes with the first question."""
    start = time.perf_counter()
    page = await request(port, f"/?{query}")
    if '"answer": null' in page:
        await question(port, query)
    return time.perf_counter() - start


async def drags(port: int, query: str, name: str, seconds: float = DRAG) -> tuple[list[float], dict]:
    """(seconds from each change to its answer or to that of a later one, the last answer)."""
    low, high, step = DRAGGED[name]
    asked, waits, start = [], [], time.perf_counter()
    wanted = None

    async def hand():
        nonlocal wanted
        for i in range(int(seconds / PAUSE)):
            place = low + (high - low) * (0.5 + 0.4 * math.sin(i / 6))
            value = f"{low + round((place - low) / step) * step:.6g}"
            if wanted is None or not wanted.endswith(f"{name}={value}"):
                wanted = f"{query}&{name}={value}"
                asked.append((wanted, time.perf_counter()))
            await asyncio.sleep(max(0, start + (i + 1) * PAUSE - time.perf_counter()))

    moving, answer, done = asyncio.create_task(hand()), None, None
    while not (moving.done() and done == wanted):
        if wanted is None or done == wanted:
            await asyncio.sleep(0.005)
            continue
        now = wanted
        known = [when for setting, when in asked[len(waits) :]]
        answer, done = await question(port, now), now
        waits += [time.perf_counter() - when for when in known]
    await moving
    return waits, answer


def checked(answer: dict, query: str, right: list[str]):
    if [answer["headline"], answer["finding"]] != right:
        raise SystemExit(f"wrong answer for {query}: {answer['headline']}")


async def visits(port: int, server: psutil.Process, many: int) -> dict:
    """So many visitors at once."""
    queries = [visitor_setting(i) for i in range(many)]
    names = [
        list(DRAGGED)[i % len(DRAGGED)] if "input_map=vp" in query else "fraction" for i, query in enumerate(queries)
    ]
    before = memory(server)
    first = await asyncio.gather(*(opens(port, query) for query in queries))
    dragged = await asyncio.gather(*(drags(port, query, name) for query, name in zip(queries, names, strict=True)))
    during = memory(server)
    for query, (_, answer) in zip(queries, dragged, strict=True):
        asked = answer["query"]
        missing = (
            set(query.split("&")) - set(asked.split("&")) - {"source=trained", "task=digits", "input_map=vp", "depth=3"}
        )
        if missing:
            raise SystemExit(f"{query} was answered as {asked}")
        checked(answer, asked, sentences(asked))
    waits = np.concatenate([waits for waits, _ in dragged])
    return {
        "visitors": many, "first_s": [round(one, 3) for one in first], "changes": len(waits),
        "change_median_s": round(float(np.median(waits)), 3), "change_95_s": round(float(np.quantile(waits, 0.95)), 3),
        "change_worst_s": round(float(waits.max()), 3), "memory_before_mb": before, "memory_mb": during,
    }  # fmt: skip


# Real browsers.


async def shows(page, said: str) -> None:
    await page.wait_for_function(
        "said => document.getElementById('headline')?.textContent === said && document.querySelector('#curve polyline')",
        arg=said, timeout=1000 * PATIENCE,
    )  # fmt: skip


async def looks(page, port: int, query: str, said: str) -> float:
    start = time.perf_counter()
    await page.goto(f"http://127.0.0.1:{port}/?{query}", timeout=1000 * PATIENCE)
    await shows(page, said)
    return time.perf_counter() - start


async def turns(page, said: str) -> float:
    """Seconds from another seed, chosen as by keys, to its answer."""
    start = time.perf_counter()
    await page.evaluate(
        "() => { const one = document.getElementById('control-seed'); one.value = 0; one.dispatchEvent(new Event('input')); }"
    )
    await shows(page, said)
    return time.perf_counter() - start


async def in_browsers(port: int, many: int) -> dict:
    """So many pages of a real browser at once, each in a context of its own."""
    queries = [visitor_setting(i) for i in range(many)]
    said = [sentences(query)[0] for query in queries]
    then = [sentences(re.sub(r"seed=\d", "seed=0", query))[0] for query in queries]
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit(f"No browser: none of {', '.join(BROWSERS)} is on the PATH.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        pages = [await (await browser.new_context()).new_page() for _ in queries]
        first = await asyncio.gather(
            *(looks(page, port, *words) for page, *words in zip(pages, queries, said, strict=True))
        )
        changed = await asyncio.gather(*(turns(page, one) for page, one in zip(pages, then, strict=True)))
        version = browser.version
        await browser.close()
    return {
        "browsers": many, "chromium": version, "first_s": [round(one, 3) for one in first],
        "change_s": [round(one, 3) for one in changed],
    }  # fmt: skip


# Twenty minutes of coming and going.


async def comes_and_goes(port: int, rng: random.Random, end: float, seen: dict):
    """One visitor after the other in the same place: opens, drags, trains, hangs up."""
    while time.perf_counter() < end:
        query = visitor_setting(rng.randrange(1000)) + f"&examples={rng.randrange(8, 30)}"
        seen["visits"] += 1
        await opens(port, query)
        waits, answer = await drags(port, query, "fraction", seconds=rng.uniform(0.5, 3))
        seen["waits"] += waits
        if sorted(answer["query"].split("&")) == sorted(read_setting(answer["query"]).query().split("&")):
            seen["answers"].append(answer)
        kind = rng.random()
        if kind < 0.3:
            start = time.perf_counter()
            found = messages(await request(port, f"/train?setting={quote(query, safe='')}"))
            if "done" not in found:
                raise SystemExit(f"a training was not done: {list(found)}")
            seen["trainings"].append(time.perf_counter() - start)
        elif kind < 0.6:  # hangs up in the midst of a training, as a browser that is killed
            heavy = f"source=crepe-tiny&task=gunpoint&seed={rng.randrange(10)}"
            with suppress(TimeoutError):
                await asyncio.wait_for(request(port, f"/train?setting={quote(heavy, safe='')}"), rng.uniform(0.05, 3))
            seen["hung_up"] += 1
        await asyncio.sleep(rng.uniform(0, 2))


async def soak(port: int, server: psutil.Process, minutes: float) -> dict:
    """Ten places in which visitors come and go."""
    seen = {"visits": 0, "hung_up": 0, "waits": [], "trainings": [], "answers": []}
    rng, end, sizes = random.Random(0), time.perf_counter() + 60 * minutes, [memory(server)]
    coming = [asyncio.create_task(comes_and_goes(port, random.Random(rng.random()), end, seen)) for _ in range(10)]
    while not all(one.done() for one in coming):
        await asyncio.sleep(min(20, 60 * minutes / 5))
        sizes.append(memory(server))
        if time.perf_counter() > end + PATIENCE:
            raise SystemExit("somebody still waits after the end")
    await asyncio.gather(*coming)
    for answer in rng.sample(seen["answers"], min(40, len(seen["answers"]))):
        checked(answer, answer["query"], sentences(answer["query"]))
    await asyncio.sleep(5)
    start = time.perf_counter()
    await question(port, "source=random&depth=1&examples=4&seed=9")
    return {
        "minutes": minutes, "visits": seen["visits"], "hung_up": seen["hung_up"], "changes": len(seen["waits"]),
        "change_95_s": round(float(np.quantile(seen["waits"], 0.95)), 3), "trainings": len(seen["trainings"]),
        "training_worst_s": round(max(seen["trainings"], default=0), 1), "checked": min(40, len(seen["answers"])),
        "memory_mb": sizes, "memory_after_mb": memory(server), "answer_after_s": round(time.perf_counter() - start, 3),
        "processes_after": 1 + len(server.children(recursive=True)),
    }  # fmt: skip


# Writing it down.


def summary(record: dict) -> str:
    """The results in Markdown, beside those of the page before it."""
    origin, before = record["provenance"], record["before"]
    lines = [
        f"{origin['processor']}, {origin['cores']} cores; light clients, and in brackets what the page took before (a kernel per "
        f"visitor, real browsers; {before['processor']}):",
        "",
        "| visitors at once | first picture, median | worst | answer to a change, median | 95 % | memory in all |",
        "|---|---|---|---|---|---|",
    ]
    for row in record["light"]:
        old = before if row["visitors"] == before["visitors"] else None
        first, change, size = (f" ({old[name]})" if old else "" for name in ("first", "change", "memory"))
        lines.append(
            f"| {row['visitors']} | {np.median(row['first_s']):.2f} s{first} | {max(row['first_s']):.2f} s | "
            f"{row['change_median_s']:.2f} s{change} | {row['change_95_s']:.2f} s | {row['memory_mb']:.0f} MB{size} |"
        )
    lines += [
        "",
        "| real browsers at once, on the same cores | first picture, median | worst | answer, median | worst |",
        "|---|---|---|---|---|",
    ]
    for row in record["browsers"]:
        lines.append(
            f"| {row['browsers']} | {np.median(row['first_s']):.2f} s | {max(row['first_s']):.2f} s | "
            f"{np.median(row['change_s']):.2f} s | {max(row['change_s']):.2f} s |"
        )
    return "\n".join(lines)


def soak_summary(record: dict) -> str:
    sizes = record["memory_mb"]
    return (
        f"{record['minutes']:g} minutes, ten visitors at a time ({record['provenance']['processor']}, "
        f"{record['provenance']['cores']} cores): {record['visits']} visits, {record['changes']:,} changes (95 % answered within "
        f"{record['change_95_s']:.2f} s), {record['trainings']} trainings (the longest {record['training_worst_s']:.0f} s with "
        f"its wait in the queue), {record['hung_up']} visitors that hung up in the midst. {record['checked']} answers were "
        f"computed again elsewhere; none was wrong. Memory in all: {sizes[0]:.0f} MB at first, {max(sizes):.0f} MB at most, "
        f"{record['memory_after_mb']:.0f} MB at the end, in {record['processes_after']} processes; a further question was then "
        f"answered in {record['answer_after_s']:.2f} s."
    )


def write(part: str, text: str):
    """A part of the README, between its two marks."""
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    readme = FOLDER / "README.md"
    block = f"{begin}\n{text}\n{end}"
    readme.write_text(
        re.sub(f"{begin}.*{end}", lambda _: block, readme.read_text(encoding="utf-8"), flags=re.S), encoding="utf-8"
    )


def main():
    """Serve, visit, print, and write the results."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--quick", action="store_true", help="two visitors, one browser, nothing is written")
    command.add_argument("--soak", type=float, metavar="MINUTES")
    words = command.parse_args()
    record = {"provenance": provenance() | {"versions": versions((*PACKAGES, "tornado", "playwright"))}}
    if words.soak:
        with served() as (port, server):
            record |= asyncio.run(soak(port, server, words.soak))
        print(soak_summary(record))
        path, part, text = FOLDER / "results" / "sessions-soak.json", "soak", soak_summary(record)
    else:
        path = FOLDER / "results" / "sessions.json"
        record["before"] = json.loads(path.read_text(encoding="utf-8"))["before"]
        light, browsers = ((2,), (1,)) if words.quick else (VISITORS, WITH_BROWSERS)
        for name, sizes in (("light", light), ("browsers", browsers)):
            record[name] = []
            for many in sizes:
                with served() as (port, server):
                    found = visits(port, server, many) if name == "light" else in_browsers(port, many)
                    record[name].append(asyncio.run(found))
                    print(record[name][-1], flush=True)
        part, text = "sessions", summary(record)
        print(text)
    if not words.quick:
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        write(part, text)


if __name__ == "__main__":
    main()

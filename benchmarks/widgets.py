"""How long the widgets take from a changed control to new data, and to the new picture.

    python benchmarks/widgets.py [VIEW ...] [--quick]

Every view model of the package is taken on a random walk: 60 changes of one control at a time, the same in every run, each to
any other of the control's values, which is harder than dragging. A change to a setting that the view refuses in words is taken
back. Each view has a process of its own, so nothing is there before; what a view trains, loads or compiles on first use is
listed in `FIRST`, and such changes are counted apart. Where there are any, the walk is taken twice, so that settings come back.

The limits: median and 95th percentile of the time to new data are at most 150 ms for every toy and cached change, the face's
pause included; the first answer for a pretrained source takes at most 10 s. Results go to benchmarks/results/widgets.json,
and the table in benchmarks/README.md is written from them.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mrntk import MrntkError
from mrntk.support.provenance import provenance
from mrntk.widgets import Choice, Toggle, ViewModel
from mrntk.widgets.explorer import PAUSE, one_thread, picture_of
from notebooks.widgets import view_models

FOLDER = Path(__file__).resolve().parent
CHANGES = 60
DATA_LIMIT, FIRST_LIMIT = 0.15, 10  # seconds


# Of a view: what the first use costs, and what of the values decides whether it is the first. Opening is a first use always.
FIRST: dict[str, tuple[str, Callable[[dict], tuple]]] = {
    "CapacityView": ("trains a source for each depth", lambda values: (values["source"], values["depth"])),
    "LearningCurveView": ("trains a source for each depth", lambda values: (values["depth"],)),
    "ReprogrammingView": (
        "trains a source for each depth, task and seed",
        lambda values: tuple(values[name] for name in ("source", "depth", "task", "seed")),
    ),
}
WITHIN = {"ReprogrammingView": {"source": ("random", "trained")}}  # what a walk keeps to; the rest stands in PRETRAINED
PRETRAINED = {  # a view: settings whose first answer loads and compiles a real network
    "SeriesView": [{}],
    "ReprogrammingView": [
        {"source": "efficientnet-lite0"},
        {"source": "efficientnet-lite1"},
        {"source": "efficientnet-lite2"},
        {"source": "crepe-tiny", "task": "gunpoint"},
    ],
}


def allowed(control, only: tuple | None = None) -> list:
    """The values that a control can have, as its face would give them."""
    if only is not None:
        return list(only)
    if isinstance(control, Choice):
        return control.values
    if isinstance(control, Toggle):
        return [False, True]
    steps = int(round((control.high - control.low) / control.step))
    places = [control.low + number * control.step for number in range(steps + 1)]
    if control.log:
        return [10.0**place for place in places]
    return [place if isinstance(place, int) else round(place, 6) for place in places]


def walk(view: ViewModel, count: int, seed: int = 0):
    """Changes: (name of the control, values after it). `send(False)` takes the last one back."""
    rng, values, only = np.random.default_rng(seed), view.values(), WITHIN.get(type(view).__name__, {})
    for _ in range(count):
        name = str(rng.choice(list(view.controls)))
        others = [one for one in allowed(view.controls[name], only.get(name)) if one != values[name]]
        after = values | {name: others[rng.integers(len(others))]}
        kept = yield name, after
        values = after if kept else values


def answered(view: ViewModel, values: dict) -> dict:
    """Seconds to the data and to the picture of these values; without the latter where the view refuses them."""
    with one_thread():  # as in the face
        start = time.perf_counter()
        try:
            data = view.compute(**values)
        except MrntkError:
            return {"data": time.perf_counter() - start}
        computed = time.perf_counter() - start
        picture_of(view, data)
        return {"data": computed, "picture": time.perf_counter() - start}


def walked(view: ViewModel, count: int, known: set) -> list[dict]:
    """A walk, timed, each change with whether it is a first use; adds to `known`."""
    key, rows = FIRST.get(type(view).__name__, ("", lambda values: ()))[1], []
    changes = walk(view, count)
    step = next(changes)
    while step is not None:
        name, values = step
        row = {"control": name, "first": key(values) not in known} | answered(view, values)
        known.add(key(values))
        rows.append(row)
        try:
            step = changes.send("picture" in row)
        except StopIteration:
            step = None
    return rows


def measured(name: str, count: int) -> dict:
    """All of one view, in this process."""
    view = view_models()[name]()
    opening, known = answered(view, view.values()), set()
    known.add(FIRST[name][1](view.values()) if name in FIRST else ())
    rows = walked(view, count, known)
    if name in FIRST:
        rows += walked(view, count, known)
    found = {"opening": opening, "changes": rows, "pretrained": []}
    for changes in PRETRAINED.get(name, []):
        seconds = answered(view, view.values(**changes)) if changes else opening
        found["pretrained"].append({"changes": changes} | seconds)
    return found


def in_its_own_process(name: str, count: int) -> dict:
    """What is compiled and cached belongs to a process."""
    command = [sys.executable, __file__, "--one", name, "--changes", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def summary(found: dict) -> dict:
    """Median and 95th percentile in seconds, first uses apart; `data` as a reader waits for it, with the face's pause."""
    rows = [row for row in found["changes"] if "picture" in row]
    cached, first = ([row for row in rows if row["first"] is kind] for kind in (False, True))
    result = {"cached": len(cached), "first": len(first), "refused": len(found["changes"]) - len(rows)}
    for kind in ("data", "picture"):
        seconds = PAUSE + np.array([row[kind] for row in cached])
        result[kind] = [float(np.quantile(seconds, share)) for share in (0.5, 0.95)]
    result["slowest_first"] = max(row["data"] for row in [*first, found["opening"]])
    result["pretrained"] = [row["data"] for row in found["pretrained"]]
    return result


def table(results: dict) -> str:
    """The results as Markdown."""
    lines = [
        "| view model | changes | data: median | 95 % | picture: median | 95 % | data within 150 ms | slowest first use |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, record in results.items():
        found = summary(record["result"])
        times = " | ".join(f"{1000 * one:.0f} ms" for one in (*found["data"], *found["picture"]))
        within = "yes" if found["data"][1] <= DATA_LIMIT else "no"
        slowest = f"{found['slowest_first']:.2g} s" + (f" ({found['first']} more)" if found["first"] else "")
        lines.append(f"| {name} | {found['cached']} | {times} | {within} | {slowest} |")
    lines += ["", "First uses: opening in every view; besides,", ""]
    lines += [f"- {name} {FIRST[name][0]}." for name in results if name in FIRST]
    lines += ["", f"First answers of pretrained sources (limit {FIRST_LIMIT} s):", ""]
    for name, record in results.items():
        for row in record["result"]["pretrained"]:
            what = ", ".join(map(str, row["changes"].values())) or "as it opens"
            lines.append(f"- {name}, {what}: {row['data']:.2g} s.")
    return "\n".join(lines)


def write_table(results: dict):
    """The table in the README, with the machine."""
    origin = next(iter(results.values()))["provenance"]
    begin, end = "<!-- widgets -->", "<!-- end of widgets -->"
    block = f"{begin}\n### {origin['processor']}, {origin['cores']} cores\n\n{table(results)}\n{end}"
    readme = FOLDER / "README.md"
    readme.write_text(
        re.sub(f"{begin}.*{end}", lambda _: block, readme.read_text(encoding="utf-8"), flags=re.S), encoding="utf-8"
    )


def main():
    """Measure some views or all, print, and write the results."""
    names = list(view_models())
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("views", nargs="*", metavar="VIEW", help=f"which of {', '.join(names)} (default: all)")
    command.add_argument("--quick", action="store_true", help="a walk of six changes, nothing is written")
    command.add_argument("--one", help=argparse.SUPPRESS)
    command.add_argument("--changes", type=int, default=CHANGES, help=argparse.SUPPRESS)
    words = command.parse_args()
    if words.one:
        print(json.dumps(measured(words.one, words.changes)))
        return
    path, origin = FOLDER / "results" / "widgets.json", provenance()
    there = json.loads(path.read_text(encoding="utf-8")) if words.views and path.exists() and not words.quick else {}
    for name in words.views or names:
        there[name] = {"result": in_its_own_process(name, 6 if words.quick else CHANGES), "provenance": origin}
        print(name, summary(there[name]["result"]), flush=True)
        if not words.quick:  # what is finished is kept
            path.write_text(json.dumps(there, indent=1) + "\n", encoding="utf-8")
    there = dict(sorted(there.items()))
    print(table(there))
    if not words.quick:
        path.write_text(json.dumps(there, indent=1) + "\n", encoding="utf-8")
        write_table(there)


if __name__ == "__main__":
    main()

"""What the first kernel costs and what the next ones cost: another frame, another input map, another N, another process.

    python benchmarks/compile.py [--quick]

A kernel's time is dominated by compiling the source when it is asked for the first time. The source is compiled once per shape,
whatever stands in front of it and behind it, and a process that keeps its compiled programs spares the next one most of it. Each
row is one call of `empirical_ntk` in a fresh process, with an empty cache of compiled programs or with that of the process before
it; the numbers are medians over several such processes. Results go to benchmarks/results/compile-DEVICE.json, and the table in
benchmarks/README.md is written from them.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SOURCES = {"EfficientNet-Lite0 at 64 px": "efficientnet-lite0", "DNN, 3 layers of 64": "dnn"}
PER_CLASS, MORE = 1, 2  # digits per class: of all rows, and of the row "another N"


def calls(name: str):
    """(row, call) for every row, in the order in which they are made in one process."""
    import jax

    from mrntk import (
        DNN,
        FullyConnected,
        Reprogram,
        VisualPrompt,
        empirical_ntk,
        load_source,
        load_task,
        random_mapping,
    )

    key, task = jax.random.key(0), load_task("digits")
    if name == "dnn":
        source = DNN((1, 28, 28), 10, depth=3, width=64, key=key)
    else:
        source, task = load_source(name, side=64), task.as_rgb()
    b, shape = random_mapping(key, source.num_outputs, 10), source.input_shape
    few, more = (task.draw(key, per_class=count)[0] for count in (PER_CLASS, MORE))
    frames = [VisualPrompt(shape, (side, side)) for side in (shape[1] * 5 // 7, shape[1] // 2)]
    layer = FullyConnected(task.input_shape, shape, key=key)

    def kernel(input_map, x):
        return lambda: empirical_ntk(Reprogram(input_map, source, b), x)  # a NumPy array: nothing is left running

    yield "first input map", kernel(frames[0], few)
    yield "another frame", kernel(frames[1], few)
    yield "fully connected", kernel(layer, few)
    yield "another N", kernel(frames[0], more)
    yield "the first again", kernel(frames[0], few)


def one_process(name: str) -> dict[str, float]:
    """Seconds of every row, in this process."""
    from mrntk.support.compiled import keep_compiled

    keep_compiled()
    found = {}
    for row, call in calls(name):
        start = time.perf_counter()
        call()
        found[row] = time.perf_counter() - start
    return found


def measured(name: str, cache: str) -> dict[str, float]:
    """The same in a fresh process with that cache folder."""
    command = [sys.executable, __file__, "--one", name]
    done = subprocess.run(
        command, env=os.environ | {"MRNTK_CACHE": cache}, capture_output=True, encoding="utf-8", check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def pairs(name: str, repeats: int) -> list[dict]:
    """One row per call: medians over pairs of processes, the first of each with an empty cache."""
    first, second = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            first.append(measured(name, cache))
            second.append(measured(name, cache))
    return [
        {
            "row": row,
            "seconds": statistics.median(one[row] for one in first),
            "next_process": statistics.median(one[row] for one in second),
        }
        for row in first[0]
    ]


def table(results: dict) -> str:
    """The rows as Markdown, with how many times faster than the first input map each is."""
    lines = [
        f"### {results['provenance']['processor']}, {results['provenance']['cores']} cores, {results['device']}",
        "",
    ]
    lines += ["| source | kernel | first process | faster than the first | next process | faster than in the first |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, rows in results["sources"].items():
        start = rows[0]["seconds"]
        for row in rows:
            lines.append(
                f"| {name} | {row['row']} | {row['seconds']:.2g} s | {start / row['seconds']:.3g} | "
                f"{row['next_process']:.2g} s | {row['seconds'] / row['next_process']:.2g} |"
            )
    return "\n".join(lines)


def main():
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--quick", action="store_true", help="the small source alone, once; nothing is written")
    command.add_argument("--one", help=argparse.SUPPRESS)
    arguments = command.parse_args()
    if arguments.one:
        print(json.dumps(one_process(arguments.one)))
        return
    import jax

    from mrntk.support.provenance import provenance

    names = {label: name for label, name in SOURCES.items() if name == "dnn" or not arguments.quick}
    found = {label: pairs(name, 1 if arguments.quick else 3) for label, name in names.items()}
    results = {"device": jax.default_backend(), "provenance": provenance(), "sources": found}
    print(table(results))
    if arguments.quick:
        return
    path = FOLDER / "results" / f"compile-{results['device']}.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    readme = FOLDER / "README.md"
    block = f"<!-- compile -->\n{table(results)}\n<!-- end of compile -->"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(
        re.sub("<!-- compile -->.*<!-- end of compile -->", lambda _: block, text, flags=re.S), encoding="utf-8"
    )


if __name__ == "__main__":
    main()

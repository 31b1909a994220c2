"""The exact NTK of a reprogrammed CNN, beside neural-tangents' two working implementations, in one run.

    python benchmarks/ntk.py [PART ...] [--quick]

Everything is float64 and compiled before it is timed; times are medians of repeated calls that end in block_until_ready (ours
returns NumPy arrays, so nothing is left running). Results go to benchmarks/results/ntk-DEVICE.json and the table in
benchmarks/README.md is written from them.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import psutil

from mrntk import CNN, FullyConnected, Reprogram, SeededFullyConnected, VisualPrompt, empirical_ntk
from mrntk.ntk.compat import neural_tangents
from mrntk.ntk.empirical import estimated_bytes
from mrntk.support.precision import double
from mrntk.support.provenance import provenance

FOLDER = Path(__file__).resolve().parent
GIVE_UP = 120  # seconds: an implementation whose next N would take longer, as its pairs of images grow, is not tried


def model_of(kind: str, side: int = 32, inner: int = 28) -> Reprogram:
    """A random CNN of four layers with 32 channels on side x side x 3 images, behind an input map of inner x inner x 3."""
    key = jax.random.key(0)
    source = CNN((3, side, side), 10, depth=4, width=32, key=key)
    if kind == "VP":
        return Reprogram(VisualPrompt((3, side, side), (inner, inner)), source)
    return Reprogram(FullyConnected((3, inner, inner), (3, side, side), key=key), source)


def images(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(count, 3, side, side))


def timed(call, repeats: int) -> tuple[float, object]:
    """Median seconds of `repeats` calls after one that compiles; the last result."""
    result, seconds = call(), []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)), result


def theirs(model: Reprogram, x: np.ndarray, implementation: str, batch: int | None = None):
    """A call of neural-tangents' empirical NTK with respect to the same trained arrays, compiled."""
    nt = neural_tangents()
    wide = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, double(model))
    leaves, tree = jax.tree.flatten(wide.theta())

    def outputs(leaves, x):
        return jax.vmap(wide.with_theta(jax.tree.unflatten(tree, leaves)))(x)

    kernel_fn = nt.empirical_ntk_fn(
        outputs, trace_axes=(), vmap_axes=0, implementation=nt.NtkImplementation[implementation]
    )
    kernel_fn = nt.batch(kernel_fn, batch, device_count=0) if batch else jax.jit(kernel_fn)
    x = jnp.asarray(x)
    return lambda: jax.block_until_ready(kernel_fn(x, None, leaves))


def against_neural_tangents(sizes, repeats: int):
    """One row per input map, N and implementation; kernels are compared before times are believed."""
    rows, slow = [], set()
    for kind in ("VP", "FC"):
        model = model_of(kind)
        for n in sizes:
            x = images(n, 28)
            seconds, ours = timed(lambda: empirical_ntk(model, x), repeats)  # noqa: B023
            rows.append({"map": kind, "N": n, "implementation": "mrntk", "seconds": seconds})
            print(rows[-1], flush=True)
            for name in ("JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS"):
                if (kind, name) in slow:
                    continue
                # A Jacobian with respect to 7.2 million weights: refuse what would not fit into this machine's memory.
                bytes_needed = 8 * 10 * n * model.input_map.num_parameters
                if name == "JACOBIAN_CONTRACTION" and bytes_needed > 12e9:
                    rows.append({"map": kind, "N": n, "implementation": name, "needs_gb": bytes_needed / 1e9})
                    continue
                with jax.enable_x64(True):
                    call = theirs(model, x, name)
                    start = time.perf_counter()
                    kernel = call()
                    first = time.perf_counter() - start
                    seconds, kernel = timed(call, repeats if first < 10 else 1)
                if 16 * seconds > GIVE_UP:
                    slow.add((kind, name))
                error = float(np.abs(np.asarray(kernel).transpose(0, 2, 1, 3) - ours).max() / np.abs(ours).max())
                rows.append({"map": kind, "N": n, "implementation": name, "seconds": seconds, "error": error})
                print(rows[-1], flush=True)
    return rows


def capped(quick: bool):
    """VP at 112x112x3, whose Jacobian does not fit under the cap: model, images, cap in bytes."""
    count, cap = (40, 120e6) if quick else (400, 256e6)
    return model_of("VP", side=112, inner=86), images(count, 86), cap


class PeakMemory:
    """Growth of this process's resident memory while the block runs, in `growth` (bytes)."""

    def __enter__(self):
        self.process, self.done = psutil.Process(), threading.Event()
        self.before, self.growth = self.process.memory_info().rss, 0
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.done.wait(0.005):
            self.growth = max(self.growth, self.process.memory_info().rss - self.before)

    def __exit__(self, *failure):
        self.done.set()
        self.thread.join()


def ours_under_the_cap(quick: bool) -> dict:
    """The rows wait in a temporary file, each computed once."""
    model, x, cap = capped(quick)
    empirical_ntk(model, x[:4], block=1)  # compiles
    with PeakMemory() as memory:
        start = time.perf_counter()
        empirical_ntk(model, x, memory_limit=cap)
        seconds = time.perf_counter() - start
    need = estimated_bytes(model, x)
    return {
        "N": len(x), "cap_mb": cap / 1e6, "kernel_mb": need["result"] / 1e6, "rows_mb": need["rows"] / 1e6,
        "seconds": seconds, "peak_growth_mb": memory.growth / 1e6,
    }  # fmt: skip


def theirs_under_the_cap(quick: bool) -> dict:
    """`nt.batch` computes blocks again; two Jacobians of a block fit under the cap, what differentiating takes does not count.

    Two blocks, hence four pairs of blocks, are timed; all pairs take as much longer as there are more of them.
    """
    model, x, cap = capped(quick)
    per_image = 8 * 10 * model.input_map.num_parameters
    room = cap - estimated_bytes(model, x)["result"]
    batch = max(b for b in range(1, len(x) + 1) if len(x) % b == 0 and 2 * b * per_image < room)
    part = x[: 2 * batch]
    ours = empirical_ntk(model, part)
    with jax.enable_x64(True), PeakMemory() as memory:
        call = theirs(model, part, "JACOBIAN_CONTRACTION", batch)
        call()
        start = time.perf_counter()
        kernel = call()
        pair = (time.perf_counter() - start) / (len(part) // batch) ** 2
    error = float(np.abs(np.asarray(kernel).transpose(0, 2, 1, 3) - ours).max() / np.abs(ours).max())
    return {
        "batch": batch, "seconds": pair * (len(x) // batch) ** 2, "measured_on": len(part),
        "peak_growth_mb": memory.growth / 1e6, "error": error,
    }  # fmt: skip


def matrix_product_rate() -> float:
    """The machine's best float64 matrix product, in GFLOP/s, with the library that the Gram matrices use."""
    a = np.random.default_rng(0).normal(size=(2000, 2000))
    return max(2 * 2000**3 / timed(lambda: a @ a, 3)[0] / 1e9 for _ in range(2))


def gram_rate(n: int, m: int) -> dict:
    """The Gram step alone on n * 10 rows of length m: in GFLOP/s; symmetric, so half the work of a full product."""
    rows = np.random.default_rng(0).normal(size=(n * 10, m))
    seconds, _ = timed(lambda: rows @ rows.T, 3)
    return {"rows": n * 10, "length": m, "gflops": (n * 10) ** 2 * m / seconds / 1e9}


def growth(repeats: int):
    """Seconds against N, c and d_S, one at a time."""
    rows = []
    for n, c, side in [(16, 10, 16), (32, 10, 16), (64, 10, 16), (32, 5, 16), (32, 20, 16), (32, 10, 24), (32, 10, 32)]:
        key = jax.random.key(0)
        source = CNN((3, side, side), c, depth=4, width=32, key=key)
        model = Reprogram(FullyConnected((3, 16, 16), (3, side, side), key=key), source)
        x = images(n, 16)
        rows.append({"N": n, "c": c, "d_S": 3 * side**2, "seconds": timed(lambda: empirical_ntk(model, x), repeats)[0]})  # noqa: B023
    return rows


def seeded(side: int, count: int) -> dict:
    """FC from and to side x side x 3, W never stored."""
    shape = (3, side, side)
    layer = SeededFullyConnected(shape, shape, key=jax.random.key(0, impl="rbg"))
    model = Reprogram(layer, CNN(shape, 10, depth=4, width=8, key=jax.random.key(1)))
    start = time.perf_counter()
    empirical_ntk(model, images(count, side))
    return {"side": side, "N": count, "weights": layer.num_parameters, "seconds": time.perf_counter() - start}


def in_its_own_process(part: str, quick: bool):
    """Peak memory belongs to a process, so every part has its own."""
    command = [sys.executable, __file__, "--part", part] + (["--quick"] if quick else [])
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    print(part, done.stdout.strip().splitlines()[-1][:400], flush=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def parts(quick: bool) -> dict:
    """Every part of the benchmark by name."""
    repeats = 1 if quick else 5
    return {
        "comparison": lambda: against_neural_tangents((8,) if quick else (8, 32, 128), repeats),
        "memory_cap": lambda: ours_under_the_cap(quick),
        "their_memory_cap": lambda: theirs_under_the_cap(quick),
        "growth": lambda: growth(repeats),
        "gram": lambda: {"machine_gflops": matrix_product_rate(), **gram_rate(50 if quick else 200, 3072)},
        "seeded_112": lambda: seeded(32 if quick else 112, 8),
        "seeded_224": lambda: seeded(48 if quick else 224, 4),
    }


def table(results: dict) -> str:
    """The results as Markdown."""
    comparison = results["comparison"]
    lines = [
        "| map | N | mrntk | their Jacobian contraction | their NTK-vector products | times faster than their best |"
    ]
    lines.append("|---|---|---|---|---|---|")

    def words(row):
        if row is None:
            return f"over {GIVE_UP} s, not tried"
        if "seconds" not in row:
            return f"needs {row['needs_gb']:.0f} GB"
        return f"{row['seconds']:.3g} s"

    for kind in ("VP", "FC"):
        for n in sorted({row["N"] for row in comparison}):
            found = {row["implementation"]: row for row in comparison if (row["map"], row["N"]) == (kind, n)}
            ours, rest = found.pop("mrntk"), [row["seconds"] for row in found.values() if "seconds" in row]
            ratio = f"{min(rest) / ours['seconds']:.3g}" if rest else "-"
            cells = [words(found.get(name)) for name in ("JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS")]
            lines.append(f"| {kind} | {n} | {ours['seconds']:.3g} s | {cells[0]} | {cells[1]} | {ratio} |")
    cap, other, gram = results["memory_cap"], results["their_memory_cap"], results["gram"]
    lines += [
        "",
        f"Under a memory cap of {cap['cap_mb']:.0f} MB, VP at 112x112x3, {cap['N']} images, whose kernel takes "
        f"{cap['kernel_mb']:.0f} MB and whose rows take {cap['rows_mb']:.0f} MB: {cap['seconds']:.3g} s, peak memory growing by "
        f"{cap['peak_growth_mb']:.0f} MB. `nt.batch` in blocks of {other['batch']} images, two Jacobians of which fit under the "
        f"cap: {other['seconds']:.3g} s (from {other['measured_on']} images, by the number of pairs of blocks), "
        f"{other['seconds'] / cap['seconds']:.2g} times as long, its peak memory growing by {other['peak_growth_mb']:.0f} MB.",
        "",
        f"The Gram step runs at {gram['gflops']:.3g} GFLOP/s, {gram['gflops'] / gram['machine_gflops']:.0%} of the machine's "
        f"measured matrix-product rate of {gram['machine_gflops']:.3g} GFLOP/s (counting the symmetric half once).",
        "",
        "| N | c | d_S | seconds |",
        "|---|---|---|---|",
        *(f"| {row['N']} | {row['c']} | {row['d_S']} | {row['seconds']:.3g} |" for row in results["growth"]),
        "",
        *(
            f"FC from and to {row['side']}x{row['side']}x3 ({row['weights']:.2g} weights, drawn again for each evaluation and "
            f"never stored), {row['N']} images, compilation included: {row['seconds']:.3g} s.\n"
            for row in (results["seeded_112"], results["seeded_224"])
        ),
    ]
    return "\n".join(lines)


def main():
    """Run one part (in a process of its own), some parts or all, and write the results."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("parts", nargs="*", metavar="PART", help=f"which of {', '.join(parts(True))} (default: all)")
    command.add_argument("--quick", action="store_true", help="tiny sizes, nothing is written")
    command.add_argument("--part", help=argparse.SUPPRESS)
    words = command.parse_args()
    if words.part:
        print(json.dumps(parts(words.quick)[words.part]()))
        return
    device = re.sub(r"\W+", "-", jax.devices()[0].device_kind.lower())
    path = FOLDER / "results" / f"ntk-{device}.json"
    results = json.loads(path.read_text(encoding="utf-8")) if words.parts and path.exists() and not words.quick else {}
    origin = provenance()
    for part in words.parts or parts(words.quick):
        results[part] = {"result": in_its_own_process(part, words.quick), "provenance": origin}
        if not words.quick:  # what is finished is kept, whatever happens to the next part
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    found = {part: record["result"] for part, record in results.items()}
    if set(found) == set(parts(True)):
        print(table(found))
    if words.quick:
        return
    readme = FOLDER / "README.md"
    machine = f"{origin['processor']}, {origin['cores']} cores, {device}"
    begin, end = f"<!-- ntk-{device} -->", f"<!-- end of ntk-{device} -->"
    block = f"{begin}\n### {machine}\n\n{table(found)}\n{end}"
    text = readme.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.S)
    readme.write_text(
        pattern.sub(lambda _: block, text) if begin in text else text.rstrip() + "\n\n" + block + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()

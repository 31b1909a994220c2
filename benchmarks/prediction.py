"""How well does the NTK at the start predict real reprogramming, and does the error shrink as the source grows?

    python benchmarks/prediction.py width|side [--quick] [--fresh]

MNIST-5k -> digits, 20 images per class, a DNN source of depth 3 trained with the squared loss, FC and VP. Full-batch gradient
descent, 200 steps at a tenth of the stability limit, in float64. Measured over seeds (source, its training, input map, images):

    error = |predicted loss / real loss - 1| after the last step.

Two series: "width", the source's width, with 28x28 inputs; and "side", the side of the source's inputs (MNIST resized), with
width 1024, because the trained input map ends in side^2 units, which an infinite source does not make infinite.

The rule, fixed before any result was seen: the prediction holds for a source of a given size if the mean error over seeds
is at most 5 %; it improves with size if the slope of log error against log size, fitted to all seeds, is negative with its
whole 95 % interval. Results: benchmarks/results/prediction-SERIES.json, each row as it is finished and with the commit that made
it, and a table in benchmarks/README.md. What is there is not computed again, unless --fresh.
"""

import argparse
import json
import re
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import scipy.stats

from mrntk import DNN, FullyConnected, Reprogram, VisualPrompt, empirical_ntk, load_task
from mrntk.model.reprogram import predict
from mrntk.prediction.closed_form import predicted_loss, stability_limit
from mrntk.spectrum import spectrum
from mrntk.support.precision import double
from mrntk.support.provenance import provenance
from mrntk.support.style import t_interval
from mrntk.training import gradient_descent, train_source

FOLDER = Path(__file__).resolve().parent
STEPS, FRACTION, PER_CLASS = 200, 0.1, 20


def outputs(model, x):
    """f_T on a batch, in float64."""
    with jax.enable_x64(True):
        return np.asarray(predict(double(model), np.asarray(x)))


def one_run(width: int, seed: int, side: int = 28):
    """Rows for FC and VP: predicted and real loss at the last step."""
    keys = jax.random.split(jax.random.key(seed), 4)
    mnist, digits = load_task("mnist5k"), load_task("digits")
    mnist = mnist if side == 28 else mnist.resized(side)
    shape = mnist.input_shape
    source = DNN(shape, 10, depth=3, width=width, key=keys[0])
    source, _ = train_source(source, mnist.x_train, mnist.one_hot(mnist.y_train), key=keys[1], epochs=15)
    x, labels = digits.draw(keys[2], PER_CLASS)
    y = digits.one_hot(labels)
    maps = {
        "FC": FullyConnected(digits.input_shape, shape, key=keys[3]),
        "VP": VisualPrompt(shape, (20 * side // 28, 20 * side // 28)),
    }
    for name, input_map in maps.items():
        model = Reprogram(input_map, source)
        found = spectrum(empirical_ntk(model, x), vectors=True)
        step = FRACTION * stability_limit(found, len(x))
        predicted = predicted_loss(found, outputs(model, x) - y, step, [STEPS])[0]
        real = float(gradient_descent(model, x, y, step=step, steps=STEPS)[1][-1])
        losses = {"predicted": float(predicted), "real": real, "error": abs(predicted / real - 1)}
        yield {"map": name, "width": width, "side": side, "seed": seed} | losses


def summary(rows: pd.DataFrame, series: str) -> str:
    """Mean errors with intervals, slopes with intervals, and the two verdicts, as Markdown."""
    lines = [f"| map | {series} | seeds | mean error | 95 % interval | within 5 % |", "|---|---|---|---|---|---|"]
    for (name, size), part in rows.groupby(["map", series]):
        low, high = t_interval(part["error"])
        mean = part["error"].mean()
        within = "yes" if mean <= 0.05 else "no"
        lines.append(f"| {name} | {size} | {len(part)} | {mean:.1%} | {max(low, 0):.1%} to {high:.1%} | {within} |")
    lines.append("")
    for name, part in rows.groupby("map"):
        fit = scipy.stats.linregress(np.log(part[series]), np.log(part["error"]))
        half = scipy.stats.t.ppf(0.975, len(part) - 2) * fit.stderr
        low, high = fit.slope - half, fit.slope + half
        verdict = f"shrinks with {series}" if high < 0 else f"no clear fall with {series}"
        line = f"- {name}: slope of log error {fit.slope:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}: {verdict}."
        lines.append(line)
    return "\n".join(lines)


def write_table(rows: list[dict], series: str):
    """The table of a series in the README."""
    begin, end = f"<!-- prediction-{series} -->", f"<!-- end of prediction-{series} -->"
    block = f"{begin}\n{summary(pd.DataFrame(rows), series)}\n{end}"
    readme = FOLDER / "README.md"
    readme.write_text(
        re.sub(f"{begin}.*{end}", lambda _: block, readme.read_text(encoding="utf-8"), flags=re.S), encoding="utf-8"
    )


def main():
    """Run, print, and write the results."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("series", choices=("width", "side"))
    command.add_argument("--quick", action="store_true", help="tiny sizes, two seeds, nothing is written")
    command.add_argument("--fresh", action="store_true", help="compute again what is there")
    words = command.parse_args()
    if words.series == "width":
        sizes = [(width, 28) for width in ((32, 64) if words.quick else (128, 512, 2048))]
    else:
        sizes = [(32 if words.quick else 1024, side) for side in ((14, 28) if words.quick else (14, 28, 56))]
    path, origin = FOLDER / "results" / f"prediction-{words.series}.json", provenance()
    known = (
        json.loads(path.read_text(encoding="utf-8"))["rows"]
        if path.exists() and not (words.fresh or words.quick)
        else []
    )
    rows = []
    for width, side in sizes:
        for seed in range(2 if words.quick else 5):
            there = [row for row in known if (row["width"], row["side"], row["seed"]) == (width, side, seed)]
            rows += there or [row | {"commit": origin["commit"]} for row in one_run(width, seed, side)]
            print(*rows[-2:], sep="\n", flush=True)
            if not words.quick:
                path.parent.mkdir(exist_ok=True)
                path.write_text(
                    json.dumps(
                        {"provenance": origin, "rows": rows + [row for row in known if row not in rows]}, indent=1
                    )
                    + "\n",
                    encoding="utf-8",
                )
    print(summary(pd.DataFrame(rows), words.series))
    if not words.quick:
        write_table(rows, words.series)


if __name__ == "__main__":
    main()

"""How well does the NTK at the start predict real reprogramming, and does the error shrink with width?

    python benchmarks/prediction.py [--quick]

MNIST-5k -> digits, 20 images a class, a DNN source of depth 3 trained with the squared loss, FC and VP. Full-batch gradient
descent, 200 steps at a tenth of the stability limit, in float64. Measured over seeds (source, its training, input map, images):

    error = |predicted loss / real loss - 1| after the last step.

The rule, fixed before any result was seen: the prediction holds for a source of a given width if the mean error over seeds
is at most 5 %; it improves with width if the slope of log error against log width, fitted to all seeds, is negative with its
whole 95 % interval. Results: benchmarks/results/prediction.json, and a table in benchmarks/README.md.
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
from mrntk.dynamics import predicted_loss, stability_limit
from mrntk.precision import double
from mrntk.provenance import provenance
from mrntk.reprogram import predict
from mrntk.spectrum import spectrum
from mrntk.style import t_interval
from mrntk.training import gradient_descent, train_source

FOLDER = Path(__file__).resolve().parent
STEPS, FRACTION, PER_CLASS = 200, 0.1, 20


def outputs(model, x):
    """f_T on a batch, in float64."""
    with jax.enable_x64(True):
        return np.asarray(predict(double(model), np.asarray(x)))


def one_run(width: int, seed: int):
    """Rows for FC and VP: predicted and real loss at the last step."""
    keys = jax.random.split(jax.random.key(seed), 4)
    mnist, digits = load_task("mnist5k"), load_task("digits")
    source = DNN(mnist.input_shape, 10, depth=3, width=width, key=keys[0])
    source, _ = train_source(source, mnist.x_train, mnist.one_hot(mnist.y_train), key=keys[1], epochs=15)
    x, labels = digits.draw(keys[2], PER_CLASS)
    y = digits.one_hot(labels)
    maps = {
        "FC": FullyConnected(digits.input_shape, mnist.input_shape, key=keys[3]),
        "VP": VisualPrompt(mnist.input_shape, (20, 20)),
    }
    for name, input_map in maps.items():
        model = Reprogram(input_map, source)
        found = spectrum(empirical_ntk(model, x), vectors=True)
        step = FRACTION * stability_limit(found, len(x))
        predicted = predicted_loss(found, outputs(model, x) - y, step, [STEPS])[0]
        real = float(gradient_descent(model, x, y, step=step, steps=STEPS)[1][-1])
        losses = {"predicted": float(predicted), "real": real, "error": abs(predicted / real - 1)}
        yield {"map": name, "width": width, "seed": seed} | losses


def summary(rows: pd.DataFrame) -> str:
    """Mean errors with intervals, slopes with intervals, and the two verdicts, as Markdown."""
    lines = ["| map | width | seeds | mean error | 95 % interval | within 5 % |", "|---|---|---|---|---|---|"]
    for (name, width), part in rows.groupby(["map", "width"], sort=False):
        low, high = t_interval(part["error"])
        mean = part["error"].mean()
        within = "yes" if mean <= 0.05 else "no"
        lines.append(f"| {name} | {width} | {len(part)} | {mean:.1%} | {max(low, 0):.1%} to {high:.1%} | {within} |")
    lines.append("")
    for name, part in rows.groupby("map", sort=False):
        fit = scipy.stats.linregress(np.log(part["width"]), np.log(part["error"]))
        half = scipy.stats.t.ppf(0.975, len(part) - 2) * fit.stderr
        low, high = fit.slope - half, fit.slope + half
        verdict = (
            "shrinks with width" if high < 0 else "grows with width" if low > 0 else "no clear dependence on width"
        )
        lines.append(
            f"- {name}: slope of log error {fit.slope:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}: {verdict}."
        )
    return "\n".join(lines)


def main():
    """Run, print, and write the results."""
    command = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command.add_argument("--quick", action="store_true", help="two narrow widths, two seeds, nothing is written")
    quick = command.parse_args().quick
    widths, seeds = ((32, 64), range(2)) if quick else ((128, 512, 2048), range(5))
    rows = []
    for width in widths:
        for seed in seeds:
            rows += one_run(width, seed)
            print(*rows[-2:], sep="\n", flush=True)
    text = summary(pd.DataFrame(rows))
    print(text)
    if quick:
        return
    (FOLDER / "results").mkdir(exist_ok=True)
    record = {"provenance": provenance(), "rows": rows}
    (FOLDER / "results" / "prediction.json").write_text(json.dumps(record, indent=1) + "\n")
    readme = FOLDER / "README.md"
    block = f"<!-- prediction -->\n{text}\n<!-- end of prediction -->"
    readme.write_text(
        re.sub("<!-- prediction -->.*<!-- end of prediction -->", lambda _: block, readme.read_text(), flags=re.S)
    )


if __name__ == "__main__":
    main()

"""Experiments whose outcome is known by construction, in the columns that the rules look at."""

import itertools

import numpy as np
import pandas as pd

from figures.experiments.converged import constant_loss
from figures.map_of_regimes import LINEAR, modes_left
from mrntk.model.accuracy import accuracy
from mrntk.prediction.closed_form import Prediction, mse

DEPTHS = (2, 3, 4, 5)
PAIRS = (("mnist5k", "digits"), ("fashion5k", "digits"))
STEPS = 100_000


def linear_model(features: int, rng) -> dict:
    """A model that is its own linearisation, trained to its end: the target needs 24 features, of which it sees some."""
    x, w = rng.normal(size=(400, 24)), rng.choice([-1.0, 1.0], size=24)
    labels = np.sign(x @ w)[:, None]
    seen = x[:, :features]  # J, one output per example
    kernel, test_kernel = seen[:100] @ seen[:100].T, seen[100:] @ seen[:100].T
    step = 100 / np.linalg.eigvalsh(kernel).max()  # half the largest stable one
    found = Prediction(kernel, -labels[:100], step, test_kernel=test_kernel, test_residual=-labels[100:])
    losses, residual = found.loss([0, 100, 300, STEPS * 9 // 10, STEPS]), found.test_residual([STEPS])[0]
    row = dict(zip(("start_loss", "loss_100", "loss_300", "nine_tenths_loss", "train_loss"), losses, strict=True))
    return row | {
        "end_loss": losses[-1], "steps": STEPS, "constant_loss": constant_loss(labels[:100], "mse"), "test_loss": mse(residual),
        "test_accuracy": float(accuracy(residual + labels[100:], labels[100:])),
    }  # fmt: skip


def depth_sweep(features, *, seeds: int = 5, families=("dnn", "cnn"), maps=("fc", "vp", "vp_fc")) -> pd.DataFrame:
    """Data of `depth_to_target` from linear models that see `features(depth)` features, give or take one."""
    rows = []
    cases = itertools.product(range(seeds), enumerate(families), enumerate(PAIRS), enumerate(maps), DEPTHS)
    for seed, (i, family), (j, (source, task)), (k, name), depth in cases:
        rng = np.random.default_rng([seed, i, j, k])  # the same data for all depths
        seen = features(depth) + int(np.random.default_rng([seed, i, j, k, depth]).integers(-1, 2))
        place = {"family": family, "source_task": source, "task": task, "map": name, "depth": depth, "seed": seed}
        about = {"loss": "mse", "source_test_accuracy": 0.9, "source_test_loss": 1 / depth}
        rows.append(place | about | linear_model(seen, rng))
    return pd.DataFrame(rows)


def spectra(decides: str, *, seeds: int = 5, maps=("fc", "vp")) -> pd.DataFrame:
    """Data of `map_of_regimes` in which lambda_min alone, or the labels alone, differ between the sources."""
    rows = []
    for seed in range(seeds):
        for name in maps:
            for depth in DEPTHS + (6, 7, 8):
                rng = np.random.default_rng([seed, len(rows)])
                smallest = 10 ** rng.uniform(-4.5, -3) if decides == "lambda_min" else 1e-3
                values = np.geomspace(smallest, 1, 20)
                tilt = rng.uniform(-0.5, 1.5) if decides == "labels" else 0.3
                modes = values**tilt
                modes *= 2 / np.linalg.norm(modes)  # the same starting loss for all
                losses = {f"linear_{t}": modes_left(1.0, values, modes, 1, t) for t in LINEAR}
                real = {f"real_{t}": losses[f"linear_{t}"] for t in (100, 1000)}
                place = {"family": "dnn", "source_task": "mnist5k", "task": "digits", "map": name, "depth": depth}
                about = {"seed": seed, "epochs": 20, "source_test_accuracy": 0.9, "outputs": 20, "trained": 100}
                shape = {"effective_rank": values.sum() ** 2 / (values**2).sum(), "alignment": float(values @ modes**2)}
                rows.append(
                    place | about | losses | real | shape
                    | {"lambda_min": smallest, "condition": smallest, "lambda_max": 1.0, "lambda_mean": values.mean()}
                    | {"ks_lambda_min": rng.uniform(), "complexity": (modes**2 / values).sum(), "start_loss": rng.uniform(1, 2)}
                    | {"label_weighted": losses["linear_100"]}
                )  # fmt: skip
    return pd.DataFrame(rows)


def permuted(data: pd.DataFrame, column: str, by, rng) -> pd.DataFrame:
    """The data with the values of a column exchanged within every group and seed, so that nothing can depend on it."""
    out = data.copy()
    for _, rows in data.groupby([*by, "seed"]).groups.items():
        values = np.array(sorted(set(data.loc[rows, column])))
        swap = dict(zip(values, rng.permutation(values), strict=True))
        out.loc[rows, column] = data.loc[rows, column].map(swap).to_numpy()
    return out

"""Which functional of the spectrum decides, and at which horizon? Many sources, few enough examples for a positive lambda_min."""

import itertools

import jax
import numpy as np
import pandas as pd
import scipy.special
from matplotlib import pyplot as plt

from figures.claims.functional_shares import shares
from figures.claims.regimes import within_capacity
from figures.experiments.converged import constant_loss
from figures.experiments.reprogramming import MAP_NAMES, examples, source_quality
from figures.experiments.sources import BATCH, RATES, source_min_eigenvalue
from figures.making.statistics import with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.prediction.before_training import before_training
from mrntk.prediction.closed_form import mse
from mrntk.prediction.functionals import functionals
from mrntk.sources.trained import FAMILIES, Recipe, train
from mrntk.tasks import load_task
from mrntk.training import gradient_descent

ID = "map_of_regimes"
TITLE = "Which functional of the spectrum decides, and at which horizon"
PAPER = 'our answer to its central sentence, "success is governed by the eigenvalue spectrum"'
ALT = (
    "Four heat maps, left for a fully connected layer, right for a visual prompt; above the linearised model, below real "
    "gradient descent. Rows are functionals of the spectrum and, under a line, depth and source accuracy; columns are numbers of "
    "training steps. The darker a square and the larger the number in it, the more of the differences in training loss does that "
    "functional explain beyond what the starting loss explains."
)
SAYS = (
    "Success is governed by the eigenvalue spectrum of the target's kernel (abstract), and of it by the smallest eigenvalue "
    "(author notes, which computed that of the source's kernel)."
)
NOTE = (
    "The number of outputs, N c, lies below the number of trained values, so that lambda_min can be positive. The step size is "
    "half the largest stable one of every kernel, so that a factor of the kernel does not count."
)
SCALES = {
    "smoke": {
        "family": ("dnn",), "depth": (1, 2, 3), "cnn_depth": (1, 2), "long_depth": (2,), "source_task": ("mnist5k",),
        "task": "digits", "source_epochs": (0, 2), "cnn_source_epochs": (0, 1), "side": 28, "cnn_side": 14, "width": 32,
        "cnn_width": 4, "seeds": 3, "source_per_class": 10, "per_class": 1, "cnn_per_class": 1, "inner": 0.5,
        "real": 20, "long": 30, "ks_per_class": 1,
    },
    "course": {
        "family": ("dnn", "cnn"), "depth": (1, 2, 3, 5, 7, 9), "cnn_depth": (1, 2, 3, 4, 6),
        "long_depth": (2, 5, 9), "source_task": ("mnist5k", "fashion5k"),
        "task": "digits", "source_epochs": (0, 1, 20), "cnn_source_epochs": (0, 3, 30), "side": 28, "cnn_side": 14, "width": 512,
        "cnn_width": 32, "seeds": 5, "source_per_class": 400, "per_class": 2, "cnn_per_class": 1, "inner": 0.5,
        "real": 1000, "long": 10000, "ks_per_class": 3,
    },
    "paper": {
        "family": ("dnn", "cnn"), "depth": (1, 2, 3, 4, 5, 6, 7, 8, 9), "cnn_depth": (1, 2, 3, 4, 5, 6, 7, 8, 9),
        "long_depth": (1, 3, 5, 7, 9), "source_task": ("cifar10",),
        "task": "stl10", "source_epochs": (0, 1, 50), "cnn_source_epochs": (0, 1, 50), "side": 32, "cnn_side": 32, "width": 2048,
        "cnn_width": 512, "seeds": 5, "source_per_class": 4500, "per_class": 10, "cnn_per_class": 10, "inner": 0.5,
        "real": 10000, "long": 100000, "ks_per_class": 10,
    },
}  # fmt: skip
MAPS = ("fc", "vp")
LINEAR = (10, 100, 1000, 10000, 100000)  # steps of the linearised model
REAL = (10, 100, 1000)  # steps of real gradient descent, with sources that trained longest
FRACTION = 0.5  # of the largest stable step
# not every source is trained for real, and where the kernel is singular the complexity is infinite
MISSING = (*(f"real_{steps}" for steps in REAL), "real_long", "complexity")
ROWS = {
    "lambda_min": r"$\lambda_{\min}[\Theta_T]$", "condition": r"$\lambda_{\min}/\lambda_{\max}$",
    "ks_lambda_min": r"$\lambda_{\min}[K_S]$", "lambda_max": r"$\lambda_{\max}$", "lambda_mean": r"mean $\lambda$",
    "effective_rank": "effective rank", "alignment": "alignment", "complexity": r"$r^\top\Theta_T^{-1}r$",
    "label_weighted": "label-weighted", "depth": "depth", "source_test_accuracy": "source accuracy",
}  # fmt: skip


def cells(
    *, family, depth, cnn_depth, long_depth, source_task, source_epochs, cnn_source_epochs, side, cnn_side, width, cnn_width,
    seeds, per_class, cnn_per_class, long, **rest
):  # fmt: skip
    """One piece per family, depth, source task and seed."""
    plans = {
        "dnn": (depth, {"epochs": source_epochs, "side": side, "width": width, "per_class": per_class}),
        "cnn": (
            cnn_depth,
            {"epochs": cnn_source_epochs, "side": cnn_side, "width": cnn_width, "per_class": cnn_per_class},
        ),
    }
    pieces = []
    for name in family:
        depths, sizes = plans[name]
        for seed, d, source in itertools.product(range(seeds), depths, source_task):
            steps = long if name == "dnn" and d in long_depth and source == source_task[0] else 0
            pieces.append(
                {"family": name, "depth": d, "source_task": source, "seed": seed, "long": steps} | sizes | rest
            )
    return pieces


def source_after(family, home, epochs: int, *, seed: int, per_class: int, **sizes):
    """The source after that many epochs; after none, the random start of the others."""
    if epochs == 0:
        start = jax.random.split(jax.random.key(seed), 3)[0]
        return FAMILIES[family](home.input_shape, home.num_classes, key=start, **sizes)
    options = {"learning_rate": RATES[family], "batch": BATCH, "patience": 0}
    recipe = Recipe(loss="mse", epochs=epochs, per_class=per_class, **options)
    return train(family, home, seed=seed, recipe=recipe, **sizes).source


def predictions(before) -> dict:
    """The functionals, and the loss of the linearised model after the steps of `LINEAR`."""
    found = functionals(before) | {"start_loss": mse(before.residual)}
    found["label_weighted"] = found.pop("predicted_loss")
    spectrum, step = before.spectrum, FRACTION * before.stability_limit()
    learned = spectrum.values > spectrum.tolerance
    modes = spectrum.vectors[:, learned].T @ before.residual.ravel()
    found["complexity"] = float((modes**2 / spectrum.values[learned]).sum()) if learned.all() else np.inf
    floor = 0.0 if learned.all() else before.training_floor
    return found | {
        f"linear_{t}": floor + modes_left(step, spectrum.values[learned], modes, len(before.x), t) for t in LINEAR
    }


def modes_left(step: float, values: np.ndarray, modes: np.ndarray, count: int, steps: int) -> float:
    """1/(2N) sum_k (1 - eta lambda_k / N)^(2 t) (q_k . r(0))^2, by logarithms, so that it keeps its digits down to 1e-300."""
    with np.errstate(divide="ignore"):
        logs = 2 * steps * np.log(np.abs(1 - step * values / count)) + 2 * np.log(np.abs(modes))
    return float(np.exp(max(scipy.special.logsumexp(logs) - np.log(2 * count), -690)))


def real_losses(before, steps: int, long: int) -> dict:
    """The loss of real gradient descent after the steps of `REAL`, as far as `steps` go, and after `long`."""
    most = max(steps, long)
    size = FRACTION * before.stability_limit()
    losses = np.asarray(gradient_descent(before.model, before.x, before.y, step=size, steps=most)[1])
    row = {f"real_{at}": losses[at] if at <= most else np.nan for at in REAL}
    return row | {"real_long": losses[long] if long else np.nan}


def compute(
    key, *, family, depth, source_task, seed, long, epochs, side, width, per_class, task, source_per_class, inner, real,
    ks_per_class
):  # fmt: skip
    """One row per source (how long it was trained) and input map."""
    keys, rows = jax.random.split(jax.random.fold_in(key, seed), 3), []
    home = load_task(source_task).with_inputs(np.float32).resized(side)
    ks = source_min_eigenvalue(family, depth, home, keys[0], ks_per_class)
    x, y, *_ = examples(load_task(task), keys[1], per_class, 10)
    for count in epochs:
        source = source_after(family, home, count, seed=42 + seed, per_class=source_per_class, depth=depth, width=width)
        about = {"ks_lambda_min": ks} | source_quality(source, home, shown=None)
        for name in MAPS:
            a = make_input_map(name, x.shape[1:], source.input_shape, key=keys[2], inner=inner)
            before = before_training(Reprogram(a, source), x, y)
            place = {
                "family": family,
                "depth": depth,
                "source_task": source_task,
                "task": task,
                "epochs": count,
                "map": name,
            }
            sizes = {
                "seed": seed,
                "trained": a.num_parameters,
                "outputs": y.size,
                "constant_loss": constant_loss(y, "mse"),
            }
            found = predictions(before)
            if count == max(epochs):
                found |= real_losses(before, real, long)
            rows.append(place | sizes | about | found)
    return rows


def horizons(data: pd.DataFrame, kind: str) -> list[str]:
    """The columns of the losses of that kind, "linear" or "real", in the order of their steps; those that all sources have."""
    names = [f"{kind}_{steps}" for steps in (LINEAR if kind == "linear" else REAL)]
    return [name for name in names if data[name].notna().all()]


def table(data: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Mean share beyond the starting loss: a row per functional, a column per horizon; of the sources within the capacity."""
    kept = within_capacity(data).data
    names = horizons(kept, kind) if len(kept) else []
    found = {at: shares(kept, list(ROWS), y=at, beyond=("start_loss",)).mean() for at in names}
    return pd.DataFrame(found, index=list(ROWS), columns=names).astype(float)


def heat(axis, values: pd.DataFrame, levels: pd.Series):
    """Shares as colours and numbers, what is below 0 as 0; under every column its steps and the typical loss there."""
    shown = values.clip(lower=0).to_numpy()
    axis.imshow(shown, cmap="cividis_r", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(shown):
        if np.isfinite(value):
            axis.text(j, i, f"{value:.2f}"[1:] if value < 0.995 else "1", ha="center", va="center", fontsize=7,
                      color="white" if value > 0.5 else "black")  # fmt: skip
    steps = [f"$10^{len(name.split('_')[1]) - 1}$\n{levels[name]:.0e}" for name in values.columns]
    axis.set(
        xticks=range(len(steps)),
        xticklabels=steps,
        yticks=range(len(values)),
        yticklabels=[ROWS[n] for n in values.index],
    )
    axis.axhline(len(ROWS) - 2.5, color="white", linewidth=2)
    axis.tick_params(length=0)
    axis.grid(visible=False)


def render(data):
    """Linearised above, real below; a column per input map."""
    figure, axes = plt.subplots(2, len(MAPS), figsize=(7.2, 6.6), sharey=True)
    for row, (kind, words) in zip(axes, (("linear", "linearised model"), ("real", "real training")), strict=True):
        for axis, name in zip(row, MAPS, strict=True):
            part = data[data["map"] == name]
            values = table(part, kind)
            heat(axis, values, within_capacity(part).data[values.columns].median())
            axis.set_title(f"{MAP_NAMES[name]}, {words}")
    words = "steps of gradient descent, and the median loss after them\n"
    words += "numbers: share of the variance (of ranks) explained beyond the starting loss, on seeds left out"
    figure.supxlabel(f"{words}; {data['seed'].nunique()} seeds", fontsize=8)
    return figure


def finds(data):
    """Who decides at the shortest and at the longest horizon."""
    words = []
    for name in MAPS:
        kept = within_capacity(data[data["map"] == name])
        if kept.untestable:
            words.append(f"{MAP_NAMES[name]}: not testable ({kept.untestable})")
            continue
        said = []
        for at, label in (
            ("linear_100", "100 steps, linearised"),
            ("linear_100000", "100,000 steps"),
            ("real_1000", "1,000 real steps"),
        ):
            found = shares(kept.data, list(ROWS), y=at, beyond=("start_loss",))
            best, own = found.mean().idxmax(), with_interval(found["condition"])
            words_of = {"condition": "lambda_min / lambda_max", "label_weighted": "the label-weighted spectrum"}
            most = f"most by {words_of.get(best, best.replace('_', ' '))}, {with_interval(found[best])}"
            said.append(f"{label}: {most}" + ("" if best == "condition" else f"; by lambda_min / lambda_max {own}"))
        words.append(f"{MAP_NAMES[name]}. {'. '.join(said)}")
    return "Share of the variance explained beyond the starting loss. " + ". ".join(words) + "."

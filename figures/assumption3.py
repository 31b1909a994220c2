"""Assumption 3, checked at every target point for linear, ReLU and polynomial features of a growing number."""

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.reprogramming import examples
from figures.making.drawing import mean_line
from figures.making.statistics import with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.sources.networks import BIAS_STD
from mrntk.tasks import load_task
from mrntk.theory import assumption3

ID = "assumption3"
TITLE = "Assumption 3 at every target point"
PAPER = "Assumption 3 (author notes), checked beyond the linear source"
ALT = (
    "Two rows of three panels against the number D of features, for linear, random ReLU and quadratic features of 64 "
    "inputs. Above, on logarithmic axes, the smallest eigenvalue of Theta_S^A at the worst target point and the smallest "
    "eigenvalue of K_S; zeros lie on a marked line at the bottom. Below, stacked bars: the share of target points at which "
    "the assumption holds, holds only because K_S is singular, or fails. A dotted vertical line marks D = d_S, beyond which "
    "Theta_S^A is singular."
)
SAYS = (
    "lambda_min[Theta_S^A(x_t, x_t)] is at least lambda_min[K_S] at every target point: assumed, and checked by the authors "
    "for a linear source only (author notes)."
)
SCALES = {
    "smoke": {
        "features": ("linear", "relu", "polynomial"), "count": (16, 128), "seeds": 2, "task": "digits",
        "source_task": "mnist5k", "side": 8, "source_per_class": 2, "points": 3,
    },
    "course": {
        "features": ("linear", "relu", "polynomial"), "count": (16, 32, 64, 128, 256), "seeds": 5, "task": "digits",
        "source_task": "mnist5k", "side": 8, "source_per_class": 2, "points": 20,
    },
    "paper": {
        "features": ("linear", "relu", "polynomial"), "count": (64, 128, 256, 784, 1568, 3136), "seeds": 5,
        "task": "digits", "source_task": "mnist5k", "side": 28, "source_per_class": 10, "points": 20,
    },
}  # fmt: skip
LABELS = {"linear": r"linear, $\Phi=As$", "relu": r"ReLU, $\Phi=(As+c)_+$", "polynomial": r"quadratic, $\Phi=(As+c)^2$"}
VERDICTS = {"holds": "holds", "trivially": r"holds trivially, $\lambda_{\min}[K_S]=0$", "fails": "fails"}
SHADES = {"holds": "#009E73", "trivially": "#dddddd", "fails": "#D55E00"}
HATCHES = {"holds": "", "trivially": "..", "fails": "///"}


def cells(*, features, count, side, **rest):
    """One piece a kind of features. The linear kind stops at D = d_S: with more, A has dependent rows."""
    pieces = []
    for name in features:
        counts = [d for d in count if name != "linear" or d <= side**2]
        pieces.append({"features": name, "count": counts, "side": side, **rest})
    return pieces


def feature_map(name, count, inputs, key):
    """Phi with weights N(0, 2 / d_S) and biases N(0, 0.1), over sqrt(D), so that its kernel has a limit."""
    key_a, key_c = jax.random.split(key)
    a = np.asarray(jax.random.normal(key_a, (count, inputs)), np.float64) * (2 / inputs) ** 0.5
    c = np.asarray(jax.random.normal(key_c, (count,)), np.float64) * BIAS_STD
    forms = {"linear": lambda h: h, "relu": lambda h: jax.nn.relu(h + c), "polynomial": lambda h: (h + c) ** 2}
    return lambda s: forms[name](a @ s.ravel()) / count**0.5


def verdict(left, right):
    """A singular K_S asks for nothing."""
    return "trivially" if right == 0 else "holds" if left >= right else "fails"


def compute(key, *, features, count, seeds, task, source_task, side, source_per_class, points):
    """One row per number of features, seed and target point."""
    home, target, rows = load_task(source_task).resized(side), load_task(task), []
    per_class = -(-points // target.num_classes)
    for seed in range(seeds):
        keys = jax.random.split(jax.random.fold_in(key, seed), 4)
        x_s, _ = home.draw(keys[0], source_per_class)
        x = examples(target, keys[1], per_class, 1)[0]
        x = x[np.linspace(0, len(x) - 1, points).astype(int)]
        s = np.asarray(jax.vmap(make_input_map("fc", x.shape[1:], home.input_shape, key=keys[2]))(jnp.asarray(x)))
        for d in count:
            found = assumption3(feature_map(features, d, s[0].size, keys[3]), x_s, s)
            for point, (left, rank) in enumerate(zip(found.theta_s_a, found.rank, strict=True)):
                place = {"features": features, "D": d, "d_s": found.num_inputs, "seed": seed, "point": point}
                row = place | {"theta_s_a": left, "k_s": found.k_s, "rank": rank, "holds": bool(left >= found.k_s)}
                rows.append(row | {"verdict": verdict(left, found.k_s)})
    return rows


def eigenvalues(axis, part, floor):
    """The worst point's lambda_min[Theta_S^A] and lambda_min[K_S]; zeros on the floor."""
    worst = part.groupby(["D", "seed"], as_index=False)[["theta_s_a", "k_s"]].min()
    worst[["theta_s_a", "k_s"]] = worst[["theta_s_a", "k_s"]].clip(lower=floor)
    labels = {
        "theta_s_a": r"$\min_t\,\lambda_{\min}[\Theta_S^A(x_t,x_t)]$",
        "k_s": r"$\lambda_{\min}[K_S]$",
    }
    for number, (column, label) in enumerate(labels.items()):
        mean_line(axis, worst, "D", column, number=number, log=True, label=label)
    axis.set_ylim(bottom=floor / 5)
    axis.axhline(floor, color="black", linestyle="--", linewidth=0.8, label="drawn here: exactly 0")


def bars(axis, part):
    """Shares of the target points, all seeds together, as stacked bars."""
    counts = sorted(part["D"].unique())
    bottom = np.zeros(len(counts))
    for name, words in VERDICTS.items():
        share = part.assign(is_it=part["verdict"] == name).groupby("D")["is_it"].mean().loc[counts].to_numpy()
        style = {"color": SHADES[name], "hatch": HATCHES[name], "edgecolor": "black", "linewidth": 0.5}
        axis.bar(np.array(counts), share, np.array(counts) * 0.4, bottom, label=words, **style)
        bottom += share
    axis.set_axisbelow(True)


def render(data):
    """Both sides of the assumption above, its verdicts below."""
    names, d_s = list(data["features"].unique()), data["d_s"].iloc[0]
    positive = data[["theta_s_a", "k_s"]].to_numpy()
    floor = positive[positive > 0].min() / 10
    figure, axes = plt.subplots(2, len(names), figsize=(7.2, 5), sharex=True, sharey="row", squeeze=False)
    for column, name in zip(axes.T, names, strict=True):
        part = data[data["features"] == name]
        eigenvalues(column[0], part, floor)
        bars(column[1], part)
        column[0].set_title(LABELS[name])
        for axis in column:
            axis.axvline(d_s, color="black", linestyle=":", linewidth=1, label=f"$D=d_S={d_s}$")
        ticks = sorted(data["D"].unique())
        column[1].set_xscale("log")
        column[1].set_xticks(ticks, [str(d) for d in ticks])
        column[1].minorticks_off()
        column[1].set_xlabel("number of features $D$")
    axes[0, 0].set_ylabel("smallest eigenvalue")
    axes[1, 0].set_ylabel("share of target points")
    title = f"above: geometric means over {data['seed'].nunique()} seeds, bars: 95 % t intervals; below: all seeds and points"
    handles, labels = zip(*(axis.get_legend_handles_labels() for axis in axes[:, 0]), strict=True)
    named = dict(zip(sum(labels, []), sum(handles, []), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=3, title=title, title_fontsize=8)
    return figure


def finds(data):
    """Where K_S is not singular, the share of points at which the assumption holds; beyond d_S, the largest left side."""
    words = []
    for name, part in data[data["k_s"] > 0].groupby("features", sort=False):
        share = 100 * part.groupby("seed")["holds"].mean()
        words.append(f"{name} {with_interval(share, 0)} %")
    rich = data[data["D"] > data["d_s"]]
    beyond = (
        f" With D > d_S the left side is at most {rich['theta_s_a'].max():.2g}, its rank at most {rich['rank'].max()}."
    )
    trivial = 100 * (data["verdict"] == "trivially").mean()
    return (
        f"Share of target points at which it holds where K_S is not singular: {'; '.join(words)}.{beyond if len(rich) else ''} "
        f"In {trivial:.0f} % of all cases K_S is singular and it holds trivially."
    )

"""Target loss against every functional of the spectrum (the paper's Fig. 3 shows one), and how much each explains out of
sample.
"""

import numpy as np
import pandas as pd
import scipy.stats
from matplotlib import pyplot as plt

from figures.claims.functional_shares import COLUMNS, GROUPS, best_share, shares
from figures.experiments.reprogramming import MAP_NAMES
from figures.making.statistics import with_interval
from mrntk.prediction.functionals import FUNCTIONALS
from mrntk.support.style import MARKERS, OKABE_ITO, t_interval

ID = "loss_against_spectrum"
TITLE = "Target loss against each functional of the spectrum"
PAPER = "Fig. 3 (number of the earlier version), and every other functional beside it"
ALT = (
    "Nine panels. Eight are scatter plots of the target's training loss against one functional of the spectrum each, both "
    "on logarithmic axes "
    "and relative to the mean of their pair of tasks, with a regression line and its 95 percent band for each input "
    "transformation; functionals that are 0 "
    "stand at the left edge. The last shows as bars the share of the variance that each functional explains for a seed left out."
)
SAYS = (
    "The spectrum decides (abstract); target loss falls as lambda_min grows: FC follows, VP does not, VP+FC on CNN "
    "only (author notes)."
)
FROM = "depth_to_target"
MAPS = ("fc", "vp", "vp_fc")
ROUNDING = 1e-12
LABELS = FUNCTIONALS | {"ks_lambda_min": r"$\lambda_{\min}[K_S]$"}


def centred(data, column):
    """Log of a column without the mean of its pair of tasks; -inf where it is 0, or 0 but for rounding."""
    with np.errstate(divide="ignore"):
        logs = np.log10(data[column].where(data[column] > ROUNDING, 0))
    means = logs.replace(-np.inf, np.nan).groupby([data[key] for key in GROUPS]).transform("mean")
    return logs - means


def scatter(axis, data, column):
    """Points and regression lines; zeros at the left edge."""
    for number, name in enumerate(MAPS):
        part = data[data["map"] == name]
        x, y = centred(part, column), centred(part, "train_loss")
        shown = np.isfinite(x)
        style = {"color": OKABE_ITO[number], "marker": MARKERS[number]}
        axis.scatter(x[shown], y[shown], s=6, alpha=0.35, linewidth=0, **style)
        edge = np.full((~shown).sum(), 0.02 + 0.02 * number)
        axis.scatter(edge, y[~shown], s=9, alpha=0.5, transform=axis.get_yaxis_transform(), **style, linewidth=0)
        if shown.sum() > 3 and np.ptp(x[shown]) > 1e-9:
            line_with_band(axis, x[shown].to_numpy(), y[shown].to_numpy(), OKABE_ITO[number], ("-", "--", ":")[number])
    axis.set_title(LABELS[column], pad=3)
    axis.margins(x=0.12)


def line_with_band(axis, x, y, colour, line):
    """Least squares with the 95 % band of the mean."""
    fit = scipy.stats.linregress(x, y)
    at = np.linspace(x.min(), x.max(), 50)
    spread = np.sqrt(((y - fit.intercept - fit.slope * x) ** 2).sum() / (len(x) - 2))
    half = (
        scipy.stats.t.ppf(0.975, len(x) - 2)
        * spread
        * np.sqrt(1 / len(x) + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    )
    centre = fit.intercept + fit.slope * at
    axis.plot(at, centre, color=colour, linestyle=line)
    axis.fill_between(at, centre - half, centre + half, color=colour, alpha=0.2, linewidth=0)


def all_shares(data):
    """One row a map, functional and seed left out."""
    parts = [shares(data[data["map"] == name]).assign(map=name) for name in MAPS]
    return pd.concat(parts).melt(id_vars="map", var_name="functional", value_name="share")


def bars(axis, table):
    """Share explained by functional and map, with intervals over the seeds left out; the axis ends at -0.5."""
    for number, name in enumerate(MAPS):
        for place, column in enumerate(COLUMNS):
            values = table[(table["map"] == name) & (table["functional"] == column)]["share"].to_numpy()
            low, high = t_interval(values)
            where = place + 0.26 * (number - 1)
            style = {
                "color": OKABE_ITO[number],
                "edgecolor": "black",
                "linewidth": 0.3,
                "hatch": ("", "///", "...")[number],
            }
            axis.bar(
                where, max(values.mean(), -0.5), width=0.26, label=MAP_NAMES[name] if place == 0 else None, **style
            )
            axis.plot([where, where], [max(low, -0.5), max(min(high, 1), -0.5)], color="black", linewidth=0.8)
    axis.set(xticks=range(len(COLUMNS)), xticklabels=[LABELS[column] for column in COLUMNS], ylim=(-0.5, 1))
    axis.tick_params(axis="x", labelsize=7)
    axis.axhline(0, color="black", linewidth=0.6)
    axis.set_ylabel("share of variance explained,\nseeds left out")


def render(data):
    """Eight scatter plots above, bars below."""
    data = data[data["loss"] == "mse"]
    figure = plt.figure(figsize=(7.2, 6.6))
    axes = figure.subplot_mosaic("abcd;efgh;xxxx", height_ratios=(1, 1, 1.2))
    for letter, column in zip("abcdefgh", COLUMNS, strict=True):
        scatter(axes[letter], data, column)
        if letter not in "ae":
            axes[letter].tick_params(labelleft=False)
    for letter in "bcdefgh":
        axes[letter].sharey(axes["a"])
    for letter in "ae":
        axes[letter].set_ylabel("log₁₀ target loss")
    for letter in "efgh":
        axes[letter].set_xlabel("log₁₀ of the functional", fontsize=8)
    bars(axes["x"], all_shares(data))
    handles, labels = axes["x"].get_legend_handles_labels()
    seeds = data["seed"].nunique()
    title = f"Points relative to their pair of tasks, zeros at the left edge; bands and bars: 95 % intervals ({seeds} seeds)"
    figure.legend(handles, labels, loc="outside lower center", ncols=3, title=title, title_fontsize=8)
    return figure


def finds(data):
    """The best functional of every map, and what lambda_min explains."""
    words = []
    for name in MAPS:
        part = data[data["map"] == name]
        found = shares(part)
        best = found.mean().idxmax()
        chosen = with_interval(best_share(part, COLUMNS))
        own = with_interval(found["lambda_min"])
        words.append(
            f"{MAP_NAMES[name]}: most by {best}, {with_interval(found[best])}, chosen on other seeds {chosen}; by "
            f"lambda_min {own}"
        )
    return "Share of the variance of the log target loss explained for a seed left out. " + "; ".join(words) + "."

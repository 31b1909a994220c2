"""Target loss against functionals of the spectrum (the paper's Fig. 3 shows one), and how much each explains out of sample."""

import numpy as np
import pandas as pd
import scipy.stats
from matplotlib import pyplot as plt

from figures.claims.functional_shares import BASELINES, COLUMNS, GROUPS, best_share, shares
from figures.experiments.converged import floored
from figures.experiments.reprogramming import MAP_NAMES
from figures.making.statistics import with_interval
from mrntk.prediction.functionals import FUNCTIONALS
from mrntk.support.style import MARKERS, OKABE_ITO, t_interval

ID = "loss_against_spectrum"
TITLE = "Target loss against the spectrum: how much its functionals explain"
PAPER = "Fig. 3 (number of the earlier version), and every other functional beside it"
ALT = (
    "Four panels. Two scatter plots, both axes logarithmic and relative to the mean of the pair of tasks: the target's training "
    "loss after 300 steps against the smallest eigenvalue of the target kernel, and against the loss that its label-weighted "
    "spectrum predicts, with a regression line and its 95 percent band for each input transformation; eigenvalues of 0 stand at "
    "the left edge. Two rows of bars: the share of the variance of the loss that each functional of the spectrum explains for a "
    "seed left out, after 300 steps and at the end, beside starting loss, depth and source accuracy."
)
SAYS = (
    "The spectrum decides (abstract); target loss falls as lambda_min grows: FC follows, VP does not, VP+FC on CNN "
    "only (author notes)."
)
FROM = "depth_to_target"
MAPS = ("fc", "vp", "vp_fc")
ROUNDING = 1e-12
LABELS = FUNCTIONALS | {
    "ks_lambda_min": r"$\lambda_{\min}[K_S]$", "start_loss": "starting loss", "depth": "depth",
    "source_test_accuracy": "source accuracy",
}  # fmt: skip
SHOWN = ("lambda_min", "predicted_loss")
HORIZONS = (("loss_300", "after 300 steps"), ("train_loss", "at the end"))
LEAST = -0.25  # where bars are cut off


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
        x, y = centred(part, column), centred(part, "loss_300")
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


def all_shares(data, column):
    """One row a map, functional or baseline, and seed left out."""
    data = floored(data, column)
    parts = [shares(data[data["map"] == name], (*COLUMNS, *BASELINES), y=column).assign(map=name) for name in MAPS]
    return pd.concat(parts).melt(id_vars="map", var_name="functional", value_name="share")


def bars(axis, table):
    """Share explained by functional and map, with intervals over the seeds left out; cut off below."""
    names = (*COLUMNS, *BASELINES)
    for number, name in enumerate(MAPS):
        for place, column in enumerate(names):
            values = table[(table["map"] == name) & (table["functional"] == column)]["share"].to_numpy()
            low, high = np.clip(t_interval(values), LEAST, 1)
            where = place + 0.26 * (number - 1)
            style = {
                "color": OKABE_ITO[number],
                "edgecolor": "black",
                "linewidth": 0.3,
                "hatch": ("", "///", "...")[number],
            }
            axis.bar(where, max(values.mean(), LEAST), width=0.26, label=None if place else MAP_NAMES[name], **style)
            axis.plot([where, where], [low, high], color="black", linewidth=0.8)
    axis.set(xticks=range(len(names)), xticklabels=[LABELS[column].replace(" ", "\n") for column in names])
    bottom, top = axis.get_ylim()
    axis.set_ylim(max(LEAST, bottom), min(1, top))
    axis.set_axisbelow(True)
    axis.tick_params(axis="x", labelsize=7)
    axis.axhline(0, color="black", linewidth=0.6)
    axis.axvline(len(COLUMNS) - 0.5, color="black", linewidth=0.8, linestyle=":")


def render(data):
    """Two scatter plots above, bars at two horizons below."""
    data = data[data["loss"] == "mse"]
    figure = plt.figure(figsize=(7.2, 7.2))
    axes = figure.subplot_mosaic("ab;cc;dd", height_ratios=(1.2, 1, 1))
    for letter, column in zip("ab", SHOWN, strict=True):
        scatter(axes[letter], data, column)
        axes[letter].set_xlabel("log₁₀ of the functional, less the mean of its pair", fontsize=8)
    axes["b"].sharey(axes["a"])
    axes["a"].set_ylabel("log₁₀ training loss,\nafter 300 steps")
    for letter, (column, words) in zip("cd", HORIZONS, strict=True):
        bars(axes[letter], all_shares(data, column))
        axes[letter].set_title(f"training loss {words}: functionals, and what they must beat", fontsize=9)
        axes[letter].set_ylabel("share of variance")
    handles, labels = axes["c"].get_legend_handles_labels()
    title = f"bars: share of the variance of the log loss for a seed left out, 95 % intervals, {data['seed'].nunique()} seeds"
    figure.legend(handles, labels, loc="outside lower center", ncols=3, title=title, title_fontsize=8)
    return figure


def finds(data):
    """The best functional and the best baseline of every map at both horizons, and what lambda_min explains."""
    words = []
    data = data[data["loss"] == "mse"]
    for column, horizon in HORIZONS:
        for name in MAPS:
            part = floored(data[data["map"] == name], column)
            found = shares(part, y=column)
            chosen, rest = (with_interval(best_share(part, names, y=column)) for names in (COLUMNS, BASELINES))
            own = with_interval(found["lambda_min"])
            words.append(
                f"{MAP_NAMES[name]} {horizon}: the best functional, chosen on other seeds, {chosen} (over all seeds it is "
                f"{found.mean().idxmax()}), the best of starting loss, depth and source accuracy {rest}, lambda_min {own}"
            )
    return "Share of the variance of the log training loss explained for a seed left out. " + "; ".join(words) + "."

"""Two real sources side by side, from the committed data of the figures real_models and target_spectra."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float

from figures.making.registry import committed_data
from mrntk.model.input_maps import INPUT_MAPS
from mrntk.support.errors import MrntkError
from mrntk.support.style import MARKERS, OKABE_ITO, geometric_interval, geometric_mean, t_interval
from mrntk.widgets.view import Choice, Toggle, ViewModel

TASKS = {"Fashion-MNIST": "fashion5k", "MNIST": "mnist5k", "8x8 digits": "digits"}
PRETRAINED = {f"EfficientNet-Lite{number}": f"efficientnet-lite{number}" for number in range(3)}
UNTRAINED = {f"{label}, untrained": f"{name}-untrained" for label, name in PRETRAINED.items()}
SMALL = {"random DNN": "random", "trained DNN": "dnn", "trained CNN": "cnn"}
SOURCES = PRETRAINED | UNTRAINED | SMALL
MAPS = {INPUT_MAPS[name].label: name for name in ("vp", "fc", "vp_fc")} | {"linear head": "head"}
MEASURES = {
    "test accuracy after training": "accuracy",
    "alignment with the labels": "alignment",
    "effective rank": "effective_rank",
    "smallest over largest eigenvalue": "condition",
    "labels in the leading eigenvectors": "labels",
}
DIGITS = (*SMALL.values(), "efficientnet-lite0")  # the sources that were measured on the digits
HALF = 0.5  # of the labels


def _label(options: dict, value: str) -> str:
    return next(label for label, one in options.items() if one == value)


def check(task: str, source: str, name: str, measure: str, argument: str = "source"):
    """Whether this was measured.

    Raises
    ------
    MrntkError
        Naming the control and what to choose instead.
    """
    words, digits = _label(SOURCES, source), task == "digits"
    if digits and source not in DIGITS:
        known = ", ".join(_label(SOURCES, one) for one in DIGITS)
        raise MrntkError(f"{argument}: {words} was not measured on the 8x8 digits: choose {known}, or another task.")
    if not digits and source in SMALL.values():
        raise MrntkError(
            f"{argument}: {words} was measured on the 8x8 digits only: choose that task, or another source."
        )
    if not digits and name != "vp":
        raise MrntkError(f"input map: {_label(MAPS, name)} was measured on the 8x8 digits only: choose VP.")
    if digits and measure != "labels":
        raise MrntkError(
            f"measure: {_label(MEASURES, measure)} was not measured on the 8x8 digits: choose labels in the leading "
            "eigenvectors."
        )
    if not digits and measure == "labels":
        raise MrntkError(
            "measure: labels in the leading eigenvectors were measured on the 8x8 digits only: choose another measure."
        )


@cache
def _figure(name: str) -> pd.DataFrame:
    return committed_data(name)


@cache
def _part(task: str, source: str, name: str) -> pd.DataFrame:
    """The rows of one source: seed, quantity, index, value."""
    if task == "digits":
        data = _figure("target_spectra")
        data = data[(data["source"] == source) & (data["map"] == name)]
        return data.melt(("seed", "index"), ("eigenvalue", "label_weight"), var_name="quantity")
    data = _figure("real_models")
    way = "untrained" if source.endswith("-untrained") else "reprogrammed"
    return data[(data["source"] == source.removesuffix("-untrained")) & (data["task"] == task) & (data["way"] == way)]


@cache
def eigenvalues(task: str, source: str, name: str) -> Float[np.ndarray, "ranks 4"]:
    """Rank, geometric mean over seeds and its 95 % t interval, where the eigenvalue of that rank is positive for every seed."""
    part = _part(task, source, name)
    groups = part[part["quantity"] == "eigenvalue"].groupby("index")["value"]
    rows = [(rank, geometric_mean(v), *geometric_interval(v)) for rank, v in groups if (v > 0).all()]
    return np.array(rows)


@cache
def explained(
    task: str, source: str, name: str
) -> tuple[Float[np.ndarray, " ranks"], Float[np.ndarray, "seeds ranks"]]:
    """Ranks k, and for every seed the share of the labels along the first k eigenvectors."""
    part = _part(task, source, name)
    table = part[part["quantity"] == "label_weight"].pivot(index="seed", columns="index", values="value")
    return table.columns.to_numpy(float), table.to_numpy().cumsum(axis=1)


def scores(task: str, source: str, name: str, measure: str) -> Float[np.ndarray, " seeds"]:
    """The measure, one number per seed, in the order of the seeds; for "labels" the k that holds half of them."""
    if measure == "labels":
        ranks, share = explained(task, source, name)
        return ranks[(share >= HALF - 1e-9).argmax(axis=1)]
    part = _part(task, source, name)
    return part[part["quantity"] == measure].sort_values("seed")["value"].to_numpy(float)


def paired(first: Float[np.ndarray, " seeds"], second: Float[np.ndarray, " seeds"]) -> tuple[float, float, float]:
    """Mean of first - second, and its 95 % t interval over seeds."""
    difference = first - second
    return (float(difference.mean()), *map(float, t_interval(difference)))


def linear_accuracy(task: str) -> float:
    """Mean test accuracy of the linear model on the raw images."""
    data = _figure("real_models")
    return float(data[(data["task"] == task) & (data["way"] == "linear")]["value"].mean())


class RealModelsView(ViewModel):
    """Two sources: the spectra of their target kernels before training, and one measure with its interval."""

    title = "Real models side by side: spectrum, labels, accuracy"
    alt = (
        "Left: eigenvalues of the target kernel before training against their rank for two sources, both axes logarithmic, "
        "with bands for 95 percent t intervals. Right: the chosen measure of both sources, one thin line per seed, means with "
        "intervals; or the share of the labels along the leading eigenvectors."
    )
    controls = {
        "task": Choice("target task", TASKS, "fashion5k"),
        "first": Choice("source", SOURCES, "efficientnet-lite0"),
        "second": Choice("compared with", SOURCES, "efficientnet-lite0-untrained"),
        "input_map": Choice("input map", MAPS, "vp"),
        "measure": Choice("measure", MEASURES, "accuracy"),
        "scaled": Toggle("largest eigenvalue = 1", False),
    }

    def compute(self, *, task: str, first: str, second: str, input_map: str, measure: str, scaled: bool) -> dict:
        check(task, first, input_map, measure, "source")
        check(task, second, input_map, measure, "compared with")
        if first == second:
            raise MrntkError("compared with: choose another source than the first.")
        data = {"task": task, "map": input_map, "measure": measure, "names": (first, second), "scaled": scaled}
        data["spectra"] = [eigenvalues(task, source, input_map) for source in (first, second)]
        data["scores"] = [scores(task, source, input_map, measure) for source in (first, second)]
        data["paired"] = paired(*data["scores"])
        if measure == "labels":
            data["explained"] = [explained(task, source, input_map) for source in (first, second)]
        if measure == "accuracy":
            data["linear"] = linear_accuracy(task)
        return data

    def draw(self, data):
        figure, (left, right) = plt.subplots(1, 2, figsize=(5.4, 3.0), width_ratios=(1.15, 1))
        for number, (source, found) in enumerate(zip(data["names"], data["spectra"], strict=True)):
            rank, *curves = found.T
            centre, low, high = np.array(curves) / (curves[0][0] if data["scaled"] else 1)
            style = {"color": OKABE_ITO[number], "ls": "-:"[number], "marker": MARKERS[number], "ms": 3.5}
            left.plot(rank, centre, markevery=6, label=_label(SOURCES, source), **style)
            left.fill_between(rank, low, high, color=OKABE_ITO[number], alpha=0.2, lw=0)
        left.set(xscale="log", yscale="log", xlabel="rank", ylabel=r"eigenvalue of $\Theta_T$")
        figure.legend(loc="outside upper center", ncols=2)
        if data["measure"] == "labels":
            self._draw_labels(right, data)
        else:
            self._draw_scores(right, data)
        return figure

    def _draw_labels(self, axis, data):
        for number, (ranks, share) in enumerate(data["explained"]):
            low, high = np.array([t_interval(column) for column in share.T]).T
            axis.plot(ranks, share.mean(0), color=OKABE_ITO[number], ls="-:"[number])
            axis.fill_between(ranks, low, high, color=OKABE_ITO[number], alpha=0.2, lw=0)
        axis.axhline(HALF, color="k", lw=0.8, ls="--")
        axis.set(xscale="log", xlabel="leading eigenvectors", ylabel="share of the labels", ylim=(0, 1.02))

    def _draw_scores(self, axis, data):
        both = np.array(data["scores"])
        axis.plot([0, 1], both, color="0.7", lw=0.8)
        for number, values in enumerate(both):
            low, high = t_interval(values)
            bars = [[values.mean() - low], [high - values.mean()]]
            axis.errorbar(number, values.mean(), yerr=bars, color=OKABE_ITO[number], marker=MARKERS[number], capsize=3)
        if "linear" in data:
            axis.axhline(data["linear"], color="k", lw=0.8, ls="-.")
            axis.annotate(
                "linear model", (0.5, data["linear"]), (0, -2), textcoords="offset points", ha="center", va="top"
            )
        if data["measure"] == "condition":
            axis.set(yscale="log")
        elif data["measure"] == "accuracy":
            axis.set(ylim=(0, 1))
        axis.set(xlim=(-0.4, 1.4), xticks=[0, 1], xticklabels=["source", "compared"])
        axis.set_title(_label(MEASURES, data["measure"]), fontsize=8)

    def words(self, data) -> str:
        names = [_label(SOURCES, source) for source in data["names"]]
        means = [values.mean() for values in data["scores"]]
        difference, low, high = data["paired"]
        form = ".1f" if max(map(abs, means)) >= 10 else ".2f" if max(map(abs, means)) >= 0.1 else ".2g"
        what = _label(MEASURES, data["measure"])
        if data["measure"] == "labels":
            what = "leading eigenvectors that hold half of the labels"
        where = f"{_label(TASKS, data['task'])}, {_label(MAPS, data['map'])}"
        decided, better = low > 0 or high < 0, names[0 if difference > 0 else 1]
        if data["measure"] == "labels":
            better = names[0 if difference < 0 else 1]
        verdict = {
            "accuracy": f"{better} is better",
            "labels": f"the labels lie further in front for {better}",
        }.get(data["measure"], f"{better} has the larger value")
        interval = f"95 % t interval {low:+{form}} to {high:+{form}}, paired over {len(data['scores'][0])} seeds"
        said = (
            f"{where}; {what}: {means[0]:{form}} for {names[0]}, {means[1]:{form}} for {names[1]}. "
            f"Difference {difference:+{form}} ({interval}): "
            f"{verdict if decided else 'too close to call'}."
        )
        if "linear" in data:
            said += f" A linear model on the raw images reaches {data['linear']:.2f}."
        tops = [found[0, 1] for found in data["spectra"]]
        return f"{said} The largest eigenvalue of {names[0]} is {tops[0] / tops[1]:,.3g} times that of {names[1]}."

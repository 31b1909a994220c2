"""Two real sources, or input maps, side by side, from the committed data of the figures real_models and target_spectra."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from jaxtyping import Float

from figures.making.registry import committed_data
from figures.making.statistics import above_rounding
from mrntk.model.input_maps import INPUT_MAPS
from mrntk.support.errors import MrntkError
from mrntk.support.style import MARKERS, OKABE_ITO, geometric_interval, geometric_mean, t_interval
from mrntk.widgets.view import Choice, Toggle, ViewModel

TASKS = {"Fashion-MNIST": "fashion5k", "MNIST": "mnist5k", "8x8 digits": "digits"}
SOURCES = {
    "EfficientNet-Lite0": "efficientnet-lite0",
    "untrained EfficientNet-Lite0": "efficientnet-lite0-untrained",
    "random DNN": "random",
    "trained DNN": "dnn",
    "trained CNN": "cnn",
}
MAPS = {INPUT_MAPS[name].label: name for name in ("vp", "fc", "vp_fc")} | {"linear head": "head"}
MEASURES = {
    "test accuracy after training": "test_accuracy",
    "alignment with the labels": "alignment",
    "effective rank": "effective_rank",
    "smallest over largest eigenvalue": "condition",
    "labels in the leading eigenvectors": "labels",
}
HALF = 0.5  # of the labels
Side = tuple[str, str]  # a source and an input map


def _label(options: dict, value: str) -> str:
    return next(label for label, one in options.items() if one == value)


@cache
def _measured(task: str) -> dict[Side, pd.DataFrame]:
    """{(source, map): seed, quantity, index, value} of all that was measured on that task."""
    if task == "digits":
        data = committed_data("target_spectra")
        data = data.melt(("source", "map", "seed", "index"), ("eigenvalue", "label_weight"), var_name="quantity")
    else:
        data = committed_data("real_models")
        data = data[(data["task"] == task) & (data["map"] != "none")]
        data = data.assign(source=data["source"] + data["way"].map({"reprogrammed": "", "untrained": "-untrained"}))
    return dict(list(data.groupby(["source", "map"], sort=False)))


def check(task: str, source: str, name: str, measure: str, arguments: Side = ("source", "input map")):
    """Whether this was measured.

    Raises
    ------
    MrntkError
        Naming the control and what to choose instead.
    """
    words, where, measured = _label(SOURCES, source), _label(TASKS, task), _measured(task)
    known = [one for one in SOURCES.values() if any(one == other for other, _ in measured)]
    if source not in known:
        labels = ", ".join(_label(SOURCES, one) for one in known)
        raise MrntkError(f"{arguments[0]}: {words} was not measured on {where}: choose {labels}, or another task.")
    if (source, name) not in measured:
        labels = " or ".join(label for label, one in MAPS.items() if (source, one) in measured)
        raise MrntkError(
            f"{arguments[1]}: {_label(MAPS, name)} was not measured with {words} on {where}: choose {labels}."
        )
    if (measure == "labels") != (task == "digits"):
        instead = "another measure" if measure == "labels" else "labels in the leading eigenvectors"
        raise MrntkError(f"measure: {_label(MEASURES, measure)} was not measured on {where}: choose {instead}.")


@cache
def eigenvalues(task: str, side: Side) -> Float[np.ndarray, "ranks 4"]:
    """Rank, geometric mean over seeds and its 95 % t interval, as far as the eigenvalue is above rounding for every seed."""
    part = _measured(task)[side]
    table = above_rounding(part[part["quantity"] == "eigenvalue"])
    return np.array(
        [(rank, geometric_mean(values), *geometric_interval(values)) for rank, *values in table.itertuples()]
    )


@cache
def explained(task: str, side: Side) -> tuple[Float[np.ndarray, " ranks"], Float[np.ndarray, "seeds ranks"]]:
    """Ranks k, and for every seed the share of the labels along the first k eigenvectors."""
    part = _measured(task)[side]
    table = part[part["quantity"] == "label_weight"].pivot(index="seed", columns="index", values="value")
    return table.columns.to_numpy(float), table.to_numpy().cumsum(axis=1)


def scores(task: str, side: Side, measure: str) -> Float[np.ndarray, " seeds"]:
    """The measure, one number per seed, in the order of the seeds; for "labels" the k that holds half of them."""
    if measure == "labels":
        ranks, share = explained(task, side)
        return ranks[(share >= HALF - 1e-9).argmax(axis=1)]
    part = _measured(task)[side]
    return part[part["quantity"] == measure].sort_values("seed")["value"].to_numpy(float)


def paired(first: Float[np.ndarray, " seeds"], second: Float[np.ndarray, " seeds"]) -> tuple[float, float, float]:
    """Mean of first - second, and its 95 % t interval over seeds."""
    difference = first - second
    return (float(difference.mean()), *map(float, t_interval(difference)))


def linear_accuracy(task: str) -> float:
    """Mean test accuracy of the linear model on the raw images."""
    data = committed_data("real_models")
    data = data[(data["task"] == task) & (data["way"] == "linear") & (data["quantity"] == "test_accuracy")]
    return float(data["value"].mean())


def words_for(side: Side) -> str:
    return f"{_label(SOURCES, side[0])} with {_label(MAPS, side[1])}"


class RealModelsView(ViewModel):
    """Two sources with their input maps: spectra of the target kernels before training, and one measure with its interval."""

    title = "Real models side by side: spectrum, labels, accuracy"
    alt = (
        "Left: eigenvalues of the target kernel before training against their rank for two sources with their input maps, "
        "both axes logarithmic, with bands for 95 percent t intervals. Right: the chosen measure of both, one thin line per "
        "seed, means with intervals; or the share of the labels along the leading eigenvectors."
    )
    controls = {
        "task": Choice("target task", TASKS, "fashion5k"),
        "first": Choice("source", SOURCES, "efficientnet-lite0"),
        "first_map": Choice("input map", MAPS, "fc"),
        "second": Choice("compared with", SOURCES, "efficientnet-lite0-untrained"),
        "second_map": Choice("its input map", MAPS, "fc"),
        "measure": Choice("measure", MEASURES, "test_accuracy"),
        "scaled": Toggle("largest eigenvalue = 1", False),
    }

    def compute(
        self, *, task: str, first: str, first_map: str, second: str, second_map: str, measure: str, scaled: bool
    ) -> dict:
        check(task, first, first_map, measure)
        check(task, second, second_map, measure, ("compared with", "its input map"))
        sides = (first, first_map), (second, second_map)
        data = {"task": task, "names": [*map(words_for, sides)], "measure": measure, "scaled": scaled}
        data["spectra"] = [eigenvalues(task, side) for side in sides]
        data["scores"] = [scores(task, side, measure) for side in sides]
        data["paired"] = paired(*data["scores"])
        if measure == "labels":
            data["explained"] = [explained(task, side) for side in sides]
        if measure == "test_accuracy":
            data["linear"] = linear_accuracy(task)
        return data

    def draw(self, data):
        figure, (left, right) = plt.subplots(1, 2, figsize=(5.4, 3.0), width_ratios=(1.15, 1))
        for number, (name, found) in enumerate(zip(data["names"], data["spectra"], strict=True)):
            rank, *curves = found.T
            centre, low, high = np.array(curves) / (curves[0][0] if data["scaled"] else 1)
            style = {"color": OKABE_ITO[number], "ls": "-:"[number], "marker": MARKERS[number], "ms": 3.5}
            left.plot(rank, centre, markevery=6, label=name, **style)
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
                "linear model", (1.38, data["linear"]), (0, 2), textcoords="offset points", ha="right", va="bottom"
            )
        if data["measure"] == "condition":
            axis.set(yscale="log")
        elif data["measure"] == "test_accuracy":
            axis.set(ylim=(0, 1))
        axis.set(xlim=(-0.4, 1.4), xticks=[0, 1], xticklabels=["first", "compared"])
        axis.set_title(_label(MEASURES, data["measure"]), fontsize=8)

    def words(self, data) -> str:
        names = data["names"]
        if names[0] == names[1]:
            return f"Both are {names[0]}: choose another source or input map for one of them."
        means = [values.mean() for values in data["scores"]]
        difference, low, high = data["paired"]
        form = ".1f" if max(map(abs, means)) >= 10 else ".2f" if max(map(abs, means)) >= 0.1 else ".2g"
        what = _label(MEASURES, data["measure"])
        if data["measure"] == "labels":
            what = "leading eigenvectors that hold half of the labels"
        where = _label(TASKS, data["task"])
        decided, better = low > 0 or high < 0, names[0 if difference > 0 else 1]
        if data["measure"] == "labels":
            better = names[0 if difference < 0 else 1]
        verdict = {
            "test_accuracy": f"{better} is better",
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

"""The claims and their rules. A claim is one function: what it claims, by which figure and by which rule stands above it, and
it turns the data of that figure into parts, one number per seed each and where their mean should lie.

Slopes are least-squares slopes against depth, one per seed, averaged over pairs of source and target task: of the logarithm of a
loss (no loss counts as less than 1 % of the constant predictor's), or of an accuracy. "Target loss" has three readings, which
stand side by side: the loss on the training examples (on the way and at the end), of which Corollary 1 speaks, the loss on test
examples, and the accuracy there. A fall of less than `RELEVANT` per layer is none; so "it falls" and "it does not fall" can both
be shown, and neither comes for want of data.

The rules were rewritten at b8da1c3, when the first data had turned out too weak for most of them, and before any datum of the new
versions of figures. Amended since, with some pieces of the new depth sweep at hand and no verdict on them: a source must classify
0.8, no longer nine tenths of the best of its family; losses that hardly differ between depths no longer make "it does not fall"
untestable, since that is what it claims (a control found this); the source improves only in families whose best has learned;
few-shot trainings must have ended; and, before any new data of pretrained models and of time series, a training of half the
length takes the place of a plateau where rates fall, and single tasks whose trainings have not ended are left out. After the data
of the map of regimes a fault was mended: the loss predicted for step 100 is not compared with itself as "the best other". With no
change of the rule, sources at large inputs (input_size) are trained again at a rate that fits their size, after a look at their
units: at the rate of small inputs nearly all of the first layer's were silent. After an independent reading, parts with three
depths can be found fragile as well (with two left). Where a claim still rests on first data, its rule is younger than they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from figures.experiments.converged import floored
from figures.experiments.reprogramming import MAP_NAMES
from figures.making.drawing import NAMES
from figures.making.statistics import READINGS, by_seed, slopes

from . import Claim, Part
from .functional_shares import BASELINES, COLUMNS, best_share
from .judged_scores import OURS, SCORES, by_score, held_out, quality
from .regimes import (
    HALF,
    Tested,
    below_constant,
    best_learned,
    converged,
    ended_tasks,
    learned,
    tested,
    unsolved,
    varying,
    within_capacity,
)

PAIR = ("source_task", "task")
MAPS = ("fc", "vp", "vp_fc")
RELEVANT = 0.05  # of a log loss per layer: 5 %
RELEVANT_ACCURACY = 0.005  # per layer: half a point
TURN = 0.1  # of a log loss: so much may the deepest source lose against the best
ENOUGH = 0.5  # share of the variance that "governs" asks for
CLOSE = 0.1  # share of the variance, or of the constant predictor's loss, that counts as no difference
NEAR = 0.05  # accuracy that reprogramming may lose against fine-tuning and still "suffice"
FEW = 10  # examples per class that count as little data
SPREAD = 0.2  # accuracy between the best and the worst source that "a better source" needs

CLAIMS: list[Claim] = []  # in the order of their definition


def claim(sentence: str, *, figure: str, rule: str, leave_out: tuple[str, ...] = ()) -> Callable:
    """Makes a claim of the function below it, whose name is the claim's ID.

    Parameters
    ----------
    sentence : what the paper says, in our words.
    figure : ID of the figure whose data the function takes.
    rule : what the function does, in words.
    leave_out : columns; a part that comes out otherwise without one of their values is fragile.
    """

    def collected(parts: Callable) -> Callable:
        CLAIMS.append(Claim(parts.__name__, sentence, figure, rule, parts, leave_out))
        return parts

    return collected


def _name(*parts: str) -> str:
    return " ".join((NAMES | MAP_NAMES).get(part, part) for part in parts)


def part_of(name: str, found: Tested, values: Callable, **side) -> Part:
    """The part of what can be tested: `values(data)` with its side, or the reason why not."""
    if found.untestable:
        return Part(name, untestable=found.untestable)
    return Part(name, values(found.data), left_out=found.left_out, **side)


# Depth and the target.


def _cells(data: pd.DataFrame, column: str, ended: bool, by: Sequence[str]) -> Tested:
    if column not in data:
        return Tested(data.iloc[:0], "", "the data do not follow the training")
    found = tested(data, (learned, converged, below_constant) if ended else (learned,), by=by)
    return unsolved(found) if column == "train_loss" else found


def depth_parts(data: pd.DataFrame, name: str, *, falls: bool, by: Sequence[str] = PAIR) -> list[Part]:
    """A part per reading of "target loss": it gets better with depth, by more than what is relevant per layer; or it does not."""
    parts = []
    for words, column, log, ended in READINGS:
        least = -RELEVANT if log else RELEVANT_ACCURACY
        better = "high" if log else "low"  # losses fall, accuracies rise
        side = {better if falls else {"high": "low", "low": "high"}[better]: least}
        found = _cells(data, column, ended, by)
        parts.append(
            part_of(f"{name}, {words}", found, lambda rows, c=column, log=log: _slopes(rows, c, log, by), **side)
        )
    return parts


def _slopes(rows: pd.DataFrame, column: str, log: bool, by: Sequence[str]) -> np.ndarray:
    return slopes(floored(rows, column) if log else rows, column, by=by, log=log)


def turn_part(found: Tested, name: str, *, by: Sequence[str] = PAIR) -> Part:
    """Log test loss of the deepest source less that of the depth which is best for the other seeds: no turn, if it is small."""

    def values(rows: pd.DataFrame) -> np.ndarray:
        logs = np.log(rows.set_index([*by, "depth", "seed"])["test_loss"]).unstack("seed")
        found = []
        for seed in logs.columns:
            rest = logs.drop(columns=seed).mean(axis=1)
            cases = rest.groupby(level=list(by)) if by else [((), rest)]
            found.append(np.mean([logs[seed][part.index[-1]] - logs[seed][part.idxmin()] for _, part in cases]))
        return np.array(found)

    return part_of(f"{name}, no turn (test loss, deepest against best)", found, values, high=TURN)


def _of(data: pd.DataFrame, family: str, name: str, loss: str = "mse") -> pd.DataFrame:
    return data[(data["family"] == family) & (data["map"] == name) & (data["loss"] == loss)]


@claim(
    "The smallest eigenvalue of the source's kernel rises with depth",
    figure="source_min_eigenvalue",
    rule="the slope of log lambda_min[K_S] against depth is positive, for every architecture",
    leave_out=("depth",),
)
def ks_rises(data):
    data = data.rename(columns={"draw": "seed"})
    return [
        Part(_name(name), slopes(part, "lambda_min"), low=0) for name, part in data.groupby("architecture", sort=False)
    ]


@claim(
    "... and not only because the whole kernel grows (our addition)",
    figure="source_min_eigenvalue",
    rule="the slope of log(lambda_min / mean eigenvalue) against depth is positive, for every architecture",
    leave_out=("depth",),
)
def ks_rises_relatively(data):
    data = data.rename(columns={"draw": "seed"}).assign(relative=lambda d: d["lambda_min"] / d["lambda_mean"])
    return [
        Part(_name(name), slopes(part, "relative"), low=0) for name, part in data.groupby("architecture", sort=False)
    ]


def _sources(data):
    """Each source once, though it was reprogrammed to several targets."""
    return data[data["loss"] == "mse"].drop_duplicates(["family", "depth", "source_task", "seed"])


@claim(
    "The source improves with depth",
    figure="source_quality",
    rule="the slope of the source's log test loss against depth is negative, and that of its test accuracy positive, for "
    "families whose best source learned; the deepest is not more than 10 % worse in test loss than the best",
    leave_out=("depth", "source_task"),
)
def source_improves(data):
    by, parts = ("source_task",), []
    for family, part in _sources(data).groupby("family", sort=False):
        found, name = best_learned(part, by=by), _name(family)
        parts.append(part_of(f"{name}, test loss", found, lambda rows: slopes(rows, "source_test_loss", by=by), high=0))
        rises = part_of(
            f"{name}, test accuracy", found, lambda rows: slopes(rows, "source_test_accuracy", by=by, log=False), low=0
        )
        parts.append(rises)
        own = found.data.drop(columns="test_loss").rename(columns={"source_test_loss": "test_loss"})
        turn = turn_part(found._replace(data=own), "it", by=by)
        parts.append(replace(turn, name=f"{name}, no turn (deepest against best)"))
    return parts


@claim(
    "With FC, the target loss falls with the source's depth",
    figure="depth_to_target",
    rule="the slopes of the log target losses (training, test) lie below -0.05 per layer, that of the test accuracy above 0.005; "
    "and the deepest source is not more than 10 % worse in test loss than the best",
    leave_out=("depth", "pair"),
)
def fc_falls(data):
    parts = []
    for family in ("dnn", "cnn"):
        rows = _of(data, family, "fc")
        parts += [
            *depth_parts(rows, _name(family, "fc"), falls=True),
            turn_part(_cells(rows, "test_loss", True, PAIR), _name(family, "fc")),
        ]
    return parts


@claim(
    "With VP at a small source input, it does not",
    figure="depth_to_target",
    rule="the slopes of the log target losses lie above -0.05 per layer, that of the test accuracy below 0.005",
    leave_out=("depth", "pair"),
)
def vp_does_not(data):
    return [
        part
        for family in ("dnn", "cnn")
        for part in depth_parts(_of(data, family, "vp"), _name(family, "vp"), falls=False)
    ]


@claim(
    "With VP at a large source input, it does",
    figure="input_size",
    rule="at the largest side the slopes lie below -0.05 per layer (accuracy: above 0.005), at the smallest above, and the slope "
    "of the log training loss at the largest is below that at the smallest",
    leave_out=("depth", "pair"),
)
def vp_follows_at_large_input(data):
    vp = data[data["map"] == "vp"]
    small, large, by = vp["side"].min(), vp["side"].max(), PAIR if "task" in vp else ()
    parts = depth_parts(vp[vp["side"] == large], f"VP at {large} px", falls=True, by=by)
    parts += depth_parts(vp[vp["side"] == small], f"VP at {small} px", falls=False, by=by)
    both = [_cells(vp[vp["side"] == side], "train_loss", True, by) for side in (large, small)]
    name = f"training loss at the end, slope at {large} px less that at {small} px"
    why = next((found.untestable for found in both if found.untestable), "")
    if why:
        return [*parts, Part(name, untestable=why)]
    ends = [_slopes(found.data, "train_loss", True, by) for found in both]
    return [*parts, Part(name, ends[0] - ends[1], high=0)]


@claim(
    "VP+FC lies in between: it follows with CNN, not with DNN",
    figure="depth_to_target",
    rule="CNN: the slopes lie below -0.05 per layer (accuracy: above 0.005); DNN: above (below)",
    leave_out=("depth", "pair"),
)
def vp_fc_between(data):
    return [
        part
        for family in ("cnn", "dnn")
        for part in depth_parts(_of(data, family, "vp_fc"), _name(family, "vp_fc"), falls=family == "cnn")
    ]


@claim(
    "VGG and ResNet on larger inputs behave alike",
    figure="vgg_resnet",
    rule="the slopes lie below -0.05 per level (accuracy: above 0.005), for both and for every input transformation",
    leave_out=("depth", "pair"),
)
def vgg_resnet_too(data):
    return [
        part
        for (family, name), rows in data.groupby(["family", "map"], sort=False)
        for part in depth_parts(rows, _name(family, name), falls=True, by=PAIR if "task" in rows else ())
    ]


@claim(
    "Cross-entropy and squared loss show the same tendency",
    figure="ce_mse",
    rule="wherever a slope under the squared loss is not zero, that under cross-entropy has its sign, on the same pairs of tasks",
    leave_out=("depth", "pair"),
)
def ce_like_mse(data):
    pairs = data[data["loss"] == "ce"][["family", *PAIR]].drop_duplicates()
    data, parts = data.merge(pairs, on=["family", *PAIR]), []
    for family in ("dnn", "cnn"):
        for name in MAPS:
            for words, column, log, ended in READINGS:
                found = {loss: _cells(_of(data, family, name, loss), column, ended, PAIR) for loss in ("mse", "ce")}
                parts.append(_same_sign(f"{_name(family, name)}, {words}", found, column, log))
    return parts


def _same_sign(name: str, found: dict[str, Tested], column: str, log: bool) -> Part:
    """The slope under cross-entropy, with the sign that makes it positive where it agrees with the squared loss."""
    slope = {}
    for loss, one in found.items():
        if one.untestable:
            return Part(name, untestable=one.untestable)
        slope[loss] = _slopes(one.data, column, log, PAIR)
    squared = Part("", slope["mse"], low=0)
    if squared.outcome == "undecided":
        return Part(name, untestable="its slope under the squared loss may be zero")
    return Part(name, np.sign(np.mean(squared.values)) * slope["ce"], low=0, left_out=found["ce"].left_out)


# The spectrum and the target.

HORIZONS = (
    ("after 100 steps", "loss_100", False),
    ("after 300 steps", "loss_300", False),
    ("at the end", "train_loss", True),
)


@claim(
    "The spectrum of the target kernel governs success",
    figure="loss_against_spectrum",
    rule="the functional that is best on other seeds explains more than half of the variance of the log training loss on a seed "
    "left out, and more than the best of starting loss, depth and source accuracy",
    leave_out=("depth", "pair"),
)
def spectrum_governs(data):
    parts = []
    for name in MAPS:
        for words, column, ended in HORIZONS:
            rows = data[(data["map"] == name) & (data["loss"] == "mse")]
            found = _cells(rows, column, ended, ("family", *PAIR))
            found = varying(found, column, by=("family", *PAIR))
            label = f"{_name(name)}, training loss {words}"
            if found.untestable:
                parts.append(Part(label, untestable=found.untestable))
                continue
            rows = floored(found.data, column)
            best = best_share(rows, COLUMNS, y=column)
            parts.append(Part(f"{label}, share explained", best, low=ENOUGH, left_out=found.left_out))
            rest = best_share(rows, BASELINES, y=column)
            parts.append(Part(f"{label}, less the best baseline's", best - rest, low=0, left_out=found.left_out))
    return parts


SMALLEST = ("condition", "lambda_min", "ks_lambda_min")  # lambda_min in its three readings, for the map of regimes
OTHERS = ("lambda_max", "lambda_mean", "effective_rank", "alignment", "complexity", "label_weighted")
OUTCOME = {"linear_100": "label_weighted"}  # a functional that is the loss to be explained itself


def _beyond(data: pd.DataFrame, names: Sequence[str], horizon: str) -> np.ndarray:
    """For every seed left out, what the functional of `names` that is best on other seeds explains beyond the starting loss."""
    return best_share(data, names, y=horizon, beyond=("start_loss",))


@claim(
    "Of its functionals, the smallest eigenvalue is the one",
    figure="map_of_regimes",
    rule="N c within the capacity, lambda_min > 0, sources that learned, the linearised model after 100 and after 100,000 steps "
    "at half the largest stable one: lambda_min (as it is, over lambda_max, or of K_S) explains more than half of what the "
    "starting loss leaves of the variance of the rank of the training loss, and not 0.1 less than the best other functional does",
    leave_out=("depth", "source_task"),
)
def lambda_min_does_it(data):
    parts = []
    for name in ("fc", "vp"):
        rows = data[data["map"] == name]
        for horizon, words in (("linear_100", "after 100 steps"), ("linear_100000", "after 100,000 steps")):
            for kernel, smallest in (("Theta_T", SMALLEST[:2]), ("K_S", SMALLEST[2:])):
                label = f"{_name(name)}, lambda_min[{kernel}], {words}"
                found = within_capacity(rows)
                if found.untestable:
                    parts.append(Part(label, untestable=found.untestable))
                    continue
                own = _beyond(found.data, smallest, horizon)
                others = [one for one in OTHERS if one != OUTCOME.get(horizon)]
                rest = _beyond(found.data, others, horizon)
                parts.append(Part(f"{label}, its share", own, low=ENOUGH, left_out=found.left_out))
                parts.append(Part(f"{label}, less the best other's", own - rest, low=-CLOSE, left_out=found.left_out))
    return parts


@claim(
    "At practical horizons the label-weighted spectrum decides instead (our expectation)",
    figure="map_of_regimes",
    rule="real gradient descent of 100 and 1,000 steps at half the largest stable one: the loss that the kernel predicts for the "
    "100th step explains more than half of what the starting loss leaves of the variance of the rank of the training loss, and "
    "more than the best of lambda_min, lambda_min / lambda_max and lambda_min[K_S]",
    leave_out=("depth", "source_task"),
)
def label_weighted_decides(data):
    parts = []
    for name in ("fc", "vp"):
        rows = data[data["map"] == name]
        for horizon, words in (("real_100", "after 100 steps"), ("real_1000", "after 1,000 steps")):
            found, label = within_capacity(rows), f"{_name(name)}, {words}"
            if found.untestable:
                parts.append(Part(label, untestable=found.untestable))
                continue
            own, rest = (_beyond(found.data, names, horizon) for names in (("label_weighted",), SMALLEST))
            parts.append(Part(f"{label}, its share", own, low=ENOUGH, left_out=found.left_out))
            parts.append(Part(f"{label}, less lambda_min's", own - rest, low=0, left_out=found.left_out))
    return parts


# The source and the target.


@claim(
    "A better source gives a better target",
    figure="source_weakening",
    rule="over all weakened sources, Spearman's correlation of the source's test loss with the target's losses is positive, and "
    "with the target's test accuracy negative; the sources' accuracies differ by at least 0.2",
    leave_out=("way", "pair"),
)
def better_source(data):
    parts = []
    for (family, name), rows in data.groupby(["family", "map"], sort=False):
        for words, column, log, ended in READINGS:
            label = f"{_name(family, name)}, {words}"
            found = _weakened(rows, column, ended)
            sign = 1 if log else -1
            parts.append(part_of(label, found, lambda rows, c=column, s=sign: s * _rank_correlations(rows, c), low=0))
    return parts


def _weakened(rows: pd.DataFrame, column: str, ended: bool) -> Tested:
    """Runs that ended, if the sources differ enough; weak sources are the point here, so none has to have learned."""
    if column not in rows:
        return Tested(rows.iloc[:0], "", "the data do not follow the training")
    cells = rows.assign(cell=rows["way"] + " " + rows["strength"].astype(str))
    cells = cells if "pair" in cells else cells.assign(pair="the target")
    found = tested(cells, (converged,) if ended else (), x="cell", by=("pair",))
    if found.untestable:
        return found
    spread = np.ptp(found.data.groupby("cell")["source_test_accuracy"].mean())
    if spread < SPREAD:
        return Tested(rows.iloc[:0], "", f"the sources' accuracies differ by {spread:.2f} only")
    return unsolved(found) if column == "train_loss" else found


def _rank_correlations(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Spearman's correlation of the source's test loss with that column, by seed, averaged over pairs."""
    if column != "test_accuracy":
        rows = floored(rows, column)
    found = [
        np.mean([part[["source_test_loss", column]].corr("spearman").iloc[0, 1] for _, part in seed.groupby("pair")])
        for _, seed in rows.groupby("seed")
    ]
    return np.array(found)


@claim(
    "On pretrained features, VP beats FC",
    figure="feature_cnn_depth",
    rule="the test accuracy of VP less that of FC, averaged over depths and tasks, is positive, both trained to the end on "
    "sources that learned",
    leave_out=("depth", "task"),
)
def vp_beats_fc(data):
    found = tested(data, (learned, converged), by=("map", "task"), least=1)
    if not found.untestable and set(found.data["map"]) != {"fc", "vp"}:
        found = Tested(data.iloc[:0], "", found.left_out)
    return [part_of("test accuracy, VP less FC", found, _vp_less_fc, low=0)]


def _vp_less_fc(data):
    both = data.pivot_table(index=["seed", "task", "depth"], columns="map", values="test_accuracy").dropna()
    return (both["vp"] - both["fc"]).groupby("seed").mean().to_numpy()


@claim(
    "... where source and target accuracy rise with the head's depth",
    figure="feature_cnn_depth",
    rule="the slopes of the source's and the target's test accuracy against depth lie above 0.005 per layer",
    leave_out=("depth", "task"),
)
def accuracy_rises(data):
    side = {"low": RELEVANT_ACCURACY}
    source = tested(data.drop_duplicates(["depth", "seed"]), (learned,))
    parts = [part_of("source accuracy", source, lambda rows: slopes(rows, "source_test_accuracy", log=False), **side)]
    for name, part in data.groupby("map", sort=False):
        found = tested(part, (learned, converged), by=("task",))
        label = f"target accuracy, {_name(name)}"
        parts.append(part_of(label, found, lambda rows: slopes(rows, "test_accuracy", by=("task",), log=False), **side))
    return parts


@claim(
    "Assumption 3 holds",
    figure="assumption3",
    rule="it holds, without both sides being 0, at every target point, for every feature map",
)
def assumption3(data):
    """Share of the target points for which it holds without both sides being 0; the claim wants all of them."""
    return [
        Part(name, (part["verdict"] == "holds").groupby(part["seed"]).mean().to_numpy(), low=0.999)
        for name, part in data.groupby("features", sort=False)
    ]


@claim(
    "The generalisation gap is roughly constant, so that the empirical risk decides",
    figure="generalisation_gap",
    rule="from the shallowest to the deepest source that can be tested the gap changes by less than 0.1 of the constant "
    "predictor's loss, and over depths the test loss follows the training loss (Spearman's correlation above 0.5)",
    leave_out=("pair",),
)
def gap_constant(data):
    parts = []
    for family in ("dnn", "cnn"):
        for name in MAPS:
            rows, label = _of(data, family, name), _name(family, name)
            found = tested(rows, (learned, converged, below_constant), by=PAIR)
            parts.append(part_of(f"{label}, change of the gap", found, _gap_change, low=-CLOSE, high=CLOSE))
            found = varying(unsolved(found), "train_loss", by=PAIR)
            parts.append(part_of(f"{label}, test loss follows", found, _followed, low=ENOUGH))
    return parts


def _cases(rows: pd.DataFrame):
    """For every seed its cases, one per pair of tasks, by depth."""
    for _, seed in rows.sort_values("depth").groupby("seed"):
        yield [part for _, part in seed.groupby(list(PAIR))]


def _gap_change(rows: pd.DataFrame) -> np.ndarray:
    """Of the gap, from the shallowest to the deepest source, as a share of the constant predictor's loss."""
    rows = rows.assign(gap=(rows["test_loss"] - rows["train_loss"]) / rows["constant_loss"])
    return np.array([np.mean([case["gap"].iloc[-1] - case["gap"].iloc[0] for case in cases]) for cases in _cases(rows)])


def _followed(rows: pd.DataFrame) -> np.ndarray:
    """Spearman's correlation over depths of training and test loss."""
    rows = floored(rows, "train_loss")
    columns = ["train_loss", "test_loss"]
    return np.array([np.mean([case[columns].corr("spearman").iloc[0, 1] for case in cases]) for cases in _cases(rows)])


@claim(
    "Little data and few trained parameters suffice",
    figure="few_shot",
    rule="with 10 examples a class, trained to the end on sources that learned, test accuracy is above training from "
    "scratch, and not 0.05 or more below fine-tuning",
    leave_out=("pair",),
)
def little_suffices(data):
    data, parts = data[data["per_class"] == FEW], []
    for family, part in data.groupby("family", sort=False):
        for name in ("fc", "vp"):
            label = _name(family, name)
            for way, words, low in (("scratch", "training from scratch", 0), ("fine_tuning", "fine-tuning", -NEAR)):
                found = _two_ways(part, name, way)
                parts.append(
                    part_of(f"{label} less {words}", found, lambda rows, n=name, w=way: _less(rows, n, w), low=low)
                )
    return parts


def _two_ways(rows: pd.DataFrame, one: str, other: str) -> Tested:
    """Both ways trained to their end, on sources that learned."""
    if "source_test_accuracy" not in rows:
        return Tested(rows.iloc[:0], "", "the data do not say how good the source is")
    return tested(rows[rows["way"].isin([one, other])], (learned, converged), x="way", by=PAIR, least=2)


def _less(rows: pd.DataFrame, one: str, other: str) -> np.ndarray:
    return by_seed(rows[rows["way"] == one], "test_accuracy") - by_seed(rows[rows["way"] == other], "test_accuracy")


# Pretrained models.


def _accuracies(data: pd.DataFrame, name: str, trained: str = "test_accuracy") -> pd.DataFrame:
    """Test accuracy of every way for every seed, averaged over tasks: of that input map, and of ways that have none.

    `trained` is the quantity that is taken of the input map.
    """
    own = (data["map"] == name) & (data["quantity"] == trained)
    none = (data["map"] == "none") & (data["quantity"] == "test_accuracy")
    return data[own | none].pivot_table(index="seed", columns="way", values="value")


def _pretrained_parts(data: pd.DataFrame, others: Sequence[tuple[str, str]]) -> list[Part]:
    """For every source and input map: test accuracy, averaged over tasks, less that of every other way."""
    if "map" not in data:
        return [Part("accuracy", untestable="the training was not followed to a plateau")]
    return [
        _pretrained_part(source, own, name, way, words)
        for source, own in data.groupby("source", sort=False)
        for name in own[own["way"] == "reprogrammed"]["map"].unique()
        for way, words in others
        if way in _accuracies(own, name)
    ]


def _pretrained_part(source: str, own: pd.DataFrame, name: str, way: str, words: str) -> Part:
    label, found = f"{source} {_name(name)} less {words}", ended_tasks(own, name, way)
    if found.untestable:
        return Part(label, untestable=found.untestable)

    def part(trained: str) -> Part:
        accuracies = _accuracies(found.data, name, trained)
        return Part(label, (accuracies["reprogrammed"] - accuracies[way]).to_numpy(), low=0, left_out=found.left_out)

    whole = part("test_accuracy")
    if HALF in set(own["quantity"]) and (short := part(HALF)).outcome != whole.outcome:
        return Part(label, untestable=f"trained half as long it is {short.outcome}, now {whole.outcome}")
    return whole


@claim(
    "Reprogramming uses what a pretrained source has learned",
    figure="real_models",
    rule="its test accuracy is above that of the same network untrained (batch statistics estimated again), averaged over tasks, "
    "for every source and input transformation; not testable where a training of half the length gives another outcome",
    leave_out=("task",),
)
def pretrained_helps(data):
    return _pretrained_parts(data, [("untrained", "its untrained twin")])


@claim(
    "... and is worth it (our addition)",
    figure="real_models",
    rule="its test accuracy is above that of a linear model on the raw inputs, and of a linear probe of the source's outputs, "
    "averaged over tasks; not testable where a training of half the length gives another outcome",
    leave_out=("task",),
)
def pretrained_pays(data):
    return _pretrained_parts(data, [("linear", "linear on raw inputs"), ("probe", "a linear probe")])


@claim(
    "It carries to a second domain, time series",
    figure="time_series",
    rule="averaged over three tasks or more in which training has ended, test accuracy is above that of the same network "
    "untrained, and of a linear model on the raw series, for every source and input transformation",
    leave_out=("task",),
)
def second_domain(data):
    others = [("untrained", "its untrained twin"), ("linear", "linear on raw series")]
    return _pretrained_parts(data, others)


@claim(
    "The kernel tells which source to choose (our score, for the takeaway on guidance)",
    figure="choosing",
    rule="on the half of sources and tasks that was held out when the score was chosen: Kendall's tau of the predicted accuracy "
    "with the test accuracy after training, over settings (a task and an input map), is above that of every other score; its "
    "first choice loses at most half of the test accuracy that the first choice of the best other score loses",
    leave_out=("task",),
)
def score_chooses(data):
    found = quality(held_out(data))
    tau, lost = by_score(found, "tau"), by_score(found, "first")
    others = [score for score in SCORES if score not in OURS]
    best = min(others, key=lambda score: lost[score].mean())
    return [
        *(Part(f"tau less that of {SCORES[score][0]}", tau["ours"] - tau[score], low=0) for score in others),
        Part(f"accuracy lost, less half of that by {SCORES[best][0]}", lost["ours"] - lost[best] / 2, high=0),
    ]

"""The claims and their rules. A claim is one function: what it claims, by which figure and by which rule stands above it, and
it turns the data of that figure into parts, one number per seed each and where their mean should lie.

Slopes are least-squares slopes of a logarithm against depth, one per seed, averaged over pairs of source and target task.
"Target loss" is the loss on the target's training examples after training, which Corollary 1 speaks of, not the test loss.
"""

from collections.abc import Callable

import numpy as np

from figures.experiments.reprogramming import MAP_NAMES
from figures.making.drawing import NAMES
from figures.making.statistics import by_seed, slopes

from . import Claim, Part
from .functional_shares import best_other_share, shares

PAIR = ("source_task", "task")
MAPS = ("fc", "vp", "vp_fc")
ENOUGH = 0.5  # share of the variance that "governs" asks for
ROUGHLY = 0.5  # relative change that "roughly constant" allows
NEAR = 0.05  # accuracy that reprogramming may lose against fine-tuning and still "suffice"
FEW = 10  # examples per class that count as little data

CLAIMS: list[Claim] = []  # in the order of their definition


def claim(sentence: str, *, figure: str, rule: str) -> Callable:
    """Makes a claim of the function below it, whose name is the claim's ID.

    Parameters
    ----------
    sentence : what the paper says, in our words.
    figure : ID of the figure whose data the function takes.
    rule : what the function does, in words.
    """

    def collected(parts: Callable) -> Callable:
        CLAIMS.append(Claim(parts.__name__, sentence, figure, rule, parts))
        return parts

    return collected


def _name(*parts: str) -> str:
    return " ".join((NAMES | MAP_NAMES).get(part, part) for part in parts)


@claim(
    "The smallest eigenvalue of the source's kernel rises with depth",
    figure="source_min_eigenvalue",
    rule="the slope of log lambda_min[K_S] against depth is positive, for every architecture",
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
    rule="the slope of the source's log test loss against depth is negative",
)
def source_improves(data):
    groups = _sources(data).groupby("family", sort=False)
    return [
        Part(_name(family), slopes(part, "source_test_loss", by=("source_task",)), high=0) for family, part in groups
    ]


def _target_slopes(data, family, name, loss="mse"):
    part = data[(data["family"] == family) & (data["map"] == name) & (data["loss"] == loss)]
    return slopes(part, "train_loss", by=PAIR)


@claim(
    "With FC, the target loss falls with the source's depth",
    figure="depth_to_target",
    rule="the slope of the log target loss against depth is negative",
)
def fc_falls(data):
    return [Part(_name(family, "fc"), _target_slopes(data, family, "fc"), high=0) for family in ("dnn", "cnn")]


@claim(
    "With VP at a small source input, it does not",
    figure="depth_to_target",
    rule="the slope's interval is not wholly negative",
)
def vp_does_not(data):
    return [
        Part(_name(family, "vp"), _target_slopes(data, family, "vp"), low=0, closed=True) for family in ("dnn", "cnn")
    ]


@claim(
    "With VP at a large source input, it does",
    figure="input_size",
    rule="at the largest side the slope is negative; at the smallest its interval is not wholly negative",
)
def vp_follows_at_large_input(data):
    vp = data[data["map"] == "vp"]
    small, large = (vp[vp["side"] == side] for side in (vp["side"].min(), vp["side"].max()))
    return [
        Part(f"VP at {vp['side'].max()} px", slopes(large, "train_loss"), high=0),
        Part(f"VP at {vp['side'].min()} px", slopes(small, "train_loss"), low=0, closed=True),
    ]


@claim(
    "VP+FC lies in between: it follows with CNN, not with DNN",
    figure="depth_to_target",
    rule="CNN: the slope is negative; DNN: its interval is not wholly negative",
)
def vp_fc_between(data):
    return [
        Part(_name("cnn", "vp_fc"), _target_slopes(data, "cnn", "vp_fc"), high=0),
        Part(_name("dnn", "vp_fc"), _target_slopes(data, "dnn", "vp_fc"), low=0, closed=True),
    ]


@claim(
    "VGG and ResNet on larger inputs behave alike",
    figure="vgg_resnet",
    rule="the slope of the log target loss against depth is negative, for both and for every input transformation",
)
def vgg_resnet_too(data):
    return [
        Part(_name(family, name), slopes(part, "train_loss"), high=0)
        for (family, name), part in data.groupby(["family", "map"], sort=False)
    ]


@claim(
    "Cross-entropy and squared loss show the same tendency",
    figure="ce_mse",
    rule="wherever the slope under the squared loss is decided, that under cross-entropy has its sign",
)
def ce_like_mse(data):
    """Only where the slope under the squared loss is decided: does cross-entropy's have its sign?"""
    pairs = data[data["loss"] == "ce"][list(PAIR)].drop_duplicates()
    data = data.merge(pairs, on=list(PAIR))
    parts = []
    for family in ("dnn", "cnn"):
        for name in MAPS:
            squared = Part("", _target_slopes(data, family, name), low=0)
            if squared.outcome != "undecided":
                sign = np.sign(np.mean(squared.values))
                parts.append(Part(_name(family, name), sign * _target_slopes(data, family, name, "ce"), low=0))
    return parts


@claim(
    "The spectrum of the target kernel governs success",
    figure="loss_against_spectrum",
    rule="the functional that is best on other seeds explains more than half of the variance of the log target loss on a "
    "seed left out",
)
def spectrum_governs(data):
    return [
        Part(_name(name), best_other_share(data[data["map"] == name], without=()), low=ENOUGH)
        for name in MAPS
    ]  # fmt: skip


@claim(
    "Of its functionals, the smallest eigenvalue is the one",
    figure="loss_against_spectrum",
    rule="it explains a positive share out of sample, and that is not less than the best other functional's",
)
def lambda_min_does_it(data):
    parts = []
    for name in MAPS:
        part = data[data["map"] == name]
        own = shares(part)["lambda_min"].to_numpy()
        parts.append(Part(f"{_name(name)}, its share", own, low=0))
        rest = best_other_share(part, without=("lambda_min",))
        parts.append(Part(f"{_name(name)}, its share less the best other's", own - rest, low=0, closed=True))
    return parts


@claim(
    "A better source gives a better target",
    figure="source_weakening",
    rule="over all weakened sources, Spearman's correlation between source test loss and target loss is positive",
)
def better_source(data):
    """Spearman's correlation between the source's test loss and the target loss, over all weakened sources."""
    parts = []
    for (family, name), part in data.groupby(["family", "map"], sort=False):
        columns = ["source_test_loss", "train_loss"]
        found = [seed[columns].corr("spearman").iloc[0, 1] for _, seed in part.groupby("seed")]
        parts.append(Part(_name(family, name), found, low=0))
    return parts


def _vp_less_fc(data):
    return by_seed(data[data["map"] == "vp"], "test_accuracy") - by_seed(data[data["map"] == "fc"], "test_accuracy")


@claim(
    "On pretrained features, VP beats FC",
    figure="feature_cnn_depth",
    rule="the test accuracy of VP less that of FC, averaged over depths and tasks, is positive",
)
def vp_beats_fc(data):
    return [Part("test accuracy, VP less FC", _vp_less_fc(data), low=0)]


@claim(
    "... where source and target accuracy rise with the head's depth",
    figure="feature_cnn_depth",
    rule="the slopes of the source's and the target's test accuracy against depth are positive",
)
def accuracy_rises(data):
    source = data.drop_duplicates(["depth", "seed"])
    parts = [Part("source accuracy", slopes(source, "source_test_accuracy", log=False), low=0)]
    for name, part in data.groupby("map", sort=False):
        parts.append(
            Part(f"target accuracy, {_name(name)}", slopes(part, "test_accuracy", by=("task",), log=False), low=0)
        )
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
    "The generalisation gap is roughly constant",
    figure="generalisation_gap",
    rule="from the shallowest to the deepest source it changes by less than half of its mean",
)
def gap_constant(data):
    """Relative change of the gap from the shallowest to the deepest source."""
    data = data[(data["loss"] == "mse") & data["map"].isin(MAPS)].assign(gap=lambda d: d["test_loss"] - d["train_loss"])
    parts = []
    for (family, name), part in data.groupby(["family", "map"], sort=False):
        ends = [by_seed(part[part["depth"] == depth], "gap") for depth in (part["depth"].min(), part["depth"].max())]
        change = (ends[1] - ends[0]) / by_seed(part, "gap")
        parts.append(Part(_name(family, name), change, low=-ROUGHLY, high=ROUGHLY))
    return parts


@claim(
    "Little data and few trained parameters suffice",
    figure="few_shot",
    rule="with 10 examples a class, test accuracy is above training from scratch, and not 0.05 or more below fine-tuning",
)
def little_suffices(data):
    data = data[data["per_class"] == FEW]
    parts = []
    for family, part in data.groupby("family", sort=False):
        accuracy = {way: by_seed(rows, "test_accuracy") for way, rows in part.groupby("way")}
        for name in ("fc", "vp"):
            label = _name(family, name)
            parts.append(Part(f"{label} less training from scratch", accuracy[name] - accuracy["scratch"], low=0))
            parts.append(Part(f"{label} less fine-tuning", accuracy[name] - accuracy["fine_tuning"], low=-NEAR))
    return parts


def _ways(data):
    """Accuracy of every way for every seed, averaged over tasks."""
    return data[data["quantity"] == "accuracy"].pivot_table(index="seed", columns="way", values="value")


@claim(
    "Reprogramming uses what a pretrained source has learned",
    figure="real_models",
    rule="its test accuracy is above that of the same network untrained, averaged over tasks, for every source",
)
def pretrained_helps(data):
    return [
        Part(
            f"{source} less its untrained twin",
            (_ways(part)["reprogrammed"] - _ways(part)["untrained"]).to_numpy(),
            low=0,
        )
        for source, part in data.groupby("source", sort=False)
    ]


@claim(
    "It carries to a second domain, time series",
    figure="time_series",
    rule="averaged over tasks, test accuracy is above that of the same network untrained, and of a linear model",
)
def second_domain(data):
    ways = _ways(data)
    return [
        Part(f"accuracy less that of the {words}", (ways["reprogrammed"] - ways[way]).to_numpy(), low=0)
        for way, words in (("untrained", "untrained network"), ("linear", "linear model"))
    ]

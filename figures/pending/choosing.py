"""Which source for my task? The score of `mrntk rank` beside those that others use: which puts the best sources first."""

import itertools

import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.claims.judged_scores import OURS, SCORES, SETTING, by_score, held_out, quality
from figures.experiments.ranking import measured
from figures.experiments.reprogramming import source_quality
from figures.experiments.sources import RATES
from figures.making.statistics import with_interval
from mrntk.choosing.candidates import Candidate
from mrntk.sources.registry import load_source
from mrntk.sources.trained import FAMILIES, Recipe, train
from mrntk.support.style import OKABE_ITO, t_interval
from mrntk.tasks import load_task

ID = "choosing"
TITLE = "Which source for my task: a ranking before training"
PAPER = "the last of its takeaways, guidance for choosing sources and tasks; the ranking is ours"
ALT = (
    "Two panels of horizontal bars, one bar for each score, sorted. Left: Kendall's tau between the score before training and "
    "the test accuracy after it, mean over settings of the held-out half, with 95 percent intervals. Right: by how much the test "
    "accuracy of the source that the score puts first falls short of that of the best source."
)
SAYS = "A good source model is critical to reprogramming, and the kernel's spectrum tells what will work (abstract)."
NOTE = (
    "A setting is a target task and an input map; within it all sources are ranked, of which none was trained on that task. "
    "The score's form was chosen on one half of sources and tasks; drawn is the other, where the sources' accuracies differ by "
    "at least 0.1. The output mapping is by frequency. Training is by cross-entropy, Adam with the authors' rates, minibatches "
    "of 20. Scores see half of the training examples of an image task."
)
SCALES = {
    "smoke": {
        "families": ("dnn",), "dnn_depth": (1, 2, 3), "cnn_depth": (1,), "dnn_epochs": (0, 1), "cnn_epochs": (1,),
        "losses": ("ce",),
        "image_sources": ("mnist5k",), "side": 14, "dnn_width": 16, "cnn_width": 4, "source_per_class": 10,
        "series_sources": (), "series_epochs": (1,), "length": 24, "real": (), "real_side": 32, "sounds": (), "once": (),
        "image_tasks": ("digits",), "real_tasks": (), "series_tasks": ("italypower",), "maps": ("vp", "fc"),
        "seeds": 2, "examples": 20, "scored": 20, "test": 20, "steps": 4, "batch": 10,
    },
    "course": {
        "families": ("dnn", "cnn"), "dnn_depth": (2, 5), "cnn_depth": (2, 4), "dnn_epochs": (0, 1, 20),
        "cnn_epochs": (0, 1, 30), "losses": ("ce", "mse"),
        "image_sources": ("mnist5k", "fashion5k"), "side": 14, "dnn_width": 256, "cnn_width": 16,
        "source_per_class": 300, "series_sources": ("osuleaf", "acsf1"), "series_epochs": (0, 5, 50), "length": 150,
        "real": ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"), "real_side": 32,
        "sounds": ("crepe-tiny", "speech-embedding"), "once": ("speech-embedding",),
        "image_tasks": ("digits", "fashion5k", "photos", "mnist5k"),
        "real_tasks": ("fashion5k", "photos"), "series_tasks": ("gunpoint", "arrowhead", "trace", "coffee"),
        "maps": ("fc", "vp", "vp_fc"), "seeds": 3, "examples": 100, "scored": 50, "test": 500, "steps": 500, "batch": 20,
    },
    "paper": {
        "families": ("dnn", "cnn"), "dnn_depth": (2, 3, 5, 7), "cnn_depth": (1, 2, 4, 6), "dnn_epochs": (0, 1, 5, 20, 50),
        "cnn_epochs": (0, 1, 5, 20, 50), "losses": ("ce", "mse"),
        "image_sources": ("cifar10", "mnist5k", "fashion5k"), "side": 32, "dnn_width": 2048,
        "cnn_width": 128, "source_per_class": 400, "series_sources": ("osuleaf", "acsf1"), "series_epochs": (0, 5, 50),
        "length": 150, "real": ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"), "real_side": 128,
        "sounds": ("crepe-tiny", "crepe-full", "speech-embedding"), "once": (),
        "image_tasks": ("digits", "stl10", "photos", "svhn"),
        "real_tasks": ("stl10", "photos", "svhn"), "series_tasks": ("gunpoint", "arrowhead", "trace", "coffee"),
        "maps": ("fc", "vp", "vp_fc"), "seeds": 5, "examples": 500, "scored": 100, "test": 2000, "steps": 5000, "batch": 50,
    },
}  # fmt: skip
MISSING = ("source_accuracy", "behind_logme")  # networks whose own data are not here; features that do not vary
SERIES_DEPTHS = (2, 4)
INNER = 5 / 7


def cells(
    *, families, dnn_depth, cnn_depth, dnn_epochs, cnn_epochs, losses, image_sources, series_sources, series_epochs, real,
    sounds, once, image_tasks, real_tasks, series_tasks, seeds, **rest
):  # fmt: skip
    """One piece per source and seed, with the tasks for which it is a candidate; those of `once` at the first seed only, since
    one of their pieces takes as long as twenty of the others.
    """
    depths, grades = {"dnn": dnn_depth, "cnn": cnn_depth}, {"dnn": dnn_epochs, "cnn": cnn_epochs}
    plans = [
        ((family, depth, home, epochs, loss), image_tasks, series_tasks)
        for family in families
        for depth, epochs in itertools.product(depths[family], grades[family])
        for home, loss in _lives(epochs, image_sources, losses)
    ]
    plans += [
        (("series", depth, home, epochs, loss), (), series_tasks)
        for depth, epochs in itertools.product(SERIES_DEPTHS, series_epochs)
        for home, loss in _lives(epochs, series_sources, ("ce",))
    ]
    twins = ("trained", "untrained")
    plans += [((name, 0, twin, 0, "ce"), real_tasks, ()) for name, twin in itertools.product(real, twins)]
    plans += [((name, 0, twin, 0, "ce"), (), series_tasks) for name, twin in itertools.product(sounds, twins)]
    names = ("family", "depth", "home", "epochs", "source_loss")
    return [
        dict(zip(names, source, strict=True)) | {"seed": seed, "images": images, "series": series} | rest
        for seed in range(seeds)
        for source, images, series in plans
        if seed == 0 or source[0] not in once
    ]


def _lives(epochs, homes, losses):
    """What a source may have been trained on and by; those at random do not differ by what they never saw."""
    return list(itertools.product(homes, losses))[: None if epochs else 1]


def source_of(family, depth, home, epochs, loss, seed, *, side, length, real_side, widths, per_class):
    """(source, its accuracy on its own task, or NaN where that has no data here)."""
    if family not in (*FAMILIES, "series"):
        options = {"side": real_side} if family.startswith("efficientnet") else {}
        twin = {"untrained": seed} if home == "untrained" else {}
        return load_source(family, **options, **twin), np.nan
    own = load_task(home).with_inputs(np.float32).resized(length if family == "series" else side)
    network = "dnn" if family == "series" else family
    sizes = {"depth": depth, "width": widths[network]}
    if epochs == 0:
        key = jax.random.fold_in(jax.random.key(seed), depth)
        source = FAMILIES[network](own.input_shape, own.num_classes, key=key, **sizes)
    else:
        most = int(np.bincount(own.y_train).min())
        recipe = Recipe(
            loss=loss, epochs=epochs, batch=16 if family == "series" else 32, patience=0, learning_rate=RATES[network],
            per_class=min(per_class, most),
        )  # fmt: skip
        source = train(network, own, seed=42 + seed, recipe=recipe, **sizes).source
    return source, source_quality(source, own, loss=loss)["source_test_accuracy"]


def compute(
    key, *, family, depth, home, epochs, source_loss, seed, images, series, side, dnn_width, cnn_width, source_per_class, length,
    real_side, maps, examples, scored, test, steps, batch
):  # fmt: skip
    """One row per task and input map: every score, and the test accuracy after training."""
    source, accuracy = source_of(
        family, depth, home, epochs, source_loss, seed, side=side, length=length, real_side=real_side,
        per_class=source_per_class, widths={"dnn": dnn_width, "cnn": cnn_width},
    )  # fmt: skip
    place = {"family": family, "depth": depth, "home": home, "epochs": epochs, "source_loss": source_loss}
    sizes = {"examples": examples, "scored": scored, "test": test, "steps": steps, "batch": batch, "seed": seed}
    of_images, rows = len(source.input_shape) == 3, []
    for number, name in enumerate((*images, *series)):
        task, own = load_task(name), jax.random.fold_in(jax.random.fold_in(key, seed), number)
        if name == home or task.num_classes > source.num_outputs:
            continue
        for one in maps if of_images == (name in images) else tuple(one for one in maps if one == "fc"):
            found = measured(source, Candidate(name, family, one, INNER), task, **sizes, key=own)
            rows.append(place | {"task": name, "map": one, "seed": seed, "source_accuracy": accuracy} | found)
    return rows


def render(data):
    """Mean tau and mean regret of every score over the settings of the held-out half."""
    found = quality(held_out(data))
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 5.0), sharey=True)
    order = list(by_score(found, "tau"))[::-1]
    for axis, column, label in ((axes[0], "tau", "Kendall's tau"), (axes[1], "first", "regret of the first choice")):
        values = by_score(found, column)
        means = np.array([values[score].mean() for score in order])
        ends = np.abs(np.array([t_interval(values[score]) for score in order]).T - means)
        colours = [OKABE_ITO[5] if score in OURS else OKABE_ITO[0] for score in order]
        axis.barh(range(len(order)), means, xerr=ends, color=colours, error_kw={"elinewidth": 1})
        axis.set(xlabel=label, yticks=range(len(order)), yticklabels=[SCORES[score][0] for score in order])
        axis.axvline(0, color="k", linewidth=0.8)
    axes[0].set_title("agreement with the truth")
    axes[1].set_title("test accuracy lost")
    settings = found.groupby(SETTING).ngroups
    figure.supxlabel(
        f"held-out half: {settings} settings, {data['seed'].nunique()} seeds; bars: 95 % t intervals over settings",
        fontsize=8,
    )
    return figure


def finds(data):
    """The score beside the best of the others, on the held-out half."""
    found = quality(held_out(data))
    tau, first = by_score(found, "tau"), by_score(found, "first")
    best = next(score for score in tau if score not in OURS)
    cheapest = next(score for score in first if score not in OURS)
    ahead = with_interval(tau["ours"] - tau[best], sign=True)
    return (
        "Held-out half: Kendall's tau of the predicted accuracy with the accuracy after training is "
        f"{with_interval(tau['ours'])}; without a probe {with_interval(tau['ours_at_start'])}; of the best other "
        f"score, {SCORES[best][0]}, {with_interval(tau[best])}; difference {ahead}. The first choice loses "
        f"{with_interval(first['ours'], 3)} of test accuracy, that of {SCORES[cheapest][0]} "
        f"{with_interval(first[cheapest], 3)}."
    )

"""The capacity law of visual prompts: the rank of Theta_T, and the loss that stays, against N c and the prompt's size."""

import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.reprogramming import examples
from figures.making.drawing import NAMES, mean_line, shared_legend
from figures.making.statistics import with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.prediction.before_training import before_training, training_floor
from mrntk.sources.trained import Recipe, train
from mrntk.spectrum import spectrum
from mrntk.support.style import OKABE_ITO
from mrntk.tasks import load_task

ID = "capacity_law"
TITLE = "The capacity law of visual prompts"
PAPER = "Beyond the paper: why VP needs a larger source input (author notes say that it does)"
ALT = (
    "Two columns, a fully connected and a convolutional source, against the number N c of target outputs. Above, on "
    "logarithmic axes, the rank of Theta_T, one line for each size of the prompt, beside dotted lines of the law: the "
    "smaller of N c and the number of prompt entries. Below, the share of the starting loss that training of the linearised "
    "model cannot remove; zeros lie on a marked line."
)
SAYS = (
    "Beyond the paper: VP follows the prediction only with a larger source input (author notes). Theory here: Theta_T is "
    "positive definite only if N c is at most the number of prompt entries; beyond, some of the loss stays (derived here)."
)
SCALES = {
    "smoke": {
        "family": ("dnn", "cnn"), "depth": 2, "cnn_depth": 1, "width": 32, "cnn_width": 4, "inner": (26, 27),
        "per_class": (2, 4, 8), "seeds": 2, "source_task": "mnist5k", "task": "digits", "source_per_class": 10,
        "source_epochs": 2,
    },
    "course": {
        "family": ("dnn", "cnn"), "depth": 3, "cnn_depth": 3, "width": 256, "cnn_width": 16,
        "inner": (14, 20, 24, 26, 27), "per_class": (1, 2, 4, 8), "seeds": 5, "source_task": "mnist5k", "task": "digits",
        "source_per_class": 200, "source_epochs": 20,
    },
    "paper": {
        "family": ("dnn", "cnn"), "depth": 6, "cnn_depth": 6, "width": 2048, "cnn_width": 512,
        "inner": (14, 20, 24, 26, 27), "per_class": (1, 2, 4, 8, 16), "seeds": 5, "source_task": "mnist5k",
        "task": "digits", "source_per_class": 400, "source_epochs": 50,
    },
}  # fmt: skip
ROUNDING = 1e-12  # a share of the loss below it is 0


def cells(*, family, depth, cnn_depth, width, cnn_width, inner, **rest):
    """One piece a family and prompt size; `inner` is the side of the image inside the prompt, in pixels of the source's input."""
    sizes = {"dnn": {"depth": depth, "width": width}, "cnn": {"depth": cnn_depth, "width": cnn_width}}
    return [{"family": name, "inner": i, **sizes[name], **rest} for name in family for i in inner]


def subset(y, most, few):
    """Indices of the first `few` of `most` examples of every class, in data that are ordered by class."""
    return np.flatnonzero(np.arange(len(y)) % most < few)


def compute(key, *, family, inner, depth, width, per_class, seeds, source_task, task, source_per_class, source_epochs):
    """One row per seed and number of examples a class. The smaller sets are parts of the largest, so one kernel serves all."""
    home, target, rows, most = load_task(source_task), load_task(task), [], max(per_class)
    recipe = Recipe(loss="mse", epochs=source_epochs, per_class=source_per_class)
    for seed in range(seeds):
        source = train(family, home, seed=42 + seed, recipe=recipe, depth=depth, width=width).source
        keys = jax.random.split(jax.random.fold_in(key, seed), 2)
        x, y, _, _ = examples(target, keys[0], most, 1)
        share = inner / source.input_shape[-1]
        model = Reprogram(make_input_map("vp", x.shape[1:], source.input_shape, key=keys[1], inner=share), source)
        before = before_training(model, x, y)
        for few in per_class:
            some = subset(y, most, few)
            part, r = before.kernel[some][:, :, some], before.residual[some]
            row = {"family": family, "inner": inner, "entries": model.input_map.num_parameters, "per_class": few}
            row |= {
                "outputs": r.size,
                "width": width,
                "seed": seed,
                "rank": spectrum(part).rank,
                "floor": training_floor(part, r),
            }
            rows.append(row | {"start_loss": float((r**2).sum() / (2 * len(r)))})
    return rows


def law(data):
    """The most that the rank can be: N c, the prompt's entries, and for a DNN the width of its first layer.

    Input gradients of a DNN are mixtures of the rows of its first weights.
    """
    cap = np.minimum(data["outputs"], data["entries"])
    return cap.mask(data["family"] == "dnn", np.minimum(cap, data["width"]))


def render(data):
    """Ranks beside the law above, floors below."""
    data = data.assign(share=data["floor"] / data["start_loss"])
    zero = data["share"] < ROUNDING
    floor = data["share"][~zero].min() / 3 if not zero.all() else 1e-3
    data["share"] = data["share"].mask(zero, floor)
    families = list(data["family"].unique())
    figure, axes = plt.subplots(2, len(families), figsize=(7.2, 5.6), sharex=True, sharey="row", squeeze=False)
    for column, family in zip(axes.T, families, strict=True):
        part = data[data["family"] == family]
        for number, (entries, same) in enumerate(part.groupby("entries")):
            same = same.assign(outputs=same["outputs"] * 1.04 ** (number - 2))  # side by side, not on top of each other
            outputs = np.geomspace(part["outputs"].min(), part["outputs"].max(), 100)
            style = {
                "color": OKABE_ITO[number],
                "linewidth": 1,
                "label": "law: min(N c, entries)" if number == 0 else None,
            }
            column[0].plot(outputs, np.minimum(outputs, entries), ":", **style)
            label = f"{entries} entries"
            mean_line(column[0], same, "outputs", "rank", number=number, log=True, label=label, linestyle="none")
            mean_line(column[1], same, "outputs", "share", number=number, log=True)
        if family == "dnn":
            column[0].axhline(
                part["width"].iloc[0], color="black", linestyle="-.", linewidth=0.8, label="width of the DNN"
            )
        column[1].axhline(floor, color="black", linestyle="--", linewidth=0.8)
        column[0].set_title(NAMES[family])
        ticks = sorted(part["outputs"].unique())
        column[1].set(xlabel="target outputs $N c$", xscale="log")
        column[1].set_xticks(ticks, ticks)
        column[1].minorticks_off()
    axes[0, 0].set_yticks(sorted(data["entries"].unique()), sorted(data["entries"].unique()))
    axes[0, 0].minorticks_off()
    axes[0, 0].set_ylim(data["rank"].min() / 1.3, law(data).max() * 1.3)
    axes[1, 0].set_ylim(floor / 2, 1.5)
    axes[0, 0].set_ylabel(r"rank of $\Theta_T$")
    axes[1, 0].set_ylabel("loss that stays / starting loss\n(dashed: 0)")
    title = f"geometric means over {data['seed'].nunique()} seeds; bars: 95 % t intervals; shifted sideways a little"
    shared_legend(figure, axes[0, 0], title=title)
    return figure


def percent(values, digits=0):
    return f"{with_interval(100 * values, digits)} %" if len(values) else "nothing to say"


def finds(data):
    """Whether the law is kept, how often it is reached, and what stays on either side of N c = entries."""
    data = data.assign(law=law(data), share=data["floor"] / data["start_loss"])
    data["over"] = data["outputs"] > data["entries"]
    words = []
    for family, part in data.groupby("family", sort=False):
        reached = part.assign(reached=part["rank"] / part["law"]).groupby("seed")["reached"].mean()
        over, under = (part[part["over"] == side].groupby("seed")["share"].mean() for side in (True, False))
        words.append(
            f"{NAMES[family]}: the rank is {percent(reached)} of what the law allows; of the starting loss {percent(over, 1)} "
            f"stays where N c exceeds the entries, {percent(under, 1)} where it does not"
        )
    above, cap = int((data["rank"] > data["law"]).sum()), "min(N c, entries), for the DNN also the width"
    return f"The rank is above the law, {cap}, in {above} of {len(data)} cases. {'. '.join(words)}."

"""Does the visual prompt need a larger source input? Target loss against depth at three sizes, and the capacity law."""

import jax
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.converged import floored, measure_to_the_end
from figures.experiments.reprogramming import examples, source_quality
from figures.experiments.sources import BATCH, RATES
from figures.making.drawing import INTERVAL, mean_line
from figures.making.statistics import by_seed, slopes, with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.sources.trained import Recipe, train
from mrntk.support.style import MARKERS, t_interval
from mrntk.tasks import load_task

ID = "input_size"
TITLE = "Target loss against depth at three sizes of the source's input"
PAPER = "notes on the earlier version: source inputs of 28, 56 and 112 pixels"
ALT = (
    "Four panels on a visual prompt. Above, against the depth of the source, one line for each side of the source's input, "
    "thick for the first target and thin for the second: left the target's training loss, logarithmic, with a line for a "
    "constant predictor, right its test accuracy. Below left, the slope of the log training loss against depth, from depth 2 "
    "on, for each side and target, with a line at zero. Below right, the rank of the prompt's target kernel as a share of all "
    "outputs against the number of prompt entries as a share of all outputs, beside the bound that the rank cannot exceed "
    "either. Bars are 95 percent t intervals over seeds."
)
SAYS = (
    "With VP the target loss does not fall with the source's depth at a small input; a larger input, 56 or 112 pixels "
    "instead of 28, lets VP follow the prediction (author notes). The capacity law, rank <= number of prompt entries, is "
    "our addition."
)
NOTE = (
    "Sources train for a fixed number of epochs without early stopping, with a rate in inverse proportion to the number of "
    "pixels. In a first version all had the rate of 28 pixels, by which nearly all units of the first layer were silenced for "
    "good at 84 pixels, and a prompt could do nothing through the rest. Theta trains with all target examples at once, until "
    "the last tenth of the steps changes the loss by less than 2 %, or until the loss is 1 % of the constant predictor's. FC "
    "learns nearly all its examples, and is not drawn."
)
# The rank is also at most the width of a DNN's first layer, since all input gradients lie in the row space of its weights. So the
# width is above N_T c_T, which lies between the 384 prompt entries at 28 pixels and the 1536 at 56.
SCALES = {
    "smoke": {
        "side": (28, 42), "depth": (1, 2), "maps": ("vp",), "source_task": "mnist5k", "task": ("digits",), "width": 32,
        "seeds": 2, "source_per_class": 10, "source_epochs": 2, "per_class": 1, "test": 10, "most": 5,
    },
    "course": {
        "side": (28, 56, 84), "depth": (1, 2, 3, 5), "maps": ("vp", "fc"), "source_task": "mnist5k",
        "task": ("digits", "fashion5k"), "width": 512, "seeds": 5, "source_per_class": 400, "source_epochs": 20, "per_class": 5,
        "test": 500, "most": 4000,
    },
    "paper": {
        "side": (28, 56, 112), "depth": (1, 2, 3, 4, 5, 6, 7, 8, 9), "maps": ("vp", "fc"), "source_task": "cifar10",
        "task": ("svhn",), "width": 2048, "seeds": 5, "source_per_class": 4500, "source_epochs": 50, "per_class": 100,
        "test": 8000, "most": 8000,
    },
}  # fmt: skip


def rate(side: int) -> float:
    """Of Adam for a source. A step moves every weight by about the rate, and so a unit of the first layer by rate * pixels."""
    return RATES["dnn"] * (28 / side) ** 2


def silent(source, x) -> float:
    """Share of the units of the first hidden layer that give 0 for all of these inputs: no gradient passes through them."""
    if len(source.layers) == 1:
        return 0.0
    first = jax.vmap(lambda s: source.layers[0](s.ravel()))(x)
    return float((first <= 0).all(axis=0).mean())


def cells(*, side, depth, seeds, **rest):
    """One piece per size, depth and seed."""
    return [{"side": s, "depth": d, "seed": seed, **rest} for seed in range(seeds) for s in side for d in depth]


def compute(
    key, *, side, depth, seed, maps, source_task, task, width, source_per_class, source_epochs, per_class, test, most
):
    """One row per target and input transformation."""
    home, rows = load_task(source_task).with_inputs(np.float32).resized(side), []
    options = {"learning_rate": rate(side), "batch": BATCH, "patience": 0}
    recipe = Recipe(loss="mse", epochs=source_epochs, per_class=source_per_class, **options)
    keys = jax.random.split(jax.random.fold_in(key, seed), 3)
    source = train("dnn", home, seed=42 + seed, recipe=recipe, depth=depth, width=width).source
    about = source_quality(source, home, shown=None) | {"silent": silent(source, home.x_test[:500])}
    for target in task:
        data = examples(load_task(target), keys[0], per_class, test)
        for name in maps:
            a = make_input_map(name, data[0].shape[1:], source.input_shape, key=keys[1])
            found = measure_to_the_end(Reprogram(a, source), data, key=keys[2], loss="mse", most=most)
            found["silent_on_target"] = silent(source, jax.vmap(a)(data[0]))
            place = {"family": "dnn", "side": side, "depth": depth, "source_task": source_task, "task": target}
            rows.append(place | {"map": name, "seed": seed, "width": width, "outputs": data[1].size} | about | found)
    return rows


def against_depth(axis, data, column: str, *, log: bool):
    """A quantity of the prompt against depth, a line per side; thin for the second target."""
    for number, (side, part) in enumerate(data.groupby("side")):
        for k, (_, rows) in enumerate(part.groupby("task", sort=False)):
            style = {"label": f"{side} px" if k == 0 else None, "linewidth": (1.5, 0.8)[k % 2]}
            mean_line(axis, rows, "depth", column, number=number, log=log, **style)
    axis.set(xlabel="depth of the source", xticks=sorted(data["depth"].unique()))


def layer_change(data):
    """The slope of the prompt's log training loss against depth, from depth 2 on (at depth 1 the source is linear), by seed."""
    data = data[data["depth"] > data["depth"].min()] if data["depth"].nunique() > 2 else data
    return slopes(floored(data, "train_loss"), "train_loss", by=("task",))


def slope_bars(axis, data):
    """Change of the log loss with one more layer, with its interval, for every side and target."""
    sides = sorted(data["side"].unique())
    for number, (task, rows) in enumerate(data.groupby("task", sort=False)):
        parts = [layer_change(rows[rows["side"] == side]) for side in sides]
        means, ends = np.array([part.mean() for part in parts]), np.array([t_interval(part) for part in parts])
        places = np.arange(len(sides)) + 0.12 * (2 * number - 1)
        style = {"color": "black", "marker": MARKERS[number], "capsize": 3, "linestyle": "", "label": f"to {task}"}
        axis.errorbar(places, means, yerr=[means - ends[:, 0], ends[:, 1] - means], **style)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set(xticks=range(len(sides)), xticklabels=sides, xlabel="side of the source's input (pixels)")
    axis.set(ylabel="slope of log training loss\nper layer, from depth 2", xlim=(-0.5, len(sides) - 0.5))
    axis.legend(fontsize=7)


def capacity(axis, data):
    """Rank of VP's kernel over N c, against prompt entries over N c."""
    data = data.assign(room=data["trained"] / data["outputs"], share=data["rank"] / data["outputs"])
    room = np.geomspace(data["room"].min() / 1.5, data["room"].max() * 1.5, 200)
    axis.plot(room, np.minimum(room, 1), color="black", linewidth=1, label=r"bound: entries, $N_T c_T$")
    if (data["width"] < data["outputs"]).any():
        axis.axhline((data["width"] / data["outputs"]).min(), color="grey", linestyle=":", label="bound: width")
    for number, (depth, part) in enumerate(data.groupby("depth")):
        mean_line(axis, part, "room", "share", number=number + 2, label=f"depth {depth}")
    axis.set(
        xscale="log", xlabel=r"prompt entries / $N_T c_T$", ylabel=r"rank of $\Theta_T$ / $N_T c_T$", ylim=(0, 1.06)
    )
    rooms = sorted(data["room"].unique())
    axis.set_xticks(rooms, [f"{value:.3g}" for value in rooms])
    axis.minorticks_off()
    axis.legend(fontsize=7, handlelength=2.4, labelspacing=0.3, loc="upper right", bbox_to_anchor=(1, 0.94))


def render(data):
    """The prompt alone: losses and accuracies above; slopes and ranks below."""
    data = floored(data[data["map"] == "vp"], "train_loss")
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.4))
    against_depth(axes[0, 0], data, "train_loss", log=True)
    axes[0, 0].axhline(data["constant_loss"].mean(), color="black", linestyle=":", linewidth=1)
    axes[0, 0].set_ylabel("training loss (squared)")
    axes[0, 0].legend(title="source input", title_fontsize=8)
    against_depth(axes[0, 1], data, "test_accuracy", log=False)
    axes[0, 1].set(ylabel="test accuracy", ylim=(0, 1))
    slope_bars(axes[1, 0], data)
    capacity(axes[1, 1], data)
    targets = ", thin: ".join(data["task"].unique())
    words = f"VP; thick: {targets}; dotted: constant predictor; {data['seed'].nunique()} seeds, {INTERVAL}"
    figure.supxlabel(words, fontsize=8)
    return figure


def finds(data):
    """Slopes by side and target; what the capacity law leaves of the rank; whether the sources' units are alive."""
    words, prompt = [], data[data["map"] == "vp"]
    for task, rows in prompt.groupby("task", sort=False):
        changes = [
            f"{with_interval(100 * np.expm1(layer_change(part)), 0, sign=True)} % at {side} px"
            for side, part in rows.groupby("side")
        ]
        words.append(f"to {task} {', '.join(changes)}")
    deepest = prompt[prompt["depth"] == prompt["depth"].max()]
    ranks = [
        f"{with_interval(by_seed(part, 'rank'), 0)} with {part['trained'].iloc[0]} entries ({side} px)"
        for side, part in deepest.groupby("side")
    ]
    return (
        f"Change of a prompt's training loss with one more layer, from depth 2 on: {'; '.join(words)}. Rank of the prompt's "
        f"kernel, of at most {data['outputs'].iloc[0]}, at depth {data['depth'].max()}: {', '.join(ranks)}. Of the first "
        f"layer's units at most {data['silent'].max():.0%} give 0 for all images of the source's own task."
    )

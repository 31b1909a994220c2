"""Networks that hear, reprogrammed to time series: a speech embedding, as in Voice2Series, and CREPE, which knows pitch alone.

A series of the UCR archive is laid into the sound, and either a prompt over the whole sound or a layer in front is trained; a
class is the mean of several outputs, drawn at random and then fixed (many to one). Beside it stand the same network untrained,
logistic regression on the raw series and on the frozen network's outputs, and the nearest neighbour under DTW.

Yang, Tsai & Chen 2021 (Voice2Series) bound the target risk by source risk + 2 sqrt(K) W1, W1 being the Wasserstein-1 distance
between the distributions of the logits of source data and of reprogrammed target data. Our reading, in both risks alike: loss
||softmax(z) - e_y||_2, never above sqrt 2, with z the K logits and y one of their K classes. It is taken twice, for CREPE with
a prompt (the outputs of the speech embedding are no classes of its own, so it has no source risk).

K = 360, "all logits": z are all logits of CREPE, y is the pitch; a target example's y is one of the pitches of which b makes its
class, drawn at random. Source data: harmonic tones of all pitches. (CREPE was trained with one sigmoid a pitch, so its softmax
is our reading too.)

K = c_T, "mapped logits": z = b f_S, y the target class. Source data: tones of the pitches of which b makes the classes, as many
of every class as there are target examples. Here a sharper bound can be proved. The Jacobian diag(p) - p p^T of softmax has no
eigenvalue above 1/2, so for a fixed y the loss is 1/2-Lipschitz in z. Pair target and source examples of the same class one to
one: their mean losses differ by at most half the mean distance of the pairs. Hence target risk <= source risk + W/2, W being
the mean distance of the best pairing within classes. The theorem's W1 pairs logits whatever their classes, so W1 <= W; without
the classes no bound of this kind holds for all pairs of distributions (equal logits with the classes exchanged: W1 = 0).
"""

import equinox as eqx
import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from figures.experiments.converged import SOLVED, constant_loss, trained_to_the_end
from figures.experiments.linear import linear_accuracies
from figures.experiments.reprogramming import MAP_NAMES, loss_and_accuracy
from figures.experiments.warping import nearest_by_warping
from figures.making.drawing import LINES
from figures.making.statistics import with_interval
from mrntk.model.input_maps import FullyConnected, VisualPrompt
from mrntk.model.output_maps import many_to_one_mapping
from mrntk.model.reprogram import Reprogram, predict
from mrntk.prediction.before_training import before_training
from mrntk.prediction.functionals import functionals
from mrntk.sources.pretrained.crepe import CENTS_PER_BIN, FIRST_BIN_CENTS, SAMPLE_RATE
from mrntk.sources.registry import load_source
from mrntk.support.style import MARKERS, OKABE_ITO, geometric_mean, t_interval
from mrntk.tasks import load_task
from mrntk.training import late_losses

ID = "time_series"
TITLE = "Networks that hear speech and pitch, reprogrammed to time series"
PAPER = "beyond the paper (its abstract names time series as a field where reprogramming works)"
ALT = (
    "Four panels for time-series tasks given to a speech embedding and to CREPE. First: test accuracy of the pretrained network "
    "less that of the same network untrained, for both networks, with a prompt and with a fully connected layer; a line marks "
    "zero. Second: test accuracy of the reprogrammed speech embedding beside a linear model on the raw series, a linear probe, "
    "the nearest neighbour under dynamic time warping, and the accuracies published for Voice2Series. Third: eigenvalues of the "
    "target kernel before training against their rank, logarithmic. Fourth: the terms of two risk bounds beside the target risk, "
    "logarithmic. Bars are 95 percent t intervals over seeds."
)
SAYS = (
    "Beyond the paper: it names time series as a field where reprogramming works (abstract). Voice2Series reprograms networks "
    "that recognise spoken words, and bounds the target risk by the source risk and a Wasserstein distance of logits (Yang, Tsai "
    "& Chen 2021)."
)
NOTE = (
    "Published accuracies: for Voice2Series those of its better network, V2Sa, in Table 2 of Yang, Tsai & Chen 2021 (read in "
    "the copy in the authors' repository; ArrowHead and OSULeaf are not in it); for 1-NN DTW without a limit to the warping "
    "one less the errors in the UCR archive's own summary of 2018 (read in a copy), which our DTW meets where all training "
    "examples are used. The networks of Voice2Series are others than ours, and the authors' code prints the best epoch by "
    "test accuracy, where we take the last. Minibatches of 10 bring a loss to its end much sooner than all examples at once "
    "(trials with one seed, judged by training loss). Training and test parts are the archive's. At course scale 50 training "
    "examples and 200 test examples are used at most; published numbers are those of the whole parts."
)
SCALES = {
    "smoke": {
        "source": ("speech-embedding", "crepe-tiny"), "task": ("italypower",), "map": ("vp", "fc"), "seeds": 2,
        "most_examples": 6, "test": 6, "kernel_per_class": 1, "batch": 3, "epochs": 2,
    },
    "course": {
        "source": ("speech-embedding", "crepe-tiny"),
        "task": ("gunpoint", "italypower", "arrowhead", "coffee", "trace"), "map": ("vp", "fc"), "seeds": 5,
        "most_examples": 50, "test": 200, "kernel_per_class": 2, "batch": 10, "epochs": 150,
    },
    "paper": {
        "source": ("speech-embedding", "crepe-full"),
        "task": ("gunpoint", "italypower", "arrowhead", "coffee", "trace", "osuleaf", "acsf1"), "map": ("vp", "fc"), "seeds": 5,
        "most_examples": 200, "test": 1100, "kernel_per_class": 5, "batch": 10, "epochs": 400,
    },
}  # fmt: skip
REPETITIONS = {"speech-embedding": 32, "crepe-tiny": 1, "crepe-full": 1}  # of a series in the sound
# outputs of which the mean stands for a class; with more of CREPE's, training takes very long
EACH = {"speech-embedding": 8, "crepe-tiny": 2, "crepe-full": 2}
PUBLISHED = {  # accuracies; where they come from: see NOTE
    "Voice2Series": {"gunpoint": 0.9667, "italypower": 0.9708, "coffee": 1.0, "trace": 1.0},
    "1-NN DTW": {
        "gunpoint": 0.9067, "italypower": 0.9504, "arrowhead": 0.7029, "coffee": 1.0, "trace": 1.0, "osuleaf": 0.5909,
        "acsf1": 0.64,
    },
}  # fmt: skip
RANKS = 12  # of the eigenvalues that are kept
NOISE = 0.1  # standard deviation of a tone's noise, in units of the tone's
TERMS = {  # name: (label, colour, marker)
    "source_risk": ("source risk", OKABE_ITO[0], "o"),
    "target_risk": ("target risk", OKABE_ITO[5], "s"),
    "bound": (r"source risk + 2$\sqrt{K}$ $W_1$", OKABE_ITO[7], "^"),
    "sharper_bound": ("source risk + $W$/2", OKABE_ITO[2], "D"),
}


def cells(*, source, task, **rest):
    """One piece a source and task, all seeds in it."""
    return [{"source": one, "task": name} | rest for name in task for one in source]


# The experiment.


def parts_of(task, key, most: int, test: int):
    """(x, y, x_test, y_test) of the archive's parts, float32 and one-hot: all training examples, or `most` of them drawn by the
    key, in which every class keeps two; `test` test examples evenly spread over their part.
    """
    rows = np.arange(len(task.y_train))
    if len(rows) > most:
        rows = np.asarray(jax.random.permutation(key, rows))
        first = np.concatenate([rows[task.y_train[rows] == c][:2] for c in range(task.num_classes)])
        rows = np.sort(np.concatenate([first, rows[~np.isin(rows, first)]])[:most])
    shown = np.linspace(0, len(task.x_test) - 1, min(test, len(task.x_test))).astype(int)
    y, y_test = task.one_hot(task.y_train[rows]), task.one_hot(task.y_test[shown])
    return task.x_train[rows].astype(np.float32), y, task.x_test[shown].astype(np.float32), y_test


def laid_in(x, repetitions: int, source_shape):
    """Series (N, 1, T), one after the other `repetitions` times, stretched to the whole sound (N, 1, samples).

    This is done once: inside a model it would be as much work as the network.
    """
    whole = np.tile(x, (1, 1, repetitions))
    return np.asarray(jax.image.resize(whole, (len(x), *source_shape), "linear", antialias=True))


def prompt(source_shape, key) -> VisualPrompt:
    """A prompt over the whole sound, as in the code of Voice2Series, that begins as noise: delta from N(0, 1)."""
    whole = VisualPrompt(source_shape, source_shape[1:], mask=np.ones(source_shape, bool))
    return eqx.tree_at(lambda a: a.delta, whole, jax.random.normal(key, whole.delta.shape))


def model_of(source, name: str, x, classes: int, each: int, key) -> Reprogram:
    """The reprogrammed source before training; for "vp", x are series laid into sounds."""
    key_input, key_output = jax.random.split(key)
    if name == "vp":
        a = prompt(source.input_shape, key_input)
    else:
        a = FullyConnected(x.shape[1:], source.input_shape, key=key_input)
    return Reprogram(a, source, many_to_one_mapping(key_output, source.num_outputs, classes, each))


def at_start(model, x, y, per_class: int):
    """[(quantity, index, value)] of Theta_T on the first examples of every class: some eigenvalues, and the functionals."""
    few = np.concatenate([np.flatnonzero(y.argmax(1) == c)[:per_class] for c in range(y.shape[1])])
    before = before_training(model, x[few], y[few])
    values = np.maximum(before.spectrum.values[::-1], 0)  # below 0 by rounding only
    chosen = np.unique(np.geomspace(1, len(values), RANKS).round().astype(int))
    rows = [("eigenvalue", i, values[i - 1]) for i in chosen]
    return rows + [(name, 0, value) for name, value in functionals(before).items()]


def trained(model, data, key, batch: int, epochs: int):
    """(trained model, [(quantity, index, value)]): cross-entropy, in minibatches, for so many epochs, or until it is solved."""
    x, y, x_test, y_test = data
    model, losses = trained_to_the_end(model, x, y, key=key, loss="ce", most=epochs, batch=batch)
    nine_tenths, end = late_losses(losses)
    found = {"constant_loss": constant_loss(y, "ce"), "epochs": len(losses)}
    found |= {"nine_tenths_loss": nine_tenths, "end_loss": end}
    for part, *pair in (("train", x, y), ("test", x_test, y_test)):
        found[f"{part}_loss"], found[f"{part}_accuracy"] = loss_and_accuracy(model, *pair, "ce")
    return model, [(name, 0, value) for name, value in found.items()]


def baselines(source, data, sounds) -> dict[str, float]:
    """Test accuracies of what trains no input map, by way; the probe hears `sounds`, (training, test), with no prompt."""
    x, y, x_test, y_test = data
    labels, answers = y.argmax(1), y_test.argmax(1)
    heard, heard_test = (np.asarray(predict(source, sound, batch=50)) for sound in sounds)
    return {
        "linear": linear_accuracies(x, labels, x_test, answers)["test_accuracy"],
        "probe": linear_accuracies(heard, labels, heard_test, answers)["test_accuracy"],
        "dtw": float(np.mean(nearest_by_warping(x[:, 0], labels, x_test[:, 0]) == answers)),
    }


def untrained_like(source, name: str, seed: int):
    """The same network with random weights, in the same tree, so that nothing is compiled twice."""
    return jax.tree.unflatten(jax.tree.structure(source), jax.tree.leaves(load_source(name, untrained=seed)))


def compute(key, *, source, task, map, seeds, most_examples, test, kernel_per_class, batch, epochs):
    """One row per way, input map, seed, quantity and index."""
    target, network, rows, known = load_task(task), load_source(source), [], None

    def keep(seed, way, name, found):
        place = {"source": source, "task": task, "way": way, "map": name, "seed": seed}
        rows.extend(place | {"quantity": one, "index": int(i), "value": float(value)} for one, i, value in found)

    for seed in range(seeds):
        key_parts, *keys = jax.random.split(jax.random.fold_in(key, seed), 4)
        data = parts_of(target, key_parts, most_examples, test)
        sounds = [laid_in(x, REPETITIONS[source], network.input_shape) for x in data[::2]]
        if known is None or len(target.y_train) > most_examples:  # else every seed has the same examples
            known = baselines(network, data, sounds)
        for way, value in known.items():
            keep(seed, way, "none", [("test_accuracy", 0, value)])
        for name in map:
            own = (sounds[0], data[1], sounds[1], data[3]) if name == "vp" else data
            for way, one in (("reprogrammed", network), ("untrained", untrained_like(network, source, seed))):
                model = model_of(one, name, own[0], target.num_classes, EACH[source], keys[0])
                if name == "vp":
                    keep(seed, way, name, at_start(model, *own[:2], kernel_per_class))
                model, found = trained(model, own, keys[1], batch, epochs)
                keep(seed, way, name, found)
                if name == "vp" and way == "reprogrammed" and source.startswith("crepe"):
                    for which, terms in bounds(keys[2], model, own[2], data[3].argmax(1)).items():
                        keep(seed, which, name, [(term, 0, value) for term, value in terms.items()])
    return rows


# The bounds.


def tones(key, bins, samples: int):
    """(N, 1, samples) harmonic tones with noise, of the pitches that CREPE's `bins` (N,) stand for."""
    key_size, key_phase, key_noise = jax.random.split(key, 3)
    base = 10 * 2 ** ((FIRST_BIN_CENTS + CENTS_PER_BIN * np.asarray(bins)) / 1200)
    harmonics = np.arange(1, 9)
    frequencies = base[:, None] * harmonics  # (N, 8)
    sizes = np.asarray(jax.random.uniform(key_size, frequencies.shape, minval=0.5)) / harmonics
    sizes = sizes * (frequencies < SAMPLE_RATE / 2)
    phases = 2 * np.pi * np.asarray(jax.random.uniform(key_phase, frequencies.shape))
    time = np.arange(samples) / SAMPLE_RATE
    waves = (sizes[..., None] * np.sin(2 * np.pi * frequencies[..., None] * time + phases[..., None])).sum(1)
    noise = NOISE * waves.std(1, keepdims=True) * np.asarray(jax.random.normal(key_noise, waves.shape))
    return (waves + noise)[:, None].astype(np.float32)


def risk(logits, classes) -> float:
    """Mean of ||softmax(z) - e_y||_2 over examples."""
    wanted = np.eye(logits.shape[1])[classes]
    return float(np.linalg.norm(softmax(logits, axis=1) - wanted, axis=1).mean())


def wasserstein(one, two) -> float:
    """W1 between two samples of equal size, exactly: the mean Euclidean distance of the best one-to-one pairing."""
    distances = np.linalg.norm(one[:, None] - two[None], axis=2)
    return float(distances[linear_sum_assignment(distances)].mean())


def terms_of(source, source_classes, target, target_classes) -> dict[str, float]:
    """The theorem's terms from logits (N, K) and classes (N,) of both sides."""
    found = {"source_risk": risk(source, source_classes), "target_risk": risk(target, target_classes)}
    found["w1"] = wasserstein(source, target)
    return found | {"bound": found["source_risk"] + 2 * source.shape[1] ** 0.5 * found["w1"]}


def bounds(key, model, x, labels) -> dict[str, dict[str, float]]:
    """The terms of the bound for K = 360 ("all logits") and for K = c_T ("mapped logits"), on test inputs x."""
    b, samples = np.asarray(model.output_map.matrix), model.source.input_shape[1]
    key_all, key_own, key_pitch, key_class = jax.random.split(key, 4)

    def logits(source, inputs):
        return np.asarray(predict(source, inputs, batch=50), np.float64)

    target = logits(Reprogram(model.input_map, model.source), x)
    members = np.stack([np.flatnonzero(row) for row in b])  # the pitches of which b makes each class
    drawn = np.asarray(jax.random.randint(key_class, labels.shape, 0, members.shape[1]))
    mapped = members[labels, drawn]  # for each example one pitch of its class
    pitches = np.asarray(jax.random.randint(key_pitch, labels.shape, 0, b.shape[1]))
    anything = logits(model.source, tones(key_all, pitches, samples))
    own = logits(model.source, tones(key_own, mapped, samples)) @ b.T
    found = {
        "all logits": terms_of(anything, pitches, target, mapped),
        "mapped logits": terms_of(own, labels, target @ b.T, labels),
    }
    inside = [wasserstein(own[labels == c], (target @ b.T)[labels == c]) for c in range(len(b)) if (labels == c).any()]
    shares = [(labels == c).mean() for c in range(len(b)) if (labels == c).any()]
    last = found["mapped logits"]
    last["w1_within_classes"] = float(np.dot(shares, inside))
    last["sharper_bound"] = last["source_risk"] + last["w1_within_classes"] / 2
    return found


# The picture.


def measured(data, quantity: str = "test_accuracy"):
    """A quantity in a table: one row per source, task and seed; columns (way, map)."""
    part = data[data["quantity"] == quantity]
    return part.pivot_table(index=["source", "task", "seed"], columns=["way", "map"], values="value")


def gains(data, source: str, name: str, way: str):
    """Test accuracy of the reprogrammed source less that of another way, one row a task, one column a seed."""
    table = measured(data).loc[source]
    other = (way, name if (way, name) in table else "none")
    return (table["reprogrammed", name] - table[other]).unstack("seed")


def pairs(data) -> list[tuple[str, str]]:
    """The sources and input maps in the data, in their order."""
    part = data[data["way"] == "reprogrammed"]
    return list(dict.fromkeys(zip(part["source"], part["map"], strict=True)))


def mean_curve(axis, part, number, *, floor=0.0, **options):
    """Geometric mean over seeds against the index, of the values above `floor`."""
    centre = part[part["value"] > floor].groupby("index")["value"].apply(geometric_mean)
    axis.plot(centre.index, centre, color=OKABE_ITO[number], **options)


def draw_points(axis, place, values, **options):
    """The mean over seeds with its 95 % t interval as a bar."""
    low, high = t_interval(values)
    mean = np.mean(values)
    axis.errorbar(place, mean, yerr=[[mean - low], [high - mean]], capsize=2, linestyle="none", **options)


def draw_gains(axis, data, tasks):
    """What pretraining adds, for every source and input map."""
    found = pairs(data)
    for number, (source, name) in enumerate(found):
        table = gains(data, source, name, "untrained")
        label = f"{source.partition('-')[0]} {MAP_NAMES[name]}"
        for place, task in enumerate(tasks):
            shift = 0.17 * (number - (len(found) - 1) / 2)
            style = {
                "color": OKABE_ITO[number],
                "marker": MARKERS[number],
                "markersize": 4,
                "label": None if place else label,
            }
            draw_points(axis, place + shift, table.loc[task].to_numpy(), **style)
    axis.axhline(0, color="k", linewidth=0.8)
    axis.set(title="what pretraining adds", ylabel="test accuracy less that of\nthe network untrained")
    axis.set_ylim(top=1.4 * axis.get_ylim()[1])  # room for the legend
    axis.legend(loc="upper center", fontsize=7, ncols=2, columnspacing=1, handletextpad=0.3)


def draw_accuracies(axis, data, tasks):
    """The first source beside what needs no reprogramming."""
    source = data["source"].iloc[0]
    table = measured(data).loc[source]
    short = source.partition("-")[0]
    ways = {("reprogrammed", "fc"): (f"{short} FC", 5, "s"), ("reprogrammed", "vp"): (f"{short} VP", 0, "o")}
    ways |= {("probe", "none"): ("linear probe", 2, "D"), ("linear", "none"): ("linear, raw series", 7, "v")}
    ways |= {("dtw", "none"): ("1-NN DTW", 4, "x")}
    for number, (way, (label, colour, marker)) in enumerate(ways.items()):
        for place, task in enumerate(tasks):
            style = {"color": OKABE_ITO[colour], "marker": marker, "markersize": 4, "label": None if place else label}
            draw_points(axis, place + 0.14 * (number - 2), table.loc[task][way].to_numpy(), **style)
    stated = PUBLISHED["Voice2Series"]
    places = [place for place, task in enumerate(tasks) if task in stated]
    values = [stated[tasks[place]] for place in places]
    axis.plot(places, values, "_", color="k", markersize=18, label="Voice2Series, published")
    axis.set(title="and is it worth it?", ylabel="test accuracy", ylim=(0, 1.42))
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.legend(loc="upper center", fontsize=7, ncols=2, columnspacing=1, handletextpad=0.3)


def draw_spectra(axis, data, tasks):
    """Of the first source with a prompt; solid: pretrained, dotted: untrained."""
    part = data[(data["source"] == data["source"].iloc[0]) & (data["map"] == "vp") & (data["quantity"] == "eigenvalue")]
    for number, task in enumerate(tasks):
        for way, line in (("reprogrammed", "-"), ("untrained", ":")):
            own = part[(part["task"] == task) & (part["way"] == way)]
            options = {"markersize": 3, "linewidth": 1.2, "linestyle": line, "marker": MARKERS[number % len(MARKERS)]}
            mean_curve(axis, own, number % len(OKABE_ITO), label=task if way == "reprogrammed" else None, **options)
    axis.set(title="spectrum at the start, VP (dotted: untrained)", xlabel=r"rank of the eigenvalue of $\Theta_T$")
    axis.set(xscale="log", yscale="log", ylabel="eigenvalue")
    axis.legend(fontsize=6, ncols=2, columnspacing=1, handletextpad=0.3)


def draw_bounds(axis, data, tasks):
    """CREPE with a prompt, mapped logits. Logarithmic, so bars that reach 0 are cut off."""
    part = data[data["way"] == "mapped logits"]
    for number, (quantity, (label, colour, marker)) in enumerate(TERMS.items()):
        for place, task in enumerate(tasks):
            values = part[(part["task"] == task) & (part["quantity"] == quantity)]["value"]
            style = {"color": colour, "marker": marker, "markersize": 4, "label": None if place else label}
            draw_points(axis, place + 0.12 * (number - 1.5), values.to_numpy(), **style)
    axis.axhline(2**0.5, color="k", linestyle=LINES[1], linewidth=1, label=r"$\sqrt{2}$: no risk is larger")
    axis.set(title="bounds on the risk, CREPE VP", ylabel="risk", yscale="log")
    axis.set_ylim(bottom=axis.get_ylim()[0] / 20)  # room for the legend
    axis.legend(loc="lower center", fontsize=6, ncols=2, columnspacing=1, handletextpad=0.3)


def render(data):
    """What pretraining adds and what it is worth above, spectra and bounds below."""
    tasks = list(data["task"].unique())
    figure, axes = plt.subplots(2, 2, figsize=(7.4, 6.4))
    draws = (draw_gains, draw_accuracies, draw_spectra, draw_bounds)
    for axis, draw in zip(axes.flat, draws, strict=True):
        draw(axis, data, tasks)
        if draw is not draw_spectra:
            axis.set_xticks(range(len(tasks)), tasks, rotation=25, ha="right")
            axis.set_xlim(-0.5, len(tasks) - 0.5)
    words = f"means over {data['seed'].nunique()} seeds, bars: 95 % t intervals; spectra: geometric means"
    figure.supxlabel(words, fontsize=8)
    return figure


def ended(data) -> tuple[int, int, int]:
    """How many trainings of input maps there are, how many of them solved their examples, and how many did neither that nor
    reached a plateau.
    """
    runs = data[data["way"].isin(["reprogrammed", "untrained"]) & (data["index"] == 0)]
    runs = runs.pivot_table(index=["source", "task", "way", "map", "seed"], columns="quantity", values="value")
    solved = runs["end_loss"] <= 1.1 * SOLVED * runs["constant_loss"]
    moving = (runs["nine_tenths_loss"] - runs["end_loss"]).abs() >= 0.02 * runs["end_loss"]
    return len(runs), int(solved.sum()), int((moving & ~solved).sum())


def compared(data, way: str) -> str:
    """The mean difference to another way over tasks, for every source and input map, in words."""
    found = [(source, name, gains(data, source, name, way).mean().to_numpy()) for source, name in pairs(data)]
    return ", ".join(f"{source} {MAP_NAMES[name]} {with_interval(values, sign=True)}" for source, name, values in found)


def finds(data):
    """What pretraining adds, what it is worth beside the baselines, and what the bounds are worth."""
    count, solved, moving = ended(data)
    part = data[data["way"] == "mapped logits"]
    risk_, bound, sharper = (
        part[part["quantity"] == name].groupby("seed")["value"].mean().to_numpy()
        for name in ("target_risk", "bound", "sharper_bound")
    )
    worth = "both say" if min(bound.mean(), sharper.mean()) > 2**0.5 else "not both say"
    return (
        f"Test accuracy less that of another way, means over {data['task'].nunique()} tasks. Less the same network untrained: "
        f"{compared(data, 'untrained')}. Less a linear model on the raw series: {compared(data, 'linear')}. "
        f"Less a linear probe of the frozen network: {compared(data, 'probe')}. Less 1-NN DTW: {compared(data, 'dtw')}. "
        f"Of {count} trainings {solved} learned all their examples, and {moving} had reached no plateau. "
        f"CREPE VP, K = c_T: the bound is {with_interval(bound, 1)}, the sharper one {with_interval(sharper, 1)} and the "
        f"target risk {with_interval(risk_)}, means over tasks: {worth} no more than that no risk is above {2**0.5:.2f}."
    )

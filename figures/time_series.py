"""CREPE, a network for the pitch of sounds, reprogrammed to time series: spectra, training, accuracy, the Voice2Series bound.

Yang, Tsai & Chen 2021 (Voice2Series; known to us at second hand) bound the target risk by source risk + 2 sqrt(K) W1, W1 being
the Wasserstein-1 distance between the distributions of the logits of source data and of reprogrammed target data. Our reading,
in both risks alike: loss ||softmax(z) - e_y||_2, never above sqrt 2, with z the K logits and y one of their K classes. It is
taken twice.

K = 360, "all logits": z are all logits of CREPE, y is the pitch; a target example's y is the pitch onto which b maps its class.
Source data: harmonic tones of all pitches. (CREPE was trained with one sigmoid a pitch, so its softmax is our reading too.)

K = c_T, "mapped logits": z = b f_S, y the target class. Source data: tones of the pitches onto which b maps, as many of every
class as there are target examples. Here a sharper bound can be proved. The Jacobian diag(p) - p p^T of softmax has no
eigenvalue above 1/2, so for a fixed y the loss is 1/2-Lipschitz in z. Pair target and source examples of the same class one to
one: their mean losses differ by at most half the mean distance of the pairs. Hence target risk <= source risk + W/2, W being
the mean distance of the best pairing within classes. The theorem's W1 pairs logits whatever their classes, so W1 <= W; without
the classes no bound of this kind holds for all pairs of distributions (equal logits with the classes exchanged: W1 = 0).
"""

import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from figures.experiments.reprogramming import examples, loss_and_accuracy
from figures.making.drawing import LINES
from figures.making.statistics import with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.output_maps import random_mapping
from mrntk.model.reprogram import Reprogram, predict
from mrntk.prediction.before_training import before_training
from mrntk.sources.pretrained.crepe import CENTS_PER_BIN, FIRST_BIN_CENTS, SAMPLE_RATE
from mrntk.sources.registry import load_source
from mrntk.support.style import MARKERS, OKABE_ITO, geometric_mean, t_interval
from mrntk.tasks import load_task
from mrntk.training import fit, gradient_descent
from mrntk.training.recipes import IterativeMapping, reprogramming_optimiser

ID = "time_series"
TITLE = "A network for pitch, reprogrammed to time series"
PAPER = "beyond the paper (its abstract names time series as a field where reprogramming works)"
ALT = (
    "Four panels for time-series tasks given to CREPE by a prompt around the series. Eigenvalues of the target kernel before "
    "training against their rank; the squared loss that this kernel predicts, as lines, beside real gradient descent, as "
    "markers; test accuracy of the pretrained network, of the same network untrained and of a linear model; the terms of two "
    "risk bounds beside the target risk, logarithmic. Bars are 95 percent t intervals over seeds."
)
SAYS = (
    "Beyond the paper: it names time series as a field where reprogramming works (abstract). Voice2Series bounds the target risk "
    "by the source risk and a Wasserstein distance of logits (Yang, Tsai & Chen 2021, at second hand)."
)
SCALES = {
    "smoke": {
        "source": "crepe-tiny", "task": ("italypower",), "seeds": 2, "per_class": 2, "kernel_per_class": 2, "test": 4,
        "epochs": 2, "batch": 4, "steps": 4, "step": 0.1,
    },
    "course": {
        "source": "crepe-tiny", "task": ("gunpoint", "arrowhead", "osuleaf", "italypower", "coffee"), "seeds": 5,
        "per_class": 12, "kernel_per_class": 3, "test": 150, "epochs": 30, "batch": 12, "steps": 50, "step": 0.1,
    },
    "paper": {
        "source": "crepe-full", "task": ("gunpoint", "arrowhead", "osuleaf", "italypower", "coffee", "trace", "acsf1"),
        "seeds": 5, "per_class": 100, "kernel_per_class": 5, "test": 500, "epochs": 150, "batch": 20, "steps": 100, "step": 0.1,
    },
}  # fmt: skip
WAYS = {"reprogrammed": "pretrained", "untrained": "untrained", "linear": "linear on raw series"}
NOISE = 0.1  # standard deviation of a tone's noise, in units of the tone's
TERMS = {  # name: (label, colour, marker)
    "source_risk": ("source risk", OKABE_ITO[0], "o"),
    "target_risk": ("target risk", OKABE_ITO[5], "s"),
    "bound": (r"bound, source risk + 2$\sqrt{K}$ $W_1$", OKABE_ITO[7], "^"),
    "sharper_bound": ("sharper bound, source risk + $W$/2", OKABE_ITO[2], "D"),
}


def cells(*, task, **rest):
    """One piece a task, all seeds in it."""
    return [{"task": name} | rest for name in task]


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
    key_all, key_own, key_pitch = jax.random.split(key, 3)

    def logits(source, inputs):
        return np.asarray(predict(source, inputs, batch=50), np.float64)

    target = logits(Reprogram(model.input_map, model.source), x)
    mapped = b.argmax(1)[labels]  # the pitch that stands for each example's class
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


def at_start(model, x, y, steps, step):
    """[(quantity, index, value)]: eigenvalues, predicted and real squared loss after each number of steps, and how far the
    prompt has moved by then: the largest |delta|, which sigmoid bends above 1 or 2.
    """
    before = before_training(model, x, y)
    rows = [("eigenvalue", i, value) for i, value in enumerate(np.maximum(before.spectrum.values[::-1], 0), 1)]
    eta, times = step * before.stability_limit(), np.arange(steps + 1)
    predicted = before.predict(eta).loss(times)
    moved, real = gradient_descent(model, x, y, step=eta, steps=steps)
    rows.append(("largest_delta", steps, np.abs(moved.input_map.delta).max()))
    rows += [("predicted_loss", i, value) for i, value in enumerate(predicted)]
    return rows + [("real_loss", i, value) for i, value in enumerate(np.asarray(real))]


def compute(key, *, source, task, seeds, per_class, kernel_per_class, test, epochs, batch, steps, step):
    """One row per seed, way, quantity and index."""
    target, trained, rows = load_task(task), load_source(source), []
    for seed in range(seeds):
        keys = jax.random.split(jax.random.fold_in(key, seed), 5)
        x, y, x_test, y_test = examples(target, keys[0], per_class, test)
        labels, answers = y.argmax(1), y_test.argmax(1)
        few = np.concatenate([np.flatnonzero(labels == c)[:kernel_per_class] for c in range(target.num_classes)])
        remap = IterativeMapping(x, labels)
        flat, flat_test = x.reshape(len(x), -1), x_test.reshape(len(x_test), -1)
        linear = LogisticRegression(max_iter=1000).fit(flat, labels).score(flat_test, answers)
        found = {"linear": [("accuracy", 0, linear)]}
        random = jax.tree.leaves(load_source(source, untrained=seed))
        # in the trained network's tree, so that nothing is compiled twice
        networks = {"reprogrammed": trained, "untrained": jax.tree.unflatten(jax.tree.structure(trained), random)}
        for way, network in networks.items():
            b = random_mapping(keys[1], network.num_outputs, target.num_classes)
            a = make_input_map("vp", x.shape[1:], network.input_shape, key=keys[1])
            model = remap(0, Reprogram(a, network, b))
            found[way] = at_start(model, x[few], y[few], steps, step)
            options = {
                "optimiser": reprogramming_optimiser(),
                "loss": "ce",
                "epochs": epochs,
                "batch": min(batch, len(x)),
            }
            model = fit(model, x, y, key=keys[2], callback=remap, **options).model
            found[way].append(("accuracy", 0, loss_and_accuracy(model, x_test, y_test, "ce")[1]))
            if way == "reprogrammed":
                terms = bounds(keys[3], model, x_test, answers)
        for way, part in terms.items():
            found[way] = [(name, 0, value) for name, value in part.items()]
        rows += [
            {"task": task, "seed": seed, "way": way, "quantity": name, "index": int(index), "value": float(value)}
            for way, values in found.items()
            for name, index, value in values
        ]
    return rows


def mean_curve(axis, part, number, *, floor=0.0, **options):
    """Geometric mean over seeds against the index, of the values above `floor`."""
    centre = part[part["value"] > floor].groupby("index")["value"].apply(geometric_mean)
    axis.plot(centre.index, centre, color=OKABE_ITO[number], **options)


def draw_points(axis, place, values, **options):
    """The mean over seeds with its 95 % t interval as a bar."""
    low, high = t_interval(values)
    mean = np.mean(values)
    axis.errorbar(place, mean, yerr=[[mean - low], [high - mean]], capsize=2, linestyle="none", **options)


def draw_spectra(axis, data, tasks):
    for number, task in enumerate(tasks):
        for way, line in (("reprogrammed", "-"), ("untrained", ":")):
            part = data[(data["task"] == task) & (data["way"] == way) & (data["quantity"] == "eigenvalue")]
            options = {"markersize": 3, "markevery": 4, "linewidth": 1.2, "linestyle": line}
            mean_curve(
                axis, part, number, marker=MARKERS[number], label=task if way == "reprogrammed" else None, **options
            )
    axis.set(title="spectrum at the start", xlabel=r"rank of the eigenvalue of $\Theta_T$", ylabel="eigenvalue")
    axis.set(xscale="log", yscale="log")


def draw_losses(axis, data, tasks):
    """Of the pretrained network, as a share of the loss at the start."""
    for number, task in enumerate(tasks):
        part = data[(data["task"] == task) & (data["way"] == "reprogrammed")]
        for quantity, options in (
            ("predicted_loss", {}),
            ("real_loss", {"linestyle": "none", "marker": MARKERS[number]}),
        ):
            some = part[part["quantity"] == quantity].set_index(["seed", "index"])["value"].unstack("seed")
            mean = (some / some.loc[0]).apply(geometric_mean, axis=1)
            every = max(1, len(mean) // 8)
            axis.plot(
                mean.index, mean, color=OKABE_ITO[number], markersize=4, linewidth=1.2, markevery=every, **options
            )
    axis.set(
        title="lines: predicted, markers: real", xlabel="step of gradient descent", ylabel="squared loss / its start"
    )


def draw_accuracies(axis, data, tasks):
    part = data[data["quantity"] == "accuracy"]
    for number, (way, label) in enumerate(WAYS.items()):
        for place, task in enumerate(tasks):
            values = part[(part["task"] == task) & (part["way"] == way)]["value"]
            style = {"color": OKABE_ITO[(5, 4, 7)[number]], "marker": "osD"[number], "label": None if place else label}
            draw_points(axis, place + 0.2 * (number - 1), values, **style)
    axis.set(title="after training", ylabel="test accuracy", ylim=(0, 1.22), xlim=(-0.5, len(tasks) - 0.5))
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.legend(loc="upper center", fontsize=7, ncols=3, columnspacing=1, handletextpad=0.3)


def draw_bounds(axis, data, tasks):
    """Filled: K = c_T, mapped logits; open: K = 360, all logits. Logarithmic, so bars that reach 0 are cut off."""
    for number, (quantity, (label, colour, marker)) in enumerate(TERMS.items()):
        for way, shift in (("all logits", -0.2), ("mapped logits", 0.2)):
            for place, task in enumerate(tasks):
                chosen = (data["task"] == task) & (data["way"] == way) & (data["quantity"] == quantity)
                face = colour if way == "mapped logits" else "white"
                style = {"color": colour, "marker": marker, "markersize": 4, "mfc": face}
                if chosen.any():
                    draw_points(axis, place + shift + 0.06 * (number - 1.5), data[chosen]["value"], **style)
        axis.plot([], [], color=colour, marker=marker, linestyle="none", label=label)
    axis.axhline(2**0.5, color="k", linestyle=LINES[1], linewidth=1, label=r"$\sqrt{2}$: no risk is larger")
    axis.set(
        title="risks; open: all logits, filled: mapped ones", ylabel="risk", yscale="log", xlim=(-0.5, len(tasks) - 0.5)
    )


def render(data):
    """Spectra and losses above, accuracies and bounds below."""
    tasks = list(data["task"].unique())
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 6.0))
    for axis, draw in zip(axes.flat, (draw_spectra, draw_losses, draw_accuracies, draw_bounds), strict=True):
        draw(axis, data, tasks)
    for axis in axes[1]:
        axis.set_xticks(range(len(tasks)), tasks, rotation=25, ha="right")
    seeds = data["seed"].nunique()
    title = f"above: geometric means over {seeds} seeds (dotted: untrained); below: means, bars: 95 % t intervals"
    handles, labels = (
        one + two for one, two in zip(*(a.get_legend_handles_labels() for a in (axes[0, 0], axes[1, 1])), strict=True)
    )
    figure.legend(handles, labels, loc="outside lower center", ncols=3, title=title, title_fontsize=8)
    return figure


def beaten(data, baseline: str) -> list[str]:
    """Tasks in which the paired difference to the baseline is positive with its whole 95 % interval."""
    part = data[data["quantity"] == "accuracy"].pivot_table(index=["task", "seed"], columns="way", values="value")
    differences = part["reprogrammed"] - part[baseline]
    return [task for task, values in differences.groupby("task", sort=False) if t_interval(values)[0] > 0]


def mean_of(data, way: str, quantity: str):
    """The mean over tasks, one number a seed."""
    return data[(data["way"] == way) & (data["quantity"] == quantity)].groupby("seed")["value"].mean().to_numpy()


def finds(data):
    """Which baselines are beaten, how far the kernel's prediction is from real training, and what the bounds are worth."""
    count, wins = data["task"].nunique(), {name: beaten(data, name) for name in ("untrained", "linear")}
    words = [f"{len(found)} ({', '.join(found)})" if found else "none" for found in wins.values()]
    steps = data[data["quantity"] == "real_loss"]["index"].max()
    last = data[(data["way"] == "reprogrammed") & (data["index"] == steps)]
    ends = last.pivot_table(index=["task", "seed"], columns="quantity", values="value")
    error = (ends["predicted_loss"] / ends["real_loss"] - 1).abs().groupby("seed").mean()
    risk_, bound, sharper = (mean_of(data, "mapped logits", name) for name in ("target_risk", "bound", "sharper_bound"))
    far = ends["largest_delta"].groupby("seed").mean()
    worth = "both say" if min(bound.mean(), sharper.mean()) > 2**0.5 else "not both say"
    return (
        f"Of {count} tasks the reprogrammed network beats the untrained one in {words[0]} and the linear model in {words[1]}. "
        f"The squared loss that the kernel predicts after {steps} steps is off by {with_interval(100 * error, 0)} %; the largest "
        f"entry of delta is then {with_interval(far, 1)}. With K = c_T the bound is {with_interval(bound, 1)}, the sharper one "
        f"{with_interval(sharper, 1)} and the target risk {with_interval(risk_)}, means over tasks: {worth} no more than that "
        f"no risk is above {2**0.5:.2f}."
    )

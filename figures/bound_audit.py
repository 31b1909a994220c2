"""The paper's lower bound on lambda_min[Theta_T], factor by factor against depth, beside the truth and a sharper bound."""

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib import pyplot as plt

from figures.experiments.reprogramming import MAP_NAMES, examples
from figures.making.drawing import mean_line
from figures.making.statistics import slopes, with_interval
from mrntk.model.input_maps import make_input_map
from mrntk.model.reprogram import Reprogram
from mrntk.ntk.empirical import empirical_ntk, jacobian_rows
from mrntk.prediction.before_training import capacity
from mrntk.sources.kernel_machine import KernelMachine, feature_kernel, relu_ntk
from mrntk.sources.networks import BIAS_STD
from mrntk.sources.trained import Recipe, train
from mrntk.spectrum import smallest_eigenvalue
from mrntk.support.precision import double, in_float64
from mrntk.tasks import load_task
from mrntk.theory import bound, hadamard_bound, theta_a_min, theta_s_b

ID = "bound_audit"
TITLE = "The lower bound behind Corollary 1, factor by factor"
PAPER = "The bound behind Corollary 1 (author notes), audited: beyond the paper"
ALT = (
    "Four panels of smallest eigenvalues on logarithmic axes; exact zeros lie on a marked line at the bottom. Against "
    "depth, for the kernel machine: the factors lambda_min of K_S and of Theta_S^b with their product, and the true "
    "lambda_min of Theta_T behind FC and VP beside the bound that Assumption 3 would give. For explicit linear and ReLU "
    "features: every factor, the bound and the truth. Against depth for trained networks: the truth for FC and VP beside "
    "the Hadamard bound. Bars are 95 percent t intervals over draws."
)
SAYS = (
    "lambda_min[Theta_T] is at least lambda_min[Theta_A] times the smallest lambda_min[Theta_S^A] times "
    "lambda_min[Theta_S^b], and with Assumption 3 a deeper source, whose lambda_min[K_S] is larger, raises it (author "
    "notes; the bound re-derived here)."
)
SCALES = {
    "smoke": {
        "depth": (1, 2), "network_depth": (2,), "features": ("linear", "relu"), "linear_count": 40, "relu_count": 100,
        "side": 8, "width": 32, "seeds": 2, "source_task": "mnist5k", "task": "digits", "source_per_class": 2,
        "train_per_class": 10, "epochs": 2, "per_class": 1,
    },
    "course": {
        "depth": (1, 2, 3, 4, 5, 6, 7, 8, 9), "network_depth": (1, 2, 3, 5, 7), "features": ("linear", "relu"),
        "linear_count": 200, "relu_count": 1000, "side": 28, "width": 256, "seeds": 5, "source_task": "mnist5k",
        "task": "digits", "source_per_class": 10, "train_per_class": 200, "epochs": 20, "per_class": 2,
    },
    "paper": {
        "depth": (1, 2, 3, 4, 5, 6, 7, 8, 9), "network_depth": (1, 2, 3, 4, 5, 6, 7, 8, 9),
        "features": ("linear", "relu"), "linear_count": 200, "relu_count": 1000, "side": 28, "width": 2048, "seeds": 5,
        "source_task": "mnist5k", "task": "digits", "source_per_class": 10, "train_per_class": 400, "epochs": 50,
        "per_class": 2,
    },
}  # fmt: skip
MAPS = ("fc", "vp")
FACTORS = {
    "theta_a": r"$\lambda_{\min}[\Theta_A]$",
    "theta_s_a": r"$\min_t\,\lambda_{\min}[\Theta_S^A]$",
    "theta_s_b": r"$\lambda_{\min}[\Theta_S^b]$",
    "bound": "bound",
    "theta_t": r"$\lambda_{\min}[\Theta_T]$",
}


def cells(*, depth, network_depth, features, linear_count, relu_count, width, train_per_class, epochs, **rest):
    """One piece a world and depth, or kind of features; all draws in it."""
    counts = {"linear": linear_count, "relu": relu_count}
    pieces = [{"world": "kernel machine", "depth": d, **rest} for d in depth]
    pieces += [
        {"world": "features", "depth": 1 + (f == "relu"), "features": f, "count": counts[f], **rest} for f in features
    ]
    trained = {"width": width, "train_per_class": train_per_class, "epochs": epochs}
    return pieces + [{"world": "network", "depth": d, **trained, **rest} for d in network_depth]


def kernel_machine(home, x, keys, *, depth, source_per_class):
    """{case: {factor: value}} with an infinitely wide ReLU source, sigma_S = 0; "assumed": the bound with K_S for Theta_S^A."""
    x_s, labels = home.draw(keys[0], source_per_class)
    kernel, y = relu_ntk(depth), home.one_hot(labels)
    k_s = in_float64(kernel)(x_s, x_s)
    factors = {"k_s": smallest_eigenvalue(k_s), "theta_s_b": smallest_eigenvalue(theta_s_b(k_s, y))}
    factors["product"] = factors["k_s"] * factors["theta_s_b"]
    source, found = KernelMachine.fit(kernel, x_s, y), {"source": factors}
    for name in MAPS:
        model = Reprogram(make_input_map(name, x.shape[1:], home.input_shape, key=keys[1]), source)
        theta_a = theta_a_min(model.input_map, x)
        found[name] = {
            "theta_a": theta_a,
            "assumed": theta_a * factors["product"],
            "theta_t": smallest_eigenvalue(empirical_ntk(model, x)),
        }
    return found


def feature_map(name, count, inputs, key):
    """Phi(s) = A s or (A s + c)_+ over sqrt(D), weights N(0, 2 / d_S), biases N(0, 0.1)."""
    key_a, key_c = jax.random.split(key)
    a = np.asarray(jax.random.normal(key_a, (count, inputs)), np.float64) * (2 / inputs) ** 0.5
    c = np.asarray(jax.random.normal(key_c, (count,)), np.float64) * BIAS_STD
    form = {"linear": lambda h: h, "relu": lambda h: jax.nn.relu(h + c)}[name]
    return lambda s: form(a @ s.ravel()) / count**0.5


def explicit_features(home, x, keys, *, features, count, source_per_class, depth):
    """{case: {factor: value}}, every factor of the bound with Phi written out, sigma_S = 0."""
    x_s, labels = home.draw(keys[0], source_per_class)
    phi = feature_map(features, count, x_s[0].size, keys[2])
    source, found = KernelMachine.fit(feature_kernel(phi), x_s, home.one_hot(labels)), {}
    for name in MAPS:
        terms = bound(Reprogram(make_input_map(name, x.shape[1:], home.input_shape, key=keys[1]), source), x)
        found[f"{features} {name}"] = {
            "theta_a": terms.theta_a, "theta_s_a": terms.theta_s_a.min(), "theta_s_b": terms.theta_s_b,
            "bound": terms.product, "theta_t": terms.theta_t, "features": count, "inputs": x_s[0].size,
        }  # fmt: skip
    return found


def network(home, x, keys, *, seed, depth, width, train_per_class, epochs, source_per_class):
    """{case: {factor: value}} with a trained network: no feature map, so the Hadamard bound instead, and the capacity law."""
    recipe = Recipe(loss="mse", epochs=epochs, per_class=train_per_class)
    source, found = train("dnn", home, seed=42 + seed, recipe=recipe, depth=depth, width=width).source, {}
    for name in MAPS:
        model = Reprogram(make_input_map(name, x.shape[1:], home.input_shape, key=keys[1]), source)
        room = capacity(model, x)
        found[name] = {
            "theta_t": smallest_eigenvalue(empirical_ntk(model, x)),
            "entries": room.trained,
            "outputs": room.outputs,
        }
        if name == "fc":
            rows = in_float64(lambda model, x: jax.vmap(lambda one: jacobian_rows(model, one))(jnp.asarray(x)))
            found[name]["hadamard"] = hadamard_bound(rows(double(model), x), x)
    return found


def compute(key, *, world, depth, seeds, source_task, task, side, per_class, **rest):
    """One row per draw, case and factor."""
    home, target, rows = load_task(source_task), load_task(task), []
    home = home if home.input_shape[-1] == side else home.resized(side)
    measure = {"kernel machine": kernel_machine, "features": explicit_features, "network": network}[world]
    for seed in range(seeds):
        keys = jax.random.split(jax.random.fold_in(key, seed), 4)
        x = examples(target, keys[3], per_class, 1)[0]
        own = {"seed": seed} if world == "network" else {}
        found = measure(home, x, keys, depth=depth, **own, **rest)
        place = {"world": world, "depth": depth, "seed": seed}
        rows += [
            place | {"case": case, "factor": factor, "value": float(value)}
            for case, factors in found.items()
            for factor, value in factors.items()
        ]
    return rows


def lines(axis, data, world, wanted, floor):
    """Means against depth of (case, factor, label); zeros on the floor."""
    data = data[data["world"] == world].assign(value=data["value"].clip(lower=floor))
    for number, (case, factor, label) in enumerate(wanted):
        part = data[(data["case"] == case) & (data["factor"] == factor)]
        mean_line(axis, part, "depth", "value", number=number, log=True, label=label)
    axis.set(xlabel="depth of the source", xticks=sorted(data["depth"].unique()))


def factors_of_features(axis, data, floor):
    """Every factor of the bound, one marker a kind of features and map."""
    data = data[data["world"] == "features"].assign(value=data["value"].clip(lower=floor))
    for number, (case, part) in enumerate(data.groupby("case", sort=False)):
        shift = part[part["factor"].isin(list(FACTORS))].copy()
        shift["at"] = shift["factor"].map(list(FACTORS).index) + 0.14 * (number - 1.5)
        features, name = case.split()
        label = f"{'ReLU' if features == 'relu' else features}, {MAP_NAMES[name]}"
        mean_line(axis, shift, "at", "value", number=number, log=True, label=label, linestyle="none")
    axis.set_xticks(range(len(FACTORS)), FACTORS.values(), rotation=25, ha="right", rotation_mode="anchor")


def render(data):
    """The kernel machine above, explicit features and trained networks below."""
    positive = data["value"][data["value"] > 0]
    floor = 10 ** (np.floor(np.log10(positive.min())) - 1)
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 7), sharey="row")
    kernel = "kernel machine"
    factors = [
        ("source", f, label)
        for f, label in (("k_s", r"$\lambda_{\min}[K_S]$"), ("theta_s_b", FACTORS["theta_s_b"]), ("product", "product"))
    ]
    lines(axes[0, 0], data, kernel, factors, floor)
    truth = [(name, "theta_t", rf"{FACTORS['theta_t']}, {MAP_NAMES[name]}") for name in MAPS]
    assumed = [(name, "assumed", f"bound if Assumption 3 held, {MAP_NAMES[name]}") for name in MAPS]
    lines(axes[0, 1], data, kernel, truth + assumed, floor)
    factors_of_features(axes[1, 0], data, floor)
    lines(axes[1, 1], data, "network", [*truth, ("fc", "hadamard", "Hadamard bound, FC")], floor)
    titles = ("kernel machine: factors", "kernel machine: truth", "explicit features", "trained DNN")
    for axis, title in zip(axes.flat, titles, strict=True):
        axis.axhline(floor, color="black", linestyle="--", linewidth=0.8)
        axis.set_title(title)
        axis.legend(fontsize=7, **({"loc": (0.03, 0.12)} if axis is axes[0, 0] else {}))
    figure.supylabel("smallest eigenvalue (dashed line: exactly 0)", fontsize=9)
    figure.supxlabel(f"geometric means over {data['seed'].nunique()} draws; bars: 95 % t intervals", fontsize=8)
    return figure


def finds(data):
    """Slopes of the factors, where the bound is zero, and how sharp the Hadamard bound is."""
    at = {key: part for key, part in data.groupby(["world", "case", "factor"])}

    def change(case, factor):
        part = at["kernel machine", case, factor]
        return f"{with_interval(100 * np.expm1(slopes(part, 'value')), 0, sign=True)} %"

    zero = [case for (_, case, factor), part in at.items() if factor == "bound" and (part["value"] == 0).all()]
    truth, lower = (
        at["network", "fc", factor].set_index(["depth", "seed"])["value"] for factor in ("theta_t", "hadamard")
    )
    ratio = lower[lower > 0] / truth[lower > 0]
    share = f"{with_interval(100 * ratio.groupby('seed').median())} %" if len(ratio) else "0 %"
    return (
        f"Change a layer with an infinitely wide source: lambda_min[K_S] {change('source', 'k_s')}, its product with "
        f"lambda_min[Theta_S^b] {change('source', 'product')}, the true lambda_min[Theta_T] for FC {change('fc', 'theta_t')}. "
        f"With explicit features the bound is exactly 0 for: {', '.join(zero) or 'none'}. In trained networks the Hadamard bound "
        f"for FC is {share} of the truth (medians over depths where it is not 0)."
    )

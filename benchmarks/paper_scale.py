"""What each figure costs at the paper's sizes: arithmetic, hours and memory, estimated without computing any of it.

    python benchmarks/paper_scale.py

Every piece of a figure at paper scale is read: which network, how many training examples, epochs, steps and outputs.
XLA counts the operations of one pass of that network forward; a step of training counts as three passes per example, a
row of a kernel as two. What is left out (test passes, eigenvalues, data) is small beside it. Steps are the most that a
figure allows: training that ends before, ends before. Memory is what XLA plans for the largest step of training, and
what an eigendecomposition of the largest kernel takes. Hours divide the operations by a rate: on this machine the one
that a step of training is measured at, on a GPU the one in `GPU`. Results go to benchmarks/results/paper_scale.json,
and figures/PAPER_SCALE.md is written from them.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp

from figures.experiments.sources import BATCH
from figures.making.registry import PENDING, discover, figures_folder, load
from mrntk.sources.registry import load_source
from mrntk.sources.trained import FAMILIES

FOLDER = Path(__file__).resolve().parent
GPU = 20e12  # operations a second in float32: a data-centre GPU of 2022 or later, well used but not at its peak
FORWARD, TRAIN, ROW = 1, 3, 2  # passes forward that an example of each costs
SHAPES = {"cifar10": 3, "imagenette": 3}  # channels of a source task; all others are grey


@dataclass(frozen=True)
class Work:
    """What one piece asks for: `source` and `target` count passes forward through the network, `batch` and `outputs` sizes."""

    source: float = 0
    target: float = 0
    batch: int = 0  # examples in the largest step of training
    outputs: int = 0  # N c of the largest kernel


def trained(p: dict, epochs=None) -> float:
    """Passes of training the piece's source, a tenth of whose examples is held out."""
    epochs = p.get("source_epochs", p.get("epochs")) if epochs is None else epochs
    return TRAIN * epochs * 0.9 * 10 * p.get("source_per_class", p.get("train_per_class"))


def count(value) -> int:
    return len(value) if isinstance(value, (list, tuple)) else 1


def to_the_end(p: dict, maps: int) -> Work:
    """A source, and `maps` input maps to each target, trained with all examples at once for at most p["most"] steps."""
    n = 10 * p["per_class"]
    each = TRAIN * n * p["most"] + ROW * 10 * n + FORWARD * p["test"]
    return Work(trained(p), count(p["task"]) * maps * each, n, 10 * n)


def map_of_regimes(p: dict) -> Work:
    n, epochs = 10 * p["per_class"], p["epochs"]
    steps = max(p["real"], p["long"])  # behind the last source alone; the others are linearised
    return Work(trained(p, sum(epochs)), 2 * (TRAIN * n * steps + len(epochs) * ROW * 10 * n), n, 10 * n)


def few_shot(p: dict) -> Work:
    """FC, VP, VP+FC, fine-tuning and training from scratch; a probe of features costs next to nothing."""
    n = min(p["batch"], 10 * p["per_class"])
    return Work(trained(p), 5 * TRAIN * n * p["steps"], n)


def real_models(p: dict) -> Work:
    n, way = 10 * p["per_class"], p["way"]
    if way == "baselines":
        return Work(target=n + p["test"])
    epochs = 1.5 * (p["prompt_epochs"] if p["map"] == "vp" else p["epochs"])  # and half as many again, to compare
    few = 10 * p["kernel_per_class"]
    return Work(target=TRAIN * n * epochs + ROW * 10 * few, batch=p["batch"], outputs=10 * few)


def time_series(p: dict) -> Work:
    return Work(target=p["seeds"] * count(p["map"]) * 2 * TRAIN * p["most_examples"] * p["epochs"], batch=p["batch"])


def feature_cnn_depth(p: dict) -> Work:
    """The head's own training is left out: it sees features that are computed once."""
    found = to_the_end(p, count(p["maps"]))
    return Work(10 * p["source_per_class"], found.target, found.batch, found.outputs)


def kernels(p: dict, maps: int, per_class: int) -> Work:
    """Sources, and kernels of target examples before any training of them."""
    n = 10 * per_class
    source = trained(p) if "source_epochs" in p or "train_per_class" in p else 0
    return Work(p["seeds"] * source, p["seeds"] * maps * ROW * 10 * n, outputs=10 * n)


def predicted_learning_curves(p: dict) -> Work:
    n = 10 * p["per_class"]
    return Work(p["seeds"] * trained(p), p["seeds"] * 2 * TRAIN * n * p["steps"], n, 10 * n)


WORK = {
    "depth_to_target": lambda p: to_the_end(p, 3),
    "input_size": lambda p: to_the_end(p, count(p["maps"])),
    "vgg_resnet": lambda p: to_the_end(p, count(p["maps"])),
    "source_weakening": lambda p: to_the_end(p, 2),
    "feature_cnn_depth": feature_cnn_depth,
    "map_of_regimes": map_of_regimes,
    "few_shot": few_shot,
    "real_models": real_models,
    "time_series": time_series,
    "capacity_law": lambda p: kernels(p, 1, max(p["per_class"])),
    "bound_audit": lambda p: kernels(p, 2, p["per_class"]) if p["world"] == "network" else Work(),
    "target_spectra": lambda p: kernels(p, 4, p["per_class"]),
    "predicted_learning_curves": predicted_learning_curves,
}
# What a source is known by: pieces that agree in it train it once.
SOURCE = {
    "family", "source", "depth", "groups", "width", "side", "source_task", "source_per_class", "source_epochs", "epochs",
    "loss", "seed", "way", "strength",
}  # fmt: skip
NO_NETWORK = {"schematic", "source_min_eigenvalue", "assumption3"}  # nothing is trained: minutes on a laptop


def network_of(p: dict):
    """(how the piece's network is called, a function that makes its shapes), or None."""
    if p.get("world", "network") != "network" or p.get("source") == "random":
        return None
    if p.get("source") in ("dnn", "cnn"):
        p = p | {"family": p["source"], "side": 28}
    elif "source" in p:
        name, options = p["source"], {"side": p["side"]} if "side" in p else {}
        return f"{name} {options.get('side', '')}".strip(), lambda: load_source(name, **options)
    family = p.get("family", "dnn")
    deep = {"levels": p["depth"], "groups": p["groups"]} if family in ("vgg", "resnet") else {"depth": p["depth"]}
    sizes, side = deep | {"width": p["width"]}, p.get("side", 28)
    shape = (SHAPES.get(p["source_task"], 1), side, side)
    return f"{family} {shape} {sizes}", lambda: eqx.filter_eval_shape(
        lambda key: FAMILIES[family](shape, 10, key=key, **sizes), jax.random.key(0)
    )


def is_shape(leaf) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct) or eqx.is_array(leaf)


class Network:
    """A network that is known by the shapes of its arrays alone."""

    def __init__(self, made, frozen: bool):
        arrays, self.rest = eqx.partition(made, is_shape)
        self.arrays = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arrays)
        self.shape, self.frozen = tuple(made.input_shape), frozen
        one = jax.jit(lambda arrays, x: eqx.combine(arrays, self.rest)(x))
        # operations of one example forward, as XLA counts them
        self.operations = one.lower(self.arrays, self.inputs()).cost_analysis()["flops"]

    def inputs(self, *batch):
        return jax.ShapeDtypeStruct((*batch, *self.shape), jnp.float32)

    def step_memory(self, batch: int) -> float:
        """Bytes of one step of training; of a network that is itself trained, with Adam's two moments."""

        def loss(arrays, x):
            return (jax.vmap(eqx.combine(arrays, self.rest))(x) ** 2).mean()

        step = jax.jit(jax.value_and_grad(loss, argnums=int(self.frozen)))
        plan = step.lower(self.arrays, self.inputs(batch)).compile().memory_analysis()
        weights = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(self.arrays))
        moments = 0 if self.frozen else 2 * weights
        return plan.temp_size_in_bytes + plan.argument_size_in_bytes + plan.output_size_in_bytes + moments


KNOWN: dict[str, Network] = {}


def network(p: dict) -> Network | None:
    """The network of that piece, made once; None where nothing is trained."""
    found = network_of(p)
    if found is None:
        return None
    name, make = found
    if name not in KNOWN:
        KNOWN[name] = Network(make(), frozen="family" not in p and p.get("source") not in (None, "dnn", "cnn"))
    return KNOWN[name]


def measured_rate() -> float:
    """Operations a second of a step of training on this machine: a fully connected network as wide as the authors'."""
    p = {"family": "dnn", "depth": 4, "width": 2048, "side": 32, "source_task": "cifar10"}
    model = FAMILIES["dnn"]((3, 32, 32), 10, depth=4, width=2048, key=jax.random.key(0))
    step = eqx.filter_jit(eqx.filter_grad(lambda model, x: (jax.vmap(model)(x) ** 2).mean()))
    x, seconds = jnp.ones((256, 3, 32, 32)), []
    jax.block_until_ready(step(model, x))
    for _ in range(5):
        start = time.perf_counter()
        jax.block_until_ready(step(model, x))
        seconds.append(time.perf_counter() - start)
    return TRAIN * network(p).operations * 256 / sorted(seconds)[2]


def costs(name: str, figure) -> dict:
    """One row of the table."""
    pieces = figure.pieces(figure.parameters("paper"))
    row = {"figure": name, "pieces": len(pieces), "source": 0.0, "target": 0.0, "training": 0.0, "kernel": 0.0}
    steps, seen = {}, set()  # (network, batch) by the operations of a step
    for p in pieces:
        work, of = WORK[name](p), network(p)
        if of is None:
            continue
        source = json.dumps({key: value for key, value in p.items() if key in SOURCE})
        row["source"] += 0 if source in seen else of.operations * work.source
        seen.add(source)
        row["target"] += of.operations * work.target
        row["kernel"] = max(row["kernel"], 3 * 8 * work.outputs**2)  # the matrix, its copy and its eigenvectors
        batch = max(work.batch, BATCH if work.source else 0)
        steps[of.operations * batch] = of, batch
    of, batch = steps[max(steps)]
    return row | {"training": of.step_memory(batch) if batch else 0.0}


def newest() -> dict:
    """Every figure, in the version that waits for its data where there is one."""
    return discover() | {path.stem: load(path) for path in (figures_folder() / PENDING).glob("*.py")}


def hours(operations: float, rate: float) -> str:
    value = operations / rate / 3600
    return "under 0.1" if value < 0.1 else f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def table(results: dict) -> str:
    """The rows as Markdown, the dearest first."""
    heads = [
        "figure",
        "pieces",
        "sources, 10^15 operations",
        "targets, 10^15 operations",
        "hours on a GPU",
        "days here",
    ]
    lines = [
        f"| {' | '.join([*heads, 'largest step, GB', 'largest kernel, GB'])} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(results["rows"], key=lambda row: -row["source"] - row["target"]):
        total = row["source"] + row["target"]
        days = total / results["rate"] / 86400
        numbers = [row["pieces"], f"{row['source'] / 1e15:,.0f}", f"{row['target'] / 1e15:,.0f}", hours(total, GPU)]
        numbers += [f"{days:,.1f}", f"{row['training'] / 1e9:.1f}", f"{row['kernel'] / 1e9:.1f}"]
        lines.append(f"| [{row['figure']}](README.md#{row['figure']}) | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def page(results: dict) -> str:
    """figures/PAPER_SCALE.md."""
    where, total = results["provenance"], sum(row["source"] + row["target"] for row in results["rows"])
    return f"""# The paper's sizes

`mrntk figures ID --scale paper` computes a figure at the authors' sizes as far as these are known: depth 1 to 9,
fully connected networks of width 2,048, convolutional ones of 512 channels, CIFAR-10 as the source, STL-10 and SVHN
as targets. It needs their archives (`mrntk list` says where they come from and what they weigh) and, for all but a
few figures, a GPU. Each figure's paper scale is run from end to end by the tests, at small sizes, on made-up archives
in the formats of the real ones. **No figure has been computed at this scale yet**: what follows are estimates, and
the committed results are those of the course scale.

Written by `python benchmarks/paper_scale.py`, which counts the operations of every training and kernel and measures
nothing but the rate of this machine ({where["processor"]}, {where["cores"]} cores: {results["rate"] / 1e9:,.0f}
GFLOP/s). A GPU is taken to do {GPU / 1e12:.0f} TFLOP/s in float32, which a data-centre GPU of today reaches when its
steps are large; small networks leave it idle part of the time, so take the hours as a lower end for one GPU.
Trainings that end before their last step cost less. "Largest step" is what XLA plans for the largest step of
training, "largest kernel" what its eigendecomposition takes. In all {total / 1e18:,.1f} * 10^18 operations.

{table(results)}

{", ".join(f"[{name}](README.md#{name})" for name in sorted(NO_NETWORK))} train nothing, and take minutes on a laptop.
Figures that are not in the table draw the data of one that is.

What saves most: `--set depth=1,3,5,9`, `--set seeds=3`, `--set most=2000`. Pieces are kept, so that a run can be
stopped and resumed, and several machines can share one by a shared folder (see `mrntk figures --help`).
"""


def main():
    from mrntk.support.provenance import provenance

    figures = {name: figure for name, figure in newest().items() if name in WORK}
    rows = [costs(name, figure) for name, figure in figures.items()]
    results = {"provenance": provenance(), "rate": measured_rate(), "rows": rows}
    path = FOLDER / "results" / "paper_scale.json"
    path.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    (FOLDER.parent / "figures" / "PAPER_SCALE.md").write_text(page(results), encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()

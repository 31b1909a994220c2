"""Networks of the paper's experiments trained by its recipe, once; afterwards they come from the cache."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import equinox as eqx
import jax
import numpy as np
from filelock import FileLock

from ..support.cache import cache_folder
from ..support.cards import Card, Entry
from ..support.checkpoints import hash_of, read_checkpoint, write_checkpoint
from ..support.errors import MrntkError
from ..support.pinned import pinned, unpinned
from ..tasks import Task, load_task
from ..training import fit
from ..training.recipes import source_optimiser
from .networks import CNN, DNN, VGG, ResNet

FAMILIES = {"dnn": DNN, "cnn": CNN, "vgg": VGG, "resnet": ResNet}
_TITLES = {
    "dnn": ("fully connected ReLU network", ("depth",)),
    "cnn": ("3x3 convolutions with ReLU, global average pooling", ("depth",)),
    "vgg": ("groups of 3x3 convolutions, no batch norm", ("levels", "groups")),
    "resnet": ("groups of residual blocks, no batch norm", ("levels", "groups")),
}
NUMBERS_VERSION = 1  # raise it when a change of the code changes the numbers of a training


@dataclass(frozen=True)
class Recipe:
    """How a source is trained. The defaults are the authors': Adam with 1e-3, batches of 128, early stopping, at most 50 epochs.

    The held-out tenth is taken from the task's training part; its test part is never seen.

    Parameters
    ----------
    loss : "ce", cross-entropy, or "mse", the squared loss.
    epochs : the most of them.
    batch : examples per step.
    learning_rate : of Adam.
    weight_decay : an L2 term in the gradient.
    patience : so many epochs without a better loss on held-out examples end the training (0: never), and the best epoch's
        weights are kept.
    per_class : training examples per class, those that are held out included; None for all.

    Raises
    ------
    MrntkError
        If a value is out of its range.
    """

    loss: str = "ce"
    epochs: int = 50
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    patience: int = 3
    per_class: int | None = None

    def __post_init__(self):
        for name, least in (("epochs", 1), ("batch", 1), ("patience", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise MrntkError(f"{name}={value!r}: give a whole number of at least {least}.")
        if not self.learning_rate > 0 or not self.weight_decay >= 0:
            raise MrntkError(
                f"learning_rate={self.learning_rate}, weight_decay={self.weight_decay}: the one must be positive, the other not "
                "negative."
            )


@dataclass(frozen=True)
class Trained:
    """A trained source and how its training went; losses hold one value per epoch."""

    source: eqx.Module
    train_losses: np.ndarray
    validation_losses: np.ndarray


def _network(family: str, input_shape, num_outputs: int, key, sizes: dict[str, int]):
    """A random network, or the error that says which sizes it takes."""
    if family not in FAMILIES:
        raise MrntkError(f"family={family!r} is unknown: choose one of {', '.join(FAMILIES)}.")
    wanted, given = (*_TITLES[family][1], "width"), dict(sizes)
    if family in ("vgg", "resnet"):
        given.setdefault("width", 32)
    for name in [*wanted, *given]:
        if name not in given or name not in wanted or not isinstance(given[name], int):
            value = f"{name}={given[name]!r}" if name in given else f"{name} is missing"
            raise MrntkError(f"{value}: {family} takes the whole numbers {', '.join(wanted)}.")
    if num_outputs < 1:
        raise MrntkError(f"num_outputs={num_outputs}: it must be at least 1.")
    return FAMILIES[family](tuple(input_shape), num_outputs, key=key, **given)


@pinned()
def held_out_tenth(task: Task, per_class: int | None, key):
    """((x, y), (x, y) held out): a tenth of every class, at least one example, drawn with the key."""
    most = int(np.bincount(task.y_train, minlength=task.num_classes).min())
    if most < 2 or (per_class is not None and not 2 <= per_class <= most):
        raise MrntkError(
            f"per_class={per_class}: give 2 to {most}, the training examples per class of task {task.name}."
        )
    order = np.asarray(jax.random.permutation(key, len(task.y_train)))
    members = [order[task.y_train[order] == label][:per_class] for label in range(task.num_classes)]
    held_out = np.concatenate([rows[: max(1, len(rows) // 10)] for rows in members])
    rest = np.concatenate([rows[max(1, len(rows) // 10) :] for rows in members])
    return tuple((task.x_train[rows], task.one_hot(task.y_train[rows])) for rows in (rest, held_out))


@pinned()
def train(
    family: str,
    task: Task,
    *,
    seed: int = 42,
    recipe: Recipe = Recipe(),  # noqa: B008
    progress: Callable | None = None,
    **sizes: int,
) -> Trained:
    """A network of `family` with these `sizes`, trained on `task`; from the cache if it has been trained before.

    An interrupted training goes on where it stopped. The cache knows a training by everything that its numbers depend on:
    family, sizes, recipe, the data themselves, the seed, JAX's version, the kind of device and the flags that change numbers.

    Parameters
    ----------
    family : "dnn", "cnn", "vgg" or "resnet".
    task : what it is trained on, by the training part alone.
    seed : of the initial weights, the held-out examples and the order of the minibatches. The authors use 42, 43 and 44.
    recipe : how it is trained.
    progress : wraps the iterable of epochs, for example `tqdm`.
    **sizes : depth and width of "dnn" and "cnn"; levels, groups and width of "vgg" and "resnet".

    Raises
    ------
    MrntkError
        For an unknown family, sizes that do not fit, or a cache folder that cannot be written.
    """
    key_model, key_split, key_fit = jax.random.split(jax.random.key(seed), 3)
    model = _network(family, task.input_shape, task.num_classes, key_model, sizes)
    identity = {
        "family": family, "sizes": json.dumps(sizes, sort_keys=True), "recipe": json.dumps(asdict(recipe)), "seed": str(seed),
        "data": hash_of(task.x_train, task.y_train), "jax": jax.__version__, "numbers": str(NUMBERS_VERSION),
        "unpinned": json.dumps(unpinned()),
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    folder = cache_folder("sources")
    path = folder / f"{model.name}-{task.name}-{digest}"
    unfinished = path.with_name(path.name + ".unfinished")
    arrays, rest = eqx.partition(model, eqx.is_array)
    losses = np.zeros((2, recipe.epochs))
    with FileLock(cache_folder("locks") / path.name):  # of several processes that want the same network, one trains it
        if path.exists():
            try:
                arrays, losses = read_checkpoint(path, identity, (arrays, losses))
                return _result(eqx.combine(arrays, rest), losses)
            except MrntkError:
                path.unlink()  # a damaged file: train again
        (x, y), held_out = held_out_tenth(task, recipe.per_class, key_split)
        result = fit(
            model, x, y, key=key_fit, optimiser=source_optimiser(recipe.learning_rate, recipe.weight_decay),
            epochs=recipe.epochs, loss=recipe.loss, batch=min(recipe.batch, len(x)), validation=held_out,
            patience=recipe.patience or None, checkpoint=unfinished, progress=progress,
        )  # fmt: skip
        losses = np.full((2, recipe.epochs), np.nan)
        losses[:, : result.epochs] = result.train_losses, result.validation_losses
        write_checkpoint(path, identity, (eqx.filter(result.model, eqx.is_array), losses))
        unfinished.unlink()
        return _result(result.model, losses)


def _result(model, losses) -> Trained:
    epochs = int(np.isfinite(losses[0]).sum())
    return Trained(model, losses[0, :epochs], losses[1, :epochs])


def _terminal_bar(words: str) -> Callable:
    """A progress bar over epochs on the terminal; silent where there is none."""
    from tqdm import tqdm

    return lambda epochs: tqdm(epochs, desc=words, unit="epoch", disable=None, leave=False)


@pinned(x64=None)
def load_family(
    family: str,
    *,
    task: str | Task | None = None,
    input_shape: tuple[int, ...] | None = None,
    num_outputs: int | None = None,
    seed: int = 42,
    progress: Callable | None = None,
    **options,
):
    """A network of `family`: trained on `task`, or at its random start with `input_shape` and `num_outputs` instead.

    Parameters
    ----------
    family : "dnn", "cnn", "vgg" or "resnet".
    task : a `Task`, or the name of one.
    input_shape, num_outputs : of a network at its random start.
    seed : of the weights; see `train`.
    progress : wraps the iterable of epochs; by default a bar on the terminal.
    **options : the sizes (depth, width; levels, groups, width) and, with a task, the fields of `Recipe`.

    Raises
    ------
    MrntkError
        If neither a task nor both shapes are given, if both are, or as `train`.
    """
    fields = {name: options.pop(name) for name in list(options) if name in Recipe.__dataclass_fields__}
    if task is not None and (input_shape is not None or num_outputs is not None):
        raise MrntkError("input_shape, num_outputs: leave them out with task=, which has its own.")
    if task is not None:
        task = task if isinstance(task, Task) else load_task(task)
        bar = progress or _terminal_bar(f"training {family} on {task.name}")
        return train(family, task, seed=seed, recipe=Recipe(**fields), progress=bar, **options).source
    if input_shape is None or num_outputs is None or fields:
        raise MrntkError(
            f"task is missing: name what {family} is trained on, or give input_shape and num_outputs alone."
        )
    return _network(family, input_shape, num_outputs, jax.random.key(seed), options)


_COMMON = ("task", "input_shape", "num_outputs", "seed", "width", *Recipe.__dataclass_fields__)
ENTRIES = {
    name: Entry(
        Card(
            name=name,
            title=f"{title}; random or trained here",
            shape=(),
            num_classes=0,
            classes=(),
            size="as chosen",
            origin="made here by the recipe of the authors' experiments",
            licence="Apache-2.0 (this project)",
            citation="Chung et al. 2025, arXiv:2506.00620",
        ),
        partial(load_family, name),
        (*sizes, *_COMMON),
    )
    for name, (title, sizes) in _TITLES.items()
}

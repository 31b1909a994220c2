"""What a task is: inputs, labels, and where they come from."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ..support.cards import Card
from ..support.errors import MrntkError
from ..support.pinned import pinned


@pinned()
def _orders(key: PRNGKeyArray, sizes: list[int]) -> list[Int[np.ndarray, " n"]]:
    """A random order of n things for each n in `sizes`, by sorting random bits.

    `jax.random.permutation` would compile a program for each size; here the bits come from one program for all.
    """
    keys = [jax.random.split(k)[1] for k in jax.random.split(key, len(sizes))]
    bits = np.asarray(jax.vmap(lambda k: jax.random.bits(k, (max(sizes),)))(jax.numpy.stack(keys)))
    return [np.argsort(row[:n], kind="stable") for row, n in zip(bits, sizes, strict=True)]


@dataclass(frozen=True)
class Task:
    """A classification task D = (X, Y), split into train and test."""

    card: Card
    x_train: Float[np.ndarray, "N *shape"]
    y_train: Int[np.ndarray, " N"]
    x_test: Float[np.ndarray, "M *shape"]
    y_test: Int[np.ndarray, " M"]

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.x_train.shape[1:]

    @property
    def num_classes(self) -> int:
        return self.card.num_classes

    def one_hot(self, labels: Int[np.ndarray, " N"]) -> Float[np.ndarray, "N c"]:
        """Labels as the rows of Y used by the squared loss."""
        labels = np.asarray(labels)
        if labels.size and not (0 <= labels.min() and labels.max() < self.num_classes):
            raise MrntkError(f"labels: task {self.name} has the classes 0 to {self.num_classes - 1}.")
        return np.eye(self.num_classes)[labels]

    def with_inputs(self, change: Callable) -> "Task":
        """The same task with `change` applied to all inputs, (N, *shape) -> (N, *other shape); the card says the new shape."""
        x_train, x_test = change(self.x_train), change(self.x_test)
        return replace(self, card=replace(self.card, shape=x_train.shape[1:]), x_train=x_train, x_test=x_test)

    def as_rgb(self) -> "Task":
        """Grey images as three equal channels; colour images as they are."""
        if len(self.input_shape) != 3 or self.input_shape[0] not in (1, 3):
            raise MrntkError(f"task {self.name} has inputs of shape {self.input_shape}: only images have colours.")
        return self if self.input_shape[0] == 3 else self.with_inputs(lambda x: np.repeat(x, 3, axis=1))

    def resized(self, *size: int | tuple[int, ...]) -> "Task":
        """Inputs (channels, *spatial) interpolated linearly to another spatial size; one number stands for a square."""
        size = size[0] if len(size) == 1 and isinstance(size[0], tuple) else size
        if len(self.input_shape) < 2:
            raise MrntkError(
                f"task {self.name} has inputs of shape {self.input_shape}: only images and series have a size."
            )
        spatial = size * (len(self.input_shape) - 1) if len(size) == 1 else size
        if len(spatial) != len(self.input_shape) - 1 or min(spatial) < 1:
            raise MrntkError(f"size={size}: task {self.name} has inputs of shape {self.input_shape}, channels first.")
        return self.with_inputs(
            lambda x: np.asarray(jax.image.resize(x, (*x.shape[:2], *spatial), "linear", antialias=True), x.dtype)
        )

    def draw(self, key: PRNGKeyArray, per_class: int) -> tuple[np.ndarray, np.ndarray]:
        """`per_class` training examples of every class, without replacement, ordered by class.

        Raises
        ------
        MrntkError
            If a class has fewer examples than asked for.
        """
        most = int(np.bincount(self.y_train, minlength=self.num_classes).min())
        if not 1 <= per_class <= most:
            raise MrntkError(f"per_class={per_class}: task {self.name} has 1 to {most} training examples per class.")
        members = [np.flatnonzero(self.y_train == c) for c in range(self.num_classes)]
        orders = _orders(key, [len(rows) for rows in members])
        rows = [rows[order[:per_class]] for rows, order in zip(members, orders, strict=True)]
        chosen = np.concatenate(rows)
        return self.x_train[chosen], self.y_train[chosen]


def rows_in_turn(task: Task, many: int, seed: int) -> Int[np.ndarray, " many"]:
    """The places of `many` training examples: one of every class, then another of every class, and so on while there are any.

    Raises
    ------
    MrntkError
        If the task has fewer training examples.
    """
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(task.y_train == c)) for c in range(task.num_classes)]
    if many > len(task.y_train):
        raise MrntkError(
            f"examples={many}: the task {task.name} has {len(task.y_train)} training examples; choose at most as many."
        )
    turns = [rows[k] for k in range(many) for rows in members if k < len(rows)]
    return np.array(turns[:many])

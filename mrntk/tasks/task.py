"""What a task is: inputs, labels, and where they come from."""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ..errors import MrntkError


@dataclass(frozen=True)
class Task:
    """A classification task D = (X, Y), split into train and test."""

    name: str
    x_train: Float[np.ndarray, "N *shape"]
    y_train: Int[np.ndarray, " N"]
    x_test: Float[np.ndarray, "M *shape"]
    y_test: Int[np.ndarray, " M"]
    classes: tuple[str, ...]
    origin: str
    licence: str

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.x_train.shape[1:]

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def one_hot(self, labels: Int[np.ndarray, " N"]) -> Float[np.ndarray, "N c"]:
        """Labels as the rows of Y used by the squared loss."""
        return np.eye(self.num_classes)[labels]

    def draw(self, key: PRNGKeyArray, per_class: int) -> tuple[np.ndarray, np.ndarray]:
        """`per_class` training examples of every class, without replacement, ordered by class.

        Raises
        ------
        MrntkError
            If a class has fewer examples than asked for.
        """
        most = int(np.bincount(self.y_train, minlength=self.num_classes).min())
        if not 1 <= per_class <= most:
            raise MrntkError(f"per_class={per_class}: task {self.name} has 1 to {most} training examples a class.")
        members = [np.flatnonzero(self.y_train == c) for c in range(self.num_classes)]
        keys = jax.random.split(key, self.num_classes)
        rows = [np.asarray(jax.random.permutation(k, m))[:per_class] for k, m in zip(keys, members, strict=True)]
        chosen = np.concatenate(rows)
        return self.x_train[chosen], self.y_train[chosen]

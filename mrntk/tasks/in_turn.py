"""Training examples with the classes in turn, drawn by NumPy, so that nothing is compiled and fewer are the first of more."""

import numpy as np
from jaxtyping import Int

from ..support.errors import MrntkError
from .task import Task


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

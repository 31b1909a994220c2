"""The explorer's examples, and the input map that a setting asks for."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ...model.input_maps import INPUT_MAPS, InputMap, frame_mask
from ...ntk.plain import drawn_input_map
from ...support.errors import MrntkError
from ...tasks import load_task
from ...tasks.task import rows_in_turn
from .setting import Setting

TESTED = 100  # test examples


class Examples(NamedTuple):
    """Some examples of a task, in float64; `labels` are class numbers, y their one-hot rows."""

    x: Float[np.ndarray, "N *dT"]
    labels: Int[np.ndarray, " N"]
    y: Float[np.ndarray, "N c"]
    x_test: Float[np.ndarray, "M *dT"]
    y_test: Float[np.ndarray, "M c"]
    classes: tuple[str, ...]


@lru_cache(maxsize=64)
def examples(name: str, many: int, seed: int) -> Examples:
    """`many` training examples, the classes in turn, so that more examples begin with the same ones; TESTED test examples."""
    task = load_task(name)
    rows = rows_in_turn(task, many, seed)
    shown = np.linspace(0, len(task.x_test) - 1, min(TESTED, len(task.x_test))).astype(int)
    labels = np.asarray(task.y_train)[rows]
    return Examples(
        np.asarray(task.x_train[rows], float), labels, task.one_hot(labels),
        np.asarray(task.x_test[shown], float), task.one_hot(task.y_test[shown]), task.classes,
    )  # fmt: skip


def input_map(setting: Setting, target_shape: tuple[int, ...], source_shape: tuple[int, ...]) -> InputMap:
    """The input map of a setting at its start.

    Raises
    ------
    MrntkError
        If the frame leaves nothing to train, or a layer would be too large.
    """
    inner = tuple(max(1, round((1 - 2 * setting.frame) * side)) for side in source_shape[1:])
    mask = _trained(~frame_mask(source_shape, inner), setting.mask)
    if INPUT_MAPS[setting.input_map].has_prompt and not mask.any():
        raise MrntkError(
            f"frame, share of the side: {setting.frame:g} of {min(source_shape[1:])} places leaves no frame; choose a wider one."
        )
    options = {"inner": inner, "seed": (setting.seed, 2), "mask": mask}
    return drawn_input_map(setting.input_map, target_shape, source_shape, **options)


def _trained(inside: Bool[np.ndarray, "*dS"], mask: str) -> Bool[np.ndarray, "*dS"]:
    """The places of a prompt that are trained; `inside` is True in the window."""
    if mask == "all":
        return np.ones_like(inside)
    if mask == "alternate":
        return ~inside & (np.indices(inside.shape[1:]).sum(0) % 2 == 0)
    if mask == "sides":  # outside of the window's columns
        return np.broadcast_to(~inside.any(axis=tuple(range(inside.ndim - 1))), inside.shape)
    return ~inside

"""Guided settings: what to look at, in the order of the theory. Tests hold what they say to what the page computes."""

from dataclasses import asdict
from typing import NamedTuple

from ..widgets.reprogramming.setting import Setting


class Story(NamedTuple):
    """Two sentences before, one after; {names} in the last are numbers of the answer, {pinned.names} those of the pinned one."""

    title: str
    before: str
    after: str
    shown: dict  # what differs from the default setting
    pinned: dict | None = None  # the same of a setting in grey beside it
    notebook: str = "00"  # where the course tells it
    moves: tuple[str, ...] = ()  # controls that can be moved while it is told


STORIES = (
    Story(
        "Thin frame",
        "The network is frozen; only the orange frame around the image is trained. It begins one pixel wide, on two sides: drag "
        "it wider.",
        "With {parameters} trained numbers the network can learn {rank} of {outputs} things. A wide frame has more numbers, but "
        "leaves a smaller image, of which the network sees less: find the best width.",
        {"frame": 0.05},
        moves=("frame",),
        notebook="04",
    ),
    Story(
        "Better source",
        "Grey is the same frame in front of a network with random weights. The coloured curves belong to one that has learned to "
        "read digits (MNIST).",
        "Both can learn about as many things ({pinned.rank} and {rank}). But the trained network begins with smaller mistakes "
        "(loss {start}, not {pinned.start}), and fewer of them are out of reach: expect {accuracy} right, not "
        "{pinned.accuracy}. Train it.",
        {},
        {"source": "random"},
        notebook="07",
    ),
    Story(
        "Deeper source",
        "Grey is a source of a single layer, so its output changes with the frame in the same way for every example. The other "
        "has three layers.",
        "The single layer can learn {pinned.rank} things, one per class; three layers can learn {rank}, since they treat every "
        "example differently. Train it.",
        {"depth": 3},
        {"depth": 1},
        notebook="06",
    ),
    Story(
        "Step too large",
        "Training corrects mistakes step by step, fastest where the first dot at the right lies. Where a step is too large for "
        "that dot, it overshoots: here it is 1.2 times the limit.",
        "The prediction overshoots more with every step and leaves the picture. Train it: the real network changes on its way "
        "until the same step corrects less, and learns all the same.",
        {"fraction": 1.2},
        notebook="02",
    ),
    Story(
        "Wrong prediction",
        "The prediction takes every step to correct mistakes as the first one does. Behind a deep source that "
        "changes on the way.",
        "The prediction ends at a loss of {loss}. Train it and see how far off that is.",
        {"depth": 5},
        notebook="07",
    ),
)


def setting_of(changes: dict) -> Setting:
    """The default setting with these changes."""
    return Setting(**asdict(Setting()) | changes)


def told() -> list[dict]:
    """The stories as the page gets them, each setting as a query."""
    return [
        story._asdict()
        | {name: None if changes is None else setting_of(changes).query() for name, changes in
           (("shown", story.shown), ("pinned", story.pinned))}
        for story in STORIES
    ]  # fmt: skip

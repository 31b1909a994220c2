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
    grey: str = "pinned"  # what the legend calls that
    notebook: str = "00"  # where the course tells it
    moves: tuple[str, ...] = ()  # controls that can be moved while it is told


STORIES = (
    Story(
        "Thin frame",
        "The network is frozen; only the orange frame around the image is trained. It begins one pixel wide, on two sides: drag "
        "it wider.",
        "With {parameters} trained numbers the frame can teach at most {rank} of {outputs} answers: expect {accuracy} right, "
        "where guessing gets one in {classes}. A wider frame has more numbers, but leaves a smaller image, of which the network "
        "sees less: find the width with the most examples expected right.",
        {"frame": 0.05},
        moves=("frame",),
        notebook="04",
    ),
    Story(
        "Better source",
        "Grey is the same frame in front of a network with random weights. The coloured curves belong to one that has learned to "
        "read digits (MNIST).",
        "The better source does not make more answers learnable ({rank}; the random one: {pinned.rank}). But it begins closer to "
        "the right answers (loss {start}, not {pinned.start}), and more of its mistakes are of a kind that the frame can "
        "correct: expect a loss of {loss}, not {pinned.loss}, and {accuracy} right, not {pinned.accuracy}. Train it.",
        {},
        {"source": "random"},
        "random network",
        notebook="07",
    ),
    Story(
        "Deeper source",
        "Grey is a source of a single layer: a change of the frame moves its output in the same way for every example. The other "
        "has three layers.",
        "Through a single layer the frame can only make a class likelier for all examples at once: {pinned.rank} answers, one "
        "per class. Three layers treat every example differently: {rank} answers. Train it.",
        {"depth": 3},
        {"depth": 1},
        "single layer",
        notebook="06",
    ),
    Story(
        "Step beyond the limit",
        "Training corrects mistakes step by step: most the one whose dot stands highest in the right-hand picture. A step that "
        "is too large overshoots there, and back by more. Here it is 1.2 times the largest that would not.",
        "The predicted mistakes fall at first; then the overshooting takes over, and the dashed line runs out of the picture. "
        "Train it: the way in which the network reacts changes until the same step corrects less. Here the prediction fails, "
        "not the training.",
        {"fraction": 1.2},
        notebook="02",
    ),
    Story(
        "Wrong prediction",
        "The prediction assumes that every step corrects mistakes as the first one does. With a deep source, how the network "
        "reacts to the frame changes on the way.",
        "The prediction ends at a loss of {loss} and {accuracy} right. Train it and see how far off that is; off need not be "
        "worse.",
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

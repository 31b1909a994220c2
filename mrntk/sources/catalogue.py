"""What there is to load: sources and tasks as text, as tables and as sample pictures."""

import textwrap

import numpy as np

from ..support.cards import Card, Entry, find
from ..support.style import OKABE_ITO
from ..tasks import Task

WIDTH = 100  # columns
OWN = {
    "source": "an .onnx file; a folder with a CLIP checkpoint, or clip: and its name on the hub; any JAX function of one input",
    "task": "a folder of images; an .npz file; a .csv, .tsv, .txt, .ts or .arff file of time series",
}


def catalogue() -> dict[str, dict[str, Entry]]:
    """{"source": entries by name, "task": entries by name}."""
    from ..tasks import TASKS
    from .registry import SOURCES

    return {"source": SOURCES, "task": TASKS}


def _shape(card: Card) -> str:
    return "x".join(map(str, card.shape)) or "as chosen"


def _reach(card: Card) -> str:
    """How it is had: "offline", or what must be downloaded."""
    return "offline" if card.offline else f"download, {card.download_mb:,.0f} MB"


def listing() -> str:
    """Every source and task, one per line."""
    lines = []
    for kind, entries in catalogue().items():
        lines.append(f"{kind}s")
        for name, entry in entries.items():
            card = entry.card
            indent = f"  {name:<20}{_shape(card):<13}{_reach(card):<19}"
            lines.append(textwrap.fill(card.title, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent)))
    lines += [textwrap.fill(f"{kind}s of yours: {words}", WIDTH, subsequent_indent="  ") for kind, words in OWN.items()]
    return "\n".join(lines)


def describe(name: str) -> str:
    """The whole card of a source or a task, and the options with which it is loaded.

    Raises
    ------
    MrntkError
        If there is nothing of that name.
    """
    everything = catalogue()
    found = [(kind, entries[name]) for kind, entries in everything.items() if name in entries]
    if not found:
        find("source or task", name, everything["source"] | everything["task"])  # raises, and names the nearest
    return "\n\n".join(_described(kind, entry) for kind, entry in found)


def _described(kind: str, entry: Entry) -> str:
    card = entry.card
    names = textwrap.shorten(", ".join(card.classes), 300, placeholder=" ...")
    rows = {
        kind: f"{card.name}: {card.title}",
        "input": _shape(card),
        "outputs" if kind == "source" else "classes": f"{card.num_classes or 'as chosen'}"
        + (f": {names}" if names else ""),
        "size": card.size,
        "from": card.origin + (f" (package {card.package})" if card.package else ""),
        "licence": card.licence,
        "cite": card.citation,
        "needs": "nothing more" if card.offline else _reach(card),
        "load": f"load_{kind}({', '.join([repr(card.name), *(f'{option}=' for option in entry.options)])})",
    }
    if entry.options:
        load = getattr(entry.load, "func", entry.load)
        rows["options"] = f"help({load.__module__}.{load.__qualname__}) explains them"
    return "\n".join(
        textwrap.fill(words, WIDTH, initial_indent=f"{title:<9}", subsequent_indent=" " * 9, break_on_hyphens=False)
        for title, words in rows.items()
    )


def table(kind: str) -> str:
    """The cards of all sources or all tasks as a Markdown table."""
    lines = ["| name | what | input | size | from | licence | network |", "|---|---|---|---|---|---|---|"]
    for name, entry in catalogue()[kind].items():
        card = entry.card
        cells = (
            f"`{name}`",
            card.title,
            _shape(card),
            card.size,
            card.package or card.origin,
            card.licence,
            _reach(card),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sample_picture(task: Task, per_class: int = 5):
    """A figure with the first training inputs of every class: images as images, time series as curves, points in a plane.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown yet, and no part of pyplot's state.
    """
    from matplotlib.figure import Figure

    shown = range(min(task.num_classes, 10))
    if len(task.input_shape) == 1:
        return _points(task)
    figure = Figure(figsize=(0.9 * len(shown) + 0.6, 0.85 * per_class + 0.4), layout="constrained")
    axes = figure.subplots(per_class, len(shown), squeeze=False)
    for column, label in enumerate(shown):
        members = np.flatnonzero(task.y_train == label)[:per_class]
        for axis in axes[:, column]:
            axis.set_axis_off()
        axes[0, column].set_title(textwrap.fill(task.classes[label], 14), fontsize=7)
        for axis, member in zip(axes[:, column], members, strict=False):
            _draw(axis, task.x_train[member])
    return figure


def _draw(axis, x):
    if x.ndim == 2:
        axis.plot(x[0], linewidth=0.8)
    else:
        axis.imshow(x.transpose(1, 2, 0).squeeze(), cmap=None if x.shape[0] == 3 else "gray", vmin=0, vmax=1)


def _points(task: Task):
    """The first two coordinates, one colour per class."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.5, 3.5), layout="constrained")
    axis = figure.subplots()
    axis.set_prop_cycle(color=OKABE_ITO)
    for label, name in enumerate(task.classes):
        points = task.x_train[task.y_train == label]
        axis.plot(points[:, 0], points[:, min(1, points.shape[1] - 1)], "o", markersize=3, label=name)
    axis.set_aspect("equal")
    axis.legend(fontsize=8)
    return figure

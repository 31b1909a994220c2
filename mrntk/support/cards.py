"""Cards: what a reader should know of a source or a task before loading it."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .errors import MrntkError


@dataclass(frozen=True)
class Card:
    """Origin, terms and sizes of a source or a task."""

    name: str
    title: str
    shape: tuple[int, ...]  # of one input, () where the caller chooses it
    num_classes: int
    classes: tuple[str, ...]  # their names, or words that tell what the outputs are where there are too many to list
    size: str  # "4,000 + 1,000 images", "4.7 M weights"
    origin: str
    licence: str
    citation: str
    package: str | None = None  # that carries the files, if one does
    download_mb: float | None = None  # what must be downloaded once, None for what works without a network

    @property
    def offline(self) -> bool:
        """Does it work without a network, once the project is installed?"""
        return self.download_mb is None


@dataclass(frozen=True)
class Entry:
    """A card and the function that loads what it describes."""

    card: Card
    load: Callable
    options: tuple[str, ...] = ()  # names of the options that `load` takes


def find(kind: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    """The entry of that name.

    Raises
    ------
    MrntkError
        If there is none; the message names the nearest.
    """
    if name not in entries:
        near = difflib.get_close_matches(name.lower(), entries, n=2)
        near += [other for other in entries if name and other.startswith(name.lower()) and other not in near]
        meant = f"did you mean {' or '.join(sorted(near))}?" if near else "`mrntk list` names them all."
        raise MrntkError(f"{kind} {name!r} is unknown: {meant}")
    return entries[name]


def options_of(load: Callable) -> tuple[str, ...]:
    """Names of the options of a loading function: all its parameters but the first."""
    return tuple(inspect.signature(load).parameters)[1:]


def check_options(what: str, options: dict, known: tuple[str, ...]) -> dict:
    """The options, if `what` takes all of them.

    Raises
    ------
    MrntkError
        Naming the first that it does not take.
    """
    for name, value in options.items():
        if name not in known:
            raise MrntkError(f"{name}={value!r}: {what} takes {', '.join(known) or 'no options'}.")
    return options

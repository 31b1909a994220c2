"""View models: what a widget computes and says, apart from how it looks on the screen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from ..model.input_maps import INPUT_MAPS
from ..support.errors import MrntkError


@dataclass(frozen=True)
class Slider:
    """A number between two ends, in steps; whole numbers if `step` and the ends are. With `log`, the step is one of the exponent
    of 10, and so are the ends.
    """

    label: str
    low: float | int
    high: float | int
    start: float | int
    step: float | int = 1
    log: bool = False

    def problem(self, value) -> str | None:
        """What is wrong with a value, or None."""
        low, high = (10.0**self.low, 10.0**self.high) if self.log else (self.low, self.high)
        if isinstance(value, (int, float)) and low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
            return None
        return f"give a number from {low:g} to {high:g}"


@dataclass(frozen=True)
class Choice:
    """One of several options: the values, or {label: value}."""

    label: str
    options: tuple | dict
    start: Any

    @property
    def values(self) -> list:
        return list(self.options.values()) if isinstance(self.options, dict) else list(self.options)

    def problem(self, value) -> str | None:
        return None if value in self.values else f"choose one of {', '.join(map(str, self.values))}"


@dataclass(frozen=True)
class Toggle:
    """Yes or no."""

    label: str
    start: bool = False

    def problem(self, value) -> str | None:
        return None if isinstance(value, bool) else "give True or False"


def displayed(image: Float[np.ndarray, "C height width"]) -> Float[np.ndarray, "height width *C"]:
    """An image for imshow: colours last, the scale stretched where values leave 0 to 1."""
    low, high = min(image.min(), 0), max(image.max(), 1)
    return np.moveaxis((image - low) / (high - low), 0, -1).squeeze()


def input_map_choice(label: str, names: tuple[str, ...], start: str) -> Choice:
    """Some input maps of `INPUT_MAPS`, as "prompt (VP)"."""

    def shown(name):
        kind = INPUT_MAPS[name]
        words = kind.words.removeprefix("a ")
        return words if kind.label in words else f"{words} ({kind.label})"

    return Choice(label, {shown(name): name for name in names}, start)


class ViewModel:
    """What one widget shows. A subclass says which controls there are, computes data from their values, draws them, and puts
    the finding into words.

    Attributes
    ----------
    title : of the widget. alt : what its picture shows, for readers who do not see it.
    controls : the controls by the names of the arguments of `compute`, in the order in which they are shown.
    """

    title: str
    alt: str
    controls: dict[str, Slider | Choice | Toggle]

    def compute(self, **values):
        """The data for these values of the controls: a function of them alone."""
        raise NotImplementedError

    def draw(self, data) -> Figure:
        """The picture of the data; called inside `mrntk.support.style.style()`."""
        raise NotImplementedError

    def picture(self, data) -> bytes | None:
        """A PNG file that shows the data already; None where they must be drawn."""
        return None

    def words(self, data) -> str:
        """What the data say, in a sentence or two of Markdown-free text."""
        raise NotImplementedError

    def description(self, data) -> str:
        """What the picture of these data shows; `alt` where it is always the same."""
        return self.alt

    def values(self, **changes) -> dict:
        """The starting values with these changes.

        Raises
        ------
        MrntkError
            For an unknown control or a value that it cannot have.
        """
        for name, value in changes.items():
            if name not in self.controls:
                raise MrntkError(f"{name!r} is unknown here: choose from {', '.join(self.controls)}.")
            problem = self.controls[name].problem(value)
            if problem:
                raise MrntkError(f"{name}={value!r}: {problem}.")
        return {name: changes.get(name, control.start) for name, control in self.controls.items()}

    def data(self, **changes):
        """`compute` at the starting values with these changes."""
        return self.compute(**self.values(**changes))

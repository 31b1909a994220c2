"""What a ranking is made of: one row per candidate, and which of them are ties."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..support.style import share_interval, t_interval
from .candidates import Candidate
from .scores import Forecast


class Row(NamedTuple):
    """One candidate: a forecast for every draw of examples, or the reason why there is none."""

    candidate: Candidate
    forecasts: tuple[Forecast, ...]
    seconds: float
    problem: str = ""

    @property
    def score(self) -> float:
        """The mean over draws; minus infinity without one."""
        return float(np.mean([one.score for one in self.forecasts])) if self.forecasts else -np.inf

    @property
    def right(self) -> Float[np.ndarray, " examples"]:
        """1 for every example that was classified when it was left out, of all draws."""
        return np.concatenate([one.right for one in self.forecasts]).astype(float)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the score."""
        return share_interval(self.right)

    def behind(self, other: "Row") -> tuple[float, float]:
        """95 % interval of the other's score less this one's: a t interval over the same examples where they have the same task,
        else from both intervals (Newcombe 1998, method 10).
        """
        if self.candidate.task == other.candidate.task:
            return t_interval(other.right - self.right)
        (low, high), (other_low, other_high), ahead = self.interval, other.interval, other.score - self.score
        return (
            ahead - float(np.hypot(other.score - other_low, high - self.score)),
            ahead + float(np.hypot(other_high - other.score, self.score - low)),
        )


class Ranking(NamedTuple):
    """The rows, best first; candidates without a score last. `complete` is False if it was stopped. `linear` holds (task,
    accuracy of a linear model on the raw inputs of the first draw, in cross-validation): the rival of every source.
    """

    rows: tuple[Row, ...]
    complete: bool
    linear: tuple[tuple[str, float], ...] = ()

    def ties(self) -> tuple[Row, ...]:
        """The first, and the rows whose distance to it may be chance."""
        scored = [row for row in self.rows if row.forecasts]
        return tuple(row for row in scored if row is scored[0] or not row.behind(scored[0])[0] > 0)

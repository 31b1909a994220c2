"""When a training has come to its end: the loss no longer changes, or nothing is left to learn."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

WINDOW = 0.02  # share of the steps over which a loss is averaged, since single steps of Adam jump


def late_losses(losses: Float[np.ndarray, " steps"]) -> tuple[float, float]:
    """(loss at nine tenths of the steps, loss at the end), each the median of the last fiftieth of the steps before it.

    Examples
    --------
    >>> import numpy as np
    >>> from mrntk.training import late_losses
    >>> late_losses(np.arange(100.0, 0.0, -1.0))
    (11.5, 1.5)
    """
    steps = len(losses)
    width = max(1, round(WINDOW * steps))
    ends = round(0.9 * steps), steps
    return tuple(float(np.median(losses[max(0, end - width) : end])) for end in ends)


@dataclass(frozen=True)
class Plateau:
    """For `until=` of `fit`: has the training reached a plateau?

    Parameters
    ----------
    checks : numbers of epochs after which it is asked; few, so that a flat stretch on the way is not taken for the end.
    change : the last tenth of the epochs changed the loss by less than this share of it.
    solved : a loss at which there is nothing left to learn, asked after every 50th epoch; 0 for never.

    Examples
    --------
    >>> import numpy as np
    >>> from mrntk.training import Plateau
    >>> until = Plateau(checks=(100,))
    >>> until(np.linspace(2, 1, 100)), until(np.ones(100)), until(np.ones(90))
    (False, True, False)
    """

    checks: tuple[int, ...] = (1000, 2000, 4000, 8000)
    change: float = 0.02
    solved: float = 0.0

    def __call__(self, losses: Float[np.ndarray, " epochs"]) -> bool:
        steps = len(losses)
        if self.solved and steps % 50 == 0 and np.median(losses[-10:]) <= self.solved:
            return True
        if steps not in self.checks:
            return False
        before, now = late_losses(losses)
        return abs(before - now) < self.change * now

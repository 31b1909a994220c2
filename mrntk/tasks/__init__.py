"""Tasks: data sets with labels, split into train and test, each as one `Task`."""

from pathlib import Path

from ..support.cards import check_options, find
from ..support.errors import MrntkError
from . import fashion, images, own, photos, remote, series, toy
from .task import Task

__all__ = ["TASKS", "Task", "load_task"]

TASKS = {  # every task by name, with its card
    **images.ENTRIES,
    **fashion.ENTRIES,
    **photos.ENTRIES,
    **series.ENTRIES,
    **toy.ENTRIES,
    **remote.ENTRIES,
}


def load_task(name: str | Path, /, **options) -> Task:
    """Load a task by name, or from the reader's own files.

    Parameters
    ----------
    name : a name of `TASKS` (`mrntk list` prints them), or the path of a folder of images, an .npz or a file of time series
        (see `mrntk.tasks.own`).
    **options : those that the card names, for example `per_class=500`.

    Returns
    -------
    Task
        Inputs and labels for training and for testing, and the card.

    Raises
    ------
    MrntkError
        If there is no such task, or if its data are missing, damaged or cannot be downloaded.

    Examples
    --------
    >>> from mrntk import load_task
    >>> task = load_task("circle", n=8)
    >>> task.x_train.shape, task.y_train.tolist(), task.classes
    ((8, 2), [1, 1, 0, 0, 0, 0, 1, 1], ('negative', 'positive'))
    >>> task.one_hot(task.y_train[:2]).tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    if not isinstance(name, str | Path) or not str(name):
        raise MrntkError(
            f"name={name!r}: give the name of a task or the path of your data; `mrntk list` has the names."
        )
    path = Path(name)
    if str(name) not in TASKS and (path.exists() or path.suffix in own.SUFFIXES or len(path.parts) > 1):
        return own.load_own(path, **options)
    entry = find("task", str(name), TASKS)
    return entry.load(**check_options(f"task {name}", options, entry.options))

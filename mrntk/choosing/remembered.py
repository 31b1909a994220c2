"""Forecasts that were made before, kept as small files: a second ranking reads them and loads no network."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import jax

from ..support.cache import cache_folder
from ..support.checkpoints import hash_of
from ..support.files import write_atomically
from ..support.pinned import unpinned
from ..tasks import Task
from .candidates import read_source
from .scores import Forecast

VERSION = 2  # raise it when a change of the code changes the numbers of a forecast


def content_of(source: str) -> str:
    """What tells a source from others of the same name: the content of its file or folder, nothing for those of `SOURCES`."""
    place = Path(read_source(source)[0]).expanduser()
    files = (
        [place]
        if place.is_file()
        else sorted(path for path in place.rglob("*") if path.is_file())
        if place.is_dir()
        else []
    )
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest() if files else ""


def content_of_task(task: Task) -> str:
    return hash_of(task.x_train, task.y_train)


def remembered(what: dict, make: Callable[[], Forecast]) -> Forecast:
    """The forecast that `what` names: read if it was made before, else made and kept.

    Parameters
    ----------
    what : everything on which its numbers depend, besides this library and JAX.
    make : makes it.

    Raises
    ------
    MrntkError
        If the cache folder cannot be written, or as `make`.
    """
    known = what | {"version": VERSION, "jax": jax.__version__, "unpinned": unpinned()}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:24]
    path = cache_folder("forecasts") / f"{digest}.json"
    try:
        return Forecast(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pass  # not there, or damaged: it is made again
    found = make()
    write_atomically(path, json.dumps(found._asdict()).encode())
    return found

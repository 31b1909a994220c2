"""The process that computes for the page: one job after the other, told through a pipe, stopped through it as well.

A job is (number, kind, words); a number alone says that this job is no longer wanted. What comes back is (number, kind, content)
with the kinds "share" and "run" on the way, and one of LAST at the end.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import psutil

from ..support.errors import MrntkError

LAST = ("answer", "forecast", "own", "refused", "failed", "stopped", "done")
EVERY = 0.15  # seconds between two messages on the way
Job = tuple[int, str, dict]


class Stopped(Exception):
    """Nobody waits for this any more."""


def work(pipe: Connection):
    """Do jobs until the other end of the pipe is closed."""
    _end_with_the_server()
    from ..support.compiled import keep_compiled

    keep_compiled()
    kept: dict = {}  # the source from this process's own upload
    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            return
        if isinstance(job, int):  # it ended meanwhile
            continue
        try:
            for message in _messages(pipe, job, kept):
                pipe.send(message)
        except BrokenPipeError:
            return


def _end_with_the_server():
    """End when the server is gone, even if it was killed in the midst of a job."""
    server = psutil.Process().parent()

    def watch():
        while server is not None and server.is_running():
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _messages(pipe: Connection, job: Job, kept: dict) -> Iterator[tuple[int, str, object]]:
    """What is told of a job; whatever happens, its last message is one of LAST."""
    number, kind, words = job
    try:
        for name, content in JOBS[kind](words, _teller(pipe, number), kept):
            yield number, name, content
    except Stopped:
        yield number, "stopped", None
    except MrntkError as error:
        yield number, "refused", str(error)
    except MemoryError:
        yield number, "failed", "There was not enough memory for this; choose fewer examples or a smaller source."
    except Exception as error:  # a mistake of ours
        yield number, "failed", f"This went wrong: {type(error).__name__}: {error}"


def _teller(pipe: Connection, number: int) -> Callable[[float], None]:
    """What a computation tells its share of the work; it raises once the job is no longer wanted."""
    told = time.monotonic()

    def say(share: float):
        nonlocal told
        while pipe.poll():
            if pipe.recv() == number:
                raise Stopped
        if time.monotonic() - told > EVERY:
            told = time.monotonic()
            pipe.send((number, "share", float(share)))

    return say


# The jobs. Each is given its words, what to tell its progress, and the own source of this process.


def _analysed(words: dict, say: Callable, kept: dict):
    from ..widgets.reprogramming.analysis import analyse
    from ..widgets.reprogramming.setting import Setting

    return analyse(Setting(**words), kept.get("own"), say)


def _answer(words: dict, say: Callable, kept: dict):
    """The answer to a setting, and its numbers."""
    from ..widgets.reprogramming.words import facts
    from .answers import answer

    found = _analysed(words, say, kept)
    yield "answer", (answer(found), facts(found))


def _train(words: dict, say: Callable, kept: dict):
    """Real training, told while it runs."""
    from ..widgets.reprogramming.live import train
    from .answers import progress

    found = _analysed(words, say, kept)
    known, told = 0, 0.0
    for run in train(found, say):
        if run.done or time.monotonic() - told > EVERY:
            yield ("done" if run.done else "run"), progress(run, found, known)
            known, told = len(run.losses), time.monotonic()


def _forecast(words: dict, say: Callable, kept: dict):
    """Which of its examples a setting will classify when they are left out of its training, and of how many classes they are."""
    import jax

    from ..choosing.scores import forecast
    from ..widgets.reprogramming.analysis import start
    from ..widgets.reprogramming.setting import Setting
    from .ranking import STEPS

    setting = Setting(**words)
    before = start(setting, kept.get("own"), say).before
    found = forecast(before.model, before.x, before.y, key=jax.random.key(setting.seed), loss=setting.loss, steps=STEPS)
    yield "forecast", {"right": [float(right) for right in found.right], "classes": before.y.shape[1]}


def _own(words: dict, say: Callable, kept: dict):
    """Read the reader's own source, which stays in this process."""
    from ..widgets.reprogramming.upload import own_from

    kept["own"] = own_from(words["name"], words["content"])
    yield "own", {"words": kept["own"].words, "axes": len(kept["own"].shape)}


JOBS = {"answer": _answer, "train": _train, "forecast": _forecast, "own": _own}

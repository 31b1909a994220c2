"""The server's workers and the queue in front of them.

A quick job goes to any worker that is free; a slow one, such as a training, only to the first, so that slow jobs wait for slow
jobs and never hold up a hand that drags.
"""

import asyncio
import itertools
import multiprocessing
import threading
from collections import deque
from contextlib import suppress

import psutil

from ..support.errors import MrntkError
from .worker import LAST, work

LIMIT = 600  # seconds for a job
LARGEST = 900e6  # bytes of a worker; one that has grown beyond is replaced between two jobs
WAITING = 200  # jobs
BROKEN = "What computes for this page broke down over this setting; it runs again. Try another setting."
LATE = f"This took more than {LIMIT // 60} minutes and was stopped; choose fewer examples or a smaller source."
BUSY = "Too many visitors ask at once. Please try again in a minute."


class Job:
    """One thing to be computed; its messages (kind, content) come through `messages`, and None is the last."""

    _numbers = itertools.count(1)

    def __init__(self, kind: str, words: dict):
        self.number, self.kind, self.words = next(self._numbers), kind, words
        self.messages: asyncio.Queue = asyncio.Queue()
        self.worker: Worker | None = None
        self.place = 0  # in the queue

    def tell(self, kind: str, content):
        self.messages.put_nowait((kind, content))
        if kind in LAST:
            self.messages.put_nowait(None)


class Worker:
    """A process, and the job that it works at."""

    def __init__(self, pool: "Pool"):
        self.pool, self.job, self.process, self.limit = pool, None, None, None
        self._start()

    def _start(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        threading.Thread(target=self._listen, args=(self.pipe, asyncio.get_running_loop()), daemon=True).start()

    def _listen(self, pipe, loop):
        """Hand on what comes through the pipe, in a thread of its own; None when it ends."""
        with suppress(RuntimeError), pipe:  # RuntimeError: the loop has ended before the worker
            with suppress(EOFError, OSError):
                while True:
                    loop.call_soon_threadsafe(self._heard, pipe, pipe.recv())
            loop.call_soon_threadsafe(self._heard, pipe, None)

    def _heard(self, pipe, message):
        if pipe is not self.pipe:  # from a process that has been replaced
            return
        if message is None:
            self._last("failed", BROKEN)
            self._restart()
            self.pool.dispatch()
            return
        number, kind, content = message
        if self.job is None or self.job.number != number:
            return
        if kind not in LAST:
            self.job.tell(kind, content)
        else:
            self._last(kind, content)
            with suppress(psutil.Error):
                if psutil.Process(self.process.pid).memory_info().rss > LARGEST:
                    self._restart()
            self.pool.dispatch()

    def _last(self, kind: str, content):
        """The last message of its job, which it has no longer."""
        job, self.job = self.job, None
        if job is not None:
            self.limit.cancel()
            job.tell(kind, content)

    def _restart(self):
        self.end()
        self._start()

    def take(self, job: Job):
        self.job, job.worker = job, self
        with suppress(OSError):  # its end is heard as well
            self.pipe.send((job.number, job.kind, job.words))
        self.limit = asyncio.get_running_loop().call_later(LIMIT, self._late)

    def _late(self):
        self._last("failed", LATE)
        self._restart()
        self.pool.dispatch()

    def stop(self):
        """Tell it that nobody waits for its job."""
        if self.pipe is not None:
            with suppress(OSError):
                self.pipe.send(self.job.number)

    def end(self):
        self._last("stopped", None)
        self.pipe = None  # closed by its own thread, which hears the end
        self.process.kill()
        threading.Thread(target=self.process.join, daemon=True).start()


class Pool:
    """Some workers and the jobs that wait for them. Its methods are called in the server's event loop."""

    def __init__(self, workers: int):
        self.closed = False
        self.quick: deque[Job] = deque()
        self.slow: deque[Job] = deque()
        self.workers = [Worker(self) for _ in range(workers)]

    def submit(self, kind: str, words: dict, *, slow: bool = False) -> Job:
        """A new job, at work or in the queue.

        Raises
        ------
        MrntkError
            If too many wait already.
        """
        if len(self.quick) + len(self.slow) >= WAITING:
            raise MrntkError(BUSY)
        job = Job(kind, words)
        (self.slow if slow else self.quick).append(job)
        self.dispatch()
        return job

    def drop(self, job: Job):
        """Nobody waits for this job any more."""
        for queue in (self.quick, self.slow):
            with suppress(ValueError):
                queue.remove(job)
        if job.worker is not None and job.worker.job is job:
            job.worker.stop()
        self.dispatch()

    def dispatch(self):
        """Give every free worker a job, and tell those who wait their place."""
        if self.closed:
            return
        for i, worker in enumerate(self.workers):
            if worker.job is None:
                queue = self.slow if self.slow and i == 0 else self.quick
                if queue:
                    worker.take(queue.popleft())
        for queue in (self.quick, self.slow):
            for place, job in enumerate(queue, 1):
                if job.place != place:
                    job.place = place
                    job.tell("place", place)

    def close(self):
        """End all workers at once; who still waits is told so."""
        self.closed = True
        for worker in self.workers:
            worker.end()
        for job in (*self.quick, *self.slow):
            job.tell("stopped", None)

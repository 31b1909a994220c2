"""What the page can ask for, and what is remembered of it for everybody: answers and trainings, but nobody's own file."""

import json
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict

from ..support.errors import MrntkError
from ..widgets.reprogramming.setting import OWN, SMALL, Setting
from ..widgets.reprogramming.words import change
from .pool import Job, Pool
from .ranking import candidates, ranked, row
from .stories import STORIES, setting_of
from .worker import LAST

REMEMBERED = 4000  # answers, trainings and forecasts, of at most some 15 kB each
OWNS = 2  # visitors with a file of their own at the same time: each has a process
LASTS = {"answer": "answer", "train": "done", "forecast": "forecast"}  # the last message of a job that goes well
IDLE = 15 * 60  # seconds without a question after which an own source is forgotten
FULL = "All {} places for own files are taken. Please try again in a few minutes."
FORGOTTEN = "own file: the page was left alone for too long, and the file is forgotten; choose it again."


class Remembered(OrderedDict):
    """The last things that were asked for."""

    def __init__(self, most: int):
        super().__init__()
        self.most = most

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.most:
            self.popitem(last=False)

    def recall(self, key):
        """What is known, as the newest; or None."""
        if key in self:
            self.move_to_end(key)
        return self.get(key)


class Own:
    """A visitor's own source, which lives in a process of its own; only who knows its token can ask for it."""

    def __init__(self, pool: Pool):
        self.pool, self.asked = pool, time.monotonic()
        self.known: Remembered = Remembered(REMEMBERED // 10)


class Service:
    """The page's questions. Every answer is a stream of (kind, content), as JSON knows it."""

    def __init__(self, workers: int):
        self.pool = Pool(workers)
        self.known: Remembered = Remembered(REMEMBERED)  # by (kind of job, query)
        self.owns: dict[str, Own] = {}

    def first(self, setting: Setting) -> dict | None:
        """The answer to a setting, if somebody asked for it before."""
        found = self.known.recall(("answer", setting.query()))
        return found and found[0]

    async def answer(self, setting: Setting, was: Setting | None = None, token: str = "") -> AsyncIterator[tuple]:
        """The answer to a setting; with `was`, what changed since that one, if it is known."""
        slow = setting.source not in (*SMALL, OWN)
        async for kind, content in self._asked("answer", setting, token, slow):
            if kind == "answer":
                answer, now = content
                known = self._place(setting, token)[1]
                before = was and (known.recall(("answer", was.query())) or self.known.recall(("answer", was.query())))
                content = answer | {"changed": change(before[1], now) if before else ""}
            yield kind, content

    async def train(self, setting: Setting, token: str = "") -> AsyncIterator[tuple]:
        """Real training of a setting, while it runs; one that is known comes at once."""
        losses: list = []
        async for kind, content in self._asked("train", setting, token, setting.source != OWN):
            if kind == "run":
                losses += content["losses"]
            if kind == "done" and losses:  # what is remembered holds all of them
                _, known = self._place(setting, token)
                known["train", setting.query()] = content | {"losses": losses + content["losses"]}
            yield kind, content

    async def rank(self, setting: Setting, token: str = "") -> AsyncIterator[tuple]:
        """The sources that suit a setting's task in their order so far, whenever one more is known."""
        rows, every = [], candidates(setting)
        for i, candidate in enumerate(every):
            yield "share", i / len(every)
            found, problem = None, ""
            async for kind, content in self._asked("forecast", candidate, token, candidate.source != OWN):
                if kind == "forecast":
                    found = content
                elif kind == "place":
                    yield kind, content
                elif kind in LAST:
                    problem = str(content)
            rows.append(row(setting, candidate, found, problem))
            yield "ranked", ranked(rows, len(rows) == len(every))

    async def _asked(self, job: str, setting: Setting, token: str, slow: bool) -> AsyncIterator[tuple]:
        """The messages of a job of a setting; of one that is known, the last alone."""
        pool, known = self._place(setting, token)
        last = known.recall((job, setting.query()))
        if last is not None:
            yield LASTS[job], last
            return
        async for kind, content in _told(pool, pool.submit(job, asdict(setting), slow=slow)):
            if kind == LASTS[job]:
                known[job, setting.query()] = content
            yield kind, content

    async def warm(self):
        """Know the answers to the guided settings before anybody asks."""
        for story in STORIES:
            for changes in (story.shown, story.pinned):
                with suppress(MrntkError):
                    async for _ in self.answer(setting_of(changes or {})):
                        pass

    def _place(self, setting: Setting, token: str) -> tuple[Pool, Remembered]:
        """Where a setting is computed, and where what is known of it is remembered."""
        if setting.source != OWN:
            return self.pool, self.known
        if token not in self.owns:
            raise MrntkError(FORGOTTEN if token else "source=own: choose an .onnx file first.")
        own = self.owns[token]
        own.asked = time.monotonic()
        return own.pool, own.known

    async def upload(self, name: str, content: bytes) -> dict:
        """Read a visitor's own source; returns its words and its token.

        Raises
        ------
        MrntkError
            If there is no place for it, or it cannot be used.
        """
        if len(self.owns) >= OWNS:
            raise MrntkError(FULL.format(OWNS))
        token = secrets.token_urlsafe(16)
        own = self.owns[token] = Own(Pool(1))
        try:
            job = own.pool.submit("own", {"name": name, "content": content})
            async for kind, found in _told(own.pool, job):
                if kind == "own":
                    return found | {"own": token}
                if kind in LAST:
                    raise MrntkError(str(found))
        except BaseException:
            self.forget(token)
            raise
        raise MrntkError("own file: it could not be read.")

    def forget(self, token: str):
        """Let go of an own source."""
        if token in self.owns:
            self.owns.pop(token).pool.close()

    def tidy(self):
        """Let go of the own sources that nobody has asked for in a while."""
        for token, own in list(self.owns.items()):
            if time.monotonic() - own.asked > IDLE:
                self.forget(token)

    def close(self):
        """End all processes."""
        for token in list(self.owns):
            self.forget(token)
        self.pool.close()


async def _told(pool: Pool, job: Job) -> AsyncIterator[tuple]:
    """A job's messages; who stops listening gives it up."""
    try:
        while (message := await job.messages.get()) is not None:
            yield message
    finally:
        pool.drop(job)


def line(kind: str, content) -> str:
    """One message to the page."""
    return json.dumps({kind: content}, allow_nan=False) + "\n"

"""The queue in front of the workers: order, places, giving up, and a process that dies."""

import asyncio
from contextlib import asynccontextmanager

import psutil
import pytest

from mrntk import MrntkError
from mrntk.app import pool as module
from mrntk.app.pool import BROKEN, Job, Pool
from mrntk.app.service import Remembered

QUICK = {"source": "random", "depth": 1, "examples": 6}


class Pretended:
    """A worker without a process: it does what a test tells it."""

    def __init__(self, pool):
        self.pool, self.job, self.stopped = pool, None, []

    def take(self, job):
        self.job, job.worker = job, self

    def stop(self):
        self.stopped.append(self.job)

    def end(self):
        pass

    def finish(self, kind="answer"):
        job, self.job = self.job, None
        job.tell(kind, None)
        self.pool.dispatch()


@pytest.fixture
def pool(monkeypatch):
    monkeypatch.setattr(module, "Worker", Pretended)
    return Pool(2)


def heard(job):
    found = []
    while not job.messages.empty():
        found.append(job.messages.get_nowait())
    return found


def test_a_slow_job_never_takes_the_last_worker(pool):
    first, second = pool.workers
    slow = [pool.submit("train", {}, slow=True) for _ in range(3)]
    assert first.job is slow[0] and second.job is None
    quick = [pool.submit("answer", {}) for _ in range(2)]
    assert second.job is quick[0]
    assert [heard(job) for job in (*slow[1:], quick[1])] == [[("place", 1)], [("place", 2)], [("place", 1)]]
    second.finish()
    assert second.job is quick[1] and heard(quick[0]) == [("answer", None), None]
    first.finish("done")
    assert first.job is slow[1] and heard(slow[2]) == [("place", 1)]


def test_who_gives_up_leaves_the_queue_or_stops_the_work(pool):
    jobs = [pool.submit("answer", {}) for _ in range(4)]
    pool.drop(jobs[2])
    assert heard(jobs[3])[-1] == ("place", 1)
    pool.drop(jobs[0])
    assert pool.workers[0].stopped == [jobs[0]] and pool.workers[0].job is jobs[0]  # until it has stopped
    pool.workers[0].finish("stopped")
    assert pool.workers[0].job is jobs[3]
    pool.drop(jobs[0])  # once more does nothing
    assert pool.workers[0].job is jobs[3]


def test_what_is_closed_takes_nothing_on(pool):
    waiting = [pool.submit("answer", {}) for _ in range(3)][2]
    pool.close()
    assert heard(waiting)[-2:] == [("stopped", None), None]
    job = pool.submit("answer", {})
    assert job.worker is None
    pool.drop(job)


def test_a_queue_has_an_end(pool, monkeypatch):
    monkeypatch.setattr(module, "WAITING", 3)
    for _ in range(5):
        pool.submit("answer", {})
    with pytest.raises(MrntkError, match="Too many visitors"):
        pool.submit("answer", {})


def test_what_is_remembered_is_the_newest():
    found = Remembered(2)
    found["a"], found["b"] = 1, 2
    assert found.recall("a") == 1
    found["c"] = 3
    assert list(found) == ["a", "c"] and found.recall("b") is None


# Real processes.


@asynccontextmanager
async def one_worker():
    pool = Pool(1)
    try:
        yield pool
    finally:
        pool.close()


async def last(job: Job):
    found = None
    while (message := await asyncio.wait_for(job.messages.get(), 120)) is not None:
        found = message
    return found


def test_a_worker_that_dies_is_replaced_and_its_visitor_is_told():
    async def story():
        async with one_worker() as pool:
            slow = pool.submit("train", {"source": "crepe-tiny", "task": "trace", "examples": 40, "input_map": "fc"})
            waiting = pool.submit("answer", QUICK)
            dying = pool.workers[0].process.pid
            await asyncio.sleep(0.5)
            psutil.Process(dying).kill()
            assert await last(slow) == ("failed", BROKEN)
            kind, (found, facts) = await last(waiting)
            assert kind == "answer" and found["facts"]["rank"] == facts.rank
            assert pool.workers[0].process.pid != dying

    asyncio.run(story())


def test_what_takes_too_long_or_grows_too_large_is_ended(monkeypatch):
    async def story():
        async with one_worker() as pool:
            await last(pool.submit("answer", QUICK))
            first = pool.workers[0].process.pid
            monkeypatch.setattr(module, "LARGEST", 1)
            assert (await last(pool.submit("answer", QUICK | {"seed": 1})))[0] == "answer"
            second = pool.workers[0].process.pid
            assert second != first
            monkeypatch.setattr(module, "LARGEST", 1e12)
            monkeypatch.setattr(module, "LIMIT", 0.2)
            kind, said = await last(pool.submit("answer", QUICK | {"seed": 2}))
            assert kind == "failed" and "was stopped" in said

    asyncio.run(story())


def test_what_is_refused_or_given_up_ends_and_the_worker_goes_on():
    async def story():
        async with one_worker() as pool:
            kind, said = await last(pool.submit("answer", {"source": "crepe-tiny", "task": "digits"}))
            assert kind == "refused" and "hears series" in said
            assert (await last(pool.submit("answer", {"deep": 3})))[0] == "failed"
            job = pool.submit("train", {"source": "crepe-tiny", "task": "gunpoint", "examples": 40})  # of minutes
            while (await asyncio.wait_for(job.messages.get(), 120))[0] != "run":
                pass
            pool.drop(job)
            assert await last(job) == ("stopped", None)
            assert (await last(pool.submit("answer", QUICK)))[0] == "answer"

    asyncio.run(story())


def test_nobody_waits_for_a_pool_that_is_closed():
    async def story():
        async with one_worker() as pool:
            jobs = [pool.submit("answer", QUICK | {"seed": seed}) for seed in range(3)]
            pool.close()
            assert [await last(job) for job in jobs] == 3 * [("stopped", None)]

    asyncio.run(story())

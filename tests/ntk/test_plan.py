"""The plan knows from shapes alone what a kernel takes, and keeps within the limit."""

import os
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np
import pytest

from mrntk import CNN, Reprogram, Watermark, empirical_ntk
from mrntk.ntk import plan, rows
from mrntk.ntk.plan import Sizes
from mrntk.support.precision import double

SIZE = Sizes(outputs=10, source_input=3072, factors=(((1,), (10, 3072)),), kept=10**6)
CORES = 4


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(plan, "_lanes", lambda mesh: CORES if mesh is None else mesh.size)


def planned(n, limit, m=None, block=None):
    return plan.plan(SIZE, 8 * (10 * n) ** 2, n, m, form="full", block=block, limit=limit, mesh=None)


def test_plenty_of_memory():
    how = planned(400, 1e12)
    assert (how.on_disk, how.block, how.lanes) == (False, 32, CORES)


def test_few_examples_are_shared_among_the_cores():
    assert planned(8, 1e12).block == 2 and planned(16, 1e12).block == 4


def test_numbers_of_examples_share_a_few_sizes_of_block():
    """So that another N finds its program compiled; what is filled up is less than half of the work."""
    sizes = {n: planned(n, 1e12).block for n in range(1, 400)}
    assert set(sizes.values()) == {1, 2, 4, 8, 16, 32}
    for n, block in sizes.items():
        blocks = -(-n // block)
        rounds = -(-blocks // CORES)
        assert rounds * block * CORES < 2 * max(n, CORES) or n < 4 * CORES, (n, block)


def test_light_sources_have_one_size_of_block():
    light = Sizes(outputs=10, source_input=784, factors=(((1,), (10, 784)),), kept=10**4)
    blocks = {plan.plan_rows(light, n, 1e12, block=None, mesh=None)[0] for n in range(1, 200)}
    assert blocks == {plan.BLOCK}


@pytest.mark.parametrize("limit", [50e6, 60e6, 100e6, 200e6, 500e6])
def test_everything_stays_within_the_limit(limit):
    n, how = 200, planned(200, limit)
    rows_bytes = 0 if how.on_disk else n * SIZE.row_bytes
    assert 8 * (10 * n) ** 2 + rows_bytes + how.block * how.lanes * SIZE.work_bytes <= limit
    gram = 2 * 8 * (10 * how.gram) ** 2 + (2 * how.gram * SIZE.row_bytes if how.on_disk else 0)
    assert 8 * (10 * n) ** 2 + rows_bytes + gram <= limit


def test_rows_go_to_disk_only_when_they_must():
    assert planned(200, 60e6).on_disk and not planned(200, 500e6).on_disk


def test_own_block_costs_threads_before_it_is_refused():
    assert planned(200, 60e6, block=8).lanes == 1 and planned(200, 1e12, block=8).lanes == CORES


def test_what_the_forward_pass_keeps_is_known(key):
    """For two convolutions of 8 channels: both pre-activations' signs and values or so, nothing of the weights."""
    side, width = 16, 8
    model = Reprogram(Watermark((3, side, side)), CNN((3, side, side), 4, depth=2, width=width, key=key))
    with jax.enable_x64(True):
        kept = plan.sizes(double(model), np.zeros((1, 3, side, side))).kept
    activation = width * side * side
    assert 2 * activation <= kept <= 2 * 3 * 8 * activation


def test_many_threads_give_the_same_and_stop_at_the_first_error(key, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = Reprogram(Watermark((1, 6, 6)), CNN((1, 6, 6), 3, depth=2, width=4, key=key))
    x = np.random.default_rng(0).uniform(size=(23, 1, 6, 6))
    expected = empirical_ntk(model, x, block=23)
    np.testing.assert_allclose(empirical_ntk(model, x, block=3), expected, rtol=1e-12, atol=1e-14)

    calls = []

    def fails(model, part, z):
        calls.append(part)
        time.sleep(0.05)
        raise ValueError("no")

    monkeypatch.setattr(rows, "block_factors", fails)
    with jax.enable_x64(True), pytest.raises(ValueError, match="no"):
        rows.compute_rows(model, x, (((1,), (3, 36)),), block=1, lanes=2, on_disk=True, mesh=None, progress=iter)
    assert len(calls) < 23 and os.listdir(tmp_path) == []


MEASURE = """
import threading
import jax, numpy as np, psutil
from mrntk import CNN, Reprogram, Watermark, empirical_ntk
from mrntk.ntk.empirical import estimated_bytes

shape = (3, 48, 48)
model = Reprogram(Watermark(shape), CNN(shape, 10, depth=1, width=16, key=jax.random.key(0)))
x = np.random.default_rng(0).uniform(size=(80, *shape))
need = estimated_bytes(model, x)
limit = need["result"] + 4 * need["work"]
assert need["rows"] > 1.5 * limit
empirical_ntk(model, x[:2], block=1)
process, done, peak = psutil.Process(), threading.Event(), [0]
before = process.memory_info().rss
def watch():
    while not done.wait(0.002):
        peak[0] = max(peak[0], process.memory_info().rss)
thread = threading.Thread(target=watch)
thread.start()
empirical_ntk(model, x, memory_limit=limit)
done.set()
thread.join()
print((peak[0] - before) / limit)
"""


def test_the_limit_holds_in_a_real_process():
    """Resident memory, whatever holds it, grows by no more than the limit and what the allocator keeps back."""
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.3

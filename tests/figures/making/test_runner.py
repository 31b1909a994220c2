"""The runner: data are computed once, side by side, believed only when their record matches, and nothing finished is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tiny_figure import MODULE

from figures.making import cells, registry, runner
from mrntk import MrntkError


class NoBar:
    """A progress bar that shows nothing and remembers how far it came."""

    def __init__(self, total):
        self.total, self.came = total, 0

    def update(self, amount):
        self.came += amount

    def set_postfix_str(self, text, refresh):
        pass

    def close(self):
        pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A figures folder with one tiny figure of three pieces."""
    (tmp_path / "tiny.py").write_text(MODULE)
    for module in (registry, runner):
        monkeypatch.setattr(module, "figures_folder", lambda: tmp_path)
    return tmp_path


def run(**options):
    said = []
    paths = runner.run(**({"scale": "smoke", "say": said.append, "bar": NoBar, "jobs": 1} | options))
    return paths, "\n".join(said)


CSV = "i,value\n0,0\n1,0.66666667\n2,1.3333333\n"


def test_first_run_writes_data_record_and_pictures(folder):
    paths, said = run()
    assert "computing the smoke-scale data (there are none yet)" in said
    assert [path.name for path in paths] == ["tiny.png", "tiny.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG") and paths[1].read_bytes().startswith(b"%PDF")
    record = json.loads((folder / "data/smoke/tiny.json").read_text())
    assert {"commit", "versions", "device", "processor", "seconds", "cells", "seed", "parameters"} <= set(record)
    assert (folder / "data/smoke/tiny.csv").read_text() == CSV
    assert [path.name for path in folder.glob("data/smoke/pieces/*/*")] == ["lock"]


def test_second_run_computes_nothing_and_draws_the_same_bytes(folder):
    first = [path.read_bytes() for path in run()[0]]
    paths, said = run()
    assert "computing" not in said
    assert [path.read_bytes() for path in paths] == first


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda f: (f / "data/smoke/tiny.csv").write_text("i,value\n0,9\n"), "tiny.csv was changed by hand or damaged"),
        (lambda f: (f / "data/smoke/tiny.json").write_text("{"), "tiny.json is not readable"),
        (lambda f: (f / "data/smoke/tiny.json").write_text("[]"), "tiny.json is not readable"),
        (lambda f: (f / "data/smoke/tiny.json").unlink(), "there are none yet"),
        (lambda f: (f / "tiny.py").write_text(MODULE.replace('"n": 3', '"n": 2')), "the parameters changed"),
        (lambda f: (f / "tiny.py").write_text(MODULE.replace("FACTOR = 2", "FACTOR = 7")), "the figure's code changed"),
    ],
)
def test_data_that_do_not_match_are_computed_again(folder, change, reason):
    run()
    change(folder)
    assert f"computing the smoke-scale data ({reason}" in run()[1]
    assert "computing" not in run()[1]


def test_fresh_computes_again(folder):
    run()
    assert "(asked for)" in run(fresh=True)[1]


def test_out_leaves_the_checkout_alone_and_uses_its_data(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("elsewhere")
    paths, _ = run(out=out)
    assert all(out in path.parents for path in paths) and not (folder / "data").exists()
    run()
    assert "computing" not in run(out=tmp_path_factory.mktemp("again"))[1]


def test_changed_parameters_have_a_place_of_their_own(folder):
    run()
    before = (folder / "data/smoke/tiny.csv").read_text()
    paths, said = run(ids=["tiny"], settings=["n=5"])
    assert "computing the smoke-scale data with n=5" in said
    assert (folder / "data/smoke/tiny.csv").read_text() == before and "/smoke-" in str(paths[0])
    (data,) = (path for path in (folder / "data").glob("smoke-*/tiny.csv"))
    assert len(data.read_text().splitlines()) == 6
    assert "computing" not in run(ids=["tiny"], settings=["n=5"])[1]
    with pytest.raises(MrntkError, match="did you mean n"):
        run(ids=["tiny"], settings=["nn=5"])


def test_failure_while_drawing_leaves_no_half_picture(folder):
    (folder / "tiny.py").write_text(MODULE.replace("return figure", "raise RuntimeError"))
    with pytest.raises(RuntimeError):
        run()
    assert os.listdir(folder / "rendered/smoke") == []


RETURN = '    return [{"i": i, "value"'  # the last line of its compute


def counting(folder):
    """The figure's module writes a line into a file for every piece that it computes."""
    log = folder / "log"
    noted = f"    with open({str(log)!r}, 'a') as log:\n        log.write(f'{{i}} ')\n"
    (folder / "tiny.py").write_text(MODULE.replace(RETURN, noted + RETURN))
    return lambda: log.read_text().split() if log.exists() else []


def failing(folder, number):
    """The same, but piece `number` fails as long as the file `block` is there."""
    computed = counting(folder)
    text = (folder / "tiny.py").read_text()
    guard = f"    import pathlib\n    assert i != {number} or not pathlib.Path({str(folder / 'block')!r}).exists()\n"
    (folder / "tiny.py").write_text(text.replace("    with open(", f"{guard}    with open("))
    (folder / "block").touch()
    return computed


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_was_finished_before_a_failure_is_not_computed_again(folder, jobs):
    computed = failing(folder, 1)
    with pytest.raises(MrntkError, match=r"tiny\(i=1\) failed \(AssertionError.*what was finished is kept"):
        run(jobs=jobs)
    assert sorted(computed()) == ["0", "2"]  # one that fails does not stop the others
    (folder / "block").unlink()
    assert "2 of its 3 pieces are there from an unfinished run" in run(jobs=jobs)[1]
    assert sorted(computed()) == ["0", "1", "2"]
    assert (folder / "data/smoke/tiny.csv").read_text() == CSV


def test_a_damaged_piece_is_said_and_computed_again(folder):
    computed = failing(folder, 2)
    with pytest.raises(MrntkError, match="failed"):
        run()
    (folder / "block").unlink()
    first, _ = (folder / "data/smoke/pieces/tiny").glob("*.json")
    first.write_text(first.read_text().replace("value", "valeu"))
    assert "a piece of an unfinished run, is damaged" in run()[1]
    assert len(computed()) == 4 and (folder / "data/smoke/tiny.csv").read_text() == CSV


@pytest.mark.parametrize("change", ["code", "jax"])
def test_pieces_of_other_code_are_not_used_and_go_when_the_data_are_whole(folder, monkeypatch, change):
    failing(folder, 2)
    with pytest.raises(MrntkError, match="failed"):
        run()
    (folder / "block").unlink()
    if change == "code":
        (folder / "tiny.py").write_text((folder / "tiny.py").read_text().replace("FACTOR = 2", "FACTOR = 4 // 2"))
    else:
        monkeypatch.setattr(cells.importlib.metadata, "version", lambda package: "another")
    assert "unfinished run" not in run()[1]
    assert not list(folder.glob("data/smoke/pieces/tiny/*.json"))
    assert (folder / "data/smoke/tiny.csv").read_text() == CSV


def test_pieces_travel_to_another_machine_and_the_record_says_so(folder, monkeypatch, tmp_path_factory):
    computed = failing(folder, 1)
    monkeypatch.setattr(runner, "provenance", lambda: {"made": "on Monday", "processor": "the first"})
    with pytest.raises(MrntkError, match="failed"):
        run()
    (folder / "block").unlink()
    there = tmp_path_factory.mktemp("there") / "figures"
    shutil.copytree(folder, there)
    for module in (registry, runner):
        monkeypatch.setattr(module, "figures_folder", lambda: there)
    monkeypatch.setattr(runner, "provenance", lambda: {"made": "on Tuesday", "processor": "the second"})
    assert "2 of its 3 pieces are there from an unfinished run" in run()[1]
    assert sorted(computed()) == ["0", "1", "2"]
    assert (there / "data/smoke/tiny.csv").read_text() == CSV
    record = json.loads((there / "data/smoke/tiny.json").read_text())
    assert record["processor"] == "the second"
    assert record["pieces_from"] == [{"made": "on Monday", "processor": "the first"}]
    assert "pieces_from" not in json.loads(run(fresh=True)[0] and (there / "data/smoke/tiny.json").read_text())


def test_git_ignores_all_pieces_but_those_of_the_course(root):
    """Those travel; locks and halves of files do not."""
    pieces = ["course/pieces/one/0a.json"]
    others = [
        "course/pieces/one/lock",
        "course/pieces/one/.0a.json.x",
        "course-1a2b/pieces/one/0a.json",
        "smoke/pieces/one/0a.json",
    ]
    paths = [f"figures/data/{path}" for path in pieces + others]
    found = subprocess.run(["git", "check-ignore", *paths], cwd=root, capture_output=True, text=True)
    if found.returncode == 128:
        pytest.skip("not a Git checkout")
    assert found.stdout.split() == paths[1:]


def test_an_edit_in_mid_sweep_makes_the_data_stale(folder):
    text = MODULE.replace(RETURN, f"    import pathlib\n    _edit(pathlib.Path({str(folder / 'tiny.py')!r}))\n{RETURN}")
    edit = "def _edit(path): path.write_text(path.read_text().replace('FACTOR = 2', 'FACTOR = 3'))\n"
    (folder / "tiny.py").write_text(text.replace("def cells", f"{edit}def cells"))
    with pytest.raises(MrntkError, match="the figure's code changed, although they were just computed"):
        run()


def test_a_full_disk_is_one_sentence_and_loses_nothing(folder, monkeypatch):
    computed = counting(folder)
    really, calls = cells.write_atomically, []

    def full(path, content):
        calls.append(path)
        if len(calls) == 3:
            raise MrntkError(
                f"cannot write {path} (No space left on device): free some space or choose another folder."
            )
        really(path, content)

    monkeypatch.setattr(cells, "write_atomically", full)
    with pytest.raises(MrntkError, match="No space left on device"):
        run()
    assert not (folder / "data/smoke/tiny.csv").exists()
    run()
    assert computed() == ["0", "1", "2", "2"]


def test_a_worker_that_is_killed_is_one_sentence_and_loses_nothing(folder):
    computed = counting(folder)
    text = (folder / "tiny.py").read_text()
    guard = f"    import os, pathlib\n    if i == 2 and pathlib.Path({str(folder / 'block')!r}).exists():\n"
    death = guard + "        os.kill(os.getpid(), 9)\n"
    (folder / "tiny.py").write_text(text.replace("    with open(", f"{death}    with open("))
    (folder / "block").touch()
    with pytest.raises(MrntkError, match="a worker process was ended from outside, perhaps for want of memory"):
        run(jobs=2)
    (folder / "block").unlink()
    run(jobs=2)
    assert (folder / "data/smoke/tiny.csv").read_text() == CSV and set(computed()) == {"0", "1", "2"}


START = """
import sys, pathlib
from figures.making import registry, runner
folder = pathlib.Path(sys.argv[1])
registry.figures_folder = runner.figures_folder = lambda: folder
options = dict(jobs=int(sys.argv[2]), dask=sys.argv[3] or None)
if __name__ == "__main__":
    runner.run(scale="smoke", out=folder, say=lambda text: print(text, flush=True), **options)
"""


def start(folder, jobs, dask=None, **options):
    words = [sys.executable, "-c", START, str(folder), str(jobs), dask or ""]
    return subprocess.Popen(words, **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} | options)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_in_mid_sweep_loses_nothing_that_was_finished(folder, jobs):
    computed = counting(folder)
    (folder / "tiny.py").write_text(
        (folder / "tiny.py")
        .read_text()
        .replace('"n": 3', '"n": 8')
        .replace("    with open(", "    import time; time.sleep(0.3)\n    with open(")
    )
    store = folder / "data/smoke/pieces/tiny"
    process = start(folder, jobs)
    wait_for(lambda: len(list(store.glob("*.json"))) >= 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(store.glob("*.json")))
    time.sleep(1)  # a worker that was in the middle of a piece ends it, unheard
    before = len(computed())
    _, said = run(jobs=jobs)
    assert f"{kept} of its 8 pieces are there" in said
    assert len(computed()) - before == 8 - kept
    assert len((folder / "data/smoke/tiny.csv").read_text().splitlines()) == 9


@pytest.mark.parametrize("dask", [None, "local"])
def test_workers_end_with_a_run_that_is_killed(folder, dask):
    """In the middle of a piece that would take for ever, here and on Dask's workers."""
    guard = f"    import pathlib, time\n    pathlib.Path({str(folder)!r}, f'began{{i}}').touch()\n    time.sleep(600)\n"
    (folder / "tiny.py").write_text(MODULE.replace(RETURN, guard + RETURN))
    process = start(folder, 2, dask, stdout=subprocess.DEVNULL)
    wait_for(lambda: len(list(folder.glob("began*"))) >= 2)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2
    process.kill()
    process.wait()
    alive = psutil.wait_procs(family, timeout=10)[1]
    for one in alive:
        one.kill()
    assert not alive


def test_of_two_runs_at_once_one_computes_and_the_other_waits(folder):
    computed, block, said = counting(folder), folder / "block", folder / "said"
    waits = (
        f"    import pathlib, time\n    while i and pathlib.Path({str(block)!r}).exists():\n        time.sleep(0.02)\n"
    )
    (folder / "tiny.py").write_text(
        (folder / "tiny.py").read_text().replace("    with open(", f"{waits}    with open(")
    )
    block.touch()
    first = start(folder, 1)
    try:
        wait_for(lambda: computed())
        with said.open("w") as file:
            second = start(folder, 1, stdout=file)
        wait_for(lambda: "another run is computing these data; waiting" in said.read_text())
    finally:
        block.unlink()
    first.communicate(timeout=120)
    assert first.returncode == second.wait(timeout=120) == 0, said.read_text()
    assert computed() == ["0", "1", "2"]
    assert (folder / "data/smoke/tiny.csv").read_text() == CSV


def test_workers_keep_what_they_compile(folder):
    (folder / "tiny.py").write_text(
        MODULE.replace("FACTOR * i / 3", "__import__('jax').config.jax_compilation_cache_dir")
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    said, _ = start(folder, 2, env=env | {"MRNTK_CACHE": str(folder / "cache")}).communicate(timeout=120)
    assert (folder / "data/smoke/tiny.csv").read_text().count(str(folder / "cache" / "compiled")) == 3, said


def test_on_a_local_dask_cluster(folder):
    """The same numbers, on workers that a scheduler hands out."""
    run(dask="local", jobs=2)
    assert (folder / "data/smoke/tiny.csv").read_text() == CSV


def test_a_scheduler_that_is_not_there_is_one_sentence(folder, monkeypatch):
    import distributed

    real = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda where, timeout: real(where, timeout="1s"))
    with pytest.raises(MrntkError, match="no scheduler answers there"):
        run(dask="tcp://127.0.0.1:9")


def test_progress_counts_to_its_total(folder):
    bars = []

    def bar(total):
        bars.append(NoBar(total))
        return bars[-1]

    run(bar=bar)
    assert bars[0].total > 0 and bars[0].came == pytest.approx(bars[0].total)


def test_no_jobs_at_all(folder):
    with pytest.raises(MrntkError, match="jobs=0: give at least 1"):
        run(jobs=0)

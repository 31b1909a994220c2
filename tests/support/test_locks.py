"""One holder at a time; a kill frees the lock."""

import signal
import subprocess
import sys

from mrntk.support.locks import Lock, locked


def test_one_holder_at_a_time(tmp_path):
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.take(wait=False) and not second.take(wait=False)
    first.release()
    assert second.take(wait=False)
    second.release()
    second.release()  # letting go twice does no harm


def test_the_block_frees_it_also_after_an_error(tmp_path):
    try:
        with locked(tmp_path / "lock"):
            assert not Lock(tmp_path / "lock").take(wait=False)
            raise RuntimeError
    except RuntimeError:
        pass
    assert Lock(tmp_path / "lock").take(wait=False)


def test_a_kill_frees_it(tmp_path):
    code = f"""
import pathlib, time
from mrntk.support.locks import Lock
Lock.hold = Lock(pathlib.Path({str(tmp_path / "lock")!r}))
print(Lock.hold.take(wait=False), flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    lock = Lock(tmp_path / "lock")
    assert not lock.take(wait=False)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lock.take(wait=False)
    lock.release()

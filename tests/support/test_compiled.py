"""Compiled programs on disk: a second process finds them, and they take no more than their bound."""

import os
import subprocess
import sys

from mrntk.support.compiled import compiled_environment, make_room

PROGRAM = """
import jax
from mrntk.support.compiled import keep_compiled
keep_compiled()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
found = []
jax.monitoring.register_event_listener(lambda event, **words: found.append(event))
jax.jit(lambda x: jax.numpy.sin(x) @ x)(jax.numpy.ones((7, 7)))
print("/jax/compilation_cache/cache_hits" in found)
"""


def test_a_second_process_finds_what_the_first_compiled(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION")}
    environment |= {"MRNTK_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    said = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout for _ in "12"]
    assert said == ["False\n", "True\n"] and list(tmp_path.glob("compiled/*/*"))


def test_what_the_reader_has_set_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    assert compiled_environment()["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path)


def test_the_oldest_make_room(tmp_path):
    for age, name in enumerate(("new", "middle", "old")):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    make_room(tmp_path, 300)
    assert len(list(tmp_path.iterdir())) == 3
    make_room(tmp_path, 150)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]

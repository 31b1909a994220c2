"""The benchmark of ten visitors: its committed results stand in its README, of that many different settings."""

import importlib.util
import json

import pytest


def test_the_table_is_what_the_results_say(root):
    folder = root / "benchmarks"
    path = folder / "results" / "sessions.json"
    if not path.exists():
        pytest.skip("benchmarks/results/sessions.json is not there: python benchmarks/sessions.py makes it.")
    spec = importlib.util.spec_from_file_location("benchmark_sessions", folder / "sessions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    record = json.loads(path.read_text())
    assert module.summary(record) in (folder / "README.md").read_text()
    assert len(record["sessions"]) >= 10 and len({row["setting"] for row in record["sessions"]}) == len(
        record["sessions"]
    )
    assert len(record["kernel_mb"]) == len(record["sessions"])  # a kernel per visitor
    assert record["provenance"]["commit"] and "+changes" not in record["provenance"]["commit"]

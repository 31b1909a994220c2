"""The benchmark of many visitors: its committed results stand in its README."""

import importlib.util
import json

import pytest


@pytest.fixture(scope="module")
def benchmark(request):
    folder = request.config.rootpath / "benchmarks"
    spec = importlib.util.spec_from_file_location("benchmark_sessions", folder / "sessions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name, summary", [("sessions", "summary"), ("sessions-soak", "soak_summary")])
def test_the_tables_are_what_the_results_say(root, benchmark, name, summary):
    path = root / "benchmarks" / "results" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{path.name} is not there: benchmarks/sessions.py makes it.")
    record = json.loads(path.read_text())
    assert getattr(benchmark, summary)(record) in (root / "benchmarks" / "README.md").read_text()
    assert record["provenance"]["commit"] and "+changes" not in record["provenance"]["commit"]


def test_every_visitor_has_another_setting(benchmark):
    assert len({benchmark.visitor_setting(i) for i in range(30)}) == 30

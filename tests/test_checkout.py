"""A checkout holds the same bytes and reads the same text on every machine."""

import ast
import hashlib
import json
import subprocess

import pytest

PARTS = ("mrntk", "figures", "notebooks", "benchmarks", "bootstrap.py")


def git(folder, *words):
    return subprocess.run(["git", "-C", folder, *words], capture_output=True, encoding="utf-8", check=True).stdout


def test_git_for_windows_changes_no_byte(root, tmp_path):
    """Its default, core.autocrlf=true, would end every line by two bytes, and no hash would match."""
    try:
        git(root, "-c", "core.autocrlf=true", "clone", "--quiet", "--depth", "1", f"file://{root}", tmp_path / "clone")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no Git, or not a Git checkout")
    clone = tmp_path / "clone"
    records = list(clone.glob("figures/data/course/*.json"))
    assert len(records) >= 10
    for record in records:
        content = record.with_suffix(".csv").read_bytes()
        assert hashlib.sha256(content).hexdigest() == json.loads(record.read_text(encoding="utf-8"))["csv_sha256"]
    for line in git(clone, "ls-files", "--eol").splitlines():
        committed, here = (word.partition("/")[2] for word in line.split()[:2])
        assert committed == here, line


def unnamed(path):
    """Where a file of ours reads or writes text without saying in which encoding."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        named = {word.arg: word.value for word in node.keywords}
        constants = [one.value for one in (*node.args, *named.values()) if isinstance(one, ast.Constant)]
        binary = any(isinstance(one, str) and "b" in one and set(one) <= set("rwaxb+") for one in constants)
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        is_text = name in ("read_text", "write_text") or "True" in map(
            ast.unparse, filter(None, map(named.get, ("text", "universal_newlines")))
        )
        is_text |= ast.unparse(node.func) in ("open", "os.fdopen", "path.open") and not binary
        if is_text and "encoding" not in named:
            yield f"{path}:{node.lineno}"


def test_text_is_utf8_by_name(root):
    files = [
        path for part in PARTS for path in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))
    ]
    assert len(files) > 100
    assert [place for path in files for place in unnamed(path)] == []


def test_what_would_be_found(tmp_path):
    path = tmp_path / "one.py"
    path.write_text(
        "open(p)\nopen(p, 'rb')\np.read_text()\np.read_text(encoding='utf-8')\nrun(c, text=True)\n", encoding="utf-8"
    )
    assert [place.rpartition(":")[2] for place in unnamed(path)] == ["1", "3", "5"]

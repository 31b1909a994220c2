"""What the README shows runs, and what it links to is there."""

import re


def test_its_python_runs(root, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.S)
    exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 2


def test_its_links_lead_somewhere(root):
    for folder in (root, root / "figures", root / "benchmarks"):
        for link in re.findall(r"\]\(([^)#]+)\)", (folder / "README.md").read_text()):
            assert link.startswith("https://") or (folder / link).exists(), f"{folder}: {link}"


def test_its_modules_exist(root):
    from importlib import import_module

    for name in set(re.findall(r"`(mrntk(?:\.\w+)+)`", (root / "README.md").read_text())):
        import_module(name)

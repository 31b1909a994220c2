"""What the README shows runs, and what it links to is there."""

import re


def test_its_python_runs(root, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (root / "mrntk" / "README.md").read_text(), re.S)
    exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 2


def test_its_links_lead_somewhere(root):
    for folder in (root, root / "figures", root / "benchmarks", root / "mrntk"):
        for link in re.findall(r"\]\(([^)#]+)\)", (folder / "README.md").read_text()):
            assert link.startswith("https://") or (folder / link).exists(), f"{folder}: {link}"


def test_its_modules_exist(root):
    from importlib import import_module

    names = set(re.findall(r"`(mrntk(?:\.\w+)+)`", (root / "mrntk" / "README.md").read_text()))
    assert len(names) >= 10
    for name in names:
        import_module(name)

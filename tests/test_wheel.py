"""The library without its checkout: a wheel, built and used in an empty folder."""

import os
import subprocess
import sys
import zipfile

import pytest

USE = """
import sys
sys.path[:] = [place for place in sys.path if place != {root!r}]  # where the editable installation finds the checkout
import jax
import numpy as np
import mrntk
from mrntk.__main__ import main

assert mrntk.__file__.startswith({site!r}), mrntk.__file__
task = mrntk.load_task("digits")
x, labels = task.draw(jax.random.key(0), per_class=1)
source = mrntk.DNN((1, 12, 12), 10, depth=2, width=16, key=jax.random.key(1))
before = mrntk.before_training(mrntk.Reprogram(mrntk.VisualPrompt((1, 12, 12), (8, 8)), source), x, task.one_hot(labels))
assert 0 < before.spectrum.rank <= before.capacity.trained == 80
losses = before.predict(0.5 * before.stability_limit()).loss([0, 10])
assert losses[1] < losses[0]
assert mrntk.load_source("efficientnet-lite0", side=32).num_outputs == 1000
assert len(mrntk.load_task("fashion5k").x_train)
from mrntk.theory import theta_a_min
assert theta_a_min(mrntk.Watermark((1, 8, 8)), x) == 0
from mrntk.widgets import view_models
from mrntk.app.page import page
from mrntk.widgets.reprogramming import read_setting
assert list(view_models()) == ["ReprogrammingView"] and "page.js" in page(read_setting("?source=random"), None)
assert main(["list", "digits"]) == 0
for command in ("figures", "claims", "course", "lab"):
    assert main([command]) == 2
print("all of it")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=request.config.rootpath, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_it_holds_the_library_and_what_the_library_reads(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith(("figures/", "notebooks/", "tests/"))]
    for name in ("tasks/data/fashion5k.npz", "app/static/page.html", "app/static/page.js", "__main__.py"):
        assert any(found.startswith(f"mrntk/{name}") for found in names), name


def test_it_works_in_an_empty_folder(wheel, tmp_path, root):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    code = USE.format(root=str(root), site=str(site))
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], cwd=empty, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("all of it\n")
    assert done.stderr.count("needs the project's checkout") == 4

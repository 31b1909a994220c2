"""pyproject.toml, requirements.txt and environment.yml say the same, and none of them brings TensorFlow or torch."""

import importlib.metadata
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

UNWANTED = {"tensorflow", "tf2jax", "torch", "torchvision", "torchaudio", "numba"}


@pytest.fixture
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture
def pinned(root):
    lines = (root / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line.strip()]


def direct(project):
    words = project["project"]["dependencies"] + sum(project["dependency-groups"].values(), [])
    return [Requirement(word) for word in words]


def test_every_pin_is_exact_and_names_no_registry(root, pinned):
    text = (root / "requirements.txt").read_text()
    assert not re.search(r"(?m)https?://|^\s*-|@ file", text)  # no address, no option line, no local file
    assert all(re.fullmatch(r"==[^,*]+", str(requirement.specifier)) for requirement in pinned)


def test_pins_lie_in_the_ranges_of_pyproject(project, pinned):
    for wanted in direct(project):
        pins = [pin for pin in pinned if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
        assert pins, f"{wanted.name} is not pinned: run `make lock`"
        for pin in pins:
            version = str(pin.specifier).removeprefix("==")
            assert wanted.specifier.contains(version), f"{pin} is outside {wanted}: run `make lock`"


def test_closure_is_complete_and_installed(project, pinned):
    """Everything that an installed pin requires is pinned too, but for TensorFlow and what the carriers would need to run."""
    names = {canonicalize_name(pin.name) for pin in pinned}
    carriers = {canonicalize_name(Requirement(word).name) for word in project["dependency-groups"]["carriers"]}
    for pin in pinned:
        if pin.marker and not pin.marker.evaluate():
            continue
        installed = importlib.metadata.distribution(pin.name)
        assert pin.specifier.contains(installed.version), f"{pin.name} {installed.version} is installed, not {pin}"
        for word in [] if canonicalize_name(pin.name) in carriers else installed.requires or []:
            need = Requirement(word)
            if need.marker and not need.marker.evaluate({"extra": ""}):
                continue
            if canonicalize_name(need.name) not in UNWANTED:
                assert canonicalize_name(need.name) in names, f"{pin.name} needs {need.name}, which is not pinned"


def test_no_tensorflow_and_no_torch(pinned):
    assert not UNWANTED & {canonicalize_name(pin.name) for pin in pinned}
    for name in UNWANTED:
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(name)


def test_installing_the_package_alone_brings_no_tensorflow(project):
    """neural-tangents and the carriers must not be ordinary dependencies: their metadata would pull TensorFlow and PyTorch in."""
    groups = project["dependency-groups"]
    apart = {Requirement(word).name for word in groups["neural-tangents"] + groups["carriers"]}
    assert not apart & {Requirement(word).name for word in project["project"]["dependencies"]}


def test_conda_environment_matches_pyproject(root, project):
    environment = yaml.safe_load((root / "environment.yml").read_text())
    conda = [item for item in environment["dependencies"] if isinstance(item, str)]
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    python = next(item for item in conda if item.startswith("python"))
    version = python.removeprefix("python=")
    assert Requirement("python" + project["project"]["requires-python"]).specifier.contains(version)

    groups = project["dependency-groups"]
    expected = {str(Requirement(word)) for word in project["project"]["dependencies"] + groups["dev"]}
    assert {str(Requirement(word)) for word in pip} == expected


def test_binder_and_conda_add_the_rest_without_its_dependencies(root):
    line = "pip install --no-deps --group neural-tangents --group carriers --editable ."
    assert line in (root / "postBuild").read_text()
    assert line in (root / "README.md").read_text()
    assert line in (root / "environment.yml").read_text()  # as a comment, where a conda user looks

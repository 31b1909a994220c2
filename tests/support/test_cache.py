"""The cache lies where the reader says, and a folder that cannot be written is said at once."""

from pathlib import Path

import pytest

from mrntk import MrntkError
from mrntk.support.cache import cache_folder


def test_the_variable_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MRNTK_CACHE", str(tmp_path / "a" / "b"))
    assert cache_folder() == tmp_path / "a" / "b" and cache_folder().is_dir()
    assert cache_folder("downloads") == tmp_path / "a" / "b" / "downloads" and cache_folder("downloads").is_dir()


def test_relative_and_home_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MRNTK_CACHE", "here")
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("MRNTK_CACHE", "~/there")
    assert cache_folder() == tmp_path / "home" / "there"


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_it_is_the_users_cache(tmp_path, monkeypatch, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MRNTK_CACHE", raising=False)
    if value is not None:
        monkeypatch.setenv("MRNTK_CACHE", value)
    folder = cache_folder()
    assert folder.is_dir() and folder.name == "mrntk" and Path(tmp_path) in folder.parents


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "taken").touch()
    monkeypatch.setenv("MRNTK_CACHE", str(tmp_path / "taken"))
    with pytest.raises(
        MrntkError, match="cannot write into .*taken.*: set the environment variable MRNTK_CACHE to a folder"
    ):
        cache_folder()

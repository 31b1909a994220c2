"""A reader finds the old file or the new one, never a half, and no temporary file stays behind."""

import os

import pytest

from mrntk import MrntkError
from mrntk.support import files


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "data.csv"
    files.write_atomically(path, b"old")
    files.write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["data.csv"]


def test_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "data.csv"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(MrntkError, match="cannot write .*data.csv .No space left on device.: free some space"):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["data.csv"]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(MrntkError, match="cannot write into .*taken/out"):
        files.ensure_writable(tmp_path / "taken" / "out")
    with pytest.raises(MrntkError, match="cannot write into .*taken.*: name another one.$"):
        files.ensure_writable(tmp_path / "taken", hint="name another one")


def test_read_only_folder(tmp_path, monkeypatch):
    """As on a read-only file system, where even root may not write."""

    def read_only(**options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", read_only)
    with pytest.raises(
        MrntkError, match="cannot write into .* .Read-only file system.: choose another folder with --out"
    ):
        files.ensure_writable(tmp_path)

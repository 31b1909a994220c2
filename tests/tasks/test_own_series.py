"""Files of time series: every spelling is read as what was written, every fault is named with its line."""

import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import arff

from mrntk import MrntkError, load_task
from mrntk.support.packages import package_file
from mrntk.tasks.own_series import from_series
from mrntk.tasks.series_files import read_arff, read_ts

X = np.random.default_rng(8).normal(size=(6, 4)).round(3)
LABELS = {  # as they stand in the file: their classes in order
    ("1", "2", "10"): ("1", "2", "10"),
    ("1.0000000e+00", "-1", "0.5"): ("-1", "0.5", "1"),
    ("walk", "run", "caf\u00e9"): ("caf\u00e9", "run", "walk"),
    ("007", "7", "8"): ("007", "7", "8"),
    ("9007199254740993", "9007199254740992", "3"): ("3", "9007199254740992", "9007199254740993"),
}
FAULTS = {  # what to do to the third series, and what is said of it
    "": (None, None),
    "?": (lambda fields: [*fields[:2], "?", *fields[3:]], "a value that is missing or not finite, '?'"),
    "empty": (lambda fields: [*fields[:2], "", *fields[3:]], "a value that is missing or not finite, ''"),
    "nan": (lambda fields: [*fields[:2], "NaN", *fields[3:]], "a value that is missing or not finite, 'NaN'"),
    "infinite": (lambda fields: [*fields[:2], "-inf", *fields[3:]], "a value that is missing or not finite, '-inf'"),
    "word": (lambda fields: [*fields[:2], "x7", *fields[3:]], "'x7' is no number"),
    "short": (lambda fields: fields[:-1], "3 values instead of 4"),
    "long": (lambda fields: [*fields, "1"], "5 values instead of 4"),
}


def text_of(labels, fault, separator, quote=""):
    rows = [[label, *map(str, row)] for label, row in zip(labels, X, strict=True)]
    rows[2] = FAULTS[fault][0](rows[2]) if fault else rows[2]
    return "".join(separator.join(quote + field + quote for field in row) + "\n" for row in rows)


def last_of(labels, fault, separator):
    """The label last, as in .ts and .arff."""
    rows = []
    for line in text_of(labels, fault, ",").splitlines():
        label, _, values = line.partition(",")
        rows.append(f"{values}{separator}{label}\n")
    return "".join(rows)


@settings(deadline=None, max_examples=120)
@given(
    st.sampled_from([".csv", ".txt", ".ts", ".arff"]),
    st.sampled_from(list(LABELS)),
    st.sampled_from(list(FAULTS)),
    st.sampled_from([",", ";", "\t", " ", "  ", " , ", "; "]),
    st.sampled_from(["", '"', "'"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"]),
    st.booleans(),
)
def test_generated_files(suffix, spelled, fault, separator, quote, newline, encoding, remarks):
    labels = [*spelled, *spelled]
    if suffix in (".csv", ".txt"):
        head, body = "# a remark\n\n" * remarks, text_of(labels, fault, separator, quote)
        if fault == "empty" and not separator.strip(" ") and not quote:
            fault = "short"  # blanks and nothing between them
    elif suffix == ".ts":
        head = (
            "# a remark\n\n" * remarks
            + f"@univariate true\n@seriesLength 4\n@classLabel true {' '.join(spelled)}\n@data\n"
        )
        body = last_of(labels, fault, ":")
    else:
        attributes = "".join(
            f"@attribute t{i} {kind}\n" for i, kind in enumerate(("numeric", "real", "INTEGER", "numeric"))
        )
        head = (
            "% a remark\n\n" * remarks
            + f"@relation toy\n{attributes}@ATTRIBUTE 'the target' {{{','.join(spelled)}}}\n\n@DATA\n"
        )
        body = last_of(labels, fault, ",")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"moves{suffix}"
        path.write_bytes((head + body).replace("\n", newline).encode(encoding))
        unreadable = encoding == "utf-16" or (encoding == "latin-1" and "caf\u00e9" in spelled)
        if fault or unreadable:
            with pytest.raises(MrntkError) as refusal:
                from_series(path)
            line = len(head.split("\n")) + 2
            said = "bytes that are not UTF-8 text" if unreadable else f"moves{suffix}, line {line}: {FAULTS[fault][1]}"
            assert said in str(refusal.value) and "\n" not in str(refusal.value)
            return
        task = from_series(path, test_share=0.5)
    assert task.classes == LABELS[spelled] and task.input_shape == (1, 4)
    for row, label in zip(np.concatenate([task.x_train, task.x_test]), [*task.y_train, *task.y_test], strict=True):
        (i,) = np.flatnonzero((X == row[0]).all(1))
        word, name = labels[i], task.classes[label]
        assert word == name or (spelled[0] == "1.0000000e+00" and float(word) == float(name))


@pytest.mark.parametrize(
    "content, message",
    [
        ("1,2,3,\n2,3,4,\n", "line 1: ',' at its end, with no value after it"),
        ("1;0,5;0,7\n2;0,5;0,7\n", "line 1: '0,5' is no number"),
        ("nan,1,2\n1,2,3\nnan,1,2\n1,2,3\n", "has 2 missing labels of 4 .'nan'."),
        ("?,1,2\n1,2,3\n,1,2\n1,2,3\n", "has 2 missing labels of 4 .'', '.'."),
        ('"a ",1,2\n"a",2,3\n', "line 2: labels that differ by blanks alone, 'a ?' and 'a ?'"),
        ("a,1,2\nb;2;3\n", "line 2: a label and no values"),
        ("'tis,1,2\n", "line 1: a label and no values"),
        ("a,1" + "0" * 200_000 + "x\n", "line 1: field larger than field limit"),
        ("# only a remark\n", "line 1: the file ends without any series"),
    ],
)
def test_mistakes(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(MrntkError, match=message):
        from_series(tmp_path / "a.csv")


def test_a_separator_inside_quotes_separates_nothing(tmp_path):
    (tmp_path / "a.csv").write_text('"a;b",1,2\n"a;b",1,3\n"c",4,5\n"c",6,7\n')
    assert from_series(tmp_path / "a.csv").classes == ("a;b", "c")


ARFF = "@relation r\n@attribute a numeric\n@attribute 'b c' REAL\n@attribute target {1,'two words'}\n"
ARFF += "@data\n1,2,1\n3,4,'two words'\n"


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("a numeric", "a string", "line 5: an attribute that is string before the last"),
        ("a numeric", "a relational", "line 5: an attribute that is relational before the last"),
        ("{1,'two words'}", "numeric", "line 5: the last attribute does not list the labels"),
        ("@attribute a", "@atribute a", "line 2: neither @relation nor @attribute before @data"),
        ("1,2,1", "1,2,3", "line 6: the label '3' is not one of 1, two words"),
        ("1,2,1", "{0 1, 1 2, 2 1}", "line 6: "),
        ("1,2,1", "1,2,?", "line 6: the label '.' is not one of"),
        ("1,2,1", "1,1", "line 6: 1 values instead of 2"),
        ("@data\n1,2,1\n3,4,'two words'\n", "", "line 4: the file ends without any series"),
        ("@attribute a numeric\n@attribute 'b c' REAL\n", "", "line 4: 2 values instead of 0"),
    ],
)
def test_arff_mistakes(tmp_path, old, new, message):
    path = tmp_path / "a.arff"
    path.write_text(ARFF)
    x, labels = read_arff(path)
    assert x.tolist() == [[1, 2], [3, 4]] and labels == ["1", "two words"]
    assert old in ARFF
    path.write_text(ARFF.replace(old, new))
    with pytest.raises(MrntkError, match=f"a.arff, {message}"):
        from_series(path)


@pytest.mark.parametrize("name", ["GunPoint", "ArrowHead"])
def test_the_archives_own_files(name, tmp_path):
    """.arff and .ts of one data set are one; SciPy's reader of .arff agrees; both load as tasks."""
    place = package_file("aeon", f"aeon/datasets/data/{name}/{name}_TRAIN.arff", what="this test")
    x, labels = read_arff(place)
    rows, _ = arff.loadarff(place)
    assert np.array_equal(x, np.array([list(row)[:-1] for row in rows], float)) and labels == [
        row[-1].decode() for row in rows
    ]
    other, words = read_ts(place.with_suffix(".ts"))
    np.testing.assert_allclose(x, other, atol=1e-6)
    assert labels == words
    for suffix in (".ts", ".arff"):
        for part in ("TRAIN", "TEST"):
            (tmp_path / f"{name}_{part}{suffix}").write_bytes(place.with_suffix(suffix).read_bytes())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            task = load_task(tmp_path / f"{name}_TEST{suffix}")
        assert task.name == name and task.classes == tuple(sorted(set(labels))) and len(task.x_test) == len(x)


def test_multivariate_and_unequal_ts_are_refused():
    for name, message in (
        ("BasicMotions", "@univariate false|is not one of"),
        ("JapaneseVowels", "@univariate|@equallength"),
    ):
        path = package_file("aeon", f"aeon/datasets/data/{name}/{name}_TRAIN.ts", what="this test")
        with pytest.raises(MrntkError, match=f"{name}_TRAIN.ts, line .*({message})"):
            load_task(path)

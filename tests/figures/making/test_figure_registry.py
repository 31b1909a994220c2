"""The registry: what a figure is, whether data on disk are its data, and which code they depend on."""

import pandas as pd
import pytest
from tiny_figure import MODULE

from figures.making import registry
from mrntk import MrntkError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A figures folder with one tiny figure."""
    (tmp_path / "tiny.py").write_text(MODULE)
    monkeypatch.setattr(registry, "figures_folder", lambda: tmp_path)
    return tmp_path


def hash_with(folder, old="", new=""):
    (folder / "tiny.py").write_text(MODULE.replace(old, new))
    return registry.get_figure("tiny").code_hash()


@pytest.mark.parametrize(
    "old, new",
    [
        ('"""Documented."""', '"""Other words."""'),
        ("axis.plot(", "axis.scatter("),
        ("FACTOR = 2", "FACTOR = 2  # two"),
        ("values.", "numbers."),
    ],
)
def test_drawing_words_and_comments_are_not_what_data_depend_on(folder, old, new):
    assert hash_with(folder) == hash_with(folder, old, new)


@pytest.mark.parametrize("old, new", [("FACTOR = 2", "FACTOR = 7"), ("i / 3", "i / 4"), ("range(n)", "range(1, n)")])
def test_what_compute_and_cells_use_is(folder, old, new):
    assert hash_with(folder) != hash_with(folder, old, new)


def hashes_with(folder, line, old="", new=""):
    """(hash in the record, hash of the pieces) of the tiny figure with a line before its imports."""
    (folder / "tiny.py").write_text(MODULE.replace("import mat", f"{line}\nimport mat").replace(old, new))
    figure = registry.get_figure("tiny")
    return figure.code_hash(), figure.whole_code_hash()


def test_what_is_used_of_the_shared_experiments_counts_as_the_figures_code(folder):
    """What is only imported does not; what those use, does."""
    line = "from figures.experiments.reprogramming import LOSSES, examples"
    plain, imported = hash_with(folder), hashes_with(folder, line)[0]
    one, other = (hashes_with(folder, line, "FACTOR *", f"{use} *")[0] for use in ("len(LOSSES)", "examples()"))
    assert plain == imported and len({plain, one, other}) == 3


def test_another_choice_of_pieces_makes_data_stale_and_no_piece(folder):
    plain, other = hashes_with(folder, ""), hashes_with(folder, "", "range(n)", "range(1, n)")
    assert plain[0] != other[0] and plain[1] == other[1]


def test_what_is_used_of_the_library_counts_for_pieces(folder):
    """From whichever of its modules a name is imported, it is the same code."""
    here, there, other = (
        hashes_with(folder, f"from mrntk.spectrum{line}", "FACTOR *", "spectrum(FACTOR) *")
        for line in (" import spectrum", ".eigenvalues import spectrum", " import alignment as spectrum")
    )
    assert here == there and here[1] != other[1]


def test_unknown_figure_names_the_nearest(folder):
    with pytest.raises(MrntkError, match="figure 'tinny' is unknown: did you mean tiny"):
        registry.get_figure("tinny")


def test_incomplete_figure_module(folder):
    (folder / "broken.py").write_text('ID = "broken"\n')
    with pytest.raises(
        MrntkError, match="figure module broken.py: define TITLE, PAPER, ALT, SAYS, render, finds, SCALES"
    ):
        registry.discover()


def test_a_figure_may_draw_another_ones_data(folder):
    text = MODULE.replace('"tiny", "Tiny"', '"second", "Second"')
    (folder / "second.py").write_text(
        text[: text.index("SCALES")] + 'FROM = "tiny"\n' + text[text.index("def render") :]
    )
    assert registry.get_figure("second").source.id == "tiny"


def test_data_that_are_missing_are_named_with_the_command(folder):
    with pytest.raises(
        MrntkError, match="tiny.csv: there are none yet. Run `mrntk figures tiny --scale course` first."
    ):
        registry.committed_data("tiny")


def test_committed_course_data_are_good(root):
    """Nothing stands between a fresh clone and its figures: every figure's course data match its code and parameters."""
    for figure in registry.discover().values():
        source = figure.source
        csv = root / "figures" / "data" / "course" / f"{source.id}.csv"
        assert registry.why_recompute(source, csv, source.parameters("course")) is None, figure.id
        assert (root / "figures" / "rendered" / "course" / f"{figure.id}.png").exists()
        assert set(source.module.SCALES) == {"smoke", "course", "paper"} and len(figure.module.ALT) > 80
        assert len({frozenset(figure.module.SCALES[scale]) for scale in source.module.SCALES if source is figure}) <= 1
        data = pd.read_csv(csv).drop(columns=list(getattr(source.module, "MISSING", ())))
        assert not data.isna().any().any(), figure.id

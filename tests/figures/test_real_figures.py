"""The real figures: computed from nothing at smoke scale, drawn again from committed data, and in the gallery."""

import pandas as pd
import pytest

from mrntk import figures

IDS = sorted(figures.discover())


def reprogramming_beats_the_untrained_network(data):
    """At smoke scale, seeds and tasks taken together, where the committed data say it too."""
    mean = data.groupby(["source", "way"])["accuracy"].mean().unstack()
    for source in ("efficientnet-lite0", "cnn"):
        assert mean.loc[source, "reprogrammed"] > mean.loc[source, "untrained"]


CHECKS = {"reprogramming_works": reprogramming_beats_the_untrained_network}  # of the data at smoke scale


@pytest.mark.parametrize("name", IDS)
def test_smoke_scale_from_nothing(name, tmp_path):
    paths = figures.run([name], scale="smoke", out=tmp_path, fresh=True, say=lambda text: None)
    assert all(path.stat().st_size > 5000 for path in paths)
    again = figures.run([name], scale="smoke", out=tmp_path / "again", fresh=True, say=lambda text: None)
    csv = f"data/smoke/{name}.csv"
    assert (tmp_path / csv).read_bytes() == (tmp_path / "again" / csv).read_bytes()
    CHECKS.get(name, lambda data: None)(pd.read_csv(tmp_path / csv))
    assert len(again) == len(paths)


@pytest.mark.parametrize("name", IDS)
def test_drawn_again_from_committed_data(name, tmp_path, monkeypatch):
    figure = figures.get_figure(name)
    monkeypatch.setattr(figure.module, "compute", lambda *arguments, **options: pytest.fail("computed"))
    monkeypatch.setattr(figures, "get_figure", lambda name: figure)
    assert len(figures.run([name], scale="course", out=tmp_path, say=lambda text: None)) == 2


@pytest.mark.parametrize("name", IDS)
def test_gallery_shows_it(name, root):
    text = (root / "figures" / "README.md").read_text()
    assert f"rendered/course/{name}.png" in text and f"mrntk figures {name}" in text


def test_lambda_min_rises_with_depth_in_every_draw_and_architecture():
    """What the committed data say of the paper's first claim, draw by draw."""
    data = pd.read_csv(figures.figures_folder() / "data/course/source_min_eigenvalue.csv")
    assert data.groupby("architecture")["draw"].nunique().min() >= 5 and data["depth"].max() == 9
    for _, rows in data.groupby(["architecture", "draw"]):
        assert rows.sort_values("depth")["lambda_min"].is_monotonic_increasing


def test_the_gallery_has_the_verdicts_on_reprogramming(root):
    """Written by `table` of the figure's module, from the committed data."""
    figure = figures.get_figure("reprogramming_works")
    words = figure.module.table(pd.read_csv(root / "figures/data/course/reprogramming_works.csv"))
    assert words in (root / "figures" / "README.md").read_text(), words

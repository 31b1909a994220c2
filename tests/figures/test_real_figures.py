"""The real figures: all computed from nothing at smoke scale, drawn again from committed data, and in the gallery."""

import pandas as pd
import pytest

from figures.making import registry, runner

IDS = sorted(registry.discover())


def run(**options):
    said = []
    return runner.run(**{"say": said.append, "jobs": 2} | options), "\n".join(said)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The folder of all figures, made at smoke scale from nothing by two workers."""
    out = tmp_path_factory.mktemp("smoke")
    paths, said = run(scale="smoke", out=out, fresh=True)
    assert len(paths) == 2 * len(IDS), said
    return out


@pytest.mark.xdist_group("figures at smoke scale")
def test_every_figure_at_smoke_scale_from_nothing(smoke):
    for name in IDS:
        assert (smoke / "rendered/smoke" / f"{name}.png").stat().st_size > 5000
        figure = registry.get_figure(name)
        data = pd.read_csv(smoke / "data/smoke" / f"{figure.source.id}.csv")
        assert len(data) > 1 and figure.module.finds(data).strip()


@pytest.mark.xdist_group("figures at smoke scale")
def test_the_same_seed_gives_the_same_digits(smoke, tmp_path):
    """A part of the sweep over depth, computed again, is a part of what the whole sweep wrote."""
    settings = ["family=dnn", "depth=1", "ce_task=digits"]
    run(ids=["depth_to_target"], scale="smoke", out=tmp_path, settings=settings)
    (part,) = tmp_path.glob("data/smoke-*/depth_to_target.csv")
    whole = (smoke / "data/smoke/depth_to_target.csv").read_text().splitlines()
    assert len(part.read_text().splitlines()) > 8 and set(part.read_text().splitlines()) <= set(whole)


@pytest.mark.parametrize("name", IDS)
def test_drawn_again_from_committed_data(name, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "compute_all", lambda *arguments, **options: pytest.fail("computed"))
    paths, _ = run(ids=[name], scale="course", out=tmp_path)
    assert len(paths) == 2


@pytest.mark.parametrize("name", IDS)
def test_gallery_shows_it(name, root):
    text = (root / "figures" / "README.md").read_text()
    assert f"rendered/course/{name}.png" in text and f"mrntk figures {name}" in text


def test_lambda_min_rises_with_depth_in_every_draw_and_architecture():
    """What the committed data say of the paper's first claim, draw by draw."""
    data = registry.committed_data("source_min_eigenvalue")
    assert data.groupby("architecture")["draw"].nunique().min() >= 5 and data["depth"].max() == 9
    for _, rows in data.groupby(["architecture", "draw"]):
        assert rows.sort_values("depth")["lambda_min"].is_monotonic_increasing

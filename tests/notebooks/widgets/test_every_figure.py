"""The live gallery: any figure with its verdicts, which are the committed ones at 99 % and more cautious above."""

import numpy as np
import pytest

from figures import claims
from figures.making.registry import discover
from notebooks.widgets.every_figure import FiguresView


def test_every_figure_can_be_chosen():
    assert set(FiguresView.controls["figure"].values) == set(discover())


@pytest.mark.xdist_group("verdicts")  # all of them, which a process judges once
def test_at_99_percent_the_verdicts_are_those_of_the_project():
    view = FiguresView()
    said = view.words(view.data(figure="depth_to_target"))
    for one in claims.verdicts():
        if one.claim.figure == "depth_to_target":
            assert f"{one.claim.sentence}: {one.verdict} at 99 %" in said


def test_wider_intervals_decide_less():
    view = FiguresView()
    widths, decided = [], []
    for confidence in (0.8, 0.95, 0.999):
        claimed = view.data(figure="source_quality", confidence=confidence)["claims"]
        parts = [part for _, parts in claimed for part in parts if not part.untestable]
        widths.append([high - low for low, high in (part.interval for part in parts)])
        decided.append(sum(part.outcome in ("holds", "fails") for part in parts))
    assert decided[0] >= decided[1] >= decided[2]
    assert (np.diff(widths, axis=0)[:, :2] > 0).all()


def test_the_description_is_the_figures_own():
    view = FiguresView()
    data = view.data(figure="schematic")
    assert view.description(data) == discover()["schematic"].module.ALT and view.draw(data)

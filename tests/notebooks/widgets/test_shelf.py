"""The shelf of sources: laws that the view's data must keep."""

import numpy as np
import pytest

from mrntk.sources import small
from mrntk.support.style import png, style
from notebooks.widgets import shelf
from notebooks.widgets.shelf import SOURCES, ShelfView, known

VIEW = ShelfView()


@pytest.fixture(autouse=True, scope="module")
def quickly_trained():
    """A little training is enough for every law here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small, "HALF", small.HALF._replace(per_class=20, epochs=2))
        yield
    small.trained_half_network.cache_clear()
    known.cache_clear()


def test_the_best_comes_first_and_is_a_tie_with_itself():
    data = VIEW.data(examples=20)
    scores = list(data["scores"].values())
    assert scores == sorted(scores, reverse=True) and set(data["scores"]) == set(SOURCES)
    assert next(iter(data["scores"])) in data["ties"]


def test_a_layer_in_front_does_better_than_a_frame():
    frame, layer = (VIEW.data(examples=20, input_map=name)["scores"] for name in ("vp", "fc"))
    assert np.mean(list(layer.values())) > np.mean(list(frame.values()))


def test_the_probe_changes_the_forecast_and_the_horizon_needs_no_kernel(monkeypatch):
    with_probe = VIEW.data(examples=20)
    assert VIEW.data(examples=20, probe=False)["scores"] != with_probe["scores"]
    monkeypatch.setattr(shelf, "before_training", None)
    far = VIEW.data(examples=20, horizon=1e5)
    assert set(far["scores"]) == set(with_probe["scores"])


def test_words_say_ties():
    data = VIEW.data(examples=20)
    every = list(data["scores"])
    assert "all six may be the best" in VIEW.words(data | {"ties": every})
    assert "3 of 6 may be the best" in VIEW.words(data | {"ties": every[:3]})
    assert "all others are behind" in VIEW.words(data | {"ties": every[:1]})


@pytest.mark.parametrize("changes", [{"horizon": 1.0}, {"horizon": 1e5}, {"probe": False}])
def test_extremes_draw(changes):
    data = VIEW.data(examples=20, **changes)
    with style():
        assert png(VIEW.draw(data))[:4] == b"\x89PNG"

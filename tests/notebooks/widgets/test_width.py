"""The width explorer: what it draws, and its words."""

import numpy as np
import pytest

from mrntk.ntk.infinite import W_STD, source_kernel
from notebooks.widgets.width import DRAWS, POINTS, WidthView


@pytest.mark.parametrize("depth", [2, 4])
def test_the_limit_is_that_of_neural_tangents(depth):
    theirs = source_kernel(POINTS, "dnn", depth=depth, w_std=W_STD, b_std=0.0)
    np.testing.assert_allclose(WidthView().data(depth=depth)["limit"], theirs[0], atol=1e-6)


def test_wider_is_nearer_and_the_words_say_so():
    view = WidthView()
    off = [np.mean(view.data(width=width)["off"]) for width in (8, 64, 512)]
    assert off[0] > off[1] > off[2] and off[0] / off[2] == pytest.approx(8, rel=0.5)
    assert "width 512" in view.words(view.data(width=512)) and "depth 2" in view.words(view.data(depth=2))


def test_every_draw_is_another_network():
    drawn = WidthView().data()["drawn"]
    assert len(np.unique(drawn.round(6), axis=0)) == DRAWS

"""The eigenmode player: its networks are what notebook 01 says, its predictions are the law, its words say what happened."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mrntk.support.errors import MrntkError
from notebooks.toys.two_layer import TIMES, run, training_targets
from notebooks.widgets.modes import ModesView


@pytest.mark.parametrize(
    "changes", [{"steps": 1.0}, {"steps": 1000.0}, {"share": 0.05}, {"share": 1.2, "steps": 1000.0}]
)
@pytest.mark.parametrize("target", list(training_targets()))
def test_extreme_values_draw_and_speak(changes, target):
    view = ModesView()
    data = view.data(**changes, target=target, width=32)
    assert abs(np.log(data["run"].times[data["index"]] / changes.get("steps", 30.0))) < 0.12
    assert target.capitalize() in view.words(data) and "nan" not in view.words(data)
    figure = view.draw(data)
    assert len(figure.axes) == 3
    plt.close(figure)


def test_words_name_where_the_lazy_picture_ends():
    view = ModesView()
    assert "lazy picture holds" in view.words(view.data(width=512))
    end = run("mixed", 32, 0.5).end_of_lazy
    assert f"still holds; it fails at step {end}" in view.words(view.data(width=32, steps=10.0))
    assert "fails here" in view.words(view.data(width=32, steps=1000.0))
    above = view.words(view.data(share=1.2, steps=1000.0))
    assert "the linearised model diverges. The network does not" in above
    assert "the kernel has moved by" in above


def test_words_survive_a_network_that_diverges():
    """No draw of the controls does; so a run is made up."""
    found = run("mixed", 32, 1.2)
    lost = np.where(TIMES > 10, np.nan, 1.0)
    broken = type(found)(**{**vars(found), "real": found.real * lost[:, None], "drift": found.drift * lost})
    data = ModesView().data(width=32, share=1.2, steps=100.0) | {"run": broken}
    view = ModesView()
    words = view.words(data)
    assert "more than can be computed" in words and "the kernel has diverged" in words and "does not" not in words
    plt.close(view.draw(data))


def test_moving_time_trains_nothing_again():
    view = ModesView()
    assert view.data(steps=3.0)["run"] is view.data(steps=300.0)["run"]


def test_bad_values_are_refused():
    with pytest.raises(MrntkError, match="share"):
        ModesView().data(share=1.5)
    with pytest.raises(MrntkError, match="width"):
        ModesView().data(width=33)

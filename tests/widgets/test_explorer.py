"""The face: what it shows is what the view model computed from the controls' present values, and mistakes are said in words."""

import asyncio
import base64
import io
import re
import threading
import time

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from mrntk import MrntkError
from mrntk.support.style import style
from mrntk.widgets import Choice, Explorer, Slider, Toggle, ViewModel, explorer
from mrntk.widgets.explorer import picture_of


class Power(ViewModel):
    """number ** exponent, and how often that was computed."""

    title, alt = "Powers", "A point at the power of a number."

    def __init__(self):
        self.controls = {
            "number": Slider("number", 0, 5, 2),
            "exponent": Choice("exponent", {"one": 1, "two": 2}, 2),
            "negative": Toggle("negative"),
            "scale": Slider("scale", -1, 1, 1.0, 0.1, log=True),
        }
        self.computed = []

    def compute(self, *, number, exponent, negative, scale):
        if number == 0:
            raise MrntkError("number=0: choose another.")
        self.computed.append(number)
        return (-1 if negative else 1) * scale * number**exponent

    def draw(self, data):
        figure, axis = plt.subplots(figsize=(1, 1))
        axis.plot([data], [data], "o")
        return figure

    def words(self, data):
        return f"It is {data:g}."


def test_controls_decide_what_is_shown():
    open_before = plt.get_fignums()
    face = Explorer(Power(), number=3)
    assert face.data == 9 and "It is 9." in face.shown.value and 'alt="A point' in face.shown.value
    before = face.picture
    face.set(exponent=1, negative=True)
    assert face.data == -3 and "It is -3." in face.shown.value and face.picture != before
    face.faces["number"].value = 5
    assert face.data == -5 and plt.get_fignums() == open_before


def test_every_control_has_a_label_and_a_fitting_widget():
    face = Explorer(Power())
    kinds = {name: type(one).__name__ for name, one in face.faces.items()}
    assert kinds == {"number": "IntSlider", "exponent": "Dropdown", "negative": "Checkbox", "scale": "FloatLogSlider"}
    assert all(one.description == face.view.controls[name].label for name, one in face.faces.items())


def test_a_mistake_is_said_in_words_and_the_next_value_shows_again():
    face = Explorer(Power())
    face.set(number=0)
    assert 'role="alert"' in face.shown.value and "number=0: choose another." in face.shown.value
    face.set(number=1)
    assert "It is 1." in face.shown.value


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"size": 1}, "number, exponent"),
        ({"number": 7}, "from 0 to 5"),
        ({"exponent": 3}, "one of 1, 2"),
        ({"negative": 1}, "True"),
    ],
)
def test_values_that_a_control_cannot_have(changes, words):
    with pytest.raises(MrntkError, match=words):
        Explorer(Power()).set(**changes)


def test_while_a_slider_is_dragged_the_last_value_wins():
    async def drag():
        face = Explorer(Power())
        for value in (1, 3, 4, 5):
            face.set(number=value)
        await asyncio.sleep(0.2)
        return face

    face = asyncio.run(drag())
    assert face.data == 25 and face.view.computed == [2, 5]


def test_a_page_that_is_only_read_gets_the_picture_with_its_description():
    face = Explorer(Power())
    data, metadata = face._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == face.picture and "application/vnd.jupyter.widget-view+json" in data
    assert (
        metadata["image/png"]["alt"] == "A point at the power of a number. It is 4."
        and data["text/plain"] == "It is 4."
    )


class Slow(Power):
    """Powers that take a while, and say when they begin."""

    def __init__(self):
        super().__init__()
        self.begun = threading.Event()

    def compute(self, *, number, **rest):
        self.begun.set()
        time.sleep(0.03 * (6 - number))  # the older, smaller numbers take longer than the newer ones
        if number == 3:
            raise ValueError("three")
        return super().compute(number=number, **rest)


def shown_numbers(face) -> list:
    """Everything that the face shows from now on, in order: the number that it says, or "mistake"."""
    seen = []

    def note(change):
        found = re.search(r"It is (\d+)\.", change["new"])
        seen.append(int(found[1]) if found else "mistake")

    face.shown.observe(note, "value")
    return seen


def test_bursts_of_changes_are_shown_in_order_whatever_computing_takes():
    """Changes that come while something is computed wait in the event loop, as a kernel's messages do."""

    async def drag():
        face = Explorer(Slow(), exponent=1)
        seen = shown_numbers(face)
        for burst in ((1, 2, 4), (5, 4, 1), (2, 5)):
            for value in burst:
                asyncio.get_running_loop().call_soon(lambda value=value: face.set(number=value))
            await asyncio.sleep(0.06)
        await asyncio.sleep(0.3)
        return seen

    seen = asyncio.run(drag())
    assert seen[-1] == 5 and seen == [
        number for number in (4, 1, 5) if number in seen
    ]  # on a busy machine some are skipped


def test_mistakes_keep_their_place_in_the_order():
    """0 is a mistake of the reader's, 3 one of the program's, which the loop hears of, too."""
    heard = []

    async def drag():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["exception"]))
        face = Explorer(Slow(), exponent=1)
        seen = shown_numbers(face)
        for value in (1, 0, 5, 3, 4):
            face.set(number=value)
            await asyncio.sleep(0.3)
        return seen

    assert asyncio.run(drag()) == [1, "mistake", 5, "mistake", 4]
    assert [type(error) for error in heard] == [ValueError]


def test_a_slow_computation_in_one_thread_is_not_shown_after_a_newer_one_in_another():
    """JupyterLab hands changes to another thread than the one that runs cells."""
    face = Explorer(Slow(), number=5, exponent=1)
    seen = shown_numbers(face)
    slow = threading.Thread(target=face.set, kwargs={"number": 1})
    face.view.begun.clear()
    slow.start()
    face.view.begun.wait(10)
    face.set(number=4)
    slow.join()
    assert seen == [1, 4] and face.data == 4


def test_after_a_mistake_nothing_older_is_left():
    face = Explorer(Slow(), exponent=1)
    with pytest.raises(ValueError):
        face.set(number=3)
    assert face.data is None and "ValueError: three" in face.shown.value and 'role="alert"' in face.shown.value
    data, metadata = face._repr_mimebundle_()
    assert "image/png" not in data and "three" in data["text/plain"] and not metadata


def test_sliders_have_a_name_for_their_handle():
    """By a script in the page, see `NAME_HANDLES`; tests in a browser hold it to account."""
    face = Explorer(Power())
    assert face.faces["number"].tooltip == "number" and "aria-label" in face.shown.value


class Drawn(ViewModel):
    """A view that draws what a test gives it."""

    title, alt, controls = "drawn", "", {}

    def draw(self, data):
        figure, axes = plt.subplots(1, 2, figsize=(5, 3))
        for part in axes:
            part.plot([1, 2, 3], data, "o")
            part.set(ylabel="a label", yscale="log" if min(data) > 0 else "linear")
        return figure


def shown(data):
    return np.asarray(Image.open(io.BytesIO(picture_of(Drawn(), data))).convert("L"))


def test_the_next_picture_takes_the_layout_of_the_last_unless_words_would_be_cut_off():
    explorer._layouts.clear()
    first = shown([-1, 2, 3])
    ((key, places),) = explorer._layouts.items()
    np.testing.assert_array_equal(shown([-1, 2, 3]), first)
    assert explorer._layouts[key] is places
    shown([-1, 2, 2.5])
    assert explorer._layouts[key] is places
    wide = shown([-12345.5, 2, 30000.25])  # its numbers push the label out
    assert explorer._layouts[key] is not places
    assert (wide[:, 0] == 255).all() and (wide[:, -1] == 255).all()  # nothing is cut off at the edges


def test_powers_of_ten_are_plain_text():
    with style():
        figure = Drawn().draw([1e-12, 1, 100])
        explorer._few_ticks(figure.axes[0].yaxis)
        FigureCanvasAgg(figure).draw()
        said = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        plt.close(figure)
    assert any("10⁻¹" in one for one in said) and not any("$" in one for one in said) and len(said) < 12


def test_a_view_may_have_its_picture_already():
    class Finished(Drawn):
        def picture(self, data):
            return b"a file"

    assert picture_of(Finished(), None) == b"a file"

"""The face: what it shows is what the view model computed from the controls' present values, and mistakes are said in words."""

import asyncio
import base64

import matplotlib.pyplot as plt
import pytest

from mrntk import MrntkError
from mrntk.widgets import Choice, Explorer, Slider, Toggle, ViewModel


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

"""`--set name=value`: values take the type of what they replace; mistakes are named."""

import pytest

from figures.making.settings import changed
from mrntk import MrntkError

PARAMETERS = {"depth": (1, 2), "task": ("digits",), "seeds": 5, "share": 0.5, "map": "fc"}


@pytest.mark.parametrize(
    "setting, name, value",
    [
        ("depth=1:4", "depth", (1, 2, 3, 4)),
        ("depth=7", "depth", (7,)),
        ("depth=1,3:5", "depth", (1, 3, 4, 5)),
        ("task=fashion", "task", ("fashion",)),
        ("task=fashion,digits", "task", ("fashion", "digits")),
        ("seeds=2", "seeds", 2),
        ("share=1", "share", 1.0),
        ("map=vp", "map", "vp"),
    ],
)
def test_values_take_the_type_of_what_they_replace(setting, name, value):
    found = changed(PARAMETERS, [setting])
    assert found == PARAMETERS | {name: value} and type(found[name]) is type(PARAMETERS[name])


@pytest.mark.parametrize(
    "setting, words",
    [
        ("depht=3", "the figure has no parameter 'depht'; did you mean depth"),
        ("zzz=3", "it has depth, task, seeds, share, map"),
        ("depth", "write it as NAME=VALUE"),
        ("depth=", "give one or more whole numbers, such as depth=1,2"),
        ("depth=deep", "give one or more whole numbers"),
        ("depth=3:1", "give one or more whole numbers"),
        ("seeds=1,2", "give one whole number"),
        ("seeds=2.5", "give one whole number"),
        ("task=3", "give one or more names"),
    ],
)
def test_mistakes_are_named(setting, words):
    with pytest.raises(MrntkError, match=words):
        changed(PARAMETERS, [setting])


def test_nothing_given_changes_nothing():
    assert changed(PARAMETERS, []) == PARAMETERS

"""The page's own files: what they name is there, and the words are the course's."""

import json
import re

import pytest

from mrntk.app.help import HELP, LABELS
from mrntk.app.page import FILES, HTML, known_to_the_page, page
from mrntk.widgets.reprogramming.networks import network
from mrntk.widgets.reprogramming.setting import CONTROLS, SMALL, SOURCES, Setting


def test_every_script_and_style_that_is_named_is_served():
    named = set(re.findall(r'(?:src|href)="([\w.]+)"', HTML))
    for _, content in FILES.values():
        named |= set(re.findall(r'from "\./([\w.]+)"', content.decode()))
    assert named == set(FILES)


def test_every_part_that_a_script_asks_for_is_there():
    scripts = "".join(content.decode() for name, (_, content) in FILES.items() if name.endswith(".js"))
    asked = set(re.findall(r'\$\("(\w+)"\)', scripts)) - {"rank"}  # a button that the script makes
    assert asked <= set(re.findall(r'id="(\w+)"', HTML))


def test_every_control_has_its_words_and_they_stand_in_the_glossary(root):
    assert set(HELP) == set(CONTROLS) >= set(LABELS)
    glossary = (root / "notebooks" / "glossary.md").read_text(encoding="utf-8").lower()
    for words in HELP.values():
        assert words.lower().rstrip(".") in glossary, words


@pytest.mark.parametrize("name", SOURCES.values())
def test_a_source_is_of_the_kind_that_the_page_thinks(name):
    kind = known_to_the_page()["kinds"][name]
    if name in SMALL or name.startswith("efficientnet"):
        assert kind == "images"
    else:
        assert kind == ("series" if len(network(Setting(source=name, task="gunpoint")).shape) == 2 else "images")


def test_nothing_in_the_data_ends_the_script():
    made = page(Setting(), {"headline": "</script><script>alert(1)</script>"}, "<!--")
    inside = made.split('id="data">')[1].split("</script>")[0]
    assert json.loads(inside)["answer"]["headline"].startswith("</script>") and "<" not in inside

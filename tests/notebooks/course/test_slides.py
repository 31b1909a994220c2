"""Slides: what is seen and what is said, from the notebook itself."""

import base64

import jupytext
import nbformat
import pytest
from test_parts import TEXT  # the small notebook

from notebooks.course.slides import HEIGHT, markdown, slides

PNG = base64.b64encode(b"not really a picture").decode()


@pytest.fixture
def executed():
    notebook = jupytext.reads(TEXT, fmt="md:myst")
    drawn = nbformat.v4.new_output("display_data", {"image/png": PNG}, metadata={"image/png": {"alt": "a [b]"}})
    said = nbformat.v4.new_output("execute_result", {"text/markdown": "It is **4**."}, execution_count=1)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("picture()", outputs=[drawn, said], execution_count=1))
    return notebook


def test_equations_pictures_and_findings_are_seen_and_prose_is_said(executed, tmp_path):
    found = slides(executed, "77", tmp_path)
    first = [slide for slide in found if slide.heading == "First"]
    seen, said = sum((slide.seen for slide in first), []), sum((slide.notes for slide in first), [])
    assert seen == ["$$ y = 1 $$", "**Step 1: go.**", "![a  b ](pictures/77_1.png)", "It is **4**."]
    assert said == ["Words $x$ and", "**Step 1: go.** More words."]
    assert (tmp_path / "pictures" / "77_1.png").read_bytes() == base64.b64decode(PNG)


def test_title_exercises_and_what_to_remember(executed, tmp_path):
    found = slides(executed, "77", tmp_path)
    assert found[0].heading == "77 · A small one" and found[0].seen == ["*Why?*", "- see\n- try"]
    assert [slide.seen for slide in found if slide.heading == "What to remember"] == [["- All."]]
    assert found[-1].seen == ["- Add (★★, 5 minutes)"]
    text = markdown(found)
    assert text.startswith("# 77 · A small one") and '<aside class="notes">' in text and "a + b" not in text


def test_a_full_slide_goes_on_on_the_next(executed, tmp_path):
    executed.cells[1].source += "\n\n$$ z = 2 $$" * 9
    first = [slide for slide in slides(executed, "77", tmp_path) if slide.heading == "First"]
    assert len(first) > 2 and all(slide.height <= HEIGHT or len(slide.seen) == 1 for slide in first)

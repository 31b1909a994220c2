"""The course's widgets in a real browser: every control has a name, is reached and moved by keys, and is answered.

One page shows all of them; each test walks through one with Tab and moves every control that it comes to.
"""

import nbformat
import pytest
from web_server import notebook_served

from mrntk import MrntkError
from mrntk.widgets import Choice, Slider
from notebooks.widgets import view_models

pytestmark = pytest.mark.xdist_group("widgets")
VIEWS = {name: kind for name, kind in view_models().items() if ".reprogramming." not in kind.__module__}
# What a change does to the picture, where it does not make another one.
ONLY_WORDS = {("FiguresView", "confidence"), ("LearningCurveView", "alpha"), ("SeriesView", "per_class")}
REFUSED = {("RealModelsView", "second"), ("RealModelsView", "second_map")}
STATE = "(box) => [box.querySelector('figure img')?.src, box.querySelector('figcaption, [role=alert]')?.textContent]"
FOCUSED = "(box) => box.contains(document.activeElement) && document.activeElement.outerHTML"


def notebook() -> nbformat.NotebookNode:
    """All widgets, each under a heading."""
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    )
    imports = "from mrntk.widgets import Explorer\nfrom notebooks.widgets import view_models"
    made.cells.append(nbformat.v4.new_code_cell(imports))
    for name in VIEWS:
        made.cells.append(nbformat.v4.new_markdown_cell(f"## {name}"))
        made.cells.append(nbformat.v4.new_code_cell(f"Explorer(view_models()[{name!r}]())"))
    return made


@pytest.fixture(scope="module")
def page(tmp_path_factory, kept_page_at):
    """The page, once the last widget shows its picture and every slider has its name."""
    folder = tmp_path_factory.mktemp("widgets")
    nbformat.write(notebook(), folder / "widgets.ipynb")
    with notebook_served(folder / "widgets.ipynb", folder) as address:
        page = kept_page_at(address)
        ready = f"document.querySelectorAll('figure img').length === {len(VIEWS)}"
        page.wait_for_function(ready, timeout=240_000)  # a dozen views in one kernel, on a busy machine
        page.wait_for_function("[...document.querySelectorAll('.noUi-handle')].every((one) => one.ariaLabel)")
        yield page


def box_of(page, view):
    """The widget of a view model, by its title."""
    return page.locator(".widget-vbox").filter(has=page.get_by_text(view.title, exact=True))


def control_of(box, control):
    """A control by its role and its name, as assistive technology finds it."""
    role = "slider" if isinstance(control, Slider) else "combobox" if isinstance(control, Choice) else "checkbox"
    return box.get_by_role(role, name=control.label, exact=True)


def key_for(control, back: bool = False) -> str:
    """The key that moves a control off its start, or back to it."""
    if isinstance(control, Slider):
        return "ArrowLeft" if back else "ArrowRight"
    if isinstance(control, Choice):
        last = control.values[-1] == control.start
        return "ArrowUp" if back != last else "ArrowDown"
    return "Space"


def pressed(page, box, key: str) -> str:
    """Press a key and wait for the answer: "picture" for another picture, "words" for other words only, "alert" for a mistake."""
    before = box.evaluate(STATE)
    page.keyboard.press(key)
    page.wait_for_function(
        f"([box, before]) => String(({STATE})(box)) !== before", arg=[box.element_handle(), _text(before)]
    )
    if box.get_by_role("alert").count():
        return "alert"
    return "words" if box.evaluate(STATE)[0] == before[0] else "picture"


def _text(state: list) -> str:
    """As JavaScript's String gives it."""
    return ",".join("" if one is None else one for one in state)


def test_no_obstacle_to_people_with_disabilities_that_axe_can_see(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", VIEWS)
def test_keys_reach_and_move_every_control_and_each_is_answered(page, name):
    view = VIEWS[name]()
    box = box_of(page, view)
    first, *_ = view.controls.values()
    control_of(box, first).focus()
    for label, control in view.controls.items():
        wanted = control_of(box, control)
        for _ in range(2):  # a slider's number can be edited, too, and lies between
            if wanted.evaluate("(one) => one === document.activeElement"):
                break
            page.keyboard.press("Tab")
        assert wanted.evaluate("(one) => one === document.activeElement"), f"Tab does not come to {control.label}"
        start = box.evaluate(STATE)
        answer = pressed(page, box, key_for(control))
        expected = "words" if (name, label) in ONLY_WORDS else "alert" if (name, label) in REFUSED else "picture"
        assert answer == expected, f"{label}: {box.evaluate(STATE)[1]}"
        pressed(
            page, box, key_for(control, back=True)
        )  # as some controls only matter beside the others' starting values
        assert box.evaluate(STATE) == start, f"{label} does not lead back"
    for _ in range(2):
        page.keyboard.press("Tab")
    assert not box.evaluate(FOCUSED), "Tab does not leave the widget"


def test_what_a_view_refuses_is_announced_in_its_words(page):
    view = VIEWS["RealModelsView"]()
    box = box_of(page, view)
    with pytest.raises(MrntkError) as refused:
        view.data(task="digits")
    control_of(box, view.controls["task"]).select_option("8x8 digits")
    box.get_by_role("alert").wait_for()
    assert box.get_by_role("alert").inner_text() == str(refused.value)
    control_of(box, view.controls["task"]).select_option("Fashion-MNIST")
    box.locator("figure img").wait_for()

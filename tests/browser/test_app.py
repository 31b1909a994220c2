"""The web page in a real browser: one screen, real drags, keys, a phone, stories, training, several visitors, no network."""

import math
import re
import time

import pytest
from web_server import app_served, family

from mrntk.app.stories import STORIES
from mrntk.widgets.reprogramming import read_setting
from mrntk.widgets.reprogramming.analysis import analyse
from mrntk.widgets.reprogramming.words import headline

pytestmark = pytest.mark.xdist_group("app")
QUICK = "source=random&depth=2&examples=8"  # a setting that is computed at once
IN_VIEW = """(id) => {
    const box = document.getElementById(id).getBoundingClientRect();
    return box.width > 0 && box.top >= 0 && box.left >= 0 && box.bottom < innerHeight + 1 && box.right < innerWidth + 1;
}"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(address, process number of the server)."""
    with app_served(tmp_path_factory.mktemp("app")) as found:
        yield found


def sentence(query):
    """The page's first sentence of a setting, computed here."""
    return headline(analyse(read_setting(query)))


def said(page):
    return page.locator("#headline").inner_text()


def where(page):
    """Its address, as the reader sees it."""
    return page.evaluate("location.href")


def until(true, seconds=30):
    """Wait for something."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def answered(page, query):
    """The page, once it says what belongs to a setting."""
    page.wait_for_selector("#curve polyline")
    until(lambda: said(page) == sentence(query))
    return page


@pytest.fixture(scope="module")
def quick(served, kept_page_at):
    """A page at the quick setting, answered; each test leaves it as it was."""
    return answered(kept_page_at(f"{served[0]}?{QUICK}"), QUICK)


def test_the_page_answers_and_asks_no_other_server(served, quick):
    assert quick.title() == "Model reprogramming explorer" and quick.get_by_role("heading", level=1).count() == 1
    asked = [one for one in quick.requested if not one.startswith(("data:", "blob:"))]
    assert asked and all(one.startswith(served[0]) for one in asked)
    assert quick.mistakes == []


@pytest.mark.parametrize("width, height", [(1280, 800), (1024, 700)])
def test_controls_picture_and_answer_are_in_one_window(served, page_at, width, height):
    page = page_at(served[0], viewport={"width": width, "height": height})
    answered(page, "")
    for part in ("few", "headline", "train", "pipeline", "curve", "spectrum"):
        assert page.evaluate(IN_VIEW, part), part
    assert page.locator("#few .control").count() == 4 and not page.locator("#rest").is_visible()
    page.get_by_role("button", name=STORIES[3].title).click()  # opens the folded controls as well
    until(lambda: page.locator("#tail").inner_text() != "")
    for part in ("story", "headline", "curve"):
        assert page.evaluate(IN_VIEW, part), part
    page.mouse.wheel(0, 300)
    assert page.locator("#rest").is_visible()


def test_keys_alone_move_a_control(quick):
    slider = quick.get_by_role("slider", name="frame")
    for _ in range(40):
        quick.keyboard.press("Tab")
        if quick.evaluate("document.activeElement.id") == "control-frame":
            break
    else:
        pytest.fail("Tab never reached the slider for the frame")
    assert quick.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    quick.keyboard.press("ArrowRight")
    until(lambda: said(quick) == sentence(f"{QUICK}&frame=0.2"))
    assert slider.get_attribute("aria-valuetext") == "0.2" and "frame=0.2" in where(quick)
    quick.keyboard.press("ArrowLeft")
    until(lambda: said(quick) == sentence(QUICK))


@pytest.mark.parametrize(
    "name, low, high",
    [("frame", 0.05, 0.45), ("examples", 4, 40), ("fraction", 0.05, 1.2), ("depth", 1, 6), ("seed", 0, 9)],
)
def test_a_dragged_slider_stays_where_it_is_released_and_is_answered(served, page_at, name, low, high):
    """Twenty changes a second for five seconds, there and back; then the page shows what belongs to the last place."""
    page = answered(page_at(f"{served[0]}?{QUICK}"), QUICK)
    assert page.locator("#rest").is_visible()  # since one of its controls is not at its start
    slider = page.locator(f"#control-{name}")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    at = lambda share: (box["x"] + 12 + share * (box["width"] - 24), box["y"] + box["height"] / 2)  # noqa: E731
    page.mouse.move(*at((float(slider.input_value()) - low) / (high - low)))
    page.mouse.down()
    for step in range(100):
        page.mouse.move(*at(0.5 + 0.4 * math.sin(step / 6)))
        time.sleep(0.05)
    page.mouse.move(*at(0.75))
    page.mouse.up()
    shown = float(slider.input_value())
    assert shown == pytest.approx(low + 0.75 * (high - low), abs=0.13 * (high - low))
    value = f"{shown:.6g}"
    until(lambda: f"{name}={value}" in where(page) or value == str(read_setting(QUICK).__dict__[name]))
    until(lambda: said(page) == sentence(where(page).split("?")[1]))
    time.sleep(0.5)
    assert float(slider.input_value()) == shown and slider.get_attribute("aria-valuetext") == value


def test_axes_hold_still_while_the_frame_is_dragged(quick):
    ticks = "[...document.querySelectorAll('#curve text')].map((one) => one.textContent).join()"
    quick.locator("#control-frame").fill("0.3")
    until(lambda: said(quick) == sentence(f"{QUICK}&frame=0.3"))
    before = quick.evaluate(ticks)
    quick.locator("#control-frame").fill("0.15")
    until(lambda: said(quick) == sentence(QUICK))
    moved = re.sub(r"\d+% right,?", "", quick.evaluate(ticks))
    assert moved == re.sub(r"\d+% right,?", "", before)


def test_real_training_by_keys_and_what_it_gave(quick):
    quick.get_by_role("button", name="Train it").focus()
    quick.keyboard.press("Enter")
    until(lambda: "Real training after 100 steps" in quick.locator("#outcome").inner_text())
    assert quick.locator("#curve .line.real").count() == 2  # in the legend as well
    assert quick.get_by_role("button", name="Stop").is_disabled() and not quick.locator("#progress").is_visible()
    quick.locator("#control-frame").fill("0.2")
    until(lambda: said(quick) == sentence(f"{QUICK}&frame=0.2"))
    assert quick.locator("#curve .line.real").count() == 0 and quick.locator("#outcome").inner_text() == ""
    quick.locator("#control-frame").fill("0.15")
    until(lambda: said(quick) == sentence(QUICK))


def test_training_of_a_real_network_can_be_stopped(served, page_at):
    page = page_at(f"{served[0]}?source=crepe-tiny&task=gunpoint&examples=20")
    until(lambda: "This frame" in said(page), 90)
    page.get_by_role("button", name="Train it").click()
    until(lambda: page.locator("#curve .line.real").count() == 2, 60)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped; what is shown stays as it was.").wait_for()
    points = page.locator("#curve polyline.real").get_attribute("points")
    time.sleep(1)
    assert page.locator("#curve polyline.real").get_attribute("points") == points and len(points.split()) < 101
    assert page.locator("#outcome").inner_text() == ""


@pytest.mark.parametrize("number", range(len(STORIES)))
def test_a_story_shows_its_setting_and_says_what_it_finds(served, page_at, number):
    story = STORIES[number]
    page = page_at(served[0])
    page.get_by_role("button", name=story.title).click()
    until(lambda: page.locator("#tail").inner_text() != "", 60)
    assert story.before in page.locator("#story").inner_text() and "{" not in page.locator("#tail").inner_text()
    assert (page.locator("#curve polyline.pinned").count() == 1) == (story.pinned is not None)
    page.locator("#control-frame").fill("0.25")
    until(lambda: "frame=0.25" in where(page))
    assert page.locator("#story").is_visible() == ("frame" in story.moves)
    page.get_by_role("combobox", name="target task").select_option("mnist5k")  # who goes on alone leaves it
    assert not page.locator("#story").is_visible()
    assert page.locator("#curve polyline.pinned").count() == 0
    assert page.get_by_role("button", name=story.title).get_attribute("aria-pressed") == "false"


def test_a_pinned_setting_is_grey_beside_the_next(quick):
    quick.get_by_role("button", name="Pin", exact=True).click()
    quick.locator("#control-frame").fill("0.3")
    until(lambda: said(quick) == sentence(f"{QUICK}&frame=0.3"))
    assert quick.locator("#curve polyline.pinned").count() == 1
    quick.locator("#numbers summary").click()
    assert quick.locator("thead th:visible").all_inner_texts() == ["number", "now", "pinned"]
    assert quick.locator("#changed").inner_text().startswith("Changed: frame, share of the side: 0.15 → 0.3.")
    quick.get_by_role("button", name="Unpin").click()
    assert quick.locator("#curve polyline.pinned").count() == 0
    quick.locator("#numbers summary").click()
    quick.locator("#control-frame").fill("0.15")
    until(lambda: said(quick) == sentence(QUICK))


def test_a_word_is_explained_where_it_stands(quick):
    button = quick.get_by_role("button", name="What is “frozen source”?")
    button.click()
    assert quick.get_by_text("it stays frozen").is_visible() and button.get_attribute("aria-expanded") == "true"
    button.click()
    assert not quick.get_by_text("it stays frozen").is_visible()


def test_no_dead_ends(served, page_at):
    """A source of sound takes a task of series with it, and back; a mistake goes when it is mended."""
    page = answered(page_at(f"{served[0]}?{QUICK}&depth=99"), "")
    alert = page.get_by_role("alert")
    assert "this is the default one" in alert.inner_text() and "give a number from 1 to 6" in alert.inner_text()
    page.get_by_role("combobox", name="frozen source").select_option("crepe-tiny")
    until(lambda: "source=crepe-tiny" in where(page), 90)
    assert page.get_by_role("combobox", name="target task").input_value() == "gunpoint" and not alert.is_visible()
    page.get_by_role("combobox", name="target task").select_option("digits")
    until(lambda: "source" not in where(page))
    assert page.get_by_role("combobox", name="frozen source").input_value() == "trained"
    page.get_by_role("combobox", name="what is trained").select_option("fc")
    until(lambda: "input_map=fc" in where(page))
    assert page.locator("#control-frame").is_disabled()
    assert page.get_by_role("button", name="Stop").is_disabled()


def test_a_ranking_opens_the_setting_of_a_row(served, page_at):
    page = page_at(f"{served[0]}?source=crepe-tiny&task=italypower&examples=6&input_map=fc")
    until(lambda: "This fully" in said(page), 90)
    page.get_by_role("button", name="Which source?").click()
    row = page.get_by_role("button", name="CREPE (sound)")
    row.wait_for(timeout=90_000)
    assert re.search(r"\d+ to \d+%", page.locator("#ranking").inner_text())
    row.click()
    until(lambda: page.locator("#curve polyline").count() == 1)
    assert not page.locator("#ranking").is_visible()


def test_a_file_of_the_reader_s_own(served, page_at, linear_file):
    page = answered(page_at(f"{served[0]}?{QUICK}"), QUICK)
    chosen = {"name": "mine.onnx", "mimeType": "application/octet-stream", "buffer": b"no model"}
    page.locator("#upload").set_input_files(chosen)
    until(lambda: "mine.onnx is truncated, damaged or not an ONNX file" in page.get_by_role("alert").inner_text(), 60)
    page.locator("#upload").set_input_files(chosen | {"buffer": linear_file})
    until(lambda: "your file mine.onnx" in page.locator("#pipeline").inner_text(), 60)
    before = len(family(served[1]))
    page.close()
    until(lambda: len(family(served[1])) < before)


def test_two_visitors_do_not_mix(served, page_at):
    queries = [QUICK, QUICK.replace("depth=2", "depth=3")]
    pages = [answered(page_at(f"{served[0]}?{query}"), query) for query in queries]
    pages[0].locator("#control-frame").fill("0.3")
    until(lambda: said(pages[0]) == sentence(f"{queries[0]}&frame=0.3"))
    assert said(pages[1]) == sentence(queries[1]) and pages[1].locator("#control-frame").input_value() == "0.15"


# All ways of seeing.


def test_nothing_that_stands_in_the_way_of_people_with_disabilities(quick):
    """WCAG 2.2 A and AA, as far as axe can see; and every control and picture has a name."""
    from axe_playwright_python.sync_playwright import Axe

    quick.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    for scheme in ("light", "dark"):
        quick.emulate_media(color_scheme=scheme)
        found = Axe().run(quick, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert found.violations_count == 0, found.generate_report()
    quick.emulate_media(color_scheme="light")
    quick.evaluate("for (const one of document.querySelectorAll('details')) one.open = false")
    assert quick.get_by_role("main").count() == 1 and quick.locator("html").get_attribute("lang") == "en"
    for role in ("slider", "combobox", "button", "img"):
        tree = quick.get_by_role(role)
        named = quick.get_by_role(role, name=re.compile(r"\w{2}"))
        assert tree.count() == named.count() > 0, role


def test_a_phone_keeps_the_picture_on_top(served, page_at):
    page = page_at(f"{served[0]}?{QUICK}", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    answered(page, QUICK)
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [390, 390]
    page.locator("#control-frame").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('control-frame').scrollIntoView({ block: 'end' })")
    assert (
        page.evaluate(IN_VIEW, "control-frame")
        and page.evaluate(IN_VIEW, "curve")
        and page.evaluate(IN_VIEW, "headline")
    )
    heights = page.evaluate(
        "[...document.querySelectorAll('select:not([disabled]), input[type=range], .help')].map((one) => one.offsetHeight)"
    )
    assert min(height for height in heights if height) >= 24  # of a finger, at least: WCAG 2.5.8
    sizes = page.evaluate(
        "[...document.querySelectorAll('#charts text')].map((one) => parseFloat(getComputedStyle(one).fontSize))"
    )
    scale = page.evaluate(
        "document.getElementById('curve').viewBox.baseVal.width / document.getElementById('curve').clientWidth"
    )
    assert min(sizes) / scale >= 11
    assert [one.split() for one in page.locator("#pipeline figcaption").all_inner_texts()] == [
        ["example"],
        ["trained"],
        ["seen"],
    ]
    legend = "[...document.querySelectorAll('#spectrum text')].map((one) => one.getBoundingClientRect().right)"
    assert max(page.evaluate(legend)) <= 390
    page.get_by_role("button", name=STORIES[0].title).tap()  # the control that it asks to move comes to the picture
    until(lambda: page.locator("#tail").inner_text() != "", 60)
    page.evaluate("document.getElementById('headline').scrollIntoView()")
    assert all(page.evaluate(IN_VIEW, part) for part in ("control-frame", "headline", "curve"))
    page.locator("#control-frame").fill("0.25")
    until(lambda: "frame=0.25" in where(page))
    page.get_by_role("combobox", name="target task").select_option("mnist5k")
    assert page.locator("#few #control-frame").count() == 1 and page.locator("#hand .control").count() == 0


def test_in_a_low_window_nothing_covers_the_controls(served, page_at):
    page = answered(page_at(f"{served[0]}?{QUICK}", viewport={"width": 640, "height": 400}), QUICK)
    for name in ("source", "frame"):
        page.evaluate(f"document.getElementById('control-{name}').scrollIntoView({{ block: 'center' }})")
        box = page.locator(f"#control-{name}").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        assert page.evaluate("(place) => document.elementFromPoint(...place).id", middle) == f"control-{name}"


def test_the_browser_s_button_goes_back_to_the_setting_before_a_story(served, page_at):
    page = answered(page_at(f"{served[0]}?{QUICK}"), QUICK)
    page.get_by_role("button", name=STORIES[1].title).click()
    until(lambda: page.locator("#tail").inner_text() != "", 60)
    page.go_back()
    answered(page, QUICK)
    assert not page.locator("#story").is_visible() and QUICK in where(page)


def test_twice_as_large_and_in_forced_colours(served, page_at):
    page = page_at(
        f"{served[0]}?{QUICK}", viewport={"width": 640, "height": 400}, forced_colors="active"
    )  # 1280 at 200 %
    answered(page, QUICK)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    lines = "getComputedStyle(document.querySelector('#curve polyline')).stroke"
    field = "getComputedStyle(document.querySelector('#curve .field')).stroke"
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(lines) != page.evaluate(paper) != page.evaluate(field)


def test_it_prints_on_two_pages(served, page_at, tmp_path):
    page = answered(page_at(f"{served[0]}?{QUICK}"), QUICK)
    content = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) <= 2


def test_a_server_that_is_gone_is_said(tmp_path, page_at):
    with app_served(tmp_path) as (address, _):
        page = answered(page_at(f"{address}?{QUICK}"), QUICK)
    page.locator("#control-frame").fill("0.3")
    until(lambda: "does not answer" in page.get_by_role("alert").inner_text())

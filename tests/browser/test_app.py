"""The web page in a real browser: it answers, by mouse and by keyboard, on a phone, to several people, without a network."""

import re
import time

import pytest
from web_server import app_served, kernels

from mrntk.widgets.reprogramming import ReprogrammingView, read_setting

pytestmark = pytest.mark.xdist_group("app")
QUICK = "source=random&depth=1&examples=8"  # a setting that is computed at once
SAID = "p[aria-live]"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(address, process number of the server)."""
    with app_served(tmp_path_factory.mktemp("app")) as found:
        yield found


def sentence(query):
    """What the page should say, computed here."""
    view, setting = ReprogrammingView(), read_setting(query)
    return view.words(view.compute(**setting.__dict__, own=None))


def answered(page):
    """The page, once its first answer is there."""
    page.wait_for_selector("figure img")
    return page


def picture(page):
    return page.locator("figure img").first.get_attribute("src")


def until(true, seconds=15):
    """Wait for something."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def quick(served, kept_page_at):
    """A page at the quick setting, answered; each test leaves it as it was."""
    return answered(kept_page_at(f"{served[0]}?{QUICK}"))


def test_the_page_answers_and_asks_no_other_server(served, quick):
    assert quick.title() == "Model reprogramming explorer" and quick.get_by_role("heading", level=1).count() == 1
    assert quick.locator(SAID).inner_text().endswith(sentence(QUICK))
    asked = [one for one in quick.requested if not one.startswith(("data:", "blob:"))]
    assert asked and all(one.startswith(served[0]) for one in asked)
    assert quick.mistakes == []


def test_keys_alone_move_a_control(quick):
    before = picture(quick)
    for _ in range(40):
        quick.keyboard.press("Tab")
        name = quick.evaluate("document.activeElement.getAttribute('aria-label') ?? ''")
        if name.startswith("examples"):
            break
    else:
        pytest.fail("Tab never reached the slider for the examples")
    outline = quick.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    quick.keyboard.press("ArrowRight")
    more = sentence(QUICK.replace("examples=8", "examples=9"))
    until(lambda: quick.locator(SAID).inner_text().endswith(more))
    assert picture(quick) != before and outline != "none"
    quick.keyboard.press("ArrowLeft")
    until(lambda: quick.locator(SAID).inner_text().endswith(sentence(QUICK)))


def test_nothing_that_stands_in_the_way_of_people_with_disabilities(quick):
    """WCAG 2.2 A and AA, as far as axe can see; and every control and picture has a name."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(quick, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    assert found.violations_count == 0, found.generate_report()
    assert quick.get_by_role("main").count() == 1 and quick.locator("html").get_attribute("lang") == "en"
    for role in ("slider", "combobox", "button", "textbox", "img"):
        tree = quick.get_by_role(role)
        named = quick.get_by_role(role, name=re.compile(r"\w{2}"))
        assert tree.count() == named.count() > 0, role


def test_a_phone_need_not_scroll_sideways(served, page_at):
    page = answered(
        page_at(f"{served[0]}?{QUICK}", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    )
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [390, 390]
    beyond = """[...document.querySelectorAll('header *, #rendered_cells *')].filter((part) => {
        const box = part.getBoundingClientRect();
        return box.width && box.right > innerWidth + 1 && !part.closest('table');
    }).map((part) => part.outerHTML.slice(0, 100))"""
    assert page.evaluate(beyond) == []
    assert page.locator(".slider-container").first.bounding_box()["width"] > 200  # beside its label it would have 80
    assert page.locator("select").first.bounding_box()["height"] >= 24  # of a finger, at least: WCAG 2.5.8


def test_two_visitors_do_not_mix_and_leave_nothing_behind(served, page_at):
    address, server = served
    queries = [QUICK, QUICK.replace("depth=1", "depth=2")]
    there = set(kernels(server))
    pages = [page_at(f"{address}?{query}") for query in queries]
    for page, query in zip(pages, queries, strict=True):
        assert answered(page).locator(SAID).inner_text() == sentence(query)
    pages[0].get_by_role("combobox", name="loss").select_option("cross-entropy")
    moved = sentence(f"{queries[0]}&loss=ce")
    until(lambda: pages[0].locator(SAID).inner_text().endswith(moved))
    assert pages[1].locator(SAID).inner_text() == sentence(queries[1])
    mine = set(kernels(server)) - there
    assert len(mine) == 2
    pages[1].close()
    until(lambda: len(mine & set(kernels(server))) == 1)
    assert pages[0].locator(SAID).inner_text().endswith(moved)
    for kernel in mine & set(kernels(server)):
        kernel.kill()
    pages[0].locator("#dead").wait_for()  # it is told that its controls are dead
    assert "Load it again" in pages[0].get_by_role("alert").inner_text()


def test_a_link_to_nothing_is_said_in_words(served, page_at):
    page = page_at(f"{served[0]}?depth=99&task=%3Cimg%20src%3Dx%3E")
    said = page.get_by_role("alert").first
    said.wait_for()
    assert "this is the default one" in said.inner_text() and "give a number from 1 to 6" in said.inner_text()
    assert answered(page).get_by_role("combobox", name="source").input_value()

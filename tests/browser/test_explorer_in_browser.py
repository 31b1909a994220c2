"""The reprogramming explorer in a real browser: every control moved, real training watched and cancelled, a pin, a file."""

import math
import time

import nbformat
import pytest
from web_server import notebook_served

pytestmark = pytest.mark.xdist_group("app")
START = "source=random&examples=6&frame=0.2"
SHOW = f"""from mrntk.widgets.reprogramming import ReprogrammingExplorer
ReprogrammingExplorer({START!r}, uploads=True)"""
SAID = "p[aria-live]"
MENUS = {
    "source": "network trained on MNIST", "task": "Fashion-MNIST", "input map a": "layer inside a prompt (VP+FC)",
    "trained part of the prompt": "left and right of it", "output mapping b": "random", "loss": "cross-entropy",
}  # fmt: skip
SLIDERS = ("its depth", "examples N", "frame, share of the side", "step size, share of the limit", "seed")


@pytest.fixture(scope="module")
def explorer(kept_page_at, tmp_path_factory):
    """A notebook's explorer, answered; each test goes on where the last one stopped."""
    folder = tmp_path_factory.mktemp("explorer")
    kernel = {"name": "python3", "display_name": "", "language": "python"}
    made = nbformat.v4.new_notebook(metadata={"kernelspec": kernel}, cells=[nbformat.v4.new_code_cell(SHOW)])
    nbformat.write(made, folder / "explorer.ipynb")
    with notebook_served(folder / "explorer.ipynb", folder) as address:
        page = kept_page_at(address)
        page.set_default_timeout(120_000)
        page.wait_for_selector("figure img")
        yield page


def until(true, seconds=25):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def said(page):
    return page.locator(SAID).inner_text()


def changed(page, act, words):
    """Act, and wait until another picture and a sentence with these words are shown."""
    before = page.locator("figure img").last.get_attribute("src")
    act()
    try:
        until(lambda: words in said(page) and page.locator("figure img").last.get_attribute("src") != before)
    except AssertionError:
        pytest.fail(f"{words!r} was awaited, and the page says {said(page)!r}")


@pytest.mark.parametrize("name", MENUS)
def test_every_menu_changes_the_picture_and_says_why(explorer, name):
    menu = explorer.get_by_role("combobox", name=name, exact=True)
    there = menu.evaluate("menu => menu.selectedOptions[0].label").replace("\xa0", " ")
    changed(explorer, lambda: menu.select_option(MENUS[name]), f"Changed: {name}: {there} → {MENUS[name]}.")
    changed(explorer, lambda: menu.select_option(there), f"Changed: {name}: {MENUS[name]} → {there}.")


@pytest.mark.parametrize("name", SLIDERS)
def test_every_slider_moves_by_keys_and_changes_the_picture(explorer, name):
    handle = explorer.get_by_role("slider", name=name)
    handle.focus()
    changed(explorer, lambda: explorer.keyboard.press("ArrowRight"), f"Changed: {name}:")
    changed(explorer, lambda: explorer.keyboard.press("ArrowLeft"), f"Changed: {name}:")


@pytest.mark.parametrize("name", ["frame, share of the side", "step size, share of the limit", "examples N"])
def test_a_dragged_slider_stays_where_it_is_released(explorer, name):
    """Twenty changes a second for two seconds, there and back: no late answer of the server moves the handle afterwards."""
    handle = explorer.get_by_role("slider", name=name)
    box = explorer.locator(".widget-slider", has=handle).locator(".noUi-base").bounding_box()
    middle = box["y"] + box["height"] / 2
    start = handle.bounding_box()
    explorer.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    explorer.mouse.down()
    for step in range(40):
        explorer.mouse.move(box["x"] + box["width"] * (0.5 + 0.4 * math.sin(step / 6)), middle)
        time.sleep(0.05)
    explorer.mouse.move(box["x"] + 0.7 * box["width"], middle)
    explorer.mouse.up()
    time.sleep(1.5)
    there = handle.bounding_box()
    assert (there["x"] + there["width"] / 2 - box["x"]) / box["width"] == pytest.approx(0.7, abs=0.06)


def test_a_control_on_which_nothing_depends_is_off(explorer):
    menu = explorer.get_by_role("combobox", name="input map a")
    changed(explorer, lambda: menu.select_option("fully connected layer (FC)"), "Changed: input map a")
    assert explorer.get_by_role("combobox", name="trained part of the prompt").is_disabled()
    changed(explorer, lambda: menu.select_option("prompt (VP)"), "Changed: input map a")
    assert explorer.get_by_role("combobox", name="trained part of the prompt").is_enabled()


def test_real_training_by_keys(explorer):
    explorer.get_by_role("button", name="Train for real").focus()
    changed(explorer, lambda: explorer.keyboard.press("Enter"), "Real training after 100 steps")


def test_two_settings_side_by_side(explorer):
    explorer.get_by_role("button", name="Pin", exact=True).click()
    until(lambda: explorer.locator("figure img").count() == 2)
    changed(
        explorer, lambda: explorer.get_by_role("slider", name="its depth").press("ArrowRight"), "Changed: its depth"
    )
    assert explorer.locator("thead th").all_inner_texts() == ["number", "pinned", "now"]
    explorer.get_by_role("button", name="Unpin").click()
    until(lambda: explorer.locator("figure img").count() == 1)


def test_a_setting_to_hand_out(explorer):
    line = explorer.get_by_role("textbox", name="this setting")
    line.fill("?source=random&examples=5&input_map=watermark")
    changed(explorer, lambda: line.press("Enter"), "N = 5, a watermark")
    assert explorer.get_by_role("combobox", name="input map a").input_value()
    line.fill("?depth=99")
    line.press("Enter")
    until(lambda: "give a number from 1 to 6" in explorer.get_by_role("alert").inner_text())


def test_a_file_of_another_kind_is_refused_in_words(explorer):
    chosen = {"name": "mine.onnx", "mimeType": "application/octet-stream", "buffer": b"no model"}
    with explorer.expect_file_chooser() as asked:
        explorer.get_by_role("button", name="own source (.onnx)").click()
    asked.value.set_files(chosen)
    until(lambda: "mine.onnx is truncated, damaged or not an ONNX file" in explorer.get_by_role("alert").inner_text())


def test_training_of_a_real_network_can_be_cancelled(explorer):
    line = explorer.get_by_role("textbox", name="this setting")
    line.fill("?source=crepe-tiny&task=gunpoint&examples=20")
    changed(explorer, lambda: line.press("Enter"), "CREPE (sound), GunPoint, N = 20")
    explorer.get_by_role("button", name="Train for real").click()
    until(lambda: "Real training after" in said(explorer))
    explorer.get_by_role("button", name="Cancel").click()
    explorer.get_by_role("status").wait_for()
    stopped = said(explorer)
    assert "Real training after 100 steps" not in stopped
    time.sleep(1)
    assert said(explorer) == stopped

"""The book, built as a reader builds it: pages, slides, downloads; nothing dead, nothing loaded from elsewhere."""

import re
import shutil

import pytest

from figures.making.registry import discover
from mrntk import MrntkError
from notebooks.course import book, guide, links
from notebooks.course.notebooks import notebooks_folder, read, sources, title

pytestmark = pytest.mark.xdist_group("book")  # one process builds it
NAMES = [path.stem for path in sources()]
HEIGHTS = """() => Reveal.getSlides().map((slide) => {
    const ways = [slide, slide.parentElement].filter((one) => one.matches("section"));
    const before = ways.map((one) => [one.style.display, one.hidden]);
    for (const one of ways) [one.style.display, one.hidden] = ["block", false];
    const height = slide.scrollHeight;
    ways.forEach((one, i) => ([one.style.display, one.hidden] = before[i]));
    return [height, slide.querySelector("h1, h2, h3")?.textContent ?? ""];
})"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("book") / "site"
    out.mkdir()
    (out / "old.html").write_text("left over")
    assert book.build(out) == out / "index.html"
    return out


def test_the_site_is_whole(site):
    assert not (site / "old.html").exists() and not links.problems(site)
    assert not list(site.parent.glob(".book-*"))
    for page in ("glossary", "instructor_guide"):
        assert (site / "notebooks" / f"{page}.html").exists()
    assert (site / "_static/mathjax/tex-chtml.js").exists() and (site / "slides/_static/mathjax/tex-chtml.js").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_page(site, name):
    """Code that only shows is folded; with formulas, described pictures, no widget, links to slides and versions."""
    text = (site / "notebooks" / f"{name}.html").read_text()
    assert title(read(sources()[NAMES.index(name)])) in re.sub(r"<[^>]+>", "", text).replace("’", "'")
    assert text.count("hide above-input") > 3 and 'class="math' in text and "widget-view" not in text
    pictures = re.findall(r"<img[^>]*>", text)
    assert pictures and all(re.search(r'alt="[^"]{30,}"', one) for one in pictures if "_images" in one)
    for other in (f"slides/{name}.html", f"versions/{name}_student.ipynb", f"versions/{name}_solutions.ipynb"):
        assert other in text and (site / other).exists()
    assert 'class="notes"' in (site / "slides" / f"{name}.html").read_text()


def test_every_slide_can_be_read(site):
    """None has to be drawn at less than 60 % of its size to fit, and what is too tall is drawn smaller when it is shown."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium is on the PATH.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        tall = []
        for name in NAMES:
            page.goto((site / "slides" / f"{name}.html").as_uri())
            page.wait_for_function("window.Reveal?.isReady()")
            page.wait_for_function("window.MathJax?.startup?.promise.then(() => true)")
            found = page.evaluate(HEIGHTS)
            tall += [(name, i, *one) for i, one in enumerate(found) if one[0] > 760 / 0.6]
            tallest = max(range(len(found)), key=lambda i: found[i][0])
            page.evaluate(
                "([i]) => Reveal.slide(...Object.values(Reveal.getIndices(Reveal.getSlides()[i])))", [tallest]
            )
            assert page.evaluate("Reveal.getCurrentSlide().getBoundingClientRect().height") <= 760, name
        browser.close()
    assert tall == []


def test_first_page_and_gallery(site):
    text = (site / "index.html").read_text()
    assert all(f"notebooks/{name}.html" in text for name in NAMES)
    gallery = (site / "figures" / "README.html").read_text()
    assert all(f'id="{name.replace("_", "-")}"' in gallery or f'id="{name}"' in gallery for name in discover())


def test_a_dead_link_stops_the_build(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "index", lambda notebooks: "# Index\n\n[gone](notebooks/99_gone.ipynb)\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("the old one")
    monkeypatch.setattr(book, "_executed", lambda: {})
    with pytest.raises(MrntkError, match="99_gone"):
        book.build(tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_text() == "the old one"


def test_without_its_packages_the_error_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setattr(book.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MrntkError, match="make book"):
        book.build(tmp_path / "site")


def test_readme_and_guide_are_fresh():
    for path, text in guide.pages().items():
        assert path.read_text() == text, f"{path.name} is stale: run `mrntk course pages`"


def test_the_plans_of_the_guide_name_every_notebook():
    weeks = (
        (notebooks_folder() / "instructor_guide.md").read_text().partition("## Six weeks")[2].partition("## Where")[0]
    )
    assert all(f"{name}.ipynb" in weeks for name in NAMES)
    plan = (
        (notebooks_folder() / "instructor_guide.md")
        .read_text()
        .partition("## Two hours")[2]
        .partition("## Six weeks")[0]
    )
    assert sum(int(found) for found in re.findall(r"^\| (\d+) \|", plan, re.M)) == 120

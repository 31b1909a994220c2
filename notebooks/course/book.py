"""The course as a static site that needs no network, neither to be built nor to be read: Sphinx, its theme and MathJax are
installed packages.

Pages are the executed notebooks, the glossary, the instructor guide, and the gallery of figures; beside
them slides, and the notebooks to download in versions for students and teachers.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from mrntk.app.stories import told
from mrntk.support.errors import MrntkError
from mrntk.support.files import ensure_writable
from notebooks.course import guide, links, versions
from notebooks.course.notebooks import exercises, notebooks_folder, only_shows, sources, title
from notebooks.course.slides import markdown, slides

WIDGET = "application/vnd.jupyter.widget-view+json"
PAGES = ("notebooks/glossary.md", "notebooks/instructor_guide.md", "figures/README.md")
HERO = "The explorer: the answer in a sentence, a digit with its trained frame, the learning curve and the spectrum."
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2")

_COMMON = """
project = "Model reprogramming through the NTK"
copyright = "the authors of mrntk, Apache-2.0"
exclude_patterns = ["slides"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
mathjax_path = "mathjax/tex-chtml.js"
html_static_path = ["_static"]
suppress_warnings = ["myst.header"]
"""
BOOK = """
extensions = ["myst_nb", "sphinx.ext.mathjax"]
html_theme = "furo"
html_title = project
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_extra_path = ["extra"]
html_show_sphinx = False
html_copy_source = False
nb_execution_mode = "off"
nb_render_markdown_format = "myst"
nb_code_prompt_show = "Code"
nb_code_prompt_hide = "Code"
"""
SLIDES = """
extensions = ["myst_parser", "sphinx_revealjs", "sphinx.ext.mathjax"]
exclude_patterns = []
revealjs_style_theme = "white"
revealjs_css_files = ["slides.css"]
revealjs_static_path = ["_static"]
revealjs_js_files = ["fit.js"]
revealjs_script_conf = {"hash": True, "slideNumber": "c/t", "transition": "none", "width": 1280, "height": 760}
revealjs_script_plugins = [{"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}]
"""
STYLES = {
    "book.css": (
        "details { margin: 0.6em 0; } details summary { cursor: pointer; } img { max-width: 100%; }\n"
        "div.cell details.hide > summary { padding: 0 0.6em; font-size: 0.8em; line-height: 1.5; opacity: 0.75; }\n"
        "article a > img { cursor: zoom-in; }\n"
    ),
    "book.js": (  # a picture opens large
        "addEventListener('DOMContentLoaded', () => {\n"
        "  for (const image of document.querySelectorAll('article img')) {\n"
        "    if (image.closest('a')) continue;\n"
        "    const link = document.createElement('a');\n"
        "    link.href = image.src;\n"
        "    image.replaceWith(link);\n"
        "    link.append(image);\n"
        "  }\n"
        "});\n"
    ),
    "fit.js": (  # what is taller than a slide is drawn smaller
        "addEventListener('load', () => {\n"
        "  const fit = () => {\n"
        "    const slide = Reveal.getCurrentSlide();\n"
        "    slide.style.zoom = 1;\n"
        "    slide.style.zoom = Math.min(1, 740 / slide.scrollHeight);\n"
        "  };\n"
        "  Reveal.on('slidechanged', fit);\n"
        "  Reveal.isReady() ? fit() : Reveal.on('ready', fit);\n"
        "});\n"
    ),
    "slides.css": (
        ".reveal { font-size: 26px; } .reveal h1 { font-size: 1.8em; } .reveal h2 { font-size: 1.35em; text-transform: none; }\n"
        ".reveal h1 { text-transform: none; } .reveal section img { max-height: 470px; }\n"
        ".reveal p:has(img) { text-align: center; }\n"
        ".reveal blockquote { width: 90%; font-style: normal; text-align: left; } .reveal p { text-align: left; }\n"
    ),
}


def mathjax_folder() -> Path:
    """The folder of MathJax's files in the package that carries them.

    Raises
    ------
    MrntkError
        If it is not installed.
    """
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None:
        raise MrntkError("the book's packages are not installed: run `make book`, or pip install --group book.")
    return Path(found.origin).parent / "static" / "mathjax"


def page(notebook: NotebookNode, name: str) -> NotebookNode:
    """An executed notebook as a page: what only shows is folded, pictures described, widgets as pictures, versions linked."""
    empty = [one.cell for one in exercises(notebook)]
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), *(["hide-input"] if only_shows(cell) else [])]
        if index in empty:
            cell.outputs = []
        for output in list(cell.outputs):
            alt = output.get("metadata", {}).get("image/png", {}).get("alt")
            if alt:
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
            if output.get("data", {}).pop(WIDGET, None):  # what the live widget says stands below its picture
                words = {"text/markdown": output.data["text/plain"]}
                cell.outputs.append(nbformat.v4.new_output("display_data", data=words))
    notebook.metadata.pop("widgets", None)
    head = notebook.cells[0]
    head.source += (
        f'\n\n<p>This notebook: <a href="../slides/{name}.html">slides</a> · <a href="../versions/{name}_student.ipynb">for '
        f'students</a> · <a href="../versions/{name}_solutions.ipynb">with solutions</a>. Live, with widgets that move and '
        "exercises that are checked: <code>make lab</code>.</p>"
    )
    return notebook


def _executed() -> dict[str, NotebookNode]:
    """The executed notebooks by name.

    Raises
    ------
    MrntkError
        If one was never executed.
    """
    found = {}
    for path in sources():
        if not path.with_suffix(".ipynb").exists():
            raise MrntkError(f"{path.stem} was never executed: run `make notebooks` first.")
        found[path.stem] = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    return found


def index(notebooks: dict[str, NotebookNode]) -> str:
    """The first page: what this is, and the notebooks with their minutes."""
    settings = ", ".join(f"[{one['title'].lower()}](http://localhost:8866/?{one['shown']})" for one in told())
    lines = [
        "# Model reprogramming, through its neural tangent kernel",
        "",
        "A course that derives the theory, checks every step, and regenerates every figure. Every page is a notebook that was",
        "run; code that only draws or tabulates is folded and can be unfolded.",
        "",
        "**[Start with notebook 00](notebooks/00_start_here.ipynb)** · [what came out](figures/README.md) · "
        "[for those who teach](notebooks/instructor_guide.md)",
        "",
        f"![{HERO}](explorer.png)",
        "",
        "Try it live: in the project's folder, `make app` opens this page, and `make lab` the notebooks with their widgets and "
        f"checked exercises. Settings to begin with, once the page runs: {settings}.",
        "",
        guide.table(),
    ]
    trees = [("The course", [f"notebooks/{name}" for name in notebooks]), ("Beside it", [one[:-3] for one in PAGES])]
    for caption, entries in trees:
        lines += ["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```"]
    return "\n".join(lines) + "\n"


def _static(folder: Path):
    for name, text in STYLES.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for part in MATHJAX:
        origin, target = mathjax_folder() / part, folder / "mathjax" / part
        if origin.is_dir():
            shutil.copytree(origin, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, target)


def _write_sources(folder: Path):
    """Everything that Sphinx reads, in the layout of the checkout, so that links between pages stay as they are."""
    root, notebooks = notebooks_folder().parent, _executed()
    (folder / "notebooks").mkdir(parents=True)
    (folder / "slides").mkdir()
    pages = {f"notebooks/{name}.ipynb" for name in notebooks} | set(PAGES)
    for name, notebook in notebooks.items():
        deck = markdown(slides(notebook, name, folder / "slides"))
        text = links.within(deck, f"notebooks/{name}.ipynb", set(), root)
        (folder / "slides" / f"{name}.md").write_text(text, encoding="utf-8")
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = links.within(cell.source, f"notebooks/{name}.ipynb", pages, root)
        nbformat.write(page(notebook, name), folder / "notebooks" / f"{name}.ipynb")
    for name in PAGES:
        (folder / name).parent.mkdir(exist_ok=True)
        text = (root / name).read_text(encoding="utf-8")
        (folder / name).write_text(links.within(text, name, pages, root), encoding="utf-8")
    rendered = root / "figures" / "rendered" / "course"
    shutil.copytree(rendered, folder / "figures" / "rendered" / "course", ignore=shutil.ignore_patterns("*.pdf"))
    for version in versions.VERSIONS:
        versions.write(version, folder / "extra" / "versions")
    shutil.copyfile(notebooks_folder() / "course" / "explorer.png", folder / "explorer.png")
    (folder / "index.md").write_text(index(notebooks), encoding="utf-8")
    decks = "\n".join(f"- [{title(notebook)}]({name}.md)" for name, notebook in notebooks.items())
    tree = "\n".join(["```{toctree}", ":hidden:", "", *notebooks, "```"])
    (folder / "slides" / "index.md").write_text(f"# Slides\n\n## Decks\n\n{decks}\n\n{tree}\n", encoding="utf-8")
    for part, settings in ((folder, BOOK), (folder / "slides", SLIDES)):
        _static(part / "_static")
        (part / "conf.py").write_text(_COMMON + settings, encoding="utf-8")


def _sphinx(builder: str, source: Path, target: Path):
    """Run Sphinx; a warning, a dead reference for instance, is an error."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-E",
        "-b",
        builder,
        str(source),
        str(target),
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise MrntkError(f"the book could not be built: {(done.stderr or done.stdout).strip()}")


def build(out: Path) -> Path:
    """Build site and slides into the folder `out`, which is replaced as a whole when all is well; returns its first page.

    Raises
    ------
    MrntkError
        If the builder complains, if a link within the site leads nowhere, or if a page would load something from elsewhere.
    """
    mathjax_folder()
    ensure_writable(out.parent)
    with tempfile.TemporaryDirectory(prefix=".book-", dir=out.parent) as temporary:
        source, site = Path(temporary) / "source", Path(temporary) / "site"
        _write_sources(source)
        _sphinx("html", source, site)
        _sphinx("revealjs", source / "slides", site / "slides")
        for left_over in (*site.rglob(".doctrees"), *site.rglob(".buildinfo*"), *site.rglob("_sources")):
            shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
        problems = links.problems(site)
        if problems:
            raise MrntkError(f"the book has {len(problems)} bad links: {'; '.join(problems[:5])}.")
        if out.exists():
            shutil.rmtree(out)
        shutil.move(site, out)
    return out / "index.html"

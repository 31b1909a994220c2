"""Slides of a notebook, made from the notebook itself: what a class should see on the wall, the prose as speaker notes.

On a slide go: displayed equations, the bold beginning of a paragraph, quotations, pictures, and sentences and tables that
cells computed. Everything else is said, so it goes into the notes.
"""

import base64
import html
import re
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from notebooks.course.notebooks import exercises, title

LEFT_OUT = ("Exercises", "Further reading", "Check your predictions")
HEIGHT = 11.0  # lines that fit on a slide; a picture counts for PICTURE of them
PICTURE = 8.0
BEGINNING = 300  # letters of what is too long for any slide


@dataclass
class Slide:
    """A heading, what is seen below it, and what is said."""

    heading: str
    seen: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    height: float = 0.0


def _paragraphs(text: str) -> list[str]:
    """Paragraphs; a displayed equation is one of its own, also where it has blank lines or hangs on to prose."""
    parts = re.split(r"(\$\$.*?\$\$)", text, flags=re.S)
    pieces = []
    for part in parts:
        pieces += [part] if part.startswith("$$") else [one.strip() for one in re.split(r"\n\s*\n", part)]
    return [piece for piece in pieces if piece]


def _seen(paragraph: str) -> str:
    """What of a paragraph goes on the slide; empty if it is only said."""
    if paragraph.startswith(("$$", ">", "- ", "1. ", "|")):
        return paragraph
    bold = re.match(r"\*\*(.+?)\*\*", paragraph, re.S)
    return f"**{bold[1]}**" if bold else ""


def _lines(paragraph: str) -> float:
    if paragraph.startswith("$$"):
        return 2.5 * (1 + paragraph.count(r"\\"))
    if paragraph.startswith("|"):  # cells of a narrow table are broken into more lines
        return sum(0.9 * (1 + len(line) // 60) for line in paragraph.splitlines()) + 0.3
    return 0.7 * sum(1 + len(line) // 75 for line in paragraph.splitlines()) + 0.3


class _Deck:
    """Slides that are filled one after the other."""

    def __init__(self):
        self.slides: list[Slide] = []

    def begin(self, heading: str):
        self.slides.append(Slide(heading))

    def see(self, what: str, height: float):
        slide = self.slides[-1]
        if slide.seen and slide.height + height > HEIGHT:
            self.begin(slide.heading)
            slide = self.slides[-1]
        slide.seen.append(what)
        slide.height += height

    def see_all(self, text: str):
        """Markdown of any height: paragraphs apart, a long list in parts, and a long table in parts, each under its head."""
        for paragraph in _paragraphs(text):
            rows = paragraph.splitlines()
            if not paragraph.startswith(("|", "- ")) or _lines(paragraph) <= HEIGHT:
                self.see(paragraph, _lines(paragraph))
                continue
            head, part = (rows[:2], []) if paragraph.startswith("|") else ([], [])
            for row in rows[len(head) :]:
                if _lines(row) > HEIGHT:  # its beginning is seen, and all of it said
                    self.say(row)
                    row = row[:BEGINNING].rsplit(" ", 1)[0] + " …"
                if part and _lines("\n".join(head + part + [row])) > HEIGHT:
                    self.see("\n".join(head + part), HEIGHT)
                    part = []
                part.append(row)
            self.see("\n".join(head + part), _lines("\n".join(head + part)))

    def say(self, what: str):
        self.slides[-1].notes.append(what)


def _picture(output: dict, place: Path) -> str:
    """Write a picture beside the slides, and return the Markdown that shows it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(base64.b64decode(output["data"]["image/png"]))
    alt = re.sub(r"[\[\]\n]", " ", output["metadata"].get("image/png", {}).get("alt", ""))
    return f"![{alt}](pictures/{place.name})"


def slides(notebook: NotebookNode, name: str, folder: Path) -> list[Slide]:
    """The slides of an executed notebook; its pictures are written into `folder`/pictures."""
    rows = dict(re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \|$", notebook.cells[0].source, re.M))
    deck, asked = _Deck(), exercises(notebook)
    deck.begin(title(notebook))
    deck.see(f"*{rows['The question']}*", 3.0)
    deck.see("\n".join(f"- {one.strip()}" for one in rows["You will"].split(";")), 5.0)
    deck.say(f"You need: {rows['You need']}. Time: {rows['Time']}.")
    hidden, pictures = False, 0
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            for paragraph in _paragraphs(cell.source):
                if paragraph.startswith("#"):
                    heading = paragraph.splitlines()[0].lstrip("# ")
                    section = paragraph.startswith("## ")
                    hidden = heading in LEFT_OUT if section else hidden
                    if not hidden:
                        deck.begin(heading)
                elif not hidden:
                    seen = _seen(paragraph)
                    if seen:
                        deck.see_all(seen)
                    if seen != paragraph:
                        deck.say(paragraph)
        elif not hidden:
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                if "image/png" in data:
                    pictures += 1
                    deck.see(_picture(output, folder / "pictures" / f"{name}_{pictures}.png"), PICTURE)
                elif "text/markdown" in data:
                    deck.see_all(data["text/markdown"])
    deck.begin("Exercises")
    deck.see("\n".join(f"- {one.title} ({'★' * one.stars}, {one.minutes} minutes)" for one in asked), float(len(asked)))
    return [slide for slide in deck.slides if slide.seen or slide.notes]


def _notes(paragraphs: list[str]) -> str:
    """Speaker notes: raw HTML, so that they stay in their slide. Formulas are read as TeX there."""
    words = "\n".join(f"<p>{html.escape(one, quote=False)}</p>" for one in paragraphs)
    return f'<aside class="notes">\n{words}\n</aside>' if paragraphs else ""


def markdown(found: list[Slide]) -> str:
    """The deck as Markdown, a heading of second order a slide."""
    pages = [f"# {found[0].heading}"]
    for number, slide in enumerate(found):
        head = [] if number == 0 else [f"## {slide.heading}"]
        pages.append("\n\n".join([*head, *slide.seen, _notes(slide.notes)]))
    return "\n\n".join(pages) + "\n"

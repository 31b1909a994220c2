"""Links: of Markdown pages within the checkout, and of a site that was built from them."""

import re
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mrntk.support.errors import MrntkError

_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)\s]+)\)")
_FENCED = re.compile(r"(```.*?```)", re.S)


def is_outside(target: str) -> bool:
    """Whether a link leaves the project."""
    return bool(urlsplit(target).scheme)


def place_of(target: str, page: str) -> str:
    """The path from the checkout's root of what a link on `page` leads to; the page itself for a mere anchor."""
    path = unquote(urlsplit(target).path)
    if not path:
        return page
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / path).parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def within(text: str, page: str, pages: set[str], root: Path) -> str:
    """The Markdown text of a page of the book: links to other pages stay, those to other files of the checkout become words.

    Raises
    ------
    MrntkError
        If a link leads to a file that is not there.
    """

    def change(found: re.Match) -> str:
        words, target = found[1], found[2]
        place = place_of(target, page)
        if is_outside(target) or place in pages:
            return found[0]
        if not (root / place).exists():
            raise MrntkError(f"{page} links to {target}, which is not there.")
        return words

    parts = _FENCED.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(change, part) for part in parts)


class _Page(HTMLParser):
    """Targets of links, addresses of what is loaded, and anchors of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self.anchors |= {about[name] for name in ("id", "name") if about.get(name)}
        if tag == "a" and about.get("href"):
            self.links.append(about["href"])
        for name in ("src", "href") if tag in ("script", "img", "link", "iframe", "source") else ():
            if about.get(name) and about.get("rel") not in ("canonical", "index", "search", "next", "prev", "author"):
                self.loaded.append(about[name])


def problems(site: Path) -> list[str]:
    """What is wrong with the links of a built site: files and anchors that are not there, and anything loaded from elsewhere."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        found += [
            f"{name} loads {one}"
            for one in page.loaded
            if one.startswith("//") or urlsplit(one).scheme in ("http", "https")
        ]
        for target in dict.fromkeys([*page.links, *page.loaded]):
            if is_outside(target) or target.startswith("//"):
                continue
            parts = urlsplit(target)
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if place.is_dir():
                place = place / "index.html"
            if not place.exists():
                found.append(f"{name} links to {target}, which is not there")
            elif parts.fragment and place in pages and unquote(parts.fragment) not in pages[place].anchors:
                # slides are addressed by number or heading by the script that shows them
                if "slides" not in name.parts and not parts.fragment.startswith("/"):
                    found.append(f"{name} links to {target}, an anchor that is not there")
    return found

"""What is written from the notebooks into other pages: the answers in the instructor guide, the table in the README."""

import re
from pathlib import Path

from mrntk.support.files import write_atomically
from notebooks.course.notebooks import exercises, minutes, notebooks_folder, question, read, sources, title


def answers() -> str:
    """What the solutions of all exercises say, as Markdown."""
    lines = []
    for path in sources():
        notebook = read(path)
        lines += [f"### {title(notebook)}", ""]
        lines += [
            f"- **{one.number} {one.title}** ({one.minutes} minutes). {one.explanation}" for one in exercises(notebook)
        ]
        lines.append("")
    return "\n".join(lines)


def table() -> str:
    """The notebooks with their questions and minutes, as a Markdown table."""
    lines = ["| notebook | the question | teaching | exercises |", "|---|---|---|---|"]
    for path in sources():
        notebook = read(path)
        teaching, trying = minutes(notebook)
        link = f"[{title(notebook)}](notebooks/{path.stem}.ipynb)"
        lines.append(f"| {link} | {question(notebook)} | {teaching} min | {trying} min |")
    return "\n".join(lines)


def _between(text: str, name: str, block: str) -> str:
    begin, end = f"<!-- {name}: written by `mrntk course pages` -->", f"<!-- end of {name} -->"
    return re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: f"{begin}\n{block}\n{end}", text, flags=re.S)


def pages() -> dict[Path, str]:
    """Each page with the text that it should have."""
    guide, readme = notebooks_folder() / "instructor_guide.md", notebooks_folder().parent / "README.md"
    return {
        guide: _between(guide.read_text(encoding="utf-8"), "answers", answers()),
        readme: _between(readme.read_text(encoding="utf-8"), "course", table()),
    }


def write() -> list[Path]:
    """Bring the pages up to date; returns their paths."""
    found = pages()
    for path, text in found.items():
        write_atomically(path, text.encode())
    return list(found)

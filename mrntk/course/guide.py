"""The answers in the instructor guide, written from the notebooks."""

import re
from pathlib import Path

from ..files import write_atomically
from .notebooks import exercises, notebooks_folder, read, sources, title

BEGIN, END = "<!-- answers: written by `mrntk course answers` -->", "<!-- end of answers -->"


def guide() -> Path:
    """The instructor guide."""
    return notebooks_folder() / "instructor_guide.md"


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


def up_to_date() -> str:
    """The guide's text with today's answers."""
    block = f"{BEGIN}\n{answers()}\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, guide().read_text(), flags=re.S)


def write() -> Path:
    """Bring the guide up to date; returns its path."""
    write_atomically(guide(), up_to_date().encode())
    return guide()

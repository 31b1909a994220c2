"""Execute every notebook at course scale from a fresh kernel, and write the .ipynb that is paired with its Markdown source.

    python notebooks/execute.py [00_start_here ...]

The Markdown file is the source; the .ipynb carries its hash, so that outputs of an older text are noticed.
"""

import hashlib
import os
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

from mrntk.files import write_atomically

FOLDER = Path(__file__).resolve().parent


def sources() -> list[Path]:
    """The Markdown sources of the course, in order."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.md"))


def source_hash(notebook) -> str:
    """Hash of all cells' text, which is what the outputs depend on."""
    text = "\x00".join(f"{cell.cell_type}:{cell.source}" for cell in notebook.cells)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def executed(path: Path, scale: str, timeout: int = 900):
    """The notebook at `path` (Markdown), run top to bottom in a fresh kernel."""
    notebook = jupytext.read(path)
    environment = {**os.environ, "MRNTK_SCALE": scale}
    client = NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute(env=environment)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"  # stable, so that executing again changes only what changed
        cell.metadata.pop("execution", None)  # time stamps
    notebook.metadata.pop("widgets", None)
    notebook.metadata.get("jupytext", {}).pop("text_representation", None)  # as `jupytext --sync` writes it
    notebook.metadata["mrntk"] = {"scale": scale, "source": source_hash(notebook)}
    return notebook


def main(names: list[str]) -> None:
    """Execute the named notebooks, or all."""
    for path in [FOLDER / f"{name}.md" for name in names] or sources():
        print(f"executing {path.stem} ...", flush=True)
        content = nbformat.writes(executed(path, "course")) + "\n"
        write_atomically(path.with_suffix(".ipynb"), content.encode())


if __name__ == "__main__":
    main(sys.argv[1:])

"""The command `mrntk course`."""

import argparse
from pathlib import Path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mrntk course", description="The notebooks: run them, make versions for a class, build the site."
    )
    parser.add_argument(
        "action", choices=("execute", "student", "solutions", "pages", "book"),
        help="execute: run, and write the .ipynb; student, solutions: write that version; pages: the table in "
        "the README and the answers in the instructor guide; "
        "book: the site with slides",
    )  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NN", help="which notebooks, by number (default: all)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to (default: book/ for the book, else here)")
    return parser


def main(words: list[str]) -> int:
    """Run `mrntk course`; returns its exit code."""
    from . import book, execute, guide, notebooks, versions

    arguments = _parser().parse_args(words)
    paths = [notebooks.find(name) for name in arguments.names] or notebooks.sources()
    if arguments.action == "execute":
        for path in paths:
            print(f"executing {path.stem} ...", flush=True)
            execute.write(path)
    elif arguments.action == "book":
        print(book.build(arguments.out or notebooks.notebooks_folder().parent / "book"))
    elif arguments.action == "pages":
        for path in guide.write():
            print(f"written: {path}")
    else:
        for path in versions.write(arguments.action, arguments.out or Path.cwd(), paths):
            print(path)
    return 0

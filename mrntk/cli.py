"""The `mrntk` command. A mistake of the user ends in one line on stderr and exit code 2."""

import argparse
import io
import sys
from pathlib import Path

from .errors import MrntkError
from .files import write_atomically


def _figures(arguments) -> int:
    from . import figures, runner

    if arguments.list:
        for figure in figures.discover().values():
            print(f"{figure.id:<28}{figure.module.TITLE} [{figure.module.PAPER}]")
        return 0
    if arguments.settings and not arguments.ids:
        raise MrntkError("--set needs the ID of a figure: mrntk figures depth_to_target --set depth=1:9")
    runner.run(
        arguments.ids,
        scale=arguments.scale,
        settings=arguments.settings,
        fresh=arguments.fresh,
        out=arguments.out,
        jobs=arguments.jobs,
        dask=arguments.dask,
    )
    return 0


def _claims(arguments) -> int:
    from . import claims

    if arguments.write:
        from .gallery import write

        for path in write():
            print(f"written: {path}")
        return 0
    found = claims.verdicts()
    if arguments.id is not None:
        found = [one for one in found if one.claim.id == arguments.id]
        if not found:
            raise MrntkError(f"claim {arguments.id!r} is unknown: `mrntk claims` prints all with their names.")
    print(claims.report(found))
    return 0


def _list(arguments) -> int:
    from . import catalogue

    if arguments.picture:
        from .tasks import TASKS

        if arguments.name not in TASKS:
            raise MrntkError("--picture needs the name of a task, for example: mrntk list digits --picture digits.png")
        if arguments.picture.suffix not in (".png", ".pdf", ".svg") or not arguments.picture.parent.is_dir():
            raise MrntkError(f"--picture {arguments.picture}: give a .png, .pdf or .svg file in a folder that exists.")
    if arguments.table:
        print(catalogue.table(arguments.table))
    else:
        print(catalogue.describe(arguments.name) if arguments.name else catalogue.listing())
    if arguments.picture:
        from .tasks import load_task

        content = io.BytesIO()
        picture = catalogue.sample_picture(load_task(arguments.name))
        picture.savefig(content, format=arguments.picture.suffix[1:], dpi=150)
        write_atomically(arguments.picture, content.getvalue())
        print(f"sample  {arguments.picture}")
    return 0


def _doctor(arguments) -> int:
    from .doctor import doctor

    return 0 if doctor() else 1


def _lab(arguments) -> int:
    from .lab import lab

    return lab(arguments.port, browser=False if arguments.no_browser else None)


def _app(arguments) -> int:
    from .app import app

    return app(arguments.port, arguments.address, arguments.visitors, browser=False if arguments.no_browser else None)


def _course(arguments) -> int:
    from .course import book, execute, guide, notebooks, versions

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


def parser() -> argparse.ArgumentParser:
    """The command line: one subcommand a job."""
    top = argparse.ArgumentParser(prog="mrntk", description="Model reprogramming through its neural tangent kernel.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    figures = commands.add_parser("figures", help="compute and draw figures")
    figures.add_argument("ids", nargs="*", metavar="ID", help="which figures (default: all)")
    figures.add_argument("--list", action="store_true", help="list the figures and stop")
    figures.add_argument("--scale", help="smoke, course or paper (default: MRNTK_SCALE, else course)")
    figures.add_argument("--fresh", action="store_true", help="compute the data again even if those on disk are good")
    figures.add_argument("--out", type=Path, metavar="DIR", help="write data and pictures here (default: figures/)")
    figures.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE",
        help="change a parameter of the figure, as often as you like: depth=1:9, task=fashion, seeds=3",
    )  # fmt: skip
    figures.add_argument("--jobs", type=int, metavar="N", help="worker processes (default: one a core)")
    figures.add_argument(
        "--dask", metavar="ADDRESS", help="compute on the workers of this Dask scheduler (local: here)"
    )
    figures.set_defaults(run=_figures)

    claims = commands.add_parser("claims", help="what the paper claims, and what the committed data say of it")
    claims.add_argument("id", nargs="?", metavar="ID", help="this claim alone")
    claims.add_argument("--write", action="store_true", help="write the gallery and the README's table instead")
    claims.set_defaults(run=_claims)

    listing = commands.add_parser(
        "list", help="sources and tasks: what there is, its licence, and what must be downloaded"
    )
    listing.add_argument("name", nargs="?", metavar="NAME", help="print this one's whole card")
    listing.add_argument("--picture", type=Path, metavar="FILE", help="write a sample picture of the task NAME")
    listing.add_argument("--table", choices=("source", "task"), help="print the cards as a Markdown table")
    listing.set_defaults(run=_list)

    course = commands.add_parser("course", help="the notebooks: run them, make versions for a class, build the site")
    course.add_argument(
        "action", choices=("execute", "student", "solutions", "pages", "book"),
        help="execute: run, and write the .ipynb; student, solutions: write that version; pages: the table in "
        "the README and the answers in the instructor guide; "
        "book: the site with slides",
    )  # fmt: skip
    course.add_argument("names", nargs="*", metavar="NN", help="which notebooks, by number (default: all)")
    course.add_argument("--out", type=Path, metavar="DIR", help="where to (default: book/ for the book, else here)")
    course.set_defaults(run=_course)

    doctor = commands.add_parser("doctor", help="versions, device, precision, data: what is here and what is missing")
    doctor.set_defaults(run=_doctor)

    lab = commands.add_parser("lab", help="open JupyterLab on the course")
    lab.add_argument("--port", type=int, default=8888)
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    lab.set_defaults(run=_lab)

    app = commands.add_parser("app", help="serve the explorer as a web page")
    app.add_argument("--port", type=int, default=8866)
    app.add_argument(
        "--address", default="127.0.0.1", help="where to listen (default: 127.0.0.1, which only this machine reaches)"
    )
    app.add_argument("--visitors", type=int, default=16, metavar="N", help="at most so many at a time (default: 16)")
    app.add_argument("--no-browser", action="store_true", help="only print the address")
    app.set_defaults(run=_app)
    return top


def main(words: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = parser().parse_args(words)
    try:
        return arguments.run(arguments)
    except MrntkError as error:
        print(f"mrntk: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mrntk: interrupted; what was finished is kept.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

"""The `mrntk` command, also `python -m mrntk`. A mistake of the user ends in one line on stderr and exit code 2.

Figures, claims and notebooks stand in the checkout, not in this package; so do their commands.
"""

import argparse
import errno
import importlib
import importlib.metadata
import io
import os
import sys
from contextlib import suppress
from pathlib import Path

from .choosing import command
from .support.environment import check_environment
from .support.errors import MrntkError
from .support.files import write_atomically

IN_CHECKOUT = {  # command: (the module that runs it, what it is for)
    "figures": ("figures.making.command", "compute and draw figures"),
    "claims": ("figures.claims.command", "what the paper claims, and what the committed data say of it"),
    "course": ("notebooks.course.command", "the notebooks: run them, make versions for a class, build the site"),
    "lab": ("notebooks.course.lab", "open JupyterLab on the course"),
}


def checkout_module(name: str, command: str):
    """A module that stands beside figures/ or notebooks/, of the checkout that is installed or that is the current folder.

    Raises
    ------
    MrntkError
        If there is no checkout.
    """
    if (Path.cwd() / Path(*name.split(".")).with_suffix(".py")).is_file() and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise MrntkError(
            f"mrntk {command} needs the project's checkout, which this installation is without: "
            "git clone it, and run `make setup` there."
        ) from None


def _list(arguments) -> int:
    from .sources import catalogue

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
    from .ntk.compat import neural_tangents
    from .sources.catalogue import catalogue
    from .support.doctor import doctor

    try:
        committed = checkout_module("figures.making.registry", "doctor").committed_scales()
    except MrntkError:
        committed = None
    return 0 if doctor(catalogue, neural_tangents, committed) else 1


def _app(arguments) -> int:
    from .app import app

    browser = False if arguments.no_browser else None
    return app(arguments.port, arguments.address, arguments.workers, browser, arguments.base, arguments.trusted_host)


def parser() -> argparse.ArgumentParser:
    """The command line: one subcommand per job."""
    top = argparse.ArgumentParser(prog="mrntk", description="Model reprogramming through its neural tangent kernel.")
    top.add_argument("--version", action="version", version=f"mrntk {importlib.metadata.version('mrntk')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, words) in IN_CHECKOUT.items():
        commands.add_parser(name, help=words)  # what follows the name is read by its own module

    listing = commands.add_parser(
        "list", help="sources and tasks: what there is, its licence, and what must be downloaded"
    )
    listing.add_argument("name", nargs="?", metavar="NAME", help="print this one's whole card")
    listing.add_argument("--picture", type=Path, metavar="FILE", help="write a sample picture of the task NAME")
    listing.add_argument("--table", choices=("source", "task"), help="print the cards as a Markdown table")
    listing.set_defaults(run=_list)

    doctor = commands.add_parser("doctor", help="versions, device, precision, data: what is here and what is missing")
    doctor.set_defaults(run=_doctor)

    command.add(commands)

    app = commands.add_parser("app", help="serve the explorer as a web page")
    app.add_argument("--port", type=int, default=8866, help="0 takes a free one (default: 8866)")
    app.add_argument(
        "--address", default="127.0.0.1", help="where to listen (default: 127.0.0.1, which only this machine reaches)"
    )
    app.add_argument("--workers", type=int, default=2, metavar="N", help="processes that compute (default: 2)")
    app.add_argument(
        "--base",
        default="/",
        metavar="PATH",
        help="behind a proxy: the path that it hands on to the page, such as /explorer/",
    )
    app.add_argument(
        "--trusted-host",
        action="append",
        default=[],
        metavar="NAME",
        help="behind a proxy: the name that visitors know",
    )
    app.add_argument("--no-browser", action="store_true", help="only print the address")
    app.set_defaults(run=_app)
    return top


def _run(words: list[str]) -> int:
    try:
        if words and words[0] in IN_CHECKOUT:
            check_environment()
            return checkout_module(IN_CHECKOUT[words[0]][0], words[0]).main(words[1:])
        arguments = parser().parse_args(words or ["--help"])
        check_environment()
        return arguments.run(arguments)
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where what cannot be written is caught


def main(words: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a "?" for a letter that the terminal cannot show
    try:
        return _run(sys.argv[1:] if words is None else words)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        if error.errno == errno.EPIPE:  # whoever read the output, such as head, has enough
            return 141  # as programs that SIGPIPE ends
        print(f"mrntk: the output cannot be written ({error.strerror}): free some space.", file=sys.stderr)
        return 2
    except MrntkError as error:
        print(f"mrntk: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mrntk: interrupted; what was finished is kept.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

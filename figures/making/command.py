"""The command `mrntk figures`."""

import argparse
import textwrap
from pathlib import Path

from mrntk.support.errors import MrntkError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mrntk figures",
        description="Compute and draw figures.",
        epilog="What is finished lies in figures/data/SCALE/pieces until a figure's data are whole. Git ignores it but at course "
        "scale: commit it to go on with the same command on another machine.",
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="which figures (default: all)")
    parser.add_argument("--list", action="store_true", help="list the figures and stop")
    parser.add_argument("--scale", help="smoke, course or paper (default: MRNTK_SCALE, else course)")
    parser.add_argument("--fresh", action="store_true", help="compute the data again even if those on disk are good")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write data and pictures here (default: figures/)")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="NAME=VALUE",
        help="change a parameter of the figure, as often as you like: depth=1:9, task=fashion, seeds=3",
    )  # fmt: skip
    parser.add_argument("--jobs", type=int, metavar="N", help="worker processes (default: one per core)")
    parser.add_argument("--dask", metavar="ADDRESS", help="compute on the workers of this Dask scheduler (local: here)")
    return parser


def main(words: list[str]) -> int:
    """Run the command; returns its exit code."""
    from . import registry, runner

    arguments = _parser().parse_args(words)
    if arguments.list:
        for figure in registry.discover().values():
            words = f"{figure.module.TITLE} [{figure.module.PAPER}]"
            print(textwrap.fill(words, 100, initial_indent=f"{figure.id:<28}", subsequent_indent=" " * 28))
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

"""The command `mrntk rank`."""

import argparse
import sys
from pathlib import Path

from ..support.errors import MrntkError


def add(commands) -> None:
    """The parser of `mrntk rank`."""
    ranking = commands.add_parser(
        "rank", help="which source for my task, which task for my source, which maps: candidates, best first"
    )
    ranking.add_argument(
        "--task",
        "--tasks",
        required=True,
        metavar="T[,T]",
        help="tasks by name, or paths of your data, with options: my_images/:side=64",
    )
    ranking.add_argument(
        "--sources", required=True, nargs="+", metavar="S",
        help="all, or sources separated by commas or spaces: names, .onnx files, name:option=value,option=value",
    )  # fmt: skip
    ranking.add_argument(
        "--map", default="fc,vp", metavar="M[,M]", help="input maps: fc, vp, vp_fc, watermark (default: fc,vp)"
    )
    ranking.add_argument(
        "--window", default="", metavar="W[,W]", help="shares of the side inside a prompt (default: 0.714)"
    )
    ranking.add_argument(
        "--output", default="frequency", metavar="B[,B]", help="frequency, random, bayesian (default: frequency)"
    )
    ranking.add_argument("--examples", type=int, default=50, metavar="N", help="training examples (default: 50)")
    ranking.add_argument("--draws", type=int, default=1, metavar="K", help="draws of examples (default: 1)")
    ranking.add_argument("--steps", type=int, default=500, help="the training that you can afford (default: 500)")
    ranking.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from ..model.input_maps import INNER
    from .candidates import split_sources
    from .ranking import rank
    from .words import line, table

    windows = [_share(text) for text in arguments.window.split(",")] if arguments.window else [INNER]
    found = rank(
        [arguments.task] if Path(arguments.task).exists() else split_sources(arguments.task),
        "all" if arguments.sources == ["all"] else [one for text in arguments.sources for one in split_sources(text)],
        input_maps=arguments.map.split(","),
        inners=windows,
        output_maps=arguments.output.split(","),
        examples=arguments.examples,
        draws=arguments.draws,
        steps=arguments.steps,
        tell=lambda row: print(line(row), file=sys.stderr, flush=True),
    )
    print(table(found))
    if not found.complete:
        return 130
    return 0 if found.ties() else 2  # nothing could be ranked


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise MrntkError(f"--window {text}: give shares of the side between 0 and 1, such as 0.5,0.7.") from None

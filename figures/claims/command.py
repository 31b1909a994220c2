"""The command `mrntk claims`."""

import argparse

from mrntk.support.errors import MrntkError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mrntk claims", description="What the paper claims, and what the committed data say of it."
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="this claim alone")
    parser.add_argument("--write", action="store_true", help="write the gallery and the README's table instead")
    return parser


def main(words: list[str]) -> int:
    """Run the command; returns its exit code."""
    from figures import claims
    from figures.claims.rules import CLAIMS
    from figures.making import gallery

    arguments = _parser().parse_args(words)
    if arguments.write:
        for path in gallery.write():
            print(f"written: {path}")
        return 0
    chosen = [one for one in CLAIMS if arguments.id in (None, one.id)]
    if not chosen:
        raise MrntkError(f"claim {arguments.id!r} is unknown: `mrntk claims` prints all with their names.")
    print(claims.report([claims.judge(one) for one in chosen]))
    return 0

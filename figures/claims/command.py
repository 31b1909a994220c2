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
    from figures.making import gallery

    arguments = _parser().parse_args(words)
    if arguments.write:
        for path in gallery.write():
            print(f"written: {path}")
        return 0
    found = claims.verdicts()
    if arguments.id is not None:
        found = [one for one in found if one.claim.id == arguments.id]
        if not found:
            raise MrntkError(f"claim {arguments.id!r} is unknown: `mrntk claims` prints all with their names.")
    print(claims.report(found))
    return 0

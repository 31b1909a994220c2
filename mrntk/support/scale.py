"""The three sizes at which everything runs: smoke (seconds, for CI), course (a laptop), paper (the authors' sizes)."""

import os

from .errors import MrntkError

SCALES = ("smoke", "course", "paper")


def current_scale(name: str | None = None) -> str:
    """`name` if given, else the environment's MRNTK_SCALE, else "course".

    Raises
    ------
    MrntkError
        If that is not one of `SCALES`.
    """
    origin = "scale" if name else "MRNTK_SCALE"
    name = name or os.environ.get("MRNTK_SCALE") or "course"
    if name not in SCALES:
        raise MrntkError(f"{origin}={name!r} is unknown: choose one of {', '.join(SCALES)}.")
    return name

"""Where `mrntk` keeps what is made or fetched once: trained sources, downloads."""

import os
from pathlib import Path

from .files import ensure_writable

VARIABLE = "MRNTK_CACHE"


def cache_folder(part: str = "") -> Path:
    """The folder named by the environment variable MRNTK_CACHE, else the platform's cache of this user; made if need be.

    The latter is ~/.cache/mrntk on Linux. Everything in it can be deleted: it is made or fetched again when it is needed.

    Parameters
    ----------
    part : a folder inside it, for example "downloads"; made as well.

    Raises
    ------
    MrntkError
        If it cannot be made or written; the message says how to choose another.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        folder = Path(chosen).expanduser().absolute() / part
    else:
        from pooch import os_cache  # here, since its import takes a while

        folder = os_cache("mrntk") / part
    ensure_writable(folder, hint=f"set the environment variable {VARIABLE} to a folder that can be written")
    return folder

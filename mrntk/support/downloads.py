"""Downloads that go on where they stopped, are checked before they are used, and are made once."""

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from .cache import cache_folder
from .errors import MrntkError
from .transfer import Failed, Transfer

try:
    import fcntl
except ImportError:  # Windows: two processes at once would damage each other's part file, which the digest finds
    fcntl = None


def _mismatch(path: Path, digests: dict[str, str]) -> str | None:
    """None if the file has all the digests, else words that say which it lacks."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in digests}
    with open(path, "rb") as file:
        while block := file.read(2**20):
            for each in hashes.values():
                each.update(block)
    for name, expected in digests.items():
        if hashes[name].hexdigest() != expected.lower():
            return f"its {name} is {hashes[name].hexdigest()} instead of {expected.lower()}"
    return None


@contextmanager
def _part_file(path: Path):
    """The part file of `path`, open, which this process alone writes; waits for another that fetches the same file."""
    part = path.with_name(f"{path.name}.part")
    while True:
        with open(part, "ab+") as file:
            if fcntl is not None:
                _lock(file, path.name)
            if _is_at(file, part):  # the process that was waited for may have moved or removed this very file
                yield part, file
                return


def _is_at(file, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file, name: str):
    """Freed when the file is closed, also by a kill."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"mrntk: waiting for another process that downloads {name}", file=sys.stderr)
        fcntl.flock(file, fcntl.LOCK_EX)


def _fill(transfer: Transfer, part: Path, digests: dict[str, str]):
    """Fetch the file; one that was put together from pieces and is wrong is fetched once more as a whole."""
    transfer.run()
    wrong = _mismatch(part, digests)
    if wrong and transfer.pieced:
        transfer.restart()
        transfer.best = 0
        transfer.run()
        wrong = _mismatch(part, digests)
    if wrong:
        transfer.restart()
        raise Failed(f"what came is damaged or another file: {wrong}")


def _bar(**sizes):
    from tqdm import tqdm

    return tqdm(
        unit="B", unit_scale=True, disable=None, leave=False, **sizes
    )  # on stderr; silent where that is no terminal


def download(
    url: str,
    *,
    name: str,
    sha256: str | None = None,
    md5: str | None = None,
    bytes: int | None = None,
    progress: Callable | None = None,
    timeout: float = 30.0,
) -> Path:
    """Fetch a file once, into the folder downloads of `cache_folder()`; a file there with the right digest is not fetched again.

    An interrupted download goes on where it stopped, in this call or a later one. A file is moved to its name only when its
    digest is right. Of several processes that want the same file, one fetches it and the others wait.

    Parameters
    ----------
    url : http or https.
    name : of the file in the cache.
    sha256, md5 : hexadecimal digests; at least one, all that are given must be right. An md5, which is what most authors of
        data sets publish, guards against damage, but not against malice.
    bytes : size of the file, if it is known.
    progress : makes a progress bar with `update(n)` and `close()` from `total`, `initial` (bytes; the total may be None) and
        `desc`, like tqdm, which is the default where stderr is a terminal.
    timeout : seconds without a byte after which the connection is made anew.

    Raises
    ------
    MrntkError
        If it cannot be fetched, or is not what the digests say; the message says how to get it by hand.
    """
    digests = {kind: digest for kind, digest in (("sha256", sha256), ("md5", md5)) if digest}
    if not digests:
        raise MrntkError(f"sha256 is missing: a download is not used unchecked; give the sha256 or the md5 of {name}.")
    if urlsplit(url).scheme not in ("http", "https"):
        raise MrntkError(f"url={url!r}: give an address that begins with http:// or https://.")
    if not name or Path(name).name != name or name.startswith("."):
        raise MrntkError(f"name={name!r}: give the plain name of a file, without a folder.")
    path = cache_folder("downloads") / name
    if path.is_file() and _mismatch(path, digests) is None:
        return path
    with _part_file(path) as (part, file):
        if path.is_file() and _mismatch(path, digests) is None:  # fetched by the process that was waited for
            part.unlink()
            return path
        transfer = Transfer(url, file, bytes, timeout, lambda **sizes: (progress or _bar)(desc=name, **sizes))
        try:
            _fill(transfer, part, digests)
        except Failed as error:
            raise MrntkError(
                f"cannot download {url}: {error}; try again later, or download it yourself and put it at {path}"
            ) from None
        finally:
            if transfer.bar is not None:
                transfer.bar.close()
            if not transfer.have():
                part.unlink(missing_ok=True)
        if fcntl is None:
            file.close()  # Windows moves no open file
        part.replace(path)
    return path

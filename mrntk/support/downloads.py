"""Downloads that go on where they stopped, are checked before they are used, and are made once."""

import shutil
import sys
from pathlib import Path

import pooch
import requests
import urllib3
from filelock import FileLock, Timeout
from tqdm import tqdm

from .cache import cache_folder
from .errors import MrntkError

ATTEMPTS = 6  # in one call; a later one goes on where they ended
BUSY, TRIES = (408, 429, 500, 502, 503, 504), 2  # answers after which the server is asked again, and how often
PAUSE = 1.0  # seconds before it is asked once more, doubled every time
TIMEOUT = 30.0  # seconds without a byte that end an attempt
BLOCK = 2**16  # bytes read at once
WRONG = "what came is damaged or another file, its sha256 is not the expected one"


def _session(url: str) -> requests.Session:
    """It knows http and https alone, so that no redirect leads elsewhere, and from https none leads to http."""
    session = requests.Session()
    retry = urllib3.Retry(TRIES, backoff_factor=PAUSE, status_forcelist=BUSY, respect_retry_after_header=False)
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    if url.startswith("https:"):
        del session.adapters["http://"]
    return session


class _Resuming:
    """How pooch gets a file of `size` bytes: appended to the part file, where the next attempt or call goes on."""

    def __init__(self, part: Path, size: int):
        self.part, self.size, self.in_one_piece = part, size, False

    def __call__(self, url: str, output_file: str, pooch):
        """Fetch the rest. Pooch calls again after an error of requests and after a wrong digest, not after a plain OSError."""
        if self.in_one_piece:  # then the digest was wrong, and no older piece is to blame
            raise OSError(WRONG)
        have = self.part.stat().st_size if self.part.exists() else 0
        try:
            with _session(url) as session:
                self.in_one_piece = self.receive(session, url, have)
        except requests.RequestException as error:  # there was no answer, or none that can be used
            found = error.args[0] if error.args else error
            raise OSError(str(getattr(found, "reason", found)).rstrip(".")) from None
        except urllib3.exceptions.HTTPError as error:  # it broke off
            raise requests.ConnectionError(error.args[0]) from None
        self.part.replace(output_file)

    def receive(self, session: requests.Session, url: str, start: int) -> bool:
        """Append the bytes from `start` on. True if all came at once, which they do where the server gives no part."""
        if start == self.size:
            return False
        asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with session.get(url, headers=asked, stream=True, timeout=TIMEOUT) as answer:
            given = answer.headers.get("Content-Range")
            if start and answer.status_code in (206, 416) and given != f"bytes {start}-{self.size - 1}/{self.size}":
                return self.receive(session, url, 0)
            answer.raise_for_status()
            start = have = start if answer.status_code == 206 else 0
            if answer.raw.length_remaining not in (None, self.size - start):
                raise OSError(f"the server's file has {start + answer.raw.length_remaining:,} bytes, not {self.size:,}")
            missing = self.size - start - shutil.disk_usage(self.part.parent).free
            if missing > 0:
                raise OSError(f"{self.part.parent} needs {missing / 1e6:,.0f} MB more of free disk space")
            shown = {"desc": self.part.stem, "unit": "B", "unit_scale": True, "disable": None, "leave": False}
            with tqdm(total=self.size, initial=start, **shown) as bar, open(self.part, "ab") as file:
                file.truncate(start)
                for block in answer.raw.stream(BLOCK, decode_content=False):
                    written = file.write(block[: self.size - have])
                    have += written
                    bar.update(written)
                    if have == self.size:
                        return start == 0
        raise urllib3.exceptions.ProtocolError(f"the connection ended after {have:,} of {self.size:,} bytes")


def _alone(name: str):
    """A context in which this process alone downloads the file of that name; waits for another that does."""
    lock = FileLock(cache_folder("locks") / name)
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        print(f"mrntk: waiting for another process that downloads {name}", file=sys.stderr)
        return lock.acquire()


def download(url: str, *, name: str, sha256: str, size: int) -> Path:
    """Fetch a file once, into the folder downloads of `cache_folder()`; a file there with the right digest is not fetched again.

    An interrupted download goes on where it stopped, in this call or a later one. A file gets its name only when its digest is
    right. Of several processes that want the same file, one fetches it and the others wait.

    Parameters
    ----------
    url : http or https.
    name : of the file in the cache.
    sha256 : its hexadecimal digest.
    size : its bytes.

    Raises
    ------
    MrntkError
        If it cannot be fetched, or is not what the digest says; the message says how to get it by hand.
    """
    folder = cache_folder("downloads")
    files = pooch.Pooch(folder, base_url="", registry={name: sha256}, urls={name: url}, retry_if_failed=ATTEMPTS - 1)
    with _alone(name):
        try:
            return Path(files.fetch(name, downloader=_Resuming(folder / f"{name}.part", size)))
        except (OSError, ValueError) as error:  # ValueError is what pooch says of a wrong digest
            found = WRONG if isinstance(error, ValueError) else error
            raise MrntkError(
                f"cannot download {url}: {found}; try again later, or download it yourself and put it at {folder / name}"
            ) from None

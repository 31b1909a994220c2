"""One transfer over http or https, which goes on where the connection broke off."""

import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

TRIES = 5  # attempts in a row that bring nothing new
PAUSE = 1.0  # seconds before the second attempt, doubled before every further one
SPARE = 100 * 2**20  # bytes of disk that a download leaves free
BLOCK = 2**18  # bytes read at once


class Failed(Exception):
    """This download cannot succeed; the words say why."""


class Interrupted(Exception):
    """The transfer ended early; another attempt may go on."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to http and https alone, and never from https back to http."""

    def redirect_request(self, request, file, code, message, headers, url):
        if urlsplit(url).scheme not in {"https", urlsplit(request.full_url).scheme}:
            raise Failed(f"it redirects to {url}, which is not followed")
        return super().redirect_request(request, file, code, message, headers, url)


class _Answers(urllib.request.HTTPErrorProcessor):
    """Hand every answer but a redirect back as it is, errors too."""

    def http_response(self, request, response):
        if response.status in (301, 302, 303, 307, 308):
            return super().http_response(request, response)
        return response

    https_response = http_response


def _opener() -> urllib.request.OpenerDirector:
    """Without the handlers for file:, ftp: and data: that urllib would add by itself."""
    opener = urllib.request.OpenerDirector()
    for name in ("ProxyHandler", "UnknownHandler", "HTTPHandler", "HTTPSHandler", "HTTPDefaultErrorHandler"):
        opener.add_handler(getattr(urllib.request, name)())
    opener.add_handler(_Redirects())
    opener.add_handler(_Answers())
    return opener


class Transfer:
    """One file on its way into the open part file: what is known of it, and how far it has come."""

    def __init__(self, url: str, file, size: int | None, timeout: float, make_bar: Callable):
        self.url, self.file, self.size, self.timeout, self.make_bar = url, file, size, timeout, make_bar
        self.total = size  # bytes of the whole file, as soon as that is known
        self.validator = None  # the server's ETag or date of what was received in this call
        self.received = 0  # bytes, in this call
        self.best = self.have()
        self.pieced = self.best > 0  # is the part file made of several answers?
        self.bar, self.shown = None, 0

    def have(self) -> int:
        return self.file.seek(0, os.SEEK_END)

    def restart(self):
        self.file.truncate(0)
        self.validator, self.total, self.pieced = None, self.size, False

    def run(self):
        """Attempt until all is there, or until `TRIES` attempts in a row brought nothing new."""
        fruitless = 0
        while self.size is None or self.have() != self.size:
            try:
                return self.attempt()
            except Interrupted as error:
                fruitless = 0 if self.have() > self.best else fruitless + 1
                self.best = max(self.best, self.have())
                if fruitless >= TRIES:
                    raise Failed(f"{error}, {TRIES} times in a row") from None
                time.sleep(PAUSE * 2 ** max(0, fruitless - 1))

    def attempt(self):
        """Receive as much as the server gives.

        Raises
        ------
        Interrupted, Failed
            If that is not all.
        """
        answer = self.open()
        if answer is None:
            return
        with answer:
            self.check_disk()
            self.receive(answer)
        if self.total is not None and self.have() < self.total:
            raise Interrupted(f"the connection ended after {self.have():,} of {self.total:,} bytes")

    def open(self):
        """The server's answer, with the part file cut to where that answer begins; None if there is no more to come."""
        start = self.have()
        answer = self.ask(start)
        status = answer.status
        complete = answer.headers.get("Content-Range", "").strip() == f"bytes */{start}" and self.total in (None, start)
        if status == 416 and start and complete:
            answer.close()
            return None
        if start and (status == 416 or (status == 206 and not self.continues(answer, start))):
            answer.close()
            self.restart()
            return self.open()
        if status >= 400:
            answer.close()
            passing = status in (408, 425, 429) or status >= 500
            raise (Interrupted if passing else Failed)(f"the server answers {status} {answer.reason}")
        if status == 206:
            self.pieced = True
        else:
            self.file.truncate(0)
            self.pieced = False
            length = answer.headers.get("Content-Length", "")
            self.total = int(length) if length.isdigit() else self.size
        if self.size not in (None, self.total):
            answer.close()
            raise Failed(f"the server's file has {self.total:,} bytes instead of {self.size:,}")
        tag = answer.headers.get("ETag", "W/")
        self.validator = answer.headers.get("Last-Modified") if tag.startswith("W/") else tag
        return answer

    def ask(self, start: int):
        """Request the file, from byte `start` on."""
        headers = {"User-Agent": "mrntk", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if self.validator:
                headers["If-Range"] = self.validator
        try:
            return _opener().open(urllib.request.Request(self.url, headers=headers), timeout=self.timeout)
        except urllib.error.HTTPError as error:  # only redirects come this way
            error.close()
            raise Failed(f"its redirect is not followed ({' '.join(str(error.reason).split())})") from None
        except urllib.error.URLError as error:
            raise self.judged(error.reason) from None
        except (OSError, http.client.HTTPException) as error:
            raise self.judged(error) from None

    def continues(self, answer, start: int) -> bool:
        """Is the partial answer the rest of the same file from `start` on?"""
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
        if not place or int(place[1]) != start:
            return False
        total = self.total if place[2] == "*" else int(place[2])
        if self.total not in (None, total):
            return False
        self.total = total
        return True

    def check_disk(self):
        folder = Path(self.file.name).parent
        missing = (self.total or 0) - self.have() + SPARE - shutil.disk_usage(folder).free
        if missing > 0:
            raise Failed(f"{folder} needs {missing / 1e6:,.0f} MB more of free disk space")

    def receive(self, answer):
        """Append what comes to the part file."""
        if self.bar is None:
            self.shown = self.have()
            self.bar = self.make_bar(total=self.total, initial=self.shown)
        while True:
            try:
                block = answer.read1(BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise self.judged(error) from None
            if not block:
                return
            try:
                self.file.write(block)
                self.file.flush()
            except OSError as error:
                raise Failed(f"cannot write {self.file.name} ({error.strerror})") from None
            self.received += len(block)
            self.bar.update(self.have() - self.shown)  # less than 0 after a new beginning
            self.shown = self.have()
            if self.total is not None and self.shown > self.total:
                self.restart()
                raise Failed(f"the server sends more than {self.total:,} bytes")

    def judged(self, error) -> Exception:
        """A failure that another attempt may mend, or one that it will not."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return Failed(f"its certificate is not trusted ({error.verify_message})")
        if isinstance(error, TimeoutError):
            return Interrupted(f"nothing came for {self.timeout:g} seconds")
        words = " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())
        passing = isinstance(error, ConnectionError | http.client.HTTPException)
        passing &= not isinstance(error, ConnectionRefusedError | http.client.InvalidURL)
        if passing or self.received:
            return Interrupted(words)
        return Failed(f"the host cannot be reached ({words})")

"""One process at a time: locks that are freed when their holder ends, also by a kill."""

from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no locks, and two runs at once may do the same work twice
    fcntl = None


class Lock:
    """A lock on a file beside what it guards; the file stays, since removing it could leave two holders."""

    def __init__(self, path: Path):
        self.path, self._file = path, None

    def take(self, *, wait: bool) -> bool:
        """Whether this process now holds it; without `wait` False when another does."""
        self._file = open(self.path, "ab")
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            self.release()
            return False
        return True

    def release(self):
        """Let another have it; nothing happens if this process does not hold it."""
        if self._file is not None:
            self._file.close()
            self._file = None


@contextmanager
def locked(path: Path):
    """Hold the lock at `path`, waiting for it if need be."""
    lock = Lock(path)
    lock.take(wait=True)
    try:
        yield
    finally:
        lock.release()

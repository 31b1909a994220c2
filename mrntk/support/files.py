"""Writing files so that a reader finds either the old one or the new one, never a half."""

import os
import tempfile
from pathlib import Path

from .errors import MrntkError


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def ensure_writable(folder: Path, *, hint: str = "choose another folder with --out") -> None:
    """Create `folder` if need be and check that a file can be written there; `hint` tells the reader what to do if not.

    Raises
    ------
    MrntkError
        If not; better now than after an hour of computing.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise MrntkError(f"cannot write into {folder} ({_reason(error)}): {hint}.") from None


def write_atomically(path: Path, content: bytes) -> None:
    """Write the whole file under a temporary name beside `path`, then move it into place.

    Raises
    ------
    MrntkError
        If the disk is full or the folder cannot be written; `path` is then as it was before.
    """
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise MrntkError(f"cannot write {path} ({_reason(error)}): free some space or choose another folder.") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)

"""The reader's own data as a task: a folder of images, arrays in an .npz file, time series in a text file."""

from pathlib import Path

from ..errors import MrntkError
from .own_arrays import from_csv, from_npz
from .own_images import from_folder, read_image
from .own_task import existing, split
from .task import Task

__all__ = ["from_csv", "from_folder", "from_npz", "load_own", "read_image", "split"]


def load_own(path: str | Path, **options) -> Task:
    """A task from the reader's data: a folder of images, an .npz file, or a text file of time series, by what `path` is.

    `options` are those of `from_folder` (side, test_share, seed), `from_npz` and `from_csv` (test_share, seed).
    """
    path = existing(path)
    if path.is_dir():
        load, known = from_folder, ("side", "test_share", "seed")
    elif path.suffix.lower() in (".npz", ".csv", ".tsv", ".txt"):
        load, known = (from_npz if path.suffix.lower() == ".npz" else from_csv), ("test_share", "seed")
    else:
        raise MrntkError(f"path={str(path)!r}: give a folder of images, an .npz file, or a .csv, .tsv or .txt file.")
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise MrntkError(f"{unknown[0]}={options[unknown[0]]!r}: {load.__name__} takes {', '.join(known)}.")
    return load(path, **options)

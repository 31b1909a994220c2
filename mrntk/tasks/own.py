"""The reader's own data as a task: a folder of images, arrays in an .npz file, time series in a text file."""

from pathlib import Path

from ..support.cards import check_options, options_of
from ..support.errors import MrntkError
from .own_arrays import from_csv, from_npz
from .own_images import from_folder
from .own_task import existing
from .task import Task

__all__ = ["from_csv", "from_folder", "from_npz", "load_own"]

SUFFIXES = (".npz", ".csv", ".tsv", ".txt")  # of files; folders hold images


def load_own(path: str | Path, **options) -> Task:
    """A task from the reader's data: a folder of images, an .npz file, or a text file of time series, by what `path` is.

    Parameters
    ----------
    path : of the folder or the file.
    **options : those of `from_folder` (side, test_share, seed), or of `from_npz` and `from_csv` (test_share, seed).

    Raises
    ------
    MrntkError
        If there is no such file or folder, it is of another kind, or as the function that reads it.
    """
    path = existing(path)
    if path.is_dir():
        what, load = "a folder of images", from_folder
    elif path.suffix.lower() in SUFFIXES:
        what, load = (
            ("an .npz file", from_npz) if path.suffix.lower() == ".npz" else ("a file of time series", from_csv)
        )
    else:
        raise MrntkError(f"path={str(path)!r}: give a folder of images, an .npz file, or a .csv, .tsv or .txt file.")
    return load(path, **check_options(what, options, options_of(load)))

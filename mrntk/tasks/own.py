"""The reader's own data as a task: a folder of images, arrays in an .npz file, time series in a text file."""

from pathlib import Path

from ..support.cards import check_options, options_of
from ..support.errors import MrntkError
from .own_arrays import from_npz
from .own_images import from_folder
from .own_series import from_series
from .own_task import existing
from .task import Task

__all__ = ["from_folder", "from_npz", "from_series", "load_own"]

SUFFIXES = (".npz", ".csv", ".tsv", ".txt", ".ts", ".arff")  # of files; folders hold images


def load_own(path: str | Path, **options) -> Task:
    """A task from the reader's data: a folder of images, an .npz file, or a file of time series, by what `path` is.

    Parameters
    ----------
    path : of the folder or the file.
    **options : those of `from_folder` (side, test_share, seed), of `from_npz` (test_share, seed, channels) or of
        `from_series` (test_share, seed).

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
            ("an .npz file", from_npz) if path.suffix.lower() == ".npz" else ("a file of time series", from_series)
        )
    else:
        raise MrntkError(
            f"path={str(path)!r}: give a folder of images, an .npz file, or a {', '.join(SUFFIXES[1:])} file."
        )
    return load(path, **check_options(what, options, options_of(load)))

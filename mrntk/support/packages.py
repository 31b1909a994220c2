"""Files inside installed packages that are never imported: some carry weights or data beside code that would need PyTorch."""

import importlib.metadata
from pathlib import Path

from .errors import MrntkError


def package_file(package: str, path: str, *, what: str) -> Path:
    """Where the installed package has the file.

    Parameters
    ----------
    package : its name, or "name==version", which is then what the message asks for; the installed version is not compared.
    path : of the file, relative to the folder that packages are installed in.
    what : what needs it, for the message.

    Raises
    ------
    MrntkError
        If the package is not installed, or does not have the file; the message says how to get it.
    """
    try:
        found = Path(importlib.metadata.distribution(package.partition("==")[0]).locate_file(path))
    except importlib.metadata.PackageNotFoundError:
        raise MrntkError(
            f"{what} needs the package {package}, of which only files are read: pip install --no-deps {package}"
        ) from None
    if not found.is_file():
        raise MrntkError(
            f"{what} needs the file {path} of the package {package}, which is not there: "
            f"pip install --no-deps --force-reinstall {package}"
        )
    return found

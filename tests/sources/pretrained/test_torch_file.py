"""PyTorch files are read as data: right numbers from both formats, and nothing that a file names is ever run."""

import io
import math
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrntk.sources.pretrained.torch_file import DTYPES, MAGIC, PROTOCOL, read_tensors
from mrntk.support.errors import MrntkError

KINDS = {dtype: name for name, dtype in DTYPES.items()}


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


def zipped(pickled, storages, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
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


def read(tmp_path, content, expected=None):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    return read_tensors(path, expected)


@pytest.mark.parametrize("is_legacy", [False, True])
def test_both_formats_give_the_tensors_with_their_strides_and_offsets(tmp_path, is_legacy):
    found = read(tmp_path, small_file(is_legacy), {"a": (2, 3), "b": (3, 2)})
    np.testing.assert_array_equal(found["a"], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(found["b"], np.arange(4, 10).reshape(2, 3).T)
    assert list(found) == ["a", "b"] and found["a"].dtype == np.float32


@settings(deadline=None, max_examples=40)
@given(data=st.data(), is_legacy=st.booleans(), dtype=st.sampled_from(list(KINDS)))
def test_round_trip_of_any_shape_and_type(tmp_path_factory, data, is_legacy, dtype):
    shape = tuple(data.draw(st.lists(st.integers(0, 4), max_size=4)))
    array = np.frombuffer(np.random.default_rng(0).bytes(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    pickled = state_dict({"x": tensor("k", KINDS[dtype], array.size, 0, shape, strides, is_legacy)})
    storages = {"k": array.tobytes()}
    content = legacy(pickled, storages, dtype.itemsize) if is_legacy else zipped(pickled, storages)
    found = read(tmp_path_factory.mktemp("round"), content)["x"]
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
    with pytest.raises(MrntkError, match=rf"model\.pth names \S*{named}, .*nothing was executed"):
        read(tmp_path, content)
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
        ("changes what it should use", bare(REBUILD, b"}", text("x"), number(1), b"sb")),
        ("changes what it should use", bare(name("torch", "FloatStorage"), b"N}", text("dtype"), number(1), b"s\x86b")),
        ("counts its objects wrongly", bare(b"]r\xff\xff\xff\x7f")),
        ("uses EXT1", bare(b"\x82\x01")),
        ("uses PERSID", bare(b"Pstorage\n")),
        ("without a storage", bare(REBUILD, tuple_of(number(1), number(0), b")", b")", b"\x89", EMPTY), b"R")),
        ("unknown kind of storage", bare(tuple_of(text("file"), *[text("x")] * 4), b"Q")),
        ("not a dictionary", bare(b"]")),
        ("more than tensors", bare(b"}", text("epoch"), number(3), b"s")),
        ("is compressed", zipped(state_dict({}), {"0": bytes(10**6)}, zipfile.ZIP_DEFLATED)),
        ("not an archive of tensors", zipped(b"", {}).replace(b"data.pkl", b"data.txt")),
        ("not a file of PyTorch", b"".join(pickle.dumps(v, 2) for v in (MAGIC + 1, PROTOCOL, {}, {}, []))),
        ("unknown layout", b"".join(pickle.dumps(v, 2) for v in (MAGIC, PROTOCOL, {"little_endian": False}, {}, []))),
        ("goes on behind its end", small_file(True) + b"x"),
    ],
)
def test_a_damaged_file_is_refused_in_words(tmp_path, why, content):
    with pytest.raises(MrntkError, match=why):
        read(tmp_path, content)


def test_what_a_file_did_does_not_reach_the_next_one(tmp_path):
    with pytest.raises(MrntkError):
        read(tmp_path, bare(REBUILD, b"N}", text("__class__"), number(1), b"s\x86b"))
    assert set(read(tmp_path, small_file(False))) == {"a", "b"}


@pytest.mark.parametrize("is_legacy", [False, True])
@pytest.mark.parametrize(
    ("count", "offset", "size", "stride"),
    [
        (6, 1, (6,), (1,)), (6, 0, (2, 3), (4, 1)), (6, 0, (2**40,), (0,)), (6, 0, (2**40,), (1,)), (6, -1, (2,), (1,)),
        (6, 5, (2,), (-1,)), (6, 2**62, (1,), (1,)), (7, 0, (6,), (1,)), (6, 0, (2, 3), (1,)), (6, 0, (-1, -6), (1, 1)),
    ],
)  # fmt: skip
def test_a_tensor_outside_its_storage_is_refused(tmp_path, is_legacy, count, offset, size, stride):
    pickled = state_dict({"x": tensor("0", "FloatStorage", count, offset, size, stride, is_legacy)})
    with pytest.raises(MrntkError, match="it has a (tensor|storage)"):
        read(tmp_path, (legacy if is_legacy else zipped)(pickled, {"0": bytes(24)}))


@pytest.mark.parametrize("is_legacy", [False, True])
def test_claimed_sizes_take_no_memory(tmp_path, is_legacy):
    content = bytearray(small_file(is_legacy))
    if is_legacy:
        start = len(content) - 40 - 8
        content[start : start + 8] = struct.pack("<q", 2**33)
    else:
        entry = content.rfind(b"PK\x01\x02", 0, content.rfind(b"PK\x01\x02"))  # of the last storage
        content[entry + 20 : entry + 28] = struct.pack("<II", 2**31, 2**31)
    tracemalloc.start()
    try:
        with pytest.raises(MrntkError, match="damaged"):
            read(tmp_path, bytes(content))
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=150)
@given(data=st.data(), is_legacy=st.booleans())
def test_a_truncated_file_is_always_noticed(tmp_path_factory, data, is_legacy):
    content = small_file(is_legacy)
    length = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(MrntkError, match="damaged"):
        read(tmp_path_factory.mktemp("cut"), content[:length])


@settings(deadline=None, max_examples=200)
@given(data=st.data(), is_legacy=st.booleans())
def test_a_changed_byte_gives_tensors_or_a_sentence(tmp_path_factory, data, is_legacy):
    content = bytearray(small_file(is_legacy))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(tmp_path_factory.mktemp("changed"), bytes(content))
    except MrntkError:
        return
    assert all(isinstance(array, np.ndarray) for array in found.values())


def test_missing_and_misshapen_tensors_are_named(tmp_path):
    with pytest.raises(MrntkError, match="lacks the tensors p, q, r and 1 more"):
        read(tmp_path, small_file(False), ["a", "p", "q", "r", "s"])
    with pytest.raises(MrntkError, match=r"has a of shape \(2, 3\), not \(3, 2\)"):
        read(tmp_path, small_file(True), {"a": (3, 2)})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MrntkError, match="cannot read .*absent.pth"):
        read_tensors(tmp_path / "absent.pth")

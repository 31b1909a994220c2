"""Parsing an ONNX file, together with the tensors that it keeps in other files.

Nothing outside its folder is read, with one exception: a hub's cache keeps a model's files as links, in
`snapshots/REVISION/`, to what lies in `blobs/` beside it.
"""

import math
import os
from pathlib import Path

import numpy as np

from ...support.errors import MrntkError, first_line


def damaged(path: Path, what: str, error: Exception) -> MrntkError:
    return MrntkError(f"path={path}: {what} is damaged ({first_line(error)}): export or download the file again.")


def parse(path: Path, max_bytes: int):
    """The file as a ModelProto, its functions written out and its tensors in other files read."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import inliner

    if not path.is_file():
        raise MrntkError(f"path={path}: there is no such file; give the path of an .onnx file.")
    size = path.stat().st_size
    if size > max_bytes:
        raise MrntkError(f"path={path} has {size:,} bytes: raise max_bytes={max_bytes:,} to read it.")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError:
        raise MrntkError(
            f"path={path} is truncated, damaged or not an ONNX file: export or download it again."
        ) from None
    if not model.graph.node or not model.graph.output or not model.opset_import:
        raise MrntkError(
            f"path={path} holds no complete ONNX graph: it is truncated or another kind of file; export it again."
        )
    _read_external(path, model.graph, max_bytes - size)
    try:
        return inliner.inline_local_functions(model) if model.functions else model
    except Exception as error:
        raise damaged(path, "a function in it", error) from error


def _read_external(path: Path, graph, most: int):
    """Read tensors that are kept in other files, if these lie in the folder of the model and have at most `most` bytes."""
    from onnx import TensorProto, external_data_helper, helper

    for tensor in filter(external_data_helper.uses_external_data, _tensors_of(graph)):
        location = next((entry for entry in tensor.external_data if entry.key == "location"), None)
        file = _beside(path, "" if location is None else location.value)
        if file is None:
            raise MrntkError(
                f"path={path}: tensor {tensor.name} should be in the file {location.value if location else ''!r}, which is not "
                "in the folder of the model: put it there, or save the model as one file."
            )
        try:
            most -= math.prod(tensor.dims) * np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
            if most < 0:
                raise MrntkError(f"path={path} has, with the weights beside it, more than max_bytes: raise max_bytes.")
            location.value = file.name
            external_data_helper.load_external_data_for_tensor(tensor, str(file.parent))
        except MrntkError:
            raise
        except Exception as error:
            raise damaged(path, f"tensor {tensor.name}", error) from error
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _beside(path: Path, location: str) -> Path | None:
    """The file of that name in the folder of the model, its links followed; None if it is not there or leads elsewhere."""
    folder = path.parent.resolve()
    named, file = Path(os.path.normpath(folder / location)), (folder / location).resolve()
    snapshots = next((parent for parent in folder.parents if parent.name == "snapshots"), None)
    in_hub = named.is_relative_to(folder) and snapshots is not None and file.parent == snapshots.parent / "blobs"
    return file if file.is_file() and (file.is_relative_to(folder) or in_hub) else None


def _tensors_of(graph):
    yield from graph.initializer
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def replace(field, items):
    """Put `items`, which may be part of the protocol buffer's repeated field, in its place."""
    copies = [type(item).FromString(item.SerializeToString()) for item in items]
    del field[:]
    field.extend(copies)


def keep_output(path: Path, graph, output: str | None):
    """Leave one output and the nodes that it needs."""
    names = [value.name for value in graph.output]
    if output not in names and (output is not None or len(names) != 1):
        raise MrntkError(f"output={output!r}: {path} gives {', '.join(names)}; choose one of them.")
    chosen = output or names[0]
    needed, kept = {chosen}, []
    for node in reversed(graph.node):  # a file lists a node behind those that it needs
        if needed & set(node.output):
            needed |= set(node.input)
            kept.insert(0, node)
    replace(graph.node, kept)
    replace(graph.output, [value for value in graph.output if value.name == chosen])

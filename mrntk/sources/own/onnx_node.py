"""One node of an ONNX graph, as the operators see it."""

from typing import Any, NamedTuple

import numpy as np


class Unsupported(Exception):
    """A form of an operator that is not supported; the message names both."""


class DependsOnInput(Exception):
    """A shape, an axis or an index list that would have to be known before the values of the input are."""


class Node(NamedTuple):
    proto: Any  # onnx.NodeProto
    opset: int
    attributes: dict[str, Any]
    varies: tuple[bool, ...]  # for each input, whether it depends on the input of the model

    @property
    def operator(self) -> str:
        return self.proto.op_type

    def get(self, name: str, default=None):
        return self.attributes.get(name, default)

    def integers(self, name: str, value=None) -> tuple[int, ...] | None:
        """An argument that older operator sets keep as an attribute and newer ones as an input, whose value is given then."""
        return self.get(name) if value is None else tuple(int(number) for number in known(value).ravel())

    def refuse(self, form: str):
        raise Unsupported(f"{self.operator} with {form}")


def known(value) -> np.ndarray:
    """The value, which must not depend on the input: whatever does, or is a weight, is a tracer at loading."""
    if not isinstance(value, np.ndarray | np.generic):
        raise DependsOnInput
    return np.asarray(value)

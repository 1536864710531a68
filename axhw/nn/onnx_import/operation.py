"""Operators of an ONNX graph without protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

Array: TypeAlias = npt.NDArray[Any]
_Attribute = TypeVar("_Attribute", int, float, str, tuple[int, ...])


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """An operator in its place.

    Attributes
    ----------
    name : str
        Its own, or that of its first output.
    kind : str
        Operator type, with its domain in front if that is not ONNX's own: ``com.microsoft.QGemm``.
    inputs : tuple of str
        Tensors; "" for an optional one that is left out.
    outputs : tuple of str
    attributes : mapping of str to object
        Numbers, strings, arrays, and tuples of them; subgraphs as `Subgraph`.
    version : int
        Of the operator set of its domain.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, object] = field(default_factory=dict)
    version: int

    def integer(self, name: str, default: int) -> int:
        """An attribute."""
        return self._attribute(name, default, int)

    def real(self, name: str, default: float) -> float:
        """An attribute."""
        return self._attribute(name, default, float)

    def text(self, name: str, default: str) -> str:
        """An attribute."""
        return self._attribute(name, default, str)

    def integers(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """An attribute."""
        return self._attribute(name, default, tuple)

    def _attribute(self, name: str, default: _Attribute, kind: type[_Attribute]) -> _Attribute:
        value = self.attributes.get(name, default)
        if not isinstance(value, kind):
            raise AxhwError(f"Expected {kind.__name__} for the attribute {name}, found {value!r}.")
        return value


@dataclass(frozen=True, kw_only=True, eq=False)
class Subgraph:
    """A branch of a conditional operator; it sees the tensors around it.

    Attributes
    ----------
    operations : tuple of Operation
        In an order in which they can be computed.
    constants : mapping of str to array
    outputs : tuple of str
    """

    operations: tuple[Operation, ...]
    constants: Mapping[str, Array]
    outputs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A whole ONNX graph.

    Attributes
    ----------
    name : str
        That of the file without its suffix.
    graph : Subgraph
    input : str
    input_shape : tuple of int or None
        As the file says, with the batch in front; None for sides that it leaves open.
    """

    name: str
    graph: Subgraph
    input: str
    input_shape: tuple[int | None, ...]

    @property
    def output(self) -> str:
        """Its only output."""
        (output,) = self.graph.outputs
        return output


def as_floats(values: Array) -> npt.NDArray[np.float32]:
    """Parameters of any precision in float32."""
    return np.asarray(values, np.float32)

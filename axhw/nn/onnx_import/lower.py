"""From operators to layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from axhw.errors import AxhwError
from axhw.nn.graph import INPUT
from axhw.nn.layers.base import Shape
from axhw.nn.layers.shaping import Transpose
from axhw.nn.onnx_import import attention, norms, pointwise, pooling, products, quantised, shaping
from axhw.nn.onnx_import.call import Call, Handler
from axhw.nn.onnx_import.constants import evaluate
from axhw.nn.onnx_import.draft import Draft
from axhw.nn.onnx_import.operation import Model, Operation, Subgraph
from axhw.nn.onnx_import.unpack import unpacked
from axhw.nn.onnx_import.values import Constant, Tensor, Unknown, Value

HANDLERS: Mapping[str, Handler] = {
    **products.HANDLERS,
    **pooling.HANDLERS,
    **norms.HANDLERS,
    **attention.HANDLERS,
    **pointwise.HANDLERS,
    **shaping.HANDLERS,
    **quantised.HANDLERS,
}
"""By operator type."""


def lower(model: Model, image_shape: Shape, *, turned: bool = False) -> tuple[Draft, str]:
    """Layers for all operators that the output needs, and the node that makes the output.

    Parameters
    ----------
    model : Model
    image_shape : tuple of int
        Of one image.
    turned : bool
        Whether images have channels first and the model wants them last.

    Raises
    ------
    AxhwError
        For operators that there is no layer for, all of them at once; for others that are used in a way that no
        layer covers, with the name of the first; for an output that does not depend on the image.
    """
    draft = Draft(name=model.name, input_shape=image_shape)
    node = draft.add("channels_last", Transpose(axes=(1, 2, 0)), INPUT) if turned else INPUT
    image = Tensor(node=node, shape=(1, *draft.shapes[node]), unit=0)
    reading = _Reading(draft=draft, values={model.input: image})
    reading.read(model.graph)
    if reading.missing:
        found = ", ".join(f"{kind} ({_some(names)})" for kind, names in reading.missing.items())
        raise AxhwError(f"Expected operators that axhw has layers for in {model.name}, found {found}.")
    output = reading.values[model.output]
    if not isinstance(output, Tensor) or output.node == image.node:
        raise AxhwError(f"Expected an output of {model.name} computed from the images, found {model.output}.")
    return draft, output.node


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@dataclass(kw_only=True, eq=False)
class _Reading:
    """What is known of the tensors so far, and the operators without a layer, by type."""

    draft: Draft
    values: dict[str, Value]
    missing: dict[str, list[str]] = field(default_factory=dict)

    def read(self, graph: Subgraph) -> None:
        self.values.update((name, Constant(values=values)) for name, values in graph.constants.items())
        parts: list[Operation] = []
        for operation in graph.operations:
            with self._naming(operation):
                parts.extend(unpacked(operation))
        for operation in _needed(parts, graph.outputs):
            self._operate(operation)

    def _operate(self, operation: Operation) -> None:
        inputs = tuple(self.values[name] if name else None for name in operation.inputs)
        given = [value for value in inputs if value is not None]
        constant = all(isinstance(value, Constant) for value in given)
        handler = HANDLERS.get(operation.kind)
        results: tuple[Value, ...] = (Unknown(),) * len(operation.outputs)
        if operation.kind == "If" and isinstance(inputs[0], Constant):
            results = self._branch(operation, inputs[0])
        elif handler is None and not constant:
            self.missing.setdefault(operation.kind, []).append(operation.name)
        elif not any(isinstance(value, Unknown) for value in given):
            results = self._results(operation, inputs, None if constant else handler)
        # Optional outputs have no name where they are not taken.
        self.values.update((name, value) for name, value in zip(operation.outputs, results) if name)

    def _results(
        self, operation: Operation, inputs: tuple[Value | None, ...], handler: Handler | None
    ) -> tuple[Value, ...]:
        with self._naming(operation):
            if operation.kind == "Constant":
                return (_constant(operation),)
            if handler is None:
                handler = quantised.HANDLERS.get(operation.kind)
            if handler is None:
                return evaluate(operation, [value if isinstance(value, Constant) else None for value in inputs])
            return handler(Call(draft=self.draft, operation=operation, inputs=inputs))

    @contextmanager
    def _naming(self, operation: Operation) -> Iterator[None]:
        """Say of every error which operator it is about."""
        place = f"In {operation.name} ({operation.kind}) of {self.draft.name}"
        try:
            yield
        except AxhwError as error:
            raise AxhwError(f"{place}: {error}") from error
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Files can put together what no operator allows; numpy finds most of it.
            raise AxhwError(
                f"{place}: Expected inputs and attributes that fit together, found: {_first_line(error)}."
            ) from error

    def _branch(self, operation: Operation, condition: Constant) -> tuple[Value, ...]:
        branch = operation.attributes["then_branch" if bool(condition.values.reshape(())) else "else_branch"]
        assert isinstance(branch, Subgraph)
        self.read(branch)
        return tuple(self.values[inner] for inner in branch.outputs)


def _constant(operation: Operation) -> Constant:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in operation.attributes:
            value = operation.attributes[name]
            dtype = np.float32 if "float" in name else np.int64
            return Constant(values=value if isinstance(value, np.ndarray) else np.array(value, dtype))
    raise AxhwError(f"Expected a constant of numbers, found {', '.join(operation.attributes) or 'none'}.")


def _needed(operations: Sequence[Operation], outputs: Sequence[str]) -> list[Operation]:
    """The operators that the outputs depend on."""
    needed = set(outputs)
    kept: list[Operation] = []
    for operation in reversed(operations):
        if needed.intersection(operation.outputs):
            needed.update(operation.inputs)
            needed.update(name for value in operation.attributes.values() for name in _captured(value))
            kept.append(operation)
    return kept[::-1]


def _captured(value: object) -> set[str]:
    """Tensors that a branch may take from around it."""
    if not isinstance(value, Subgraph):
        return set()
    inner = (name for operation in value.operations for name in operation.inputs)
    nested = (name for op in value.operations for item in op.attributes.values() for name in _captured(item))
    return {*value.outputs, *inner, *nested}

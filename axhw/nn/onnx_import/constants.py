"""Operators whose inputs are all constants, computed while the graph is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx.helper
import onnx.numpy_helper

from axhw.errors import AxhwError
from axhw.nn.onnx_import.operation import Array, Operation
from axhw.nn.onnx_import.values import Codes, Constant


def evaluate(operation: Operation, inputs: Sequence[Constant | None]) -> tuple[Constant, ...]:
    """The outputs of an operator for constants, by ONNX's reference implementation.

    Weights stay codes where they are only transposed or renamed.

    Parameters
    ----------
    operation : Operation
    inputs : sequence of Constant or None
        None for an optional input that is left out.

    Raises
    ------
    AxhwError
        If there is no such operator, or it refuses the inputs.
    """
    arrays = {name: value.values for name, value in zip(operation.inputs, inputs) if value is not None}
    made = dict(zip(filter(None, operation.outputs), _run(operation, arrays)))
    results = [Constant(values=made.get(name, np.zeros(0))) for name in operation.outputs]
    first = inputs[0] if inputs else None
    if first is not None and first.codes is not None:
        codes = _moved(operation, first.codes)
        if codes is not None:
            results[0] = replace(results[0], codes=codes)
    return tuple(results)


def _moved(operation: Operation, codes: Codes) -> Codes | None:
    """The codes behind an operator that keeps them."""
    if operation.kind == "Identity":
        return codes
    if operation.kind == "Transpose":
        axes = operation.integers("perm") or tuple(reversed(range(codes.values.ndim)))
        axis = None if codes.axis is None else axes.index(codes.axis)
        return replace(codes, values=codes.values.transpose(axes), axis=axis)
    return None


def _run(operation: Operation, arrays: Mapping[str, Array]) -> tuple[Array, ...]:
    # Takes a tenth of a second to import.
    from onnx.reference import ReferenceEvaluator

    attributes = {
        name: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in operation.attributes.items()
    }
    domain, _, kind = operation.kind.rpartition(".")
    outputs = [name for name in operation.outputs if name]
    try:
        node = onnx.helper.make_node(kind, operation.inputs, operation.outputs, domain=domain)
        node.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in attributes.items())
        graph = onnx.helper.make_graph(
            [node],
            operation.name,
            [onnx.helper.make_empty_tensor_value_info(name) for name in arrays],
            [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
        )
        results = ReferenceEvaluator(graph, opsets={domain: operation.version}).run(None, dict(arrays))
    except Exception as error:
        # The reference implementation raises whatever its numpy code happens to raise.
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise AxhwError(
            f"Expected an operator on constants that the onnx package can compute, found: {reason.rstrip('.')}."
        ) from error
    return tuple(np.asarray(result) for result in results)

"""ONNX files: what is read, and what is refused before any operator is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import onnx
import onnx.checker
import onnx.external_data_helper
import onnx.helper
import onnx.inliner
import onnx.numpy_helper
from google.protobuf.message import DecodeError

from axhw.errors import AxhwError
from axhw.nn.onnx_import.operation import Array, Model, Operation, Subgraph

OLDEST_OPSET = 7
NEWEST_OPSET = 28
_OWN_DOMAINS = ("", "ai.onnx")
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)


def load(path: Path) -> Model:
    """The model in a file, with its external data.

    Raises
    ------
    AxhwError
        If the file can't be read or is no valid ONNX model, files of its external data are missing, its operator set
        is too old or too new, or it has not exactly one input of real values and one output.
    """
    proto = _parse(path)
    _check_external_data(proto.graph, path)
    versions = _versions(proto, path)
    try:
        onnx.checker.check_model(_skeleton(proto))
        onnx.external_data_helper.load_external_data_for_model(proto, str(path.parent))
        if proto.functions:
            proto = onnx.inliner.inline_local_functions(proto)
        graph = _subgraph(proto.graph, versions)
    except (onnx.checker.ValidationError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        # The checker lets some tensors pass whose data don't fit their shape or type.
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise AxhwError(f"Expected a valid ONNX model in {path}, found: {reason.rstrip('.')}.") from error
    if len(graph.outputs) != 1:
        raise AxhwError(
            f"Expected one output of {path.name}, found {', '.join(graph.outputs)}: export the logits alone."
        )
    image = _input(proto.graph, graph.constants, path)
    return Model(name=path.stem, graph=graph, input=image.name, input_shape=_input_shape(image, path))


def _parse(path: Path) -> onnx.ModelProto:
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise AxhwError(f"Expected an ONNX model at {path}: {error.strerror or error}.") from error
    except DecodeError as error:
        raise AxhwError(f"Expected an ONNX model at {path}, found something else: {error}.") from error
    if not proto.graph.node:
        raise AxhwError(f"Expected an ONNX model at {path}, found no operators in it.")
    return proto


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """All constants, also those in attributes and branches."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield attribute.t
        yield from attribute.tensors
        for branch in (attribute.g, *attribute.graphs):
            yield from _tensors(branch)


def _check_external_data(graph: onnx.GraphProto, path: Path) -> None:
    names = {
        entry.value
        for tensor in _tensors(graph)
        if onnx.external_data_helper.uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    missing = sorted(name for name in names if not (path.parent / name).is_file())
    if missing:
        raise AxhwError(
            f"Expected the weights of {path.name} beside it in {path.parent}, found no {' and no '.join(missing)}: "
            "keep the files of an export together."
        )


def _skeleton(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model as the checker can take it: it wants external data loaded, and outputs with shapes, which many lack."""
    skeleton = onnx.ModelProto()
    skeleton.CopyFrom(proto)
    for tensor in _tensors(skeleton.graph):
        if onnx.external_data_helper.uses_external_data(tensor):
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
            tensor.dims[:] = [0]
            tensor.raw_data = b""
    for output in skeleton.graph.output:
        output.type.tensor_type.shape.SetInParent()
    return skeleton


def _versions(proto: onnx.ModelProto, path: Path) -> dict[str, int]:
    """Version of each operator set, the empty name for ONNX's own."""
    versions = {"" if entry.domain in _OWN_DOMAINS else entry.domain: entry.version for entry in proto.opset_import}
    opset = versions.get("", 1)
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise AxhwError(
            f"Expected an ONNX operator set from {OLDEST_OPSET} to {NEWEST_OPSET} in {path}, found {opset}: "
            "export with opset_version=17."
        )
    return versions


def _input(graph: onnx.GraphProto, constants: Mapping[str, Array], path: Path) -> onnx.ValueInfoProto:
    # Old files list their constants among the inputs as well.
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise AxhwError(f"Expected one input of {path.name}, the images, found {names}.")
    image: onnx.ValueInfoProto = inputs[0]
    kind = image.type.tensor_type.elem_type
    if kind not in _FLOATS:
        found = onnx.TensorProto.DataType.Name(kind) if kind else "no tensor"
        raise AxhwError(
            f"Expected images of real values into {path.name}, found {found}: export with a float input in front of "
            "the first QuantizeLinear."
        )
    return image


def _input_shape(image: onnx.ValueInfoProto, path: Path) -> tuple[int | None, ...]:
    sides = image.type.tensor_type.shape.dim
    if len(sides) < 2:
        raise AxhwError(
            f"Expected a batch axis and at least one more in the input {image.name} of {path.name}, found {len(sides)}."
        )
    return tuple(side.dim_value if side.dim_value > 0 else None for side in sides)


def _subgraph(graph: onnx.GraphProto, versions: Mapping[str, int]) -> Subgraph:
    if graph.sparse_initializer:
        raise AxhwError(f"Expected dense weights, found sparse ones for {graph.sparse_initializer[0].values.name}.")
    return Subgraph(
        operations=tuple(_operation(node, versions) for node in graph.node),
        constants={tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer},
        outputs=tuple(value.name for value in graph.output),
    )


def _operation(node: onnx.NodeProto, versions: Mapping[str, int]) -> Operation:
    domain = "" if node.domain in _OWN_DOMAINS else node.domain
    return Operation(
        name=node.name or next(iter(node.output), node.op_type),
        kind=f"{domain}.{node.op_type}" if domain else node.op_type,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={attribute.name: _attribute(attribute, versions) for attribute in node.attribute},
        version=versions.get(domain, 1),
    )


def _attribute(attribute: onnx.AttributeProto, versions: Mapping[str, int]) -> object:
    value = onnx.helper.get_attribute_value(attribute)
    return _plain(value, versions)


def _plain(value: object, versions: Mapping[str, int]) -> object:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, onnx.GraphProto):
        return _subgraph(value, versions)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return tuple(_plain(item, versions) for item in value)
    return value

"""Networks from ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from axhw.errors import AxhwError
from axhw.nn.layers.base import Shape
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork

Sides: TypeAlias = tuple[int | None, ...]
"""A shape with None for sides that the file leaves open."""


def read_onnx(path: Path, *, image_shape: Shape | None = None) -> Network | QuantizedNetwork:
    """The network in an ONNX file.

    Parameters
    ----------
    path : Path
    image_shape : tuple of int, optional
        Of one image, where the file leaves sides open, or where it wants channels last and you have them first.

    Returns
    -------
    Network or QuantizedNetwork
        The second if activations are quantised in the file, with unsigned codes if all codes of the file are
        unsigned, else signed ones; `QuantizedNetwork.with_signedness` changes that. Layers have the names of ONNX's
        operators, with ``_`` for characters other than letters, digits, points and underscores.

    Raises
    ------
    AxhwError
        If the package onnx is not installed; if the file can't be read, is no valid ONNX model or lacks its external
        data; for inputs and outputs other than one tensor of images and one of results; for images of another shape;
        for operators that there is no layer for; for a network that is quantised in part.
    """
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise AxhwError(
            "Expected the package onnx to read ONNX files, found none: pip install 'axhw[onnx]'."
        ) from error
    from axhw.nn.onnx_import.codings import place_codings
    from axhw.nn.onnx_import.finish import float_network, quantized_network
    from axhw.nn.onnx_import.fuse.fuse import fuse
    from axhw.nn.onnx_import.load import load
    from axhw.nn.onnx_import.lower import lower

    model = load(path)
    sides = _image_sides(model.name, model.input_shape)
    shape = _known(model.name, sides) if image_shape is None else image_shape
    draft, output = lower(model, shape, turned=_turned(model.name, sides, shape))
    output = fuse(draft, place_codings(draft, output))
    if not draft.codings:
        return float_network(draft)
    return quantized_network(draft, output)


def _image_sides(name: str, sides: Sides) -> Sides:
    """The sides of one image."""
    batch, *rest = sides
    if batch not in (None, 1):
        raise AxhwError(
            f"Expected a batch of 1 or of any size into {name}, found {batch}: export with a batch of 1 or a dynamic "
            "batch axis."
        )
    return tuple(rest)


def _known(name: str, sides: Sides) -> Shape:
    if None in sides:
        raise AxhwError(
            f"Expected sides of the images of {name}, found {_written(sides)}: say which image_shape, or export with "
            "fixed sides."
        )
    return tuple(side for side in sides if side is not None)


def _turned(name: str, sides: Sides, shape: Shape) -> bool:
    """Whether images of the shape have channels first and the network wants them last."""
    if _fits(sides, shape):
        return False
    if len(shape) == 3 and _fits(sides, (*shape[1:], shape[0])):
        return True
    raise AxhwError(f"Expected images of shape {_written(sides)} for {name}, found {shape}.")


def _fits(sides: Sides, shape: Shape) -> bool:
    return len(sides) == len(shape) and all(side in (None, wanted) for side, wanted in zip(sides, shape))


def _written(sides: Sides) -> str:
    return f"({', '.join('?' if side is None else str(side) for side in sides)})"

"""A network with real weights: the float reference that an integer network is calibrated from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.graph import INPUT, Graph
from axhw.nn.layers.base import Reals
from axhw.nn.routing import node_inputs

Images: TypeAlias = npt.NDArray[np.floating]
Range: TypeAlias = tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A graph and its parameters.

    Attributes
    ----------
    graph : Graph
    parameters : mapping of str to array
        ``<node>.weight``, ``<node>.bias`` and what else its layers have.
    ranges : mapping of str to pair of float
        Lowest and highest value to be represented of tensors, where training fixed them; calibration measures the
        others.

    Raises
    ------
    AxhwError
        For parameters that are missing, unknown, of another shape, or not finite; for ranges of no tensor.
    """

    graph: Graph
    parameters: Mapping[str, Reals]
    ranges: Mapping[str, Range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = self.graph.parameter_shapes
        for name in sorted({*expected, *self.parameters}):
            if name not in expected or name not in self.parameters:
                raise AxhwError(
                    f"Expected the parameters {_some(expected)} for {self.graph.name}, "
                    f"found {name} {'missing' if name in expected else 'beside them'}."
                )
            array = self.parameters[name]
            if array.shape != expected[name]:
                raise AxhwError(f"Expected shape {expected[name]} for the parameter {name}, found {array.shape}.")
            if array.dtype.kind != "f":
                raise AxhwError(f"Expected real values for the parameter {name}, found {array.dtype}.")
            if not np.isfinite(array).all():
                raise AxhwError(f"Expected finite values for the parameter {name}, found NaN or infinity.")
        for name in self.ranges:
            if name not in self.graph.shapes:
                raise AxhwError(f"Expected ranges of tensors of {self.graph.name}, found one of {name!r}.")

    @property
    def digest(self) -> str:
        """Of all parameters and ranges."""
        digest = hashlib.sha256(repr(sorted(self.ranges.items())).encode())
        for name, array in sorted(self.parameters.items()):
            digest.update(name.encode() + array.tobytes())
        return digest.hexdigest()[:16]

    def layer_parameters(self, node: str, dtype: npt.DTypeLike | None = None) -> dict[str, Reals]:
        """Parameters of a node under their local names, in their own dtype or another."""
        names = self.graph[node].layer.parameter_shapes
        return {local: np.asarray(self.parameters[f"{node}.{local}"], dtype) for local in names}

    def forward(
        self,
        images: Images,
        *,
        dtype: npt.DTypeLike = np.float32,
        observe: Callable[[str, Reals], None] | None = None,
        dense: bool = False,
    ) -> Reals:
        """The network's output, logits for a classifier.

        Parameters
        ----------
        images : float array, shape (B, *input_shape)
        dtype : float dtype
            Of the arithmetic.
        observe : callable, optional
            Called with the name and the value of every tensor: the images, then each node's output. Of an expert it is
            the rows computed; an expert without any is left out.
        dense : bool
            Let every expert compute all rows. The result is the same.

        Returns
        -------
        array of `dtype`, shape (B, *output shape)
        """
        self.graph.check_images(images)
        values: dict[str, Reals] = {INPUT: images.astype(dtype)}
        if observe is not None:
            observe(INPUT, values[INPUT])
        for node in self.graph:
            inputs = node_inputs(self.graph, node, values, dense=dense)
            idle = node.route is not None and not len(inputs[0])
            if idle:
                values[node.name] = np.empty((0, *self.graph.shapes[node.name]), dtype)
            else:
                values[node.name] = node.layer.forward(*inputs, parameters=self.layer_parameters(node.name, dtype))
            if observe is not None and not idle:
                observe(node.name, values[node.name])
            for name in self.graph.last_use[node.name]:
                del values[name]
        return values[self.graph.output]


def _some(names: Mapping[str, object]) -> str:
    """The first names, and how many more there are."""
    first = list(names)[:8]
    rest = len(names) - len(first)
    return ", ".join(first) + (f" and {rest} more" if rest else "")

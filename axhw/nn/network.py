"""A network with real weights: the float reference that an integer network is calibrated from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError
from axhw.nn.architecture import Architecture
from axhw.nn.layers import ProductLayer

FloatArray: TypeAlias = npt.NDArray[np.float64]
Images: TypeAlias = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """An architecture and its weights.

    Attributes
    ----------
    architecture : Architecture
    parameters : mapping of str to array
        ``<layer>.weight`` and ``<layer>.bias`` of every product layer.

    Raises
    ------
    AxhwError
        For parameters that are missing, unknown, of another shape, or not finite.
    """

    architecture: Architecture
    parameters: Mapping[str, npt.NDArray[np.floating]]

    def __post_init__(self) -> None:
        expected = self.architecture.parameter_shapes
        for name in sorted({*expected, *self.parameters}):
            if name not in expected or name not in self.parameters:
                raise AxhwError(
                    f"Expected the parameters {', '.join(expected)} for {self.architecture.name}, "
                    f"found {name} {'missing' if name in expected else 'beside them'}."
                )
            array = self.parameters[name]
            if array.shape != expected[name]:
                raise AxhwError(f"Expected shape {expected[name]} for the parameter {name}, found {array.shape}.")
            if array.dtype.kind != "f":
                raise AxhwError(f"Expected real values for the parameter {name}, found {array.dtype}.")
            if not np.isfinite(array).all():
                raise AxhwError(f"Expected finite values for the parameter {name}, found NaN or infinity.")

    def forward(self, images: Images, *, observe: Callable[[int, FloatArray], None] | None = None) -> FloatArray:
        """Logits in float64.

        Parameters
        ----------
        images : float array, shape (B, *input_shape)
        observe : callable, optional
            Called with the index of each layer and its output.

        Returns
        -------
        float64 array, shape (B, classes)
        """
        self.architecture.check_images(images)
        x = images.astype(np.float64)
        for index, layer in enumerate(self.architecture.layers):
            if isinstance(layer, ProductLayer):
                weight = self.parameters[f"{layer.name}.weight"].astype(np.float64)
                sums = layer.rows(x, zero=0) @ layer.weight_matrix(weight)
                sums += self.parameters[f"{layer.name}.bias"]
                x = layer.fold(sums, batch=len(x), shape=self.architecture.shapes[index])
            else:
                x = layer.forward(x, zero=0)
            if observe is not None:
                observe(index, x)
        return x

"""The shipped network, its data, and tables straight from golden models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from axhw.data import digits
from axhw.data.dataset import Splits
from axhw.hdl.registry import parse
from axhw.nn.graph import Graph
from axhw.nn.network import Network
from axhw.nn.quantized import QuantizedNetwork
from axhw.nn.quantizer import quantize_network
from axhw.nn.weights_file import load_shipped
from axhw.sim.product_table import ProductTable


@pytest.fixture(scope="session")
def make_table() -> Callable[..., ProductTable]:
    """The table of a spec: ``make_table("roup:p=1,r=4", signed=True, width=8)``."""

    def make(text: str, *, signed: bool = True, width: int = 8) -> ProductTable:
        spec = parse(text, signed=signed, width=width)
        codes = spec.operand_codes()
        values = spec.reference(codes[:, None], codes).astype(np.int32)
        return ProductTable(values=values, width=width, signed=signed, name=spec.name, source={})

    return make


@pytest.fixture(scope="session")
def splits() -> Splits:
    return digits.load()


@pytest.fixture(scope="session")
def network() -> Network:
    return load_shipped("digits_cnn", "digits").network


@pytest.fixture(scope="session")
def quantized(network: Network, splits: Splits) -> dict[bool, QuantizedNetwork]:
    """The shipped network for signed (True) and unsigned (False) multipliers."""
    return {signed: quantize_network(network, splits.train.images, signed=signed) for signed in (True, False)}


@pytest.fixture(scope="session")
def random_network(random_parameters: Callable[[Graph], dict[str, npt.NDArray[np.float32]]]) -> Callable[..., Network]:
    """A network with random weights that keep values in range; gates use all experts for the images given."""

    def make(graph: Graph, images: npt.NDArray[np.float32] | None = None) -> Network:
        parameters = random_parameters(graph)
        network = Network(graph=graph, parameters=parameters)
        if images is not None:

            def center(name: str, logits: npt.NDArray[np.floating]) -> None:
                if name.endswith("gate_logits"):
                    parameters[f"{name}.bias"] -= logits.reshape(-1, logits.shape[-1]).mean(axis=0)

            network.forward(images, observe=center)
        return network

    return make

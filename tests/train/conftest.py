"""Networks, images and tables for the tests of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from axhw.data import digits
from axhw.data.dataset import Splits
from axhw.hdl.registry import parse
from axhw.nn.calibrate import Calibration, measure_ranges
from axhw.nn.fold import fold_batch_norms
from axhw.nn.graph import Graph
from axhw.nn.network import Network
from axhw.nn.quantizer import range_sources
from axhw.sim.product_table import ProductTable

Images = npt.NDArray[np.float32]


@pytest.fixture(scope="session")
def make_table() -> Callable[..., ProductTable]:
    """The table of a spec: ``make_table("roup:p=1,r=4", signed=True)``."""

    def make(text: str, *, signed: bool = True) -> ProductTable:
        spec = parse(text, signed=signed)
        codes = spec.operand_codes()
        values = spec.reference(codes[:, None], codes).astype(np.int32)
        return ProductTable(values=values, width=8, signed=signed, name=spec.name, source={})

    return make


@pytest.fixture(scope="session")
def make_network(
    random_parameters: Callable[[Graph], dict[str, npt.NDArray[np.float32]]],
) -> Callable[[Graph], Network]:
    """A network with random weights that keep values in range, and statistics that batch norms can't ignore."""

    def make(graph: Graph) -> Network:
        return Network(graph=graph, parameters=random_parameters(graph))

    return make


@pytest.fixture(scope="session")
def calibrated() -> Callable[..., Network]:
    """The network with batch norms folded and all ranges fixed."""

    def calibrate(network: Network, images: Images, *, signed: bool, symmetric: bool | None = None) -> Network:
        folded = fold_batch_norms(network)
        ranges = measure_ranges(
            folded,
            images,
            tensors=sorted(set(range_sources(folded.graph).values())),
            calibration=Calibration(method="percentile", percentile=99.0),
            signed=signed,
            symmetric=symmetric,
        )
        return replace(folded, ranges=ranges)

    return calibrate


@pytest.fixture(scope="session")
def noise() -> Callable[..., Images]:
    """Random images of a shape."""

    def make(count: int, shape: tuple[int, ...]) -> Images:
        return np.random.default_rng(1).normal(size=(count, *shape)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def splits() -> Splits:
    return digits.load()

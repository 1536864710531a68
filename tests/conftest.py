"""One store for all tests of a session, and the designs in it: nothing is synthesised twice, and no test sees the
user's store."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings

from axhw import checksums
from axhw.characterize import characterize
from axhw.flow import Flow
from axhw.hdl.registry import create_element, parse
from axhw.nn.graph import Graph
from axhw.record import DesignRecord
from axhw.store import ENVIRONMENT, Store
from axhw.synth.libraries import DEFAULT, load_library

# How long an example takes is the machine's affair.
settings.register_profile("axhw", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("axhw")


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Shells start background jobs deaf to Ctrl-C, and children inherit that: tests that interrupt them need ears."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store of this session, the default one meanwhile; workers of pytest-xdist share it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT, str(folder / "store"))
        yield Store.default()


@pytest.fixture(scope="session")
def seal() -> Callable[[Path], None]:
    """Take the files of a stored design as they are now for what was stored, to get at the checks behind digests."""

    def write(folder: Path) -> None:
        contents = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != checksums.FILE}
        (folder / checksums.FILE).write_bytes(checksums.sums(contents))

    return write


@pytest.fixture(scope="session")
def random_parameters() -> Callable[[Graph], dict[str, npt.NDArray[np.float32]]]:
    """Random weights that keep values in range, and statistics that batch norms can't ignore."""

    def make(graph: Graph) -> dict[str, npt.NDArray[np.float32]]:
        rng = np.random.default_rng(0)
        parameters = {}
        for name, shape in graph.parameter_shapes.items():
            if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
                value = rng.uniform(0.5, 1.5, shape)
            elif name.endswith("weight"):
                value = rng.normal(0.0, np.sqrt(2 / np.prod(shape[1:])), shape)
            else:
                value = rng.normal(0.0, 0.2, shape)
            parameters[name] = value.astype(np.float32)
        return parameters

    return make


@pytest.fixture(scope="session")
def characterized(store: Store) -> Callable[..., DesignRecord]:
    """The record of a design on the embedded library: ``characterized("exact:width=4", "mac", terms=4)``."""

    library = load_library(DEFAULT)

    @functools.cache
    def make(text: str, element: str | None = None, **parameters: object) -> DesignRecord:
        multiplier = parse(text)
        spec = multiplier if element is None else create_element(element, multiplier, parameters)
        return characterize(spec, flow=Flow.of(library=library, store=store))

    return make

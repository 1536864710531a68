"""Problems small enough for seconds."""

from __future__ import annotations

import pytest

from axhw.evolve.gate_costs import GateCosts
from axhw.evolve.limits import Limits, absolute
from axhw.evolve.problem import Problem
from axhw.evolve.search import Search, Settings
from axhw.hdl.gate_builder import exact_multiplier
from axhw.synth.libraries import load_library


@pytest.fixture(scope="session")
def library():
    return load_library("sg13g2")


@pytest.fixture(scope="session")
def costs(library):
    return GateCosts.of(library.cells)


@pytest.fixture
def search(costs):
    """Makes a search from an exact array of 4 bits."""

    def make(*, metric="mae", ladder=(0.5, 2.0), values=(), objective="area", histogram=None, signed=True, **settings):
        limits = Limits(width=4, metric=metric, ladder=tuple(ladder), values=dict(values))
        problem = Problem(
            width=4, signed=signed, costs=costs, objective=objective, metrics=limits.limited, histogram=histogram
        )
        circuit = exact_multiplier(4, signed=signed)
        return Search(problem, limits, circuit, Settings(**{"epoch": 500, "migration": 2, **settings}))

    return make


@pytest.fixture
def percent():
    return lambda metric, value: absolute(metric, value, width=4)

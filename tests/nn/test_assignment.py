"""Tables for layers, and those that do not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from axhw.errors import AxhwError
from axhw.nn.assignment import assign
from axhw.sim.product_table import ProductTable

MakeTable = Callable[..., ProductTable]
LAYERS = ("conv1", "fc")


def test_one_table_is_for_all_layers(make_table: MakeTable) -> None:
    table = make_table("exact")
    assert assign(table, layers=LAYERS, signed=True) == {"conv1": table, "fc": table}


def test_layers_may_be_left_out(make_table: MakeTable) -> None:
    table = make_table("exact")
    assert assign({"fc": table}, layers=LAYERS, signed=True) == {"fc": table}
    assert assign(None, layers=LAYERS, signed=True) == {}


def test_an_unknown_layer_is_refused(make_table: MakeTable) -> None:
    with pytest.raises(AxhwError, match="Expected product layers out of conv1, fc, found 'conv9' in the assignment"):
        assign({"conv9": make_table("exact")}, layers=LAYERS, signed=True)


def test_another_signedness_is_refused(make_table: MakeTable) -> None:
    message = "of signed operands for a network of signed codes, found exact8u of unsigned ones: .* signed=False"
    with pytest.raises(AxhwError, match=message):
        assign(make_table("exact", signed=False), layers=LAYERS, signed=True)


def test_another_width_is_refused(make_table: MakeTable) -> None:
    with pytest.raises(AxhwError, match="Expected 8-bit multipliers for a network of 8-bit codes, found 6 bits in"):
        assign(make_table("exact", width=6), layers=LAYERS, signed=True)


def test_a_bare_array_is_refused(make_table: MakeTable) -> None:
    with pytest.raises(AxhwError, match="Expected a ProductTable for conv1, found ndarray"):
        assign(make_table("exact").values, layers=LAYERS, signed=True)  # type: ignore[arg-type]

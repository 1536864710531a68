"""Tables for layers, filters and kernels, and those that do not fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from axhw.errors import AxhwError
from axhw.nn.assignment import LayerTables, assign
from axhw.nn.graph import Builder, Graph
from axhw.nn.layers.products import Conv2d, Linear
from axhw.nn.layers.shaping import Flatten
from axhw.sim.product_table import ProductTable

MakeTable = Callable[..., ProductTable]


def graph() -> Graph:
    build = Builder("net", input_shape=(3, 4, 4))
    build("conv1", Conv2d.square(3, 2))
    build("flat", Flatten())
    build("fc", Linear(in_features=32, out_features=5))
    return build.graph()


def test_one_table_is_for_all_layers(make_table: MakeTable) -> None:
    table = make_table("exact")
    assigned = assign(table, graph=graph(), signed=True)
    assert {name: chosen.tables for name, chosen in assigned.items()} == {"conv1": (table,), "fc": (table,)}


def test_layers_may_be_left_out(make_table: MakeTable) -> None:
    assert list(assign({"fc": make_table("exact")}, graph=graph(), signed=True)) == ["fc"]
    assert assign(None, graph=graph(), signed=True) == {}


def test_shares_of_filters_and_kernels(make_table: MakeTable) -> None:
    tables = (make_table("exact"), make_table("roup:p=1,r=4"))
    shape = (2, 3, 3, 3)
    assert LayerTables.uniform(tables[0]).shares(shape).tolist() == [1.0]
    assert LayerTables(tables=tables, table_of=np.array(1)).shares(shape).tolist() == [0.0, 1.0]
    assert LayerTables(tables=tables, table_of=np.array([0, 1])).shares(shape).tolist() == [0.5, 0.5]
    by_kernel = LayerTables(tables=tables, table_of=np.array([[0, 1, 1], [1, 1, 1]]))
    assert by_kernel.shares(shape) == pytest.approx([1 / 6, 5 / 6])
    assert by_kernel.for_weights(shape).shape == (2, 3, 1, 1)


def test_an_unknown_layer_is_refused(make_table: MakeTable) -> None:
    with pytest.raises(AxhwError, match="Expected product layers out of conv1, fc, found 'conv9' in the assignment"):
        assign({"conv9": make_table("exact")}, graph=graph(), signed=True)


def test_another_signedness_is_refused(make_table: MakeTable) -> None:
    message = "of signed operands for a network of signed codes, found exact8u of unsigned ones: .* signed=False"
    with pytest.raises(AxhwError, match=message):
        assign(make_table("exact", signed=False), graph=graph(), signed=True)


def test_another_width_is_refused(make_table: MakeTable) -> None:
    with pytest.raises(AxhwError, match="Expected 8-bit multipliers for a network of 8-bit codes, found 6 bits in"):
        assign(make_table("exact", width=6), graph=graph(), signed=True)


def test_a_bare_array_is_refused(make_table: MakeTable) -> None:
    with pytest.raises(AxhwError, match="Expected a ProductTable for conv1, found ndarray"):
        assign({"conv1": make_table("exact").values}, graph=graph(), signed=True)  # type: ignore[dict-item]


def test_table_numbers_that_do_not_fit_are_refused(make_table: MakeTable) -> None:
    table = make_table("exact")
    with pytest.raises(AxhwError, match="Expected at least one table for a layer, found none"):
        LayerTables(tables=(), table_of=np.array(0))
    with pytest.raises(AxhwError, match="Expected table numbers from 0 to 0, found 0 to 1"):
        LayerTables(tables=(table,), table_of=np.array([0, 1]))
    with pytest.raises(AxhwError, match="Expected table numbers as an integer array of up to 2 axes, found float64"):
        LayerTables(tables=(table,), table_of=np.array(0.0))
    with pytest.raises(AxhwError, match=r"Expected table numbers of shape \(2,\) for conv1, found \(3,\)"):
        assign({"conv1": LayerTables(tables=(table,), table_of=np.zeros(3, int))}, graph=graph(), signed=True)
    with pytest.raises(AxhwError, match=r"Expected table numbers of shape \(5, 32\) for fc, found \(5, 3\)"):
        assign({"fc": LayerTables(tables=(table,), table_of=np.zeros((5, 3), int))}, graph=graph(), signed=True)

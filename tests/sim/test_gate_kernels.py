"""Compiled gates: the errors of `axhw.sim.metrics` to the last bit, over all pairs."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest

import axhw.sim.gate_kernels
from axhw.errors import AxhwError
from axhw.hdl.bits import exhaustive_words, unpack_product
from axhw.hdl.families.netlist import NetlistSpec
from axhw.hdl.gate_builder import exact_multiplier
from axhw.hdl.gates import Gate, GateNetlist
from axhw.sim.gate_errors import exhaustive_errors
from axhw.sim.gate_kernels import BLOCK_WORDS, fill_operands, multiply, row_array, unpack
from axhw.sim.metrics import exact_metrics
from axhw.sim.product_table import ProductTable

ROUNDED = ("mre_pct", "wcre_pct", "variance")


def damaged(circuit, *, changes, seed):
    """The circuit with some gates replaced by random ones."""
    rng = np.random.default_rng(seed)
    gates = list(circuit.gates)
    for place in rng.integers(0, len(gates), changes):
        signals = circuit.inputs + int(place)
        gates[place] = Gate(int(rng.integers(16)), *map(int, rng.integers(0, signals, 2)))
    return GateNetlist(inputs=circuit.inputs, gates=tuple(gates), outputs=circuit.outputs)


def table_of(circuit, *, signed):
    spec = NetlistSpec.from_circuit(circuit, signed=signed)
    codes = spec.operand_codes()
    values = spec.reference(codes[:, None], codes).astype(np.int32)
    return ProductTable(values=values, width=spec.width, signed=signed, name="x", source={})


def assert_same(found, expected):
    for field in dataclasses.fields(expected):
        ours, theirs = getattr(found, field.name), getattr(expected, field.name)
        if field.name in ROUNDED:
            assert math.isclose(ours, theirs, rel_tol=1e-11, abs_tol=1e-11), field.name
        else:
            assert ours == theirs, field.name


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("width", [4, 5, 6, 8, 9])
@pytest.mark.parametrize("changes", [0, 1, 4])
def test_metrics_are_those_of_the_table(width, signed, changes):
    circuit = damaged(exact_multiplier(width, signed=signed), changes=changes, seed=width + changes)
    assert_same(exhaustive_errors(circuit, signed=signed), exact_metrics(table_of(circuit, signed=signed)))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("output", [0, 3, 15])
def test_extreme_products(signed, output):
    # All bits of the product alike: the largest errors there are, of both signs.
    gates = (Gate(15, 0, 0), Gate(0, 0, 0))
    outputs = tuple(16 if bit <= output else 17 for bit in range(16))
    circuit = GateNetlist(inputs=16, gates=gates, outputs=outputs)
    assert_same(exhaustive_errors(circuit, signed=signed), exact_metrics(table_of(circuit, signed=signed)))


def test_threads_change_nothing():
    circuit = damaged(exact_multiplier(9, signed=True), changes=3, seed=1)
    one, three = (exhaustive_errors(circuit, signed=True, threads=threads) for threads in (1, 3))
    assert_same(three, one)


def test_what_is_not_asked_for_is_not_a_number():
    found = exhaustive_errors(exact_multiplier(4, signed=False), signed=False, relative=False, squares=False)
    assert found.mae == 0
    assert math.isnan(found.mre_pct)
    assert math.isnan(found.mse)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("width", [5, 8, 12, 16])
def test_operands_and_exact_products(width, signed):
    rows, exact = row_array(2 * width), row_array(2 * width)
    block = (1 << max(0, 2 * width - 12)) - 1
    fill_operands(width, block, rows)
    counter = exhaustive_words(2 * width, start=block * BLOCK_WORDS, count=BLOCK_WORDS)
    assert np.array_equal(rows, np.concatenate([counter[width:], counter[:width]]))
    multiply(width, signed, rows, exact)
    a, b = (unpack_product(half, signed=signed) for half in (rows[:width], rows[width:]))
    assert np.array_equal(unpack_product(exact, signed=signed), a * b)


@pytest.mark.parametrize("count", [3, 8, 16, 32])
def test_unpack_is_the_inverse_of_packing(count):
    planes = row_array(count)
    planes[:] = np.random.default_rng(count).integers(0, 2**64, planes.shape, np.uint64)
    values = np.empty((64, BLOCK_WORDS), np.int64)
    unpack(planes, count, values)
    assert np.array_equal(values.T.ravel(), unpack_product(planes, signed=False))


def test_rows_lie_on_cache_lines():
    assert all(row_array(rows).ctypes.data % 64 == 0 for rows in range(1, 20))


def test_other_circuits_are_refused():
    circuit = GateNetlist(inputs=4, gates=(), outputs=(0, 1, 2))
    with pytest.raises(
        AxhwError, match="Expected a multiplier of 2 to 16 bits with as many outputs as inputs, found 4"
    ):
        exhaustive_errors(circuit, signed=True)


def test_compiled_code_is_not_taken_from_an_older_cache():
    # Numba's cache looks at the file of a function only, not at those of the functions it calls.
    rows = Path(axhw.sim.gate_kernels.__file__).with_name("block_rows.py")
    digest = hashlib.sha256(rows.read_bytes()).hexdigest()[:12]
    assert digest == axhw.sim.gate_kernels.ROWS_DIGEST, f"set ROWS_DIGEST in gate_kernels.py to {digest}"

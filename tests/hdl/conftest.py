"""Bit-parallel evaluation of components: Amaranth -> RTLIL -> Yosys and-inverter graph -> numpy words.

Independent of axhw.sim, and much faster than Amaranth's simulator for all 65,536 pairs of operands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.back import rtlil
from amaranth.lib import wiring

from axhw.hdl.spec import IntegerArray, MultiplierSpec
from axhw.synth.engines import find_engine, run_script

Words = npt.NDArray[np.uint64]
Bit = int | str
Circuit = Callable[..., IntegerArray]

_SCRIPT = "read_rtlil designs.il; proc; techmap; opt_expr; aigmap; clean; write_json designs.json"
_PINS = {"$_AND_": ("A", "B"), "$_NOT_": ("A",)}


class AndInverterGraph:
    """A combinational module; called with an integer array for each input, it gives the output ``o``."""

    def __init__(self, module: Mapping[str, Any], *, signed: bool) -> None:
        self._signed = signed
        self._ports = {name: port["bits"] for name, port in module["ports"].items()}
        drivers = {cell["connections"]["Y"][0]: cell for cell in module["cells"].values()}
        self._gates = list(_in_order(drivers, self._ports["o"]))

    def __call__(self, **operands: IntegerArray) -> IntegerArray:
        length = len(next(iter(operands.values())))
        zero = np.zeros(-(-length // 64), np.uint64)
        values: dict[Bit, Words] = {"0": zero, "1": ~zero}
        for port, operand in operands.items():
            for position, bit in enumerate(self._ports[port]):
                values[bit] = _pack(operand >> position & 1)
        for output, inputs in self._gates:
            values[output] = values[inputs[0]] & values[inputs[1]] if len(inputs) == 2 else ~values[inputs[0]]
        bits = self._ports["o"]
        weights = [1 << position for position in range(len(bits))]
        if self._signed:
            weights[-1] *= -1
        result = np.zeros(length, np.int64)
        for bit, weight in zip(bits, weights):
            result += weight * _unpack(values[bit], length)
        return result


def _in_order(drivers: Mapping[Bit, Any], outputs: Sequence[Bit]) -> Iterator[tuple[Bit, list[Bit]]]:
    """Gates as (output, inputs), each behind those that drive it."""
    done: set[Bit] = set()
    stack = [bit for bit in outputs if bit in drivers]
    while stack:
        cell = drivers[stack[-1]]
        inputs = [cell["connections"][pin][0] for pin in _PINS[cell["type"]]]
        waiting = [bit for bit in inputs if bit in drivers and bit not in done]
        if waiting:
            stack += waiting
            continue
        bit = stack.pop()
        if bit not in done:
            done.add(bit)
            yield bit, inputs


def _pack(bits: IntegerArray) -> Words:
    padded = np.zeros(-(-len(bits) // 64) * 64, np.uint8)
    padded[: len(bits)] = bits
    return np.packbits(padded, bitorder="little").view(np.uint64)


def _unpack(words: Words, length: int) -> IntegerArray:
    return np.unpackbits(words.view(np.uint8), bitorder="little")[:length].astype(np.int64)


def _synthesise(components: Sequence[wiring.Component], *, signed: Sequence[bool]) -> list[Circuit]:
    text = "\n".join(
        rtlil.convert(component, name=f"design{index}", emit_src=False) for index, component in enumerate(components)
    )
    files = run_script(find_engine(), _SCRIPT, inputs={"designs.il": text}, outputs=["designs.json"])
    modules = json.loads(files["designs.json"])["modules"]
    return [AndInverterGraph(modules[f"design{index}"], signed=sign) for index, sign in enumerate(signed)]


def _pairs(spec: MultiplierSpec, count: int | None = None) -> tuple[IntegerArray, IntegerArray]:
    if count is None:
        codes = spec.operand_codes()
        return np.repeat(codes, len(codes)), np.tile(codes, len(codes))
    rng = np.random.default_rng(12345)
    low, high = spec.operand_range
    middle = (low + high + 1) // 2
    corners = np.unique([low, low + 1, middle - 1, middle, middle + 1, high - 1, high])
    a, b = rng.integers(low, high, (2, count), endpoint=True)
    return (
        np.concatenate([np.repeat(corners, len(corners)), a]),
        np.concatenate([np.tile(corners, len(corners)), b]),
    )


@pytest.fixture(scope="session")
def synthesise() -> Callable[..., list[Circuit]]:
    """Circuits of several components with an output ``o``, from one Yosys process."""
    return _synthesise


@pytest.fixture(scope="session")
def pairs() -> Callable[..., tuple[IntegerArray, IntegerArray]]:
    """All operand pairs of a spec, a varying slowest; with a count, so many random ones behind the corners."""
    return _pairs


@pytest.fixture(scope="session")
def check_hardware() -> Callable[..., None]:
    """Assert that the components of specs compute their golden models, over all pairs or a random `count`."""

    def check(specs: Sequence[MultiplierSpec], *, count: int | None = None) -> None:
        circuits = _synthesise([spec.component() for spec in specs], signed=[spec.signed for spec in specs])
        for spec, circuit in zip(specs, circuits):
            a, b = _pairs(spec, count)
            wrong = np.flatnonzero(circuit(a=a, b=b) != spec.reference(a, b))
            assert not wrong.size, f"{spec.name}: {wrong.size} wrong, first {a[wrong[0]]} * {b[wrong[0]]}"

    return check


@pytest.fixture(scope="session")
def error_metrics() -> Callable[[MultiplierSpec], dict[str, float]]:
    """Error metrics over all pairs as defined in the literature: MAE, WCE, EP%, MRE%, MSE, bias, variance."""

    def metrics(spec: MultiplierSpec) -> dict[str, float]:
        a, b = _pairs(spec)
        exact = a * b
        error = spec.reference(a, b) - exact
        nonzero = exact != 0
        return {
            "mae": float(np.abs(error).mean()),
            "wce": int(np.abs(error).max()),
            "ep": 100 * float((error != 0).mean()),
            "mre": 100 * float((np.abs(error[nonzero]) / np.abs(exact[nonzero])).mean()),
            "mse": float((error**2).mean()),
            "bias": float(error.mean()),
            "variance": float(error.var()),
        }

    return metrics


@pytest.fixture(scope="session")
def table_rank() -> Callable[[MultiplierSpec], int]:
    """The rank of a spec's product table, by elimination modulo a prime (no rounding to judge)."""
    prime = (1 << 31) - 1

    def rank(spec: MultiplierSpec) -> int:
        codes = spec.operand_codes()
        table = spec.reference(codes[:, None], codes) % prime
        found = 0
        for column in range(table.shape[1]):
            rows = np.flatnonzero(table[found:, column]) + found
            if not rows.size:
                continue
            table[[found, rows[0]]] = table[[rows[0], found]]
            pivot = table[found] * pow(int(table[found, column]), -1, prime) % prime
            below = table[found + 1 :]
            below -= below[:, column : column + 1] * pivot % prime
            below %= prime
            found += 1
        return found

    return rank

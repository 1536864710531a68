"""Cycle-accurate runs of processing elements in Amaranth's simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from axhw.hdl.pe.element import ProcessingElementSpec
from axhw.hdl.ports import flat_name
from axhw.hdl.spec import IntegerArray


@pytest.fixture(scope="session")
def run_cycles() -> Callable[..., dict[str, IntegerArray]]:
    """Outputs of a component, sampled just before each rising edge, for streams of its inputs and of the reset.

    ``a[1]`` is a member of the array port a; members of streams are named as in Verilog, ``request__valid``.
    """

    def port(flat: Mapping[str, Any], name: str) -> Any:
        base, _, index = name.rstrip("]").partition("[")
        return flat[f"{base}__{index}" if index else base]

    def run(
        spec: ProcessingElementSpec, outputs: Sequence[str], inputs: Mapping[str, IntegerArray], reset: IntegerArray
    ) -> dict[str, IntegerArray]:
        top = Module()
        top.domains.sync = domain = ClockDomain("sync")
        top.submodules.element = element = spec.component()
        flat = {flat_name(path): value for path, _, value in element.signature.flatten(element)}
        ports = {name: port(flat, name) for name in (*inputs, *outputs)}
        seen: list[tuple[int, ...]] = []

        async def testbench(context):
            for t in range(len(reset)):
                context.set(domain.rst, int(reset[t]))
                for name, values in inputs.items():
                    context.set(ports[name], int(values[t]))
                _, _, *values = await context.tick().sample(*(ports[name] for name in outputs))
                seen.append(tuple(int(value) for value in values))

        simulator = Simulator(top)
        simulator.add_clock(1e-6)
        simulator.add_testbench(testbench)
        simulator.run()
        return {name: np.array(column) for name, column in zip(outputs, zip(*seen))}

    return run


@pytest.fixture
def operands() -> Callable[..., tuple[IntegerArray, IntegerArray]]:
    """Random operand streams of a spec's multiplier."""

    def draw(spec: ProcessingElementSpec, cycles: int, seed: int) -> tuple[IntegerArray, IntegerArray]:
        low, high = spec.multiplier.operand_range
        a, b = np.random.default_rng(seed).integers(low, high, (2, cycles), endpoint=True)
        return a, b

    return draw

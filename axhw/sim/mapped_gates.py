"""A mapped netlist as two-input gates: what the compiled kernels, which know no cells, enumerate."""

from __future__ import annotations

from axhw.hdl.gate_builder import ONE, ZERO, GateBuilder
from axhw.hdl.gates import GateNetlist
from axhw.hdl.spec import MultiplierSpec
from axhw.sim.product_table import output_port
from axhw.synth.netlist import CONSTANT_0, CONSTANT_1, GateFunction, GateGraph, Netlist

_OPERATORS = {"&": "and", "|": "or", "^": "xor"}


def gates_of_netlist(netlist: Netlist, graph: GateGraph, spec: MultiplierSpec) -> GateNetlist:
    """The gates of a mapped multiplier, a cell's function being a few of them.

    Raises
    ------
    AxhwError
        If its ports are not those of `spec`.
    """
    outputs = output_port(netlist, spec)
    builder = GateBuilder(2 * spec.width)
    signals = {CONSTANT_0: ZERO, CONSTANT_1: ONE}
    signals |= {net: bit for bit, net in enumerate([*netlist.inputs["a"], *netlist.inputs["b"]])}
    for index, fanin, net in zip(graph.function.tolist(), graph.fanin.tolist(), graph.output.tolist()):
        function = graph.functions[index]
        pins = {pin: signals[source] for pin, source in zip(function.inputs, fanin)}
        signals[net] = _add(builder, function, pins)
    return builder.build([signals[net] for net in outputs])


def _add(builder: GateBuilder, function: GateFunction, pins: dict[str, int]) -> int:
    stack: list[int] = []
    for step in function.expression.postfix:
        if step == "!":
            stack.append(builder.add("not", stack.pop()))
        elif step in _OPERATORS:
            y = stack.pop()
            stack.append(builder.add(_OPERATORS[step], stack.pop(), y))
        else:
            stack.append({"0": ZERO, "1": ONE}.get(step, pins.get(step, ZERO)))
    return stack.pop()

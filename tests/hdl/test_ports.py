"""Ports under their names in Verilog."""

from __future__ import annotations

from amaranth.hdl import signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from axhw.hdl.ports import input_widths, output_widths, signed_outputs


def test_nested_ports_are_flattened():
    stream = wiring.Signature({"valid": Out(1), "ready": In(1), "values": Out(signed(5)).array(2)})
    signature = wiring.Signature({"a": In(stream), "b": Out(stream), "c": Out(unsigned(3)).array(1, 2)})
    assert input_widths(signature) == {"a__valid": 1, "a__values__0": 5, "a__values__1": 5, "b__ready": 1}
    assert output_widths(signature) == {
        "a__ready": 1,
        "b__valid": 1,
        "b__values__0": 5,
        "b__values__1": 5,
        "c__0__0": 3,
        "c__0__1": 3,
    }
    assert signed_outputs(signature) == {"b__values__0", "b__values__1"}

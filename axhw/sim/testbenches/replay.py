"""A cocotb test that drives prepared inputs and compares every expected output.

It is data-driven: the folder named by the environment holds ``vectors.npz`` (one array of bytes per port,
one row per step, little endian) and ``plan.json`` (widths, clock, which steps to check). The outcome is
written to ``outcome.json``, so that the caller learns the number of vectors and the first
difference, not only pass or fail.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

FOLDER_VARIABLE = "AXHW_REPLAY"
_HALF_PERIOD_NS = 5


@cocotb.test()  # type: ignore[untyped-decorator, unused-ignore]
async def replay(dut: Any) -> None:
    """Drive each step's inputs, let the design settle (or clock it), and compare the outputs."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    with np.load(folder / "vectors.npz", allow_pickle=False) as vectors:
        inputs = {port: _integers(vectors[f"in.{port}"]) for port in plan["inputs"]}
        outputs = {port: _integers(vectors[f"out.{port}"]) for port in plan["outputs"]}
        masks = {port: _integers(vectors[f"mask.{port}"]) for port in plan["outputs"]}
    outcome: dict[str, Any] = {"steps": 0, "mismatches": 0, "first": None}
    clock, lanes = plan["clock"], plan["lanes"]
    for step in range(plan["steps"]):
        if clock:
            getattr(dut, clock).value = 0
        for port, values in inputs.items():
            getattr(dut, port).value = values[step]
        await Timer(_HALF_PERIOD_NS, "ns")
        # Outputs of a clocked design are those before the edge: the state that earlier steps left.
        for port, expected in outputs.items():
            mask = masks[port][step]
            if mask:
                # Single bits and vectors have different types with different conversions; both print their bits.
                found = str(getattr(dut, port).value)
                wrong = wrong_lanes(found, expected[step], mask, lanes=lanes)
                outcome["mismatches"] += len(wrong)
                if wrong and outcome["first"] is None:
                    outcome["first"] = {"step": step, "port": port} | _lane(
                        found, expected[step], wrong[0], lanes=lanes
                    )
        if clock:
            getattr(dut, clock).value = 1
            await Timer(_HALF_PERIOD_NS, "ns")
        outcome["steps"] += 1
    (folder / "outcome.json").write_text(json.dumps(outcome), encoding="utf-8")
    if outcome["mismatches"]:
        raise AssertionError(f"{outcome['mismatches']} wrong outputs, the first at {outcome['first']}")


def wrong_lanes(found: str, expected: int, mask: int, *, lanes: int) -> list[int]:
    """Lanes of a port in which a compared bit is wrong or unknown.

    Parameters
    ----------
    found : str
        Bits as the simulator prints them, all lanes, the most significant first.
    """
    try:
        difference = (int(found, 2) ^ expected) & mask
    except ValueError:
        bits = f"{expected:0{len(found)}b}"
        difference = int("".join("01"[bit != wanted] for bit, wanted in zip(found, bits)), 2) & mask
    if not difference:
        return []
    width = len(found) // lanes
    return [lane for lane in range(lanes) if difference >> lane * width & ((1 << width) - 1)]


def _lane(found: str, expected: int, lane: int, *, lanes: int) -> dict[str, Any]:
    """One lane's bits, as found and as expected."""
    width = len(found) // lanes
    part = slice((lanes - 1 - lane) * width, (lanes - lane) * width)
    return {"lane": lane, "found": found[part], "expected": f"{expected:0{len(found)}b}"[part]}


def _integers(rows: Any) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in rows]

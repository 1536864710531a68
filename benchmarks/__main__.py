"""Run the benchmarks and keep their tables in reports/.

Usage: python -m benchmarks [NAME ...]
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from axhw import __version__

BENCHMARKS = {
    "bench_tables": "product-tables",
    "gen_stages": "gen-stages",
    "sweep": "sweep",
    "library_fit": "library-fit",
    "compare_opensta": "timing-and-energy",
    "compare_icarus": "timed-activity",
    "workload_energy": "workload-energy",
    "published_anchor": "published-anchor",
    "roup_against_arrays": "roup-against-arrays",
    "element_share": "element-share",
    "reconfiguration": "reconfiguration",
    "evolution": "evolution",
    "library_front": "library-front",
    "workload_choice": "workload-choice",
    "emulation": "emulation",
    "inference": "inference",
    "compensation": "compensation",
    "search": "search",
    "analog_tiles": "analog-tiles",
    "pim_simulation": "pim-simulation",
    "schedules": "schedules",
    "pim_area": "pim-area",
}
"""Module of each benchmark and the report it makes; what it prints is Markdown if it says so by ``MARKDOWN``."""

REPORTS = Path(__file__).resolve().parents[1] / "reports"


def main() -> None:
    """Run the named benchmarks, or all of them, one after the other."""
    names = sys.argv[1:] or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            sys.exit(f"Expected a benchmark out of {', '.join(BENCHMARKS)}, found {name!r}.")
    for name in names:
        print(f"benchmarks.{name}", file=sys.stderr)
        module = f"benchmarks.{name}"
        output = subprocess.run([sys.executable, "-m", module], stdout=subprocess.PIPE, text=True, check=True).stdout
        about = __import__(module, fromlist=["__doc__"])
        title = str(about.__doc__).splitlines()[0]
        body = output.rstrip() if getattr(about, "MARKDOWN", False) else f"```\n{output.rstrip()}\n```"
        text = (
            f"# {title.rstrip('.')}\n\n"
            f"Made by `python -m benchmarks {name}` with axhw {__version__}, Python {platform.python_version()} "
            f"on {platform.machine()}.\n\n{body}\n"
        )
        (REPORTS / f"{BENCHMARKS[name]}.md").write_text(text)
        print(output)


if __name__ == "__main__":
    main()

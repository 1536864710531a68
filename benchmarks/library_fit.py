"""Errors of fitted libraries: tables over the fitted range, and delay and energy of ten mapped multipliers.

Usage: python -m benchmarks.library_fit [LIBRARY.lib ...]
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.designs import REAL_LIBRARIES


def main() -> None:
    """Print what ``axhw library fit`` reports for each library, by default the real ones at hand."""
    paths = sys.argv[1:] or sorted(str(path) for path in REAL_LIBRARIES.glob("*.lib*"))
    if not paths:
        print("No full library at hand: name Liberty files.")
    for path in paths:
        command = [sys.executable, "-m", "axhw", "library", "fit", path]
        print(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


if __name__ == "__main__":
    main()

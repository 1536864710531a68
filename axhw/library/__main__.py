"""``python -m axhw.library FOLDER``: make the shipped designs anew, see `axhw.library.build`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from axhw.library.archive import SHIPPED, write_archive
from axhw.library.build import EVALUATIONS, build
from axhw.library.plan import chosen

_SPEAK_EVERY_S = 5.0


def main() -> None:
    """Build, choose and write the archive."""
    folder = Path(sys.argv[1])
    evaluations = int(sys.argv[2]) if len(sys.argv) > 2 else EVALUATIONS
    spoken = 0.0

    def report(done: int, total: int, what: str) -> None:
        nonlocal spoken
        if time.monotonic() - spoken > _SPEAK_EVERY_S or done == total:
            spoken = time.monotonic()
            print(f"[{done:,}/{total:,}] {what}", file=sys.stderr, flush=True)

    records = build(folder, evaluations=evaluations, report=report)
    kept = [
        record for signed in (True, False) for record in chosen([r for r in records if r.multiplier.signed == signed])
    ]
    write_archive(SHIPPED, kept)
    for signed in (True, False):
        number = sum(record.multiplier.signed == signed for record in kept)
        print(f"{number} {'signed' if signed else 'unsigned'} designs")
    print(f"{SHIPPED}: {SHIPPED.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

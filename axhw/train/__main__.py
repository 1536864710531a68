"""``python -m axhw.train``: train a network of the zoo and write its weights and log."""

from __future__ import annotations

import sys

from axhw.train.console import Parser, exit_code, log
from axhw.train.extra import choose_device
from axhw.train.options import Options, add_arguments


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, 2 with one sentence for bad input, 130 where it was interrupted."""
    parser = Parser(prog="python -m axhw.train", description=__doc__)
    add_arguments(parser)
    parsed = parser.parse_args(arguments)

    def work() -> int:
        options = Options.parsed(parsed, device=choose_device(parsed.device))
        # Imports PyTorch, which takes seconds.
        from axhw.train.run import run

        run(options, log=log)
        return 0

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main())

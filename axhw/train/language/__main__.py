"""``python -m axhw.train.language``: train a language model with experts and write its weights and log."""

from __future__ import annotations

import argparse
import sys

from axhw.errors import AxhwError
from axhw.train.extra import choose_device
from axhw.train.language.options import Options, add_arguments


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 with one sentence for bad input."""
    parser = argparse.ArgumentParser(prog="python -m axhw.train.language", description=__doc__)
    add_arguments(parser)
    parsed = parser.parse_args(arguments)
    try:
        options = Options.parsed(parsed, device=choose_device(parsed.device))
        # Imports PyTorch, which takes seconds.
        from axhw.train.language.run import run

        run(options, log=lambda line: print(line, file=sys.stderr, flush=True))
    except AxhwError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What ``python -m axhw.train`` and its like have in common, on machines without the packages of the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from axhw.errors import AxhwError
from axhw.interrupts import Interrupts


class Parser(argparse.ArgumentParser):
    """One that tells a bad option in one sentence, as all of axhw does."""

    def error(self, message: str) -> NoReturn:
        """Exit code 2."""
        self.exit(2, f"{self.prog}: {message}: see {self.prog} --help\n")


def log(line: str) -> None:
    """On standard error, at once."""
    print(line, file=sys.stderr, flush=True)


def exit_code(work: Callable[[], int]) -> int:
    """What some work returns, 2 with one sentence for bad input, 130 where it was interrupted."""
    try:
        with Interrupts():
            return work()
    except AxhwError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from its last checkpoint", file=sys.stderr)
        return 130

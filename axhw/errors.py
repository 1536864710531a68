"""The two exceptions a user meets. Both carry one sentence; the command line turns them into exit codes."""


class AxhwError(Exception):
    """Bad input or usage: says what was expected, what was found and what to do (exit code 2)."""


class VerificationError(Exception):
    """A check of a design failed: netlist, table or simulation disagree with the golden model (exit code 1)."""

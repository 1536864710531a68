"""``python -m axhw``."""

from axhw.cli.main import run

run()

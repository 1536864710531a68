"""``axhw analog``: language models with experts on crossbars, some of which stay digital."""

from __future__ import annotations

import click

from axhw.cli import analog_eval, analog_front, analog_select


@click.group("analog")
def command() -> None:
    """Language models with experts on crossbars: which experts should stay digital?

    Selectors give experts scores, and those with the highest are digital. They go by the weights (maxnn, router), by
    the use of experts on a text (frequency, weight), by the noise that is predicted (power) or measured with one layer
    analog at a time (probed) or one expert at a time (oracle, oracle_digital: all but one), or by the chip at hand,
    measured after programming (chip, chip_oracle). random is for comparison.
    """


command.add_command(analog_eval.command)
command.add_command(analog_select.command)
command.add_command(analog_front.command)

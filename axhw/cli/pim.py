"""``axhw pim``: language models with experts on crossbars that share their periphery."""

from __future__ import annotations

import click

from axhw.cli import pim_schedule, pim_simulate, pim_units


@click.group("pim")
def command() -> None:
    """Language models on crossbars that share their periphery: time, energy, schedules."""


command.add_command(pim_simulate.command)
command.add_command(pim_schedule.command)
command.add_command(pim_units.sharing)
command.add_command(pim_units.go_cache)

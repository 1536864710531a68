"""``axhw pim``: language models with experts on crossbars that share their periphery."""

from __future__ import annotations

import click

from axhw.cli import pim_schedule, pim_search, pim_simulate, pim_units, pim_values


@click.group("pim")
def command() -> None:
    """Language models on crossbars that share their periphery: time, energy, area, schedules, values."""


command.add_command(pim_simulate.command)
command.add_command(pim_schedule.command)
command.add_command(pim_search.command)
command.add_command(pim_values.command)
command.add_command(pim_units.sharing)
command.add_command(pim_units.go_cache)

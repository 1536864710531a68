"""The ``axhw`` command: finds the subcommand, and turns every error into one sentence and an exit code.

Exit codes: 0 done, 1 a check of a design failed, 2 bad usage or input, 130 interrupted.
"""

from __future__ import annotations

import importlib
import keyword
import os
import sys
import warnings

import click

from axhw import __version__
from axhw.errors import AxhwError, VerificationError
from axhw.interrupts import Interrupts

_COMMANDS = {
    "gen": "generate, synthesise, prove and cost one multiplier",
    "import": "make a design of your own Verilog, BLIF, CGP chromosome or table",
    "evolve": "search netlists by Cartesian genetic programming",
    "sweep": "generate a grid of designs on all processors or a cluster",
    "mixed": "make hardware with several multipliers, by run-time mode or by column",
    "families": "list the multiplier families and their parameters",
    "libraries": "list the cell libraries that come with axhw",
    "library": "fit a compact cell library to a full one",
    "verify": "run cocotb testbenches of a design on a real simulator",
    "ls": "list the stored designs",
    "show": "show one stored design",
    "compare": "compare stored designs side by side",
    "export": "export stored designs for other tools: tables, SDF, SAIF, VCD, Accelergy",
    "eval": "evaluate a network with a multiplier",
    "choose": "choose the multiplier of each layer by the operands it sees",
    "search": "search for the multiplier of every layer, filter or kernel of a network",
    "retrain": "train a network further with the multipliers it will be run with",
    "moe": "train, evaluate and search networks with experts",
    "analog": "score language models with experts on crossbars, and choose the digital experts",
    "pim": "simulate language models with experts on crossbars",
    "reproduce": "make published experiments again on our own hardware numbers",
    "workload": "measure the energy of a multiplier over the operands of a network",
    "fpga": "count the FPGA resources of a design",
    "demo": "the main job on the embedded defaults, with a report",
}


def _module(command: str) -> str:
    return f"{command}_" if keyword.iskeyword(command) else command


class _LazyGroup(click.Group):
    """Imports a command when it is used, so that ``axhw --help`` starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"axhw.cli.{_module(cmd_name)}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="axhw")
def cli() -> None:
    """Approximate multipliers, from a spec to gates, proofs, costs and network accuracy.

    \b
    axhw gen --multiplier roup --p 2 --r 3
    axhw eval --multiplier roup:p=1,r=4
    axhw demo
    """


_INTERRUPTED = (
    "Interrupted: what was finished is kept, and the same command goes on from there, with --resume where it has that "
    "option."
)


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(main())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with Interrupts() as interrupts:
        try:
            result = cli.main(args=arguments, prog_name="axhw", standalone_mode=False)
            sys.stdout.flush()
        except click.exceptions.Exit as stop:
            return stop.exit_code
        except click.UsageError as error:
            if error.ctx is not None and error.message == error.ctx.get_help():
                # What click raises for a group without a command, since 8.2.
                click.echo(error.message, err=True)
                return 2
            command = error.ctx.command_path if error.ctx is not None else "axhw"
            return _fail(f"{error.format_message().rstrip('.')} (see `{command} --help`).", 2)
        except click.ClickException as error:
            return _fail(error.format_message(), 2)
        except AxhwError as error:
            return _fail(str(error), 2)
        except VerificationError as error:
            return _fail(str(error), 1)
        except (KeyboardInterrupt, click.Abort):
            return _fail(_INTERRUPTED, 130)
        except BrokenPipeError:
            # The reader of our output went away; a flush at exit must not complain about it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception:
            if interrupts.seen:
                return _fail(_INTERRUPTED, 130)
            raise
    return result if isinstance(result, int) else 0


def _fail(sentence: str, code: int) -> int:
    # Amaranth warns of components that an interruption left unused when they are collected at exit.
    warnings.simplefilter("ignore")
    click.echo(f"axhw: {sentence}", err=True)
    return code

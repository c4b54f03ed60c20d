"""The command line: ``gatewise show``, ``step``, ``check``, ``train``, ``live`` and ``serve``.

Here are the group and `main`. What a user typed is read in the package `typed`. Everything that computes is loaded when
a command runs.
"""

from __future__ import annotations

import sys

import click

from gatewise import __version__
from gatewise.cli.check import check
from gatewise.cli.live import live
from gatewise.cli.serve import serve
from gatewise.cli.show import show
from gatewise.cli.step import step
from gatewise.cli.train import train
from gatewise.errors import GatewiseError

MISUSE = 2  # the exit status of what the user can put right, click's own as well


@click.group()
@click.version_option(__version__, message="gatewise %(version)s")
def commands() -> None:
    """Backpropagation, gate by gate: gradients you can see, explain and trust.

    \b
    Examples:
      gatewise show "(x+y)*z" x=-2 y=5 z=-4
      gatewise check "sum(sigmoid(W @ x))" W=[[1,2],[3,4]] x=[0.5,-1]
      gatewise train
    """


commands.add_command(show)
commands.add_command(step)
commands.add_command(check)
commands.add_command(train)
commands.add_command(live)
commands.add_command(serve)


def main() -> None:
    """Run the command line on ``sys.argv``; end with status 2 and a sentence or two where the input cannot be used."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that has no × gets a question mark, not a traceback
    try:
        commands.main(prog_name="gatewise")
    except GatewiseError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(MISUSE) from None
    except MemoryError:
        click.echo("Error: there is not enough memory for these arrays: try smaller ones.", err=True)
        raise SystemExit(MISUSE) from None

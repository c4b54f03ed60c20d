"""``gatewise step``: a circuit stepped through in the terminal, forward and back."""

from __future__ import annotations

import sys

import click

from gatewise.cli.show import SETTINGS, refuse_options, with_target
from gatewise.errors import InputError, UnsupportedError


@click.command(context_settings=SETTINGS)
@with_target
@click.option("--upstream", metavar="VALUE", help="The gradient that arrives at the result.  [default: 1 everywhere]")
def step(expression: str, arguments: tuple[str, ...], upstream: str | None) -> None:
    """Step through the circuit of EXPRESSION: values gate by gate, then gradients, forward and back.

    EXPRESSION and VALUE are as for "gatewise show". Keys: arrows step, Home and End jump, space plays, b asks for a
    breakpoint (a gate, a name, "line 12", "not finite", "norm > 100"), n and p run to it, q leaves.

    \b
    Examples:
      gatewise step "(x+y)*z" x=-2 y=5 z=-4
      gatewise step model.py:loss w=[0.5,-1] rate=0.1
    """
    refuse_options([expression, *arguments])
    from gatewise.typed.running import run
    from gatewise.typed.target import read_target

    circuit, _ = run(read_target("step", expression, arguments), upstream)
    try:
        from gatewise.terminal.stepping import Stepping
    except ImportError:
        raise UnsupportedError("gatewise step needs textual: pip install 'gatewise[step]'") from None
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("gatewise step needs a terminal; gatewise show prints the circuit anywhere")
    from gatewise.picture.scene import scene_of

    Stepping(scene_of(circuit)).run()

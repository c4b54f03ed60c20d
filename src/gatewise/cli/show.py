"""``gatewise show``: an expression or a function as a circuit, drawn, told gate by gate, and read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gatewise.circuit import Circuit
    from gatewise.cli.reading import Line

WIDTH = 100  # of the drawing, where there is no terminal to ask

Command = TypeVar("Command", bound=Callable[..., Any])

#: So that an expression may begin with a minus: what looks like an option and is none is left to `refuse_options`.
SETTINGS = {"ignore_unknown_options": True}


def with_target(command: Command) -> Command:
    """Give a command the arguments that say what to differentiate, and where."""
    command = click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")(command)
    return click.argument("expression")(command)


def refuse_options(texts: Iterable[str]) -> None:
    """Refuse misspelt options; an expression does not begin with two dashes."""
    for text in texts:
        if text.startswith("--"):
            raise click.NoSuchOption(text.partition("=")[0])


@click.command(context_settings=SETTINGS)
@with_target
@click.option("--save", type=click.Path(path_type=Path), help="Also write the picture: .html, .svg, .json or .txt.")
@click.option(
    "--digits",
    type=click.IntRange(1, 17),
    help="Significant digits of all numbers below the picture.  [default: compact]",
)
@click.option("--upstream", metavar="VALUE", help="The gradient that arrives at the result.  [default: 1 everywhere]")
def show(
    expression: str, arguments: tuple[str, ...], save: Path | None, digits: int | None, upstream: str | None
) -> None:
    """Show EXPRESSION as a circuit: values, gradients, and how each gradient came about.

    EXPRESSION is made of variables, numbers, + - * / ** @, comparisons, x[0], x.T and functions such as exp, log, max,
    sigmoid, sum; parts may be named, as in "q = x + y; q * z". Or it is FILE.py:FUNCTION, a function of your own.
    A VALUE is a number, a list, or @FILE.npy or @FILE.csv.

    \b
    Examples:
      gatewise show "(x+y)*z" x=-2 y=5 z=-4
      gatewise show "q = x + y; f = q * z" x=-2 y=5 z=-4 --save circuit.html
      gatewise show "1/(1+exp(-(w0*x0+w1*x1+w2)))" w0=2 w1=-3 w2=-3 x0=-1 x1=-2 --digits 6
      gatewise show "sum(max(0, W @ x))" W=[[1,-2],[3,4]] x=@x.npy
      gatewise show model.py:loss w=[0.5,-1] rate=0.1
    """
    refuse_options([expression, *arguments])
    from gatewise.cli.reading import Figures, gate_lines, reading
    from gatewise.typed.running import run
    from gatewise.typed.target import read_target

    target = read_target("show", expression, arguments)
    circuit, sent = run(target, upstream)
    saved = circuit.save(save) if save else None
    figures = Figures(digits)
    draw(circuit)
    outcome = circuit.entries[circuit.outputs[0]]
    name = target.name
    if upstream is not None:
        name = f"upstream × {name}" if not outcome.shape else f"the sum of upstream × {name}"
        click.echo(f"\nThe gradients shown are those of {name}.")
    elif outcome.shape:
        name = f"the sum of {name}"
        click.echo(
            f"\nthe result has shape {outcome.shape}: gradients shown are those of the sum of its entries "
            "(upstream gradient of ones)"
        )
    if outcome.operands:
        click.echo("\nEvery gate, from the result back: upstream × local = gradient\n")
        write(gate_lines(circuit, figures))
    for sentence in reading(circuit, name, total(outcome.value, sent), figures):
        click.echo(sentence)
    if saved:
        click.echo(f"\nsaved: {saved}")


def total(value: Any, sent: Any) -> float:
    """The single number that the gradients are those of: the entries times the upstream gradient, added up."""
    import numpy as np

    from gatewise.typed.running import quietly

    with quietly():
        return float(np.sum(value * sent))


# --- the screen -------------------------------------------------------------------------------------------------------


def coloured() -> bool:
    """Whether the output is a terminal, or colours are asked for."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def draw(circuit: Circuit) -> None:
    """Draw the circuit, in colours on a terminal."""
    if not coloured():
        click.echo(circuit.text(WIDTH))
        return
    from rich.console import Console

    from gatewise.picture import scene, text

    console = Console()
    console.print(text.render(scene.scene_of(circuit), console.width))


def write(lines: Iterable[Line]) -> None:
    """Write lines of styled text, in colours on a terminal."""
    if not coloured():
        for line in lines:
            click.echo("".join(text for text, _ in line).rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    from gatewise.picture.text import STYLES

    console = Console()
    for line in lines:
        console.print(Text.assemble(*((text, STYLES[style]) for text, style in line)), soft_wrap=True)

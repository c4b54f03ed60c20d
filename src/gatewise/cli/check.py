"""``gatewise check``: the gradient check of the CS231n notes, for an expression or a function."""

from __future__ import annotations

import click

from gatewise.cli.show import SETTINGS, refuse_options, with_target

FAILED = 1


@click.command(context_settings=SETTINGS)
@with_target
@click.option("--order", type=click.IntRange(1, 2), default=1, show_default=True, help="2: second derivatives as well.")
def check(expression: str, arguments: tuple[str, ...], order: int) -> None:
    """Compare the gradients of EXPRESSION with central differences.

    The exit status is 1 when they differ, and where kinks leave nothing to compare.

    EXPRESSION and VALUEs are those of 'gatewise show'.

    \b
    Examples:
      gatewise check "(x+y)*z" x=-2 y=5 z=-4
      gatewise check "sum(max(0, W @ x))" W=[[1,-2],[3,4]] x=[0.5,1] --order 2
      gatewise check model.py:loss w=@weights.npy
    """
    refuse_options([expression, *arguments])
    from gatewise.explain.check import check_grads
    from gatewise.typed.running import quietly, run
    from gatewise.typed.target import read_target

    target = read_target("check", expression, arguments)
    run(target)  # says what is wrong with the result, if anything is
    with quietly():
        report = check_grads(target.function, target.arguments, order)
    click.echo(report.text())
    if not report.passed:
        raise SystemExit(FAILED)

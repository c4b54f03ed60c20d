"""``gatewise train``: its options, and what it says on the screen. The work is done in :mod:`gatewise.training`.

That package and the libraries it needs are loaded when the command runs, so that ``gatewise --help`` stays quick.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatewise.errors import InputError

if TYPE_CHECKING:
    from gatewise.runs.recorder import Run
    from gatewise.training.data import Dataset, Part, Preparation
    from gatewise.training.descent import Epoch, Report, Settings
    from gatewise.training.scale import Lesson, Trial

INTERRUPTED = 130  # the shells' exit status for Ctrl-C
LINES = 10  # how many progress lines a whole training prints when the output is not a terminal

# What reaches the accuracy on standardised data in a few seconds: (learning rate, regularisation).
DEFAULTS = {"svm": (0.1, 0.01), "softmax": (0.5, 0.001)}


class Finite(click.FloatRange):
    """A range of floats that NaN and infinity are not in (click lets them through)."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert as click does, then refuse what is not finite."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


POSITIVE = Finite(min=0, min_open=True)
DEFAULT_RATES = ", ".join(f"{rate} for {name}" for name, (rate, _) in DEFAULTS.items())
DEFAULT_REGULARIZATIONS = ", ".join(f"{strength} for {name}" for name, (_, strength) in DEFAULTS.items())


@click.command()
@click.argument("data", default="digits")
@click.option("--loss", "loss_name", type=click.Choice(["svm", "softmax"]), default="softmax", show_default=True)
@click.option("--epochs", type=click.IntRange(min=1), default=50, show_default=True, help="Passes over the data.")
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Examples per step.")
@click.option("--rate", type=POSITIVE, help=f"Learning rate.  [default: {DEFAULT_RATES}]")
@click.option(
    "--schedule",
    type=click.Choice(["cosine", "constant"]),
    default="cosine",
    show_default=True,
    help="How the learning rate moves: down to 0 along half a cosine, or not at all.",
)
@click.option(
    "--regularization", type=Finite(min=0), help=f"λ in λ‖W‖², bias apart.  [default: {DEFAULT_REGULARIZATIONS}]"
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split and the batches.")
@click.option(
    "--scale",
    type=Finite(min=1e-9, max=1e9),
    default=1.0,
    help="Multiply the standardised data: what does that change?",
)
@click.option("--standardize/--no-standardize", default=True, show_default=True, help="Zero mean, unit deviation.")
@click.option("--label", help="The column of a .csv that holds the classes.  [default: the last]")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("gatewise-train"),
    show_default=True,
    help="Directory for weights.npz and picture.png.",
)
@click.option("--page", is_flag=True, help="Record the training in run.sqlite there, and show it in the browser.")
def train(
    data: str,
    loss_name: str,
    epochs: int,
    batch_size: int,
    rate: float | None,
    schedule: str,
    regularization: float | None,
    seed: int,
    scale: float,
    standardize: bool,
    label: str | None,
    output: Path,
    page: bool,
) -> None:
    """Train a linear classifier, an SVM or a softmax, whose loss is plain NumPy code.

    DATA is 'digits' (the handwritten digits of scikit-learn, the default), a .npz file with arrays X and y, or a .csv
    file with one example per row. The weights of each epoch are saved when it is complete: an interrupted training
    keeps the last ones. The rate and the regularisation are meant for data of scale 1; --scale adapts them.

    \b
    Examples:
      gatewise train
      gatewise train --loss svm --epochs 100
      gatewise train flowers.csv --label species
      gatewise train --scale 1000
      gatewise train --page
    """
    from gatewise.training.data import load
    from gatewise.training.descent import Settings
    from gatewise.training.optional import load_optional

    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file, and the output needs a directory: choose another with --output.")
    load_optional("matplotlib", "Drawing the picture of the training")  # better now than after the training
    default_rate, default_regularization = DEFAULTS[loss_name]
    settings = Settings(
        epochs=epochs,
        batch_size=batch_size,
        rate=default_rate if rate is None else rate,
        regularization=default_regularization if regularization is None else regularization,
        schedule=schedule,
        seed=seed,
    )
    job = make_job(load(data, label), loss_name, seed, standardize)
    job.introduce()
    if scale != 1.0:
        job, settings = teach_scale(job, scale, settings)
    with ExitStack() as stack:
        run = recorded(job, settings, output / "run.sqlite", stack) if page else None
        history, interrupted = follow(job, settings, output, run)
        if history:
            conclude(job, history, output)
        if page and sys.stdout.isatty() and not interrupted:
            linger()
    if interrupted:
        kept = f"the weights of epoch {history[-1].number} are kept" if history else "no epoch was complete"
        click.echo(f"Interrupted: {kept}.", err=True)
        raise SystemExit(INTERRUPTED)


@dataclass(frozen=True)
class Job:
    """A classifier to train: the data in its three parts, prepared for the loss."""

    dataset: Dataset
    loss_name: str
    preparation: Preparation
    training: Part
    validation: Part
    test: Part

    @property
    def chance(self) -> float:
        """The loss that W = 0 must have."""
        from gatewise.training.losses import loss_at_chance

        return loss_at_chance(self.loss_name, len(self.dataset.classes))

    @property
    def start(self) -> Any:
        """W = 0, of shape (features + 1, classes)."""
        import numpy as np

        return np.zeros((self.training.X.shape[1], len(self.dataset.classes)))

    def introduce(self) -> None:
        """Say what is learned from what, and check the loss at W = 0 as the notes do."""
        from gatewise.training.losses import LOSSES

        (count, features), classes = self.dataset.features.shape, len(self.dataset.classes)
        click.echo(
            f"{self.dataset.name}: {count} examples, {features} features, {classes} classes; "
            f"{len(self.training.y)} to train on, {len(self.validation.y)} to validate, {len(self.test.y)} to test"
        )
        measured = float(LOSSES[self.loss_name](self.start, self.training.X, self.training.y))
        click.echo(f"loss at chance: expected {self.chance:.6f}, got {measured:.6f}")


def make_job(dataset: Dataset, loss_name: str, seed: int, standardize: bool) -> Job:
    """Split the data, and prepare each part with what is measured on the training part."""
    from gatewise.training.data import Part, prepare, split

    rows = split(len(dataset.labels), seed)
    preparation = prepare(dataset.features[rows[0]], standardize=standardize)
    parts = [Part(preparation(dataset.features[part]), dataset.labels[part]) for part in rows]
    return Job(dataset, loss_name, preparation, *parts)


def teach_scale(job: Job, scale: float, settings: Settings) -> tuple[Job, Settings]:
    """Show the lesson on input scale; return the scaled job, and the settings under which it trains as before."""
    from dataclasses import replace

    from gatewise.training.data import Part
    from gatewise.training.losses import LOSSES
    from gatewise.training.scale import measure_scale

    lesson = measure_scale(LOSSES[job.loss_name], job.start, job.training, job.validation, scale, settings)
    for line in lesson_lines(lesson, scale):
        click.echo(line)
    settings = replace(settings, rate=settings.rate / scale**2, regularization=settings.regularization * scale**2)
    click.echo(
        f"Training on data × {scale:g} with rate {settings.rate:.3g} and regularisation {settings.regularization:.3g}: "
        f"rate / {scale:g}² and λ × {scale:g}², because W itself is now {scale:g} times smaller."
    )
    parts = [Part(part.X * scale, part.y) for part in (job.training, job.validation, job.test)]
    return Job(job.dataset, job.loss_name, replace(job.preparation, scale=scale), *parts), settings


def lesson_lines(lesson: Lesson, scale: float) -> Iterator[str]:
    """The lesson in words and figures."""
    yield (
        f"\nThe input scale. The data, the constant column of the bias included, is multiplied by {scale:g}.\n"
        f"  Weight gradient at W = 0 on the training part: norm {lesson.plain_norm:.6g} without the scale, "
        f"{lesson.scaled_norm:.6g} with it: × {lesson.ratio:.6g}\n"
        f"  The notes: data × {scale:g} makes the weight gradient × {scale:g}, so the learning rate must "
        f"{'come down' if scale > 1 else 'go up'}.\n"
        f"  With rate / {scale:g} the step in W is what it was; but this W meets data × {scale:g}, so the step in the\n"
        f"  scores is still × {scale:g}. With rate / {scale:g}² the step in the scores is what it was.\n"
    )
    last = lesson.trials[0].epochs[-1].number if lesson.trials[0].epochs else 1
    yield f"  {'data':>9} {'rate':>9} {'loss, epoch 1':>15} {f'epoch {last}':>12} {'validation accuracy':>20}"
    for trial in lesson.trials:
        yield f"  {trial_line(trial)}"
    yield (
        f"  Short trainings from W = 0, constant rate, no regularisation. The last line repeats the first: their\n"
        f"  losses differ by {lesson.loss_difference:.1g} (relative). Judge the two lines between by their loss:\n"
        f"  accuracy sees only which score is the largest, not by how much.\n"
    )


def trial_line(trial: Trial) -> str:
    """One line of the lesson's table."""
    start = f"{f'× {trial.scale:g}':>9} {trial.rate:>9.3g}"
    if trial.failure or not trial.epochs:
        return f"{start}  {trial.failure}"
    first, last = trial.epochs[0], trial.epochs[-1]
    return f"{start} {first.training_loss:>15.4g} {last.training_loss:>12.4g} {last.validation_accuracy:>20.4f}"


def recorded(job: Job, settings: Settings, path: Path, stack: ExitStack) -> Run:
    """Begin a recording, and serve its page until the stack is left."""
    from gatewise.cli.live import present
    from gatewise.runs.application import routes
    from gatewise.runs.recorder import live
    from gatewise.serving.server import serving

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent} cannot be made: {error.strerror}. Choose another with --output.") from None
    noted = {
        "data": job.dataset.name,
        "loss": job.loss_name,
        "rate": settings.rate,
        "schedule": settings.schedule,
        "batch size": settings.batch_size,
        "regularization": settings.regularization,
        "seed": settings.seed,
    }
    run = live(path, f"{job.loss_name}, rate {settings.rate:g}", settings=noted)
    address = stack.enter_context(serving(lambda: routes([path])))
    stack.push(run.__exit__)  # closed first, so that the page shows how it ended
    present(address, sys.stdout.isatty())
    return run


def linger() -> None:
    """Keep the page until Ctrl-C."""
    from gatewise.cli.live import wait

    click.echo("The page stays; 'gatewise live' opens the recording again at any time.")
    wait()


def reporter(job: Job, run: Run) -> Report:
    """What tells a run of every step of a descent."""
    from math import isqrt

    from gatewise.circuit import trace
    from gatewise.training.losses import LOSSES

    loss = LOSSES[job.loss_name]
    side = isqrt(len(job.dataset.feature_names))

    def report(value: float, W: Any, gradient: Any, rows: Any) -> None:
        images = {"weights by class": W[:-1].T.reshape(-1, side, side)} if side**2 == len(W) - 1 else None
        run.step(
            loss=value,
            parameters={"W": W},
            gradients={"W": gradient},
            images=images,
            circuit=lambda: trace(loss, W, job.training.X[rows], job.training.y[rows]),
        )

    return report


def follow(job: Job, settings: Settings, output: Path, run: Run | None = None) -> tuple[list[Epoch], bool]:
    """Train; save each epoch's weights as soon as it is complete; return the saved epochs, and whether Ctrl-C came."""
    from gatewise.training.descent import DivergedError, descend
    from gatewise.training.losses import LOSSES
    from gatewise.training.output import save_weights

    history: list[Epoch] = []
    report = None if run is None else reporter(job, run)
    records = descend(LOSSES[job.loss_name], job.start, job.training, job.validation, settings, report)
    try:
        for epoch in watched(records, settings.epochs):
            save_weights(
                output / "weights.npz",
                weights=epoch.weights,
                mean=job.preparation.mean,
                deviation=job.preparation.deviation,
                scale=job.preparation.scale,
                classes=job.dataset.classes,
                loss=job.loss_name,
                epoch=epoch.number,
            )
            history.append(epoch)
            if run is not None:
                run.step(
                    number=run.last_step,
                    validation_loss=epoch.validation_loss,
                    accuracy=epoch.training_accuracy,
                    validation_accuracy=epoch.validation_accuracy,
                )
    except KeyboardInterrupt:
        return history, True
    except DivergedError as error:
        kept = f" The weights of epoch {history[-1].number} are in {output / 'weights.npz'}." if history else ""
        raise DivergedError(f"{error}{kept}") from error
    return history, False


def watched(records: Iterator[Epoch], epochs: int) -> Iterator[Epoch]:
    """Hand the records on: under a progress bar on a terminal, else with a line now and then."""
    if not sys.stdout.isatty():
        for epoch in records:
            yield epoch
            if epoch.number % max(1, epochs // LINES) == 0 or epoch.number in (1, epochs):
                click.echo(f"epoch {epoch.number}/{epochs}  {describe(epoch)}")
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn()) as progress:
        task = progress.add_task("", total=epochs)
        for epoch in records:
            yield epoch
            progress.update(task, advance=1, description=describe(epoch))


def describe(epoch: Epoch) -> str:
    """An epoch in a line."""
    return (
        f"loss {epoch.training_loss:.4f}  accuracy {epoch.training_accuracy:.4f}  "
        f"validation {epoch.validation_accuracy:.4f}  update:weight {epoch.update_ratio:.0e}"
    )


def conclude(job: Job, history: list[Epoch], output: Path) -> None:
    """Print the accuracy on each part, and draw the picture."""
    from gatewise.training.descent import accuracy
    from gatewise.training.picture import Portrait, draw

    last = history[-1]
    test = accuracy(last.weights, job.test)
    click.echo(
        f"final accuracy: {test:.4f} on the test part, {last.validation_accuracy:.4f} on the validation part, "
        f"{last.training_accuracy:.4f} on the training part"
    )
    title = (
        f"A linear classifier ({job.loss_name} loss) on {job.dataset.name}: {test:.1%} of the test examples right "
        f"after {last.number} epoch{'s' if last.number > 1 else ''}"
    )
    names = job.dataset.feature_names
    draw(output / "picture.png", Portrait(title, last.weights, job.dataset.classes, names, history, job.chance))
    click.echo(f"weights: {output / 'weights.npz'}\npicture: {output / 'picture.png'}")

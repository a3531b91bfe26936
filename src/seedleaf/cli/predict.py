"""`seedleaf predict RUN INPUT`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Annotated

import typer

from seedleaf.cli.shared import RunPath
from seedleaf.guard import guarded


def predict(
    run: RunPath,
    source: Annotated[
        str,
        typer.Argument(metavar="INPUT", help="A table; or an image, a folder of images, an .npy or .npz."),
    ],
    out: Annotated[Path | None, typer.Option(help="Write a CSV there; default: print it.")] = None,
) -> None:
    """Predict with a run's model. Only ONNX Runtime, numpy and (for images) Pillow are loaded."""

    def work() -> None:
        from seedleaf.predicting.tables import is_table

        write, n = (_rows if is_table(run) else _images)(run, source)
        if out is None:
            write(sys.stdout)
            return
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", encoding="utf-8", newline="") as file:
            write(file)
        typer.echo(f"{n} predictions in {out}", err=True)

    guarded(work, False)


def _images(run: Path, source: str) -> tuple[Callable[[IO[str]], None], int]:
    """What writes the predictions for images, and how many they are."""
    from seedleaf.data.predict_input import read_inputs
    from seedleaf.predicting.images import Predictor, write_predictions

    model = Predictor.open(run)
    names, images, findings = read_inputs(source, *model.shape, model.scale)
    for finding in findings:
        typer.echo(finding, err=True)
    probabilities = model.probabilities(images)
    return lambda file: write_predictions(file, names, probabilities, model.classes), len(names)


def _rows(run: Path, source: str) -> tuple[Callable[[IO[str]], None], int]:
    """The same for the rows of a table."""
    from seedleaf.predicting.tables import TablePredictor, write_answers

    model = TablePredictor.open(run)

    def say(lines: Sequence[str]) -> None:
        for line in lines:
            typer.echo(f"noticed   {line}", err=True)

    answers, said = model.told(source, say)
    return lambda file: write_answers(file, answers, said, model.schema), len(answers)

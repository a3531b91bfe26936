"""The command line: one verb and a path. `seedleaf fit digits --time 60s`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from seedleaf import __version__
from seedleaf.errors import RunError
from seedleaf.guard import guarded

if TYPE_CHECKING:
    from seedleaf.result import Result
    from seedleaf.view import View

app = typer.Typer(
    help="AutoML for light deep-learning models: data and a limit in, a small, fast, exported model out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

TIME = typer.Option("--time", help="Wall time for the whole command: 90s, 10m, 1h30m.")
Time = Annotated[str | None, TIME]
Json = Annotated[bool, typer.Option("--json", help="Print nothing but the final JSON on stdout.")]
RunPath = Annotated[Path, typer.Argument(help="A run's folder, e.g. runs/digits-1.", show_default=False)]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"seedleaf {__version__}")
        raise typer.Exit


@app.command()
def fit(
    data: Annotated[
        str,
        typer.Argument(
            help="A CSV, TSV or Parquet file; digits, a folder of class folders, an .npz, IDX files, a torchvision set.",
            show_default=False,
        ),
    ],
    time: Annotated[str, TIME] = "10m",
    max_params: Annotated[str | None, typer.Option(help="At most so many parameters: 20000, 20k.")] = None,
    max_macs: Annotated[str | None, typer.Option(help="At most so many multiply-adds an image: 5M.")] = None,
    max_latency: Annotated[
        str | None, typer.Option(help="At most so many milliseconds an image or a row, one thread: 0.2.")
    ] = None,
    max_bytes: Annotated[str | None, typer.Option(help="The model's file at most so large: 50k.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; default: one per core or GPU.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="What the run may hold in all: 2G; default: 70 % of what is free.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Every random draw follows from it.")] = 0,
    preset: Annotated[
        str, typer.Option(help="quick, good or best: how much of the time is search.")
    ] = "good",
    out: Annotated[Path | None, typer.Option(help="The run's folder; default: runs/DATA-N.")] = None,
    learner: Annotated[
        str, typer.Option(help="convnet, or timm:NAME[,NAME…] [extra vision]: docs/guide.md.")
    ] = "convnet",
    sampler: Annotated[str, typer.Option(help="auto, tpe, …: docs/samplers.md lists them.")] = "auto",
    scheduler: Annotated[str, typer.Option(help="auto, full, asha, …: docs/samplers.md.")] = "auto",
    fidelity: Annotated[
        str, typer.Option(help="auto, epochs, data, size, both: what cheap steps save.")
    ] = "auto",
    tradeoff: Annotated[
        str, typer.Option(help="macs or params: search the whole front of error against it.")
    ] = "",
    target: Annotated[
        str | None,
        typer.Option(help="Tables: the column to predict; default: target, label, class, y, else last."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Tables: a file of test rows, or none; default: a fifth is held out.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Tables: rows equal in this column stay together.")
    ] = None,
    order_by: Annotated[str | None, typer.Option(help="Tables: split in the order of this column.")] = None,
    task: Annotated[str | None, typer.Option(help="Tables: classification or regression.")] = None,
    folds: Annotated[
        int | None, typer.Option(help="Tables: folds of the cross-validation; default 5.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Tables: logloss, accuracy, error, auc, average_precision, balanced_accuracy, f1, macro_f1, mcc; "
            "rmse, mae, r2, rmsle, mape."
        ),
    ] = None,
    families: Annotated[
        str | None,
        typer.Option(
            help="Tables: search these alone: linear, forest, boosting, mlp, knn, svm (default: these); "
            "lightgbm, xgboost, catboost [extra boosters]."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find, train, export and measure a light model of images or of a table."""
    from seedleaf.timing import process_started

    def work() -> Result:
        from seedleaf.api import fit as fit_data

        return fit_data(
            data,
            time_limit=time,
            max_params=max_params,
            max_macs=max_macs,
            max_latency=max_latency,
            max_bytes=max_bytes,
            workers=workers,
            memory=memory,
            seed=seed,
            preset=preset,
            out=out,
            learner=learner,
            sampler=sampler,
            scheduler=scheduler,
            fidelity=fidelity,
            tradeoff=tradeoff,
            target=target,
            test=test,
            group=group,
            order_by=order_by,
            task=task,
            folds=folds,
            metric=metric,
            families=families,
            view=_view(f"seedleaf fit {data}", time, as_json),
            command=_command(),
            began=process_started(),
        )

    _show(guarded(work, as_json), as_json)


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="A CSV, TSV (.gz too) or Parquet file.", show_default=False)],
    target: Annotated[
        str | None,
        typer.Option(help="The column to predict; default: target, label, class or y, else the last."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="A file with test rows, or none; default: a fifth is held out.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Rows that are equal in this column stay together.")
    ] = None,
    order_by: Annotated[str | None, typer.Option(help="Split in the order of this column.")] = None,
    seed: Annotated[int, typer.Option(help="Every random draw follows from it.")] = 0,
    as_json: Json = False,
) -> None:
    """Read and audit a table: what is odd about it, and what is done about that. Nothing is trained."""

    def work() -> None:
        from seedleaf.inspection import check as check_table
        from seedleaf.inspection import show

        checked = check_table(data, target=target, test=test, group=group, order_by=order_by, seed=seed)
        if as_json:
            typer.echo(json.dumps(checked.to_json(), ensure_ascii=False))
        else:
            show(checked)

    guarded(work, as_json)


@app.command()
def resume(run: RunPath, time: Time = None, as_json: Json = False) -> None:
    """Go on with a run that was cut off; with a larger --time (its new total) also one that had finished."""

    def work() -> Result:
        from seedleaf.api import resume as resume_run

        return resume_run(run, time_limit=time, view=_view(f"seedleaf resume {run}", time, as_json))

    _show(guarded(work, as_json), as_json)


@app.command()
def compress(
    model: Annotated[
        Path, typer.Argument(help="The folder of a run: its delivered network.", show_default=False)
    ],
    data: Annotated[str | None, typer.Option(help="What it was fitted on; default: as its run says.")] = None,
    speedup: Annotated[
        float | None, typer.Option(help="So many times faster, measured in ONNX Runtime.")
    ] = None,
    max_params: Annotated[str | None, typer.Option(help="At most so many parameters: 20000, 20k.")] = None,
    max_macs: Annotated[str | None, typer.Option(help="At most so many multiply-adds an image: 5M.")] = None,
    max_latency: Annotated[
        float | None, typer.Option(help="At most so many ms an image, one thread.")
    ] = None,
    max_bytes: Annotated[str | None, typer.Option(help="A file of at most so many bytes: 100k.")] = None,
    max_drop: Annotated[float, typer.Option(help="Percent points of accuracy that may be lost.")] = 0.5,
    time: Time = "10m",
    int8: Annotated[str, typer.Option(help="auto (searched), always or never.")] = "auto",
    tradeoff: Annotated[
        str, typer.Option(help="latency_ms, params, macs or bytes: search the front of error against it.")
    ] = "",
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; default: one per core or GPU.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Every random draw follows from it.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; default: runs/DATA-compressed-N.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a trained network smaller and faster: prune, decompose, quantise, distil, searched and measured."""
    from seedleaf.timing import process_started

    def work() -> Result:
        from seedleaf.compressing import compress as compress_model

        return compress_model(
            model,
            data,
            speedup=speedup,
            max_params=max_params,
            max_macs=max_macs,
            max_latency=max_latency,
            max_bytes=max_bytes,
            max_drop=max_drop,
            time_limit=time or "10m",
            int8=int8,
            tradeoff=tradeoff,
            workers=workers,
            seed=seed,
            out=out,
            view=_view(f"seedleaf compress {model}", time or "10m", as_json),
            command=_command(),
            began=process_started(),
        )

    _show(guarded(work, as_json), as_json)


@app.command()
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
        from seedleaf.table_predictor import is_table

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
    from seedleaf.predictor import Predictor, write_predictions

    model = Predictor.open(run)
    names, images, findings = read_inputs(source, *model.shape, model.scale)
    for finding in findings:
        typer.echo(finding, err=True)
    probabilities = model.probabilities(images)
    return lambda file: write_predictions(file, names, probabilities, model.classes), len(names)


def _rows(run: Path, source: str) -> tuple[Callable[[IO[str]], None], int]:
    """The same for the rows of a table."""
    from seedleaf.table_predictor import TablePredictor, write_answers

    model = TablePredictor.open(run)
    answers, said = model.told(source)
    return lambda file: write_answers(file, answers, said, model.schema), len(answers)


@app.command()
def report(
    run: RunPath,
    out: Annotated[Path | None, typer.Option(help="Where to write the page; default: in the run.")] = None,
) -> None:
    """Write a run's report, one HTML page that opens offline. Also for a run that is still going or was killed."""

    def work() -> None:
        from seedleaf.report import write_report
        from seedleaf.run import read_history

        typer.echo(write_report(read_history(run), out or run / "report.html"))

    guarded(work, False)


@app.command()
def export(
    run: RunPath,
    out: Annotated[Path | None, typer.Option(help="Copy the delivered files to this folder.")] = None,
) -> None:
    """Check a run's delivered model and copy it, with its card, to another folder."""

    def work() -> None:
        from seedleaf.deliver import copy_delivery

        for path in copy_delivery(run, out):
            typer.echo(path)

    guarded(work, False)


@app.command()
def dashboard(
    run: RunPath,
    host: Annotated[str, typer.Option(help="Where to serve.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="On which port.")] = 8080,
    serve: Annotated[bool, typer.Option(help="Serve it, or only write the journal.")] = True,
) -> None:
    """Show a run in optuna-dashboard: mirrors it into RUN/optuna.journal. Needs the extra optuna."""

    def work() -> None:
        try:
            from seedleaf.optuna_bridge.dashboard import show
        except ImportError:
            raise RunError("the dashboard needs Optuna: pip install 'seedleaf[optuna]'") from None
        show(run, typer.echo, host, port, serve)

    guarded(work, False)


def _view(title: str, time: str | None, as_json: bool) -> View:
    from seedleaf.timing import parse_seconds
    from seedleaf.view import open_view

    return open_view(title, None if time is None else parse_seconds(time), silent=as_json)


def _command() -> str:
    return "seedleaf " + " ".join(shlex.quote(a) for a in sys.argv[1:])


def _show(result: Result, as_json: bool) -> None:
    from seedleaf.summary import as_body, as_lines

    if as_json:
        typer.echo(json.dumps(as_body(result), ensure_ascii=False))
        return
    for line in as_lines(result):
        typer.echo(line)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()

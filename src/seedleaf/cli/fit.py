"""`seedleaf fit DATA`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedleaf.cli.shared import (
    TIME,
    Json,
    MaxMacs,
    MaxParams,
    Seed,
    Workers,
    command_line,
    show_result,
    view_of,
)
from seedleaf.guard import guarded

if TYPE_CHECKING:
    from seedleaf.result import Result


def fit(
    data: Annotated[
        str,
        typer.Argument(
            help="A CSV, TSV or Parquet file; digits, a folder of class folders, an .npz, IDX files, a torchvision set.",
            show_default=False,
        ),
    ],
    time: Annotated[str, TIME] = "10m",
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_latency: Annotated[
        str | None, typer.Option(help="At most so many milliseconds an image or a row, one thread: 0.2.")
    ] = None,
    max_bytes: Annotated[str | None, typer.Option(help="The model's file at most so large: 50k.")] = None,
    workers: Workers = None,
    memory: Annotated[
        str | None, typer.Option(help="What the run may hold in all: 2G; default: 70 % of what is free.")
    ] = None,
    seed: Seed = 0,
    preset: Annotated[
        str, typer.Option(help="Images: quick, good or best: how much of the time is search.")
    ] = "good",
    out: Annotated[Path | None, typer.Option(help="The run's folder; default: runs/DATA-N.")] = None,
    learner: Annotated[
        str, typer.Option(help="Images: convnet, or timm:NAME[,NAME…] [extra vision]: docs/guide.md.")
    ] = "convnet",
    sampler: Annotated[str, typer.Option(help="auto, tpe, …: docs/samplers.md lists them.")] = "auto",
    scheduler: Annotated[str, typer.Option(help="auto, full, asha, …: docs/samplers.md.")] = "auto",
    fidelity: Annotated[
        str, typer.Option(help="Images: auto, epochs, data, size, both: what cheap steps save.")
    ] = "auto",
    tradeoff: Annotated[
        str,
        typer.Option(help="Images: macs, params or latency_ms: search the whole front of error against it."),
    ] = "",
    inherit: Annotated[
        bool, typer.Option("--inherit", help="Images: new trials begin with the weights of near ones.")
    ] = False,
    side: Annotated[
        int | None,
        typer.Option(
            help="Folders of pictures: pixels of the longer side, 8 to 512; default: docs/guide.md."
        ),
    ] = None,
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
    keep: Annotated[
        list[str] | None, typer.Option(help="Tables: a column that is not to be dropped.")
    ] = None,
    copies: Annotated[
        str | None, typer.Option(help="Tables: rows exactly like earlier ones: drop (default) or keep.")
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            help="Tables: which of two classes f1 and average_precision are of; docs/fitting-tables.md."
        ),
    ] = None,
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
            inherit=inherit,
            side=side,
            target=target,
            test=test,
            group=group,
            order_by=order_by,
            keep=keep,
            copies=copies,
            positive=positive,
            task=task,
            folds=folds,
            metric=metric,
            families=families,
            view=view_of(f"seedleaf fit {data}", time, as_json),
            command=command_line(),
            began=process_started(),
        )

    show_result(guarded(work, as_json), as_json)

"""`seedleaf check DATA`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from seedleaf.cli.shared import Json, Seed
from seedleaf.guard import guarded


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
    keep: Annotated[list[str] | None, typer.Option(help="A column that is not to be dropped.")] = None,
    copies: Annotated[str, typer.Option(help="Rows exactly like earlier ones: drop or keep.")] = "drop",
    positive: Annotated[
        str | None,
        typer.Option(help="Which of two classes is looked for; default: see docs/fitting-tables.md."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Classification or regression.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Read and audit a table: what is odd about it, and what is done about that. Nothing is trained."""

    def work() -> None:
        from seedleaf.inspection import check as check_table
        from seedleaf.inspection import show

        checked = check_table(
            data,
            target=target,
            test=test,
            group=group,
            order_by=order_by,
            keep=keep or (),
            copies=copies,
            positive=positive,
            task=task,
            seed=seed,
        )
        if as_json:
            typer.echo(json.dumps(checked.to_json(), ensure_ascii=False))
        else:
            show(checked)

    guarded(work, as_json)

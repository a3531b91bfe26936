"""What several verbs share: their options, the view of a run that goes on, what is printed at its end."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seedleaf.result import Result
    from seedleaf.views.view import View

TIME = typer.Option("--time", help="Wall time for the whole command: 90s, 10m, 1h30m.")
Time = Annotated[str | None, TIME]
Json = Annotated[bool, typer.Option("--json", help="Print nothing but the final JSON on stdout.")]
MaxParams = Annotated[str | None, typer.Option(help="At most so many parameters: 20000, 20k.")]
MaxMacs = Annotated[str | None, typer.Option(help="At most so many multiply-adds an image: 5M.")]
Workers = Annotated[int | None, typer.Option(help="Worker processes; default: one per core or GPU.")]
Seed = Annotated[int, typer.Option(help="Every random draw follows from it.")]
RunPath = Annotated[Path, typer.Argument(help="A run's folder, e.g. runs/digits-1.", show_default=False)]


def view_of(title: str, time: str | None, as_json: bool) -> View:
    from seedleaf.amounts import parse_seconds
    from seedleaf.views.view import open_view

    return open_view(title, None if time is None else parse_seconds(time), silent=as_json)


def command_line() -> str:
    return "seedleaf " + " ".join(shlex.quote(a) for a in sys.argv[1:])


def show_result(result: Result, as_json: bool) -> None:
    from seedleaf.summary import as_body, as_lines
    from seedleaf.views.progress import wrapped

    if as_json:
        typer.echo(json.dumps(as_body(result), ensure_ascii=False))
        return
    lines = as_lines(result)
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        # A command is to be copied: a line end within it would start half of it.
        lines = [line if line.startswith("next ") else wrapped(line, width) for line in lines]
    for line in lines:
        typer.echo(line)

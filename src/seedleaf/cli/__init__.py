"""The command line: one verb and a path. `seedleaf fit digits --time 60s`. A verb is a function and a row in VERBS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from seedleaf import __version__
from seedleaf.cli.check import check
from seedleaf.cli.compress import compress
from seedleaf.cli.fit import fit
from seedleaf.cli.folders import dashboard, export, report, resume
from seedleaf.cli.predict import predict

# In the order in which --help lists them.
VERBS: tuple[Callable[..., None], ...] = (fit, check, resume, compress, predict, report, export, dashboard)

app = typer.Typer(
    help="AutoML for light deep-learning models: data and a limit in, a small, fast, exported model out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"seedleaf {__version__}")
        raise typer.Exit


for _verb in VERBS:
    app.command()(_verb)


def main() -> None:
    """The console script."""
    app()

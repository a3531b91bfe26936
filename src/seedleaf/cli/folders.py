"""The verbs that take a run's folder: `resume`, `report`, `export`, `dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedleaf.cli.shared import Json, RunPath, Time, show_result, view_of
from seedleaf.errors import RunError
from seedleaf.guard import guarded

if TYPE_CHECKING:
    from seedleaf.result import Result


def resume(run: RunPath, time: Time = None, as_json: Json = False) -> None:
    """Go on with a run that was cut off; with a larger --time (its new total) also one that had finished."""

    def work() -> Result:
        from seedleaf.api import resume as resume_run

        return resume_run(run, time_limit=time, view=view_of(f"seedleaf resume {run}", time, as_json))

    show_result(guarded(work, as_json), as_json)


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


def export(
    run: RunPath,
    out: Annotated[Path | None, typer.Option(help="Copy the delivered files to this folder.")] = None,
) -> None:
    """Check a run's delivered model and copy it, with its card, to another folder."""

    def work() -> None:
        from seedleaf.predicting.deliver import copy_delivery

        for path in copy_delivery(run, out):
            typer.echo(path)

    guarded(work, False)


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

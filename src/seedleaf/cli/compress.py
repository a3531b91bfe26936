"""`seedleaf compress RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedleaf.cli.shared import (
    Json,
    MaxMacs,
    MaxParams,
    Seed,
    Time,
    Workers,
    command_line,
    show_result,
    view_of,
)
from seedleaf.guard import guarded

if TYPE_CHECKING:
    from seedleaf.result import Result


def compress(
    model: Annotated[
        Path,
        typer.Argument(
            help="The folder of a run: its delivered network; or RUN/front/NAME.", show_default=False
        ),
    ],
    data: Annotated[str | None, typer.Option(help="What it was fitted on; default: as its run says.")] = None,
    speedup: Annotated[
        float | None, typer.Option(help="So many times faster, measured in ONNX Runtime.")
    ] = None,
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    max_latency: Annotated[
        str | None, typer.Option(help="At most so many milliseconds an image, one thread: 0.2.")
    ] = None,
    max_bytes: Annotated[str | None, typer.Option(help="A file of at most so many bytes: 100k.")] = None,
    max_drop: Annotated[
        float, typer.Option(help="Percent points of test accuracy; the verdict tells a loss of more.")
    ] = 0.5,
    time: Time = "10m",
    int8: Annotated[
        str, typer.Option(help="auto (searched where a bound gains by it), always or never.")
    ] = "auto",
    tradeoff: Annotated[
        str, typer.Option(help="latency_ms, params, macs or bytes: search the front of error against it.")
    ] = "",
    workers: Workers = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; default: runs/DATA-compressed-N.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a trained network smaller and faster: prune, decompose, quantise, distil, searched and measured."""
    from seedleaf.timing import process_started

    def work() -> Result:
        from seedleaf.compressing.run import compress as compress_model

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
            view=view_of(f"seedleaf compress {model}", time or "10m", as_json),
            command=command_line(),
            began=process_started(),
        )

    show_result(guarded(work, as_json), as_json)

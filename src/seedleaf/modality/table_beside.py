"""Tables, beside the delivered file: which columns its answers hang on, as far as there is time."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.finish import call_all
from seedleaf.modality.table_tidy import Tidy
from seedleaf.predicting.images import cell

if TYPE_CHECKING:
    from seedleaf.finish import Run

FILE = "importance.csv"
PARTS = (
    "delivered.json"  # of what the file was joined: it lies beside the fits on all rows, and goes with them
)
LEAST = 0.2  # seconds below which nothing is begun
TIME_SHARE, MOST = 0.02, 10.0  # of the whole time, at most, and seconds


def remember(
    run: Run, places: Sequence[Path], weights: Sequence[float], power: float, decision: Sequence[float]
) -> None:
    """Keep what the delivered file was joined of for `beside`."""
    folder = run.folder / "refit"
    folder.mkdir(exist_ok=True)
    body = {
        "places": [str(p.resolve()) for p in places],
        "weights": list(weights),
        "power": power,
        "decision": list(decision),
    }
    (folder / PARTS).write_text(json.dumps(body), encoding="utf-8")


def kept_seconds(time_limit: float) -> float:
    """Seconds of a run that are kept for looking at the columns."""
    return min(TIME_SHARE * time_limit / 2, MOST / 2)


def beside(run: Run, end: float) -> None:
    """Measure by `end` how much each column matters; then remove the models of trials that were not delivered."""
    _shuffle(run, end)
    Tidy(run.study, run.folder / "trials").rest(end)


def _shuffle(run: Run, end: float) -> None:
    """How much each column matters: a note, and best/importance.csv."""
    limit = float((run.study.history.note("session") or {}).get("time_limit", 0.0))
    seconds = min(end - time.time(), TIME_SHARE * limit, MOST)
    if seconds < LEAST:
        run.study.note("importance", columns=[], why="there was no time left to shuffle columns")
        return
    parts = json.loads((run.folder / "refit" / PARTS).read_text(encoding="utf-8"))
    arguments = {**parts, "setup": dict(run.setup), "seconds": seconds}
    call = ("seedleaf.learners.tables.importance:importance", arguments)
    answer = call_all(run, {"importance": call}, "export", needed=set())["importance"]
    if answer.error is not None:
        run.view.message(f"no importance of columns: {answer.error}")
        run.study.note("importance", columns=[], why=answer.error)
        return
    found: Mapping[str, Any] = answer.value
    run.study.note("importance", **found)
    if found["columns"]:
        _write(run.folder / "best" / FILE, found, {c.name: c.kind for c in run.spec.schema.used})


def _write(path: Path, found: Mapping[str, Any], kinds: Mapping[str, str]) -> None:
    """A table for people and programs."""
    with path.open("w", encoding="utf-8", newline="", errors="surrogatepass") as file:
        writer = csv.writer(file)
        writer.writerow(["column", "kind", f"{found['metric']}_worse_by", "spread", "rows"])
        for name, mean, spread in found["columns"]:
            shown = "" if spread is None else f"{spread:.6g}"
            writer.writerow([cell(name), kinds.get(name, ""), f"{mean:.6g}", shown, found["part"]])

"""A front against latency is judged by measurements: what turns out no quicker than a more accurate network goes.

All are measured once more in turns, by one worker while nothing else runs: side by side a busy machine slows them alike.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seedleaf.card import member_card
from seedleaf.core import format_ms
from seedleaf.export import LATENCY_RUNS
from seedleaf.finish import Run, call_all
from seedleaf.front.members import milliseconds
from seedleaf.job import LATENCY

OPENING = 0.05  # seconds that it takes to open a network to be measured


def judged(
    run: Run,
    best: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    staged: Path,
    seconds: float,
    seen: Mapping[str, float],
) -> list[dict[str, Any]]:
    """The rows that stay, with what was measured of them; the folders of the others go from `staged`.

    Where `seconds` are too few to measure side by side, what delivery has measured decides. `seen`: by folder, the error on
    the validation part of networks that were trained on it.
    """
    best, *rows = [dict(row) for row in (best, *rows)]
    for row, found in zip((best, *rows), _side_by_side(run, rows, best, staged, seconds), strict=False):
        row[LATENCY] = min(row[LATENCY], found, key=lambda told: float(told["median"]))
    kept = quicker(best, rows, seen)
    for row in rows:
        folder = staged / Path(str(row["folder"])).name
        if row["folder"] in kept:
            _write(run, folder, row)
            continue
        took = f"{format_ms(milliseconds(row))} an image, no less than a more accurate network"
        run.view.message(f"{folder.name} is not in front/: it takes {took}")
        shutil.rmtree(folder, ignore_errors=True)
    return [row for row in rows if row["folder"] in kept]


def judging_seconds(best: Mapping[str, Any], members: int) -> float:
    """What a round of measuring the best and so many members takes at most: they are the quicker ones."""
    return (1 + members) * (OPENING + milliseconds(best) * LATENCY_RUNS / 1000)


def quicker(
    best: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], seen: Mapping[str, float]
) -> list[str]:
    """The folders of those `rows` that were measured to be quicker than the best and than each more accurate one.

    Trials are held against each other by their validation error. The winner made narrower was trained on the validation
    part, so it is held against itself made less narrow; and it is beaten by a trial that is quicker and had no larger error
    there without having seen it.
    """
    listed = list(rows)
    own = sorted(
        (r for r in listed if r["share_of_widths"] == 1), key=lambda r: (r["valid_error"], milliseconds(r))
    )
    cut = sorted((r for r in listed if r["share_of_widths"] < 1), key=lambda r: -float(r["share_of_widths"]))

    def beaten(row: Mapping[str, Any]) -> bool:
        error = seen.get(str(row["folder"]), 0.0)
        return any(milliseconds(r) <= milliseconds(row) and r["valid_error"] <= error for r in own)

    kept = []
    for line in (own, [row for row in cut if not beaten(row)]):
        least = milliseconds(best)
        for row in line:
            if milliseconds(row) < least:
                least = milliseconds(row)
                kept.append(str(row["folder"]))
    return kept


def _side_by_side(
    run: Run, rows: Sequence[Mapping[str, Any]], best: Mapping[str, Any], staged: Path, seconds: float
) -> list[dict[str, float]]:
    """Median and p90 of the best and of each row; nothing where there is no time, or it fails."""
    a_round = sum(milliseconds(row) * LATENCY_RUNS / 1000 for row in (best, *rows))
    spare = seconds - OPENING * (1 + len(rows))
    if not rows or spare < a_round:
        return []
    folders = [run.folder / "best", *(staged / Path(str(row["folder"])).name for row in rows)]
    arguments = {
        "folders": [str(folder.resolve()) for folder in folders],
        "setup": dict(run.setup),
        "rounds": int(spare / a_round),
    }
    answer = call_all(run, {"speed": ("seedleaf.export:side_by_side", arguments)}, "front", needed=set())
    return [] if answer["speed"].error is not None else list(answer["speed"].value)


def _write(run: Run, folder: Path, row: Mapping[str, Any]) -> None:
    """The member's metrics and card, with the latency that was measured last."""
    path = folder / "metrics.json"
    known = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**known, **row}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(member_card(run.spec, row, "speed"), encoding="utf-8")

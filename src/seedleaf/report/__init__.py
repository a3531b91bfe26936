"""The report of a study: one HTML page that opens offline, and the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seedleaf.report.board import Place, leaderboard
from seedleaf.writing import replacing

if TYPE_CHECKING:
    from seedleaf.core import History

__all__ = ["Place", "leaderboard", "write_board", "write_report"]


def write_report(history: History, path: Path) -> Path:
    """Write the page to `path` (replaced in one step) and return it. Works on a log in any state, also an empty one."""
    from seedleaf.report.facts import read
    from seedleaf.report.page import render

    path = Path(path)
    with replacing(path) as file:
        file.write(render(read(history)).encode("utf-8", "backslashreplace"))
    return path


def write_board(history: History, path: Path) -> Path:
    """Write every trial with its metrics, its config and, if it failed, the reason to `path` as CSV; return it."""
    import csv
    import io

    from seedleaf.report.board import table_rows
    from seedleaf.report.facts import read

    text = io.StringIO(newline="")
    csv.writer(text).writerows([_plain(cell) for cell in row] for row in table_rows(read(history)))
    with replacing(path) as file:
        file.write(text.getvalue().encode("utf-8", "backslashreplace"))
    return path


def _plain(text: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay what they are."""
    risky = text[:1] in ("=", "+", "-", "@") and not text[1:2].isdigit()
    return f"'{text}" if risky else text

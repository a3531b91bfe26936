"""The report of a study: one HTML page that opens offline, and the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seedleaf.report.board import Place, leaderboard

if TYPE_CHECKING:
    from seedleaf.core import History

__all__ = ["Place", "leaderboard", "write_report"]


def write_report(history: History, path: Path) -> Path:
    """Write the page to `path` (replaced in one step) and return it. Works on a log in any state, also an empty one."""
    from seedleaf.report.facts import read
    from seedleaf.report.page import render

    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(render(read(history)), encoding="utf-8", errors="backslashreplace")
    partial.replace(path)
    return path

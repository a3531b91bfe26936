"""`seedleaf check`: a table is read and audited, and nothing is trained. What was found, as text, on a terminal, as JSON."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, TextIO

from seedleaf.views.progress import speakable

if TYPE_CHECKING:
    from seedleaf.data.tables import Finding, TableSchema

MOST = 8  # findings of one kind that are listed; --json lists all
COUNTED = ("missing", "rare-class")  # kinds whose rows are as many as unremarkable
KIND_NAMES = {"number": "number", "category": "category", "date": "date", "text": "text"}


@dataclass(frozen=True, slots=True)
class Checked:
    """What `seedleaf.check` answers; printing it prints what the command prints."""

    schema: TableSchema

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything odd, each with what was done about it."""
        return self.schema.findings

    def to_json(self) -> dict[str, Any]:
        """The schema, findings among it, as plain JSON."""
        return self.schema.to_json()

    def __str__(self) -> str:
        return "\n".join([*headline(self.schema), *(_line(row) for row in rows(self.findings))])

    __repr__ = __str__


def check(
    data: Any,
    *,
    target: str | None = None,
    test: Any = None,
    group: str | None = None,
    order_by: str | None = None,
    task: str | None = None,
    keep: Collection[str] = (),
    copies: str = "drop",
    positive: str | None = None,
    seed: int = 0,
) -> Checked:
    """Read and audit a table: a CSV, TSV or Parquet file or a pandas DataFrame. Nothing is trained or written.

    The options are those of `seedleaf.data.tables.load_table`. Raises DataError, naming the file, for what cannot be used.
    """
    from seedleaf.data.tables import load_table

    loaded = load_table(
        data,
        target=target,
        test=test,
        group=group,
        order_by=order_by,
        task=task,
        keep=keep,
        copies=copies,
        positive=positive,
        seed=seed,
    )
    return Checked(loaded.schema)


def headline(schema: TableSchema) -> list[str]:
    """What the table is: its size, target, kinds of columns, how the file was read."""
    notes, goal = schema.notes, schema.target
    n = schema.n_train + schema.n_test
    kinds = Counter(c.kind for c in schema.used)
    listed = ", ".join(f"{count} {_many(KIND_NAMES[kind], count)}" for kind, count in kinds.most_common())
    dropped = len(schema.columns) - len(schema.used)
    task = goal.task if goal.task == "regression" else f"{goal.task}, {len(goal.classes)} classes"
    task += goal.unit
    if how := notes.get("positive"):
        task += f", positive: {goal.classes[1]} ({how})"
    named = f" ({notes['target']})" if "target" in notes else ""
    how = ", ".join(f"{key} {notes[key]}" for key in ("separator", "encoding", "header") if key in notes)
    found = len(schema.findings)
    return [
        f"{schema.name}: {n:,} rows to use, {len(schema.columns) + 1:,} columns"
        + (f" ({how})" if how else ""),
        f"target: {goal.name}{named}, {task}",
        f"features: {listed}" + (f"; {dropped} dropped" if dropped else ""),
        f"rows: {schema.n_train:,} to train on, {schema.n_test:,} to test on",
        f"{found} finding{'s' * (found != 1)}" if found else "nothing odd was found",
    ]


def _many(word: str, count: int) -> str:
    if count == 1 or word == "text":
        return word
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


Row = tuple[str, str, str, str]  # kind, column, message, action


def rows(findings: Collection[Finding]) -> Iterator[Row]:
    """Findings by kind, of each kind no more than MOST."""
    kinds = list(dict.fromkeys(f.kind for f in findings))
    ordered = sorted(findings, key=lambda f: kinds.index(f.kind))
    for kind, group in groupby(ordered, key=lambda f: f.kind):
        same = list(group)
        for finding in same[:MOST]:
            yield kind, finding.column, finding.message + _examples(finding), finding.action
        if len(same) > MOST:
            yield kind, "", f"and {len(same) - MOST} more", "--json lists all"


def _examples(finding: Finding) -> str:
    """Which rows, where someone would go and look."""
    if not finding.rows or finding.kind in COUNTED:
        return ""
    listed = ", ".join(f"{row:,}" for row in finding.rows)
    return f" ({'row' if len(finding.rows) == 1 else 'rows'} {listed}{', …' if finding.count > len(finding.rows) else ''})"


def _line(row: Row) -> str:
    kind, column, message, action = row
    where = f"{column}: " if column else ""
    return f"  {kind:<15} {where}{message}; {action}"


def show(checked: Checked, stream: TextIO | None = None) -> None:
    """Print it: a table on a terminal, plain lines elsewhere."""
    stream = stream or sys.stdout
    if not stream.isatty():
        print(speakable(str(checked), stream.encoding), file=stream)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=stream)
    for line in headline(checked.schema):
        console.print(Text(speakable(line, stream.encoding)))
    if not checked.findings:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title, style in (("kind", "bold"), ("column", "cyan"), ("found", ""), ("done", "green")):
        table.add_column(title, style=style, no_wrap=title == "kind", overflow="fold")
    for row in rows(checked.findings):
        table.add_row(*(Text(speakable(cell, stream.encoding)) for cell in row))
    console.print(table)

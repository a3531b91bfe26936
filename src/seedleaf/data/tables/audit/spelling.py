"""A check of classes and categories: names that differ only in case or blanks are likely one name, typed differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seedleaf.data.tables.audit.sheet import Sheet, Verdict
from seedleaf.data.tables.schema import Finding

LISTED = 3  # names that a finding spells out


def spellings(sheet: Sheet) -> Iterator[Verdict]:
    """Told, not merged: seedleaf does not know whether `a` and `A` are the same."""
    if sheet.classes:
        yield from _alike(sheet, sheet.target.name, sheet.target.classes, "classes")
    for column in sheet.used:
        if column.kind == "category":
            yield from _alike(sheet, column.name, column.levels, "categories")


def _alike(sheet: Sheet, name: str, levels: Sequence[str], what: str) -> Iterator[Verdict]:
    written: dict[str, list[str]] = {}
    for level in levels:
        written.setdefault(" ".join(level.casefold().split()), []).append(level)
    groups = [ways for ways in written.values() if len(ways) > 1]
    if not groups:
        return
    shown = "; ".join(", ".join(repr(way[:30]) for way in ways) for ways in groups[:LISTED])
    more = f"; and {len(groups) - LISTED} more" if len(groups) > LISTED else ""
    said = f"{sum(map(len, groups)):,} {what} differ only in case or blanks: {shown}{more}"
    action = f"kept as {what} of their own; write them alike where they are the same"
    raw = sheet.raw(name)
    rows = dict(zip(raw.values, raw.counts.tolist(), strict=True))
    usual = {max(ways, key=lambda way: rows.get(way, 0)) for ways in groups}
    other = {way for ways in groups for way in ways} - usual
    where = np.isin(raw.codes, [k for k, v in enumerate(raw.values) if v in other])
    yield Verdict(Finding("spelling", name, said, action, int(where.sum()), sheet.train.examples(where)))

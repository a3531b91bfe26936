"""What to tell of numbers that are not all written alike: marks, ranges, units that differ or are missing, decimal marks."""

from __future__ import annotations

import math
from collections import Counter

from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.column import Column
from seedleaf.data.tables.loose import parts_of
from seedleaf.data.tables.numbers import EITHER
from seedleaf.data.tables.words import plural


def notations(column: Column, raw: RawColumn) -> list[str]:
    """How the cells of a column of numbers differ in what stands beside the number; nothing where they do not."""
    style = column.style
    if (
        style.clock
        or style.negative
        or not (style.fronts or style.backs or style.ranges or style.decimal == EITHER)
    ):
        return []
    units: Counter[str] = Counter()
    marks: Counter[str] = Counter()
    ranges = commas = 0
    for text, rows in zip(raw.values, raw.counts.tolist(), strict=True):
        cell = None if math.isnan(style.read(text)) else parts_of(text)
        if cell is None:
            continue
        units[cell.unit] += rows
        marks[cell.mark] += rows
        ranges += rows * cell.two
        commas += rows * ("," in cell.number)
    said = [*_of_units(units), *_of_marks(marks)]
    if ranges:
        said.append(f"{plural(ranges, 'cell is a range', 'cells are ranges')} and read as the middle")
    if commas and style.decimal == EITHER:
        said.append(f"{plural(commas, 'cell has', 'cells have')} a comma for the decimal point")
    return said


def _of_units(units: Counter[str]) -> list[str]:
    bare = units.pop("", 0)
    said = []
    if len(units) > 1:
        each = ", ".join(f"{unit!r} in {plural(rows, 'cell')}" for unit, rows in units.most_common(4))
        said.append(f"units are mixed ({each}), and nothing is converted: make them one if they differ")
    if bare and units:
        unit = units.most_common(1)[0][0]
        said.append(
            f"{plural(bare, 'cell has', 'cells have')} no unit and {_be(bare)} taken to be in {unit!r} as well"
        )
    return said


def _of_marks(marks: Counter[str]) -> list[str]:
    del marks[""]
    if not marks:
        return []
    some = ", ".join(repr(mark) for mark, _ in marks.most_common(4))
    return [
        f"{plural(marks.total(), 'cell has', 'cells have')} a mark such as {some}, read as the number behind it"
    ]


def _be(count: int) -> str:
    return "is" if count == 1 else "are"

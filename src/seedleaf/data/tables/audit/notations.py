"""What to tell of numbers that are not all written alike: marks, ranges, units that differ or are missing, decimal marks."""

from __future__ import annotations

import math
from collections import Counter

from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.column import Column
from seedleaf.data.tables.infer import unsigned
from seedleaf.data.tables.loose import parts_of
from seedleaf.data.tables.multiples import LETTERS, SAYS, is_multiple, shorts
from seedleaf.data.tables.numbers import EITHER, NumberStyle
from seedleaf.data.tables.units import measures
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
    if any(is_multiple(*scale) for scale in style.scales):
        return _of_multiples(style, raw)
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
    said = [*_of_units(units, style), *_of_marks(marks), *_of_ranges(ranges)]
    if commas and style.decimal == EITHER:
        said.append(f"{plural(commas, 'cell has', 'cells have')} a comma for the decimal point")
    return said


def _of_multiples(style: NumberStyle, raw: RawColumn) -> list[str]:
    """What letters and words behind numbers are believed to mean, and what is believed of numbers without."""
    words: Counter[tuple[str, float]] = Counter()
    money: Counter[str] = Counter()
    marks: Counter[str] = Counter()
    ranges = 0
    for text, rows in zip(raw.values, raw.counts.tolist(), strict=True):
        cell = [] if math.isnan(style.read(text)) else shorts(unsigned(text))
        for one in cell[-1:]:
            words[one.word, one.size] += rows
            money[one.currency or cell[0].currency] += rows
            marks[one.mark] += rows
            ranges += rows * (len(cell) > 1)
    bare = words.pop(("", 1.0), 0)
    each = [f"{word!r} as {SAYS[size]} ({plural(n, 'cell')})" for (word, size), n in words.most_common(4)]
    said = [f"taken for multiples: {', '.join(each)}"]
    if bare:
        said.append(
            f"{plural(bare, 'cell has', 'cells have')} no such letter and {_be(bare)} read as written"
        )
    return [*said, *_of_units(money, style), *_of_marks(marks), *_of_ranges(ranges)]


def _of_units(units: Counter[str], style: NumberStyle) -> list[str]:
    bare = units.pop("", 0)
    said = []
    if len(units) > 1:
        each = ", ".join(f"{unit!r} in {plural(rows, 'cell')}" for unit, rows in units.most_common(4))
        done = "nothing is converted: make them one if they differ"
        if style.scales and "money" not in map(measures, units):
            done = f"converted to {style.suffix!r}"
        said.append(f"units are mixed ({each}), and {done}")
    elif units.keys() & {style.suffix} and style.suffix.lower() in LETTERS:
        said.append(f"{style.suffix!r} is taken to be a unit: it multiplies nothing")
    if bare and units:
        unit = style.suffix if style.scales and style.suffix in units else units.most_common(1)[0][0]
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


def _of_ranges(ranges: int) -> list[str]:
    return (
        [f"{plural(ranges, 'cell is a range', 'cells are ranges')} and read as the middle"] if ranges else []
    )


def _be(count: int) -> str:
    return "is" if count == 1 else "are"

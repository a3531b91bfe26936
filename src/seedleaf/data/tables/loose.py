"""Columns whose numbers are not all written alike: "~78", "<5", "70-80", "$ 5" beside "5", kg beside g, "7,5" beside "7.5".

Most cells must be single numbers without such a mark, and the column must have many: of a few, as "0", "1", "2" and ">2",
each is a category. Units are converted to the commonest where all of the column's can be; else what has another unit keeps
its number, as money does. The audit tells it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedleaf.data.tables.numbers import AFFIXED, BETWEEN, EITHER, MARKS, SPECIAL, NumberStyle, read_all
from seedleaf.data.tables.units import factor, measures

FEWEST = 20  # different cells below which each is a category
MOSTLY = 0.5  # of them must be single numbers without a mark such as "~"
RARE = 0.01  # of them have a mark or a unit that is seldom: it may be a slip
MOST_MARKS = 8  # each costs the delivered graph a few operators
WORDS = (
    "ca|circa|c|approx|approximately|appr|about|around|roughly|nearly|almost|over|under|above|below|up to|at least|at most|"
    "more than|less than|min|max|etwa|rund|ungefähr|über|unter|bis|mind|env|environ"
)
# A word needs a blank or a full stop behind it: "c5" is a name.
ABOUT = re.compile(rf"([~≈∼<>≤≥]=?|±|(?i:{WORDS})(?:\.|(?=[ \u00a0])))[ \u00a0]{{0,2}}(.*)", re.DOTALL)
RANGE = re.compile(rf"(.*\d[^-\u2013]*?)(?:{'|'.join(BETWEEN)})(\D*\d.*)", re.ASCII)
COMMA = re.compile(r"[^,]*\d,\d[^,]*", re.ASCII)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
FRACTION = re.compile(r"\d[.,]\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cell:
    """The parts of a cell: a mark, the unit before and behind the number, the number, and whether it is the first of two."""

    mark: str
    front: str
    number: str
    back: str
    two: bool = False

    @property
    def unit(self) -> str:
        return self.front or self.back


def parts_of(text: str) -> Cell | None:
    """The parts of a cell that says a number; None where it says none, or has units on both sides."""
    mark = ""
    if found := ABOUT.fullmatch(text):
        mark, text = found[1], found[2]
    found = AFFIXED.fullmatch(text)
    two = RANGE.fullmatch(text) if found is None or "-" in found[3] or "\u2013" in found[3] else None
    if two:
        ends = [AFFIXED.fullmatch(end.strip()) for end in two.groups()]
        if ends[0] is None or ends[1] is None:
            return None
        front, number, back = ends[0][1], ends[0][2], ends[1][3]
    elif found is None or text.lower() in SPECIAL:
        return None
    else:
        front, number, back = found.groups()
    front, back = front.strip(), back.strip()
    return None if front and back else Cell(mark, front, number, back, two is not None)


def loose_style(known: Sequence[str], need: float, fewest: int = FEWEST) -> NumberStyle | None:
    """The style in which at least so large a share of these distinct cells are numbers; None where there is none, or fewer
    cells than `fewest`."""
    cells = [cell for text in known if (cell := parts_of(text))]
    if len(known) < fewest or len(cells) < need * len(known):
        return None
    if sum(not (cell.mark or cell.two) for cell in cells) < MOSTLY * len(known):
        return None
    units = _units(cells, RARE * len(known))
    if units is None:
        return None
    marks = [m for m, c in Counter(cell.mark for cell in cells if cell.mark).most_common(MOST_MARKS)]
    first = units[0] if units else ("", "")
    before = (*(front for front, _ in units[1:] if front), *marks)
    behind = tuple(back for _, back in units[1:] if back)
    if any(back in front for back in (first[1], *behind) if back for front in (first[0], *before)):
        return None  # the delivered graph cuts off what is behind by its text
    style = NumberStyle("", "", *first, before, behind, _apart(cells), _scales(units))
    styles = [replace(style, decimal=mark, thousands=thousands) for mark, thousands in MARKS]
    if any("," in cell.number for cell in cells) and _one_mark([cell.number for cell in cells]):
        styles.append(replace(style, decimal=EITHER))
    counts = [int((~np.isnan(read_all(known, style))).sum()) for style in styles]
    return styles[counts.index(max(counts))] if max(counts) >= need * len(known) else None


def _units(cells: Sequence[Cell], least: float) -> list[tuple[str, str]] | None:
    """The units of cells, the commonest first, as (before, behind); None where they are no units of one kind."""
    counts = Counter((cell.front, cell.back) for cell in cells if cell.unit)
    units = [unit for unit, count in counts.most_common(MOST_MARKS) if count > least]
    known = [unit for unit in units if measures("".join(unit))]
    kinds = {measures("".join(unit)) for unit in known}
    if not known and units:  # one that is not known, behind fractions, which no name has
        with_unit = [FRACTION.search(cell.number) is not None for cell in cells if cell.unit]
        known = units if len(units) == 1 and not units[0][0] and np.mean(with_unit) >= MOSTLY else []
    if len(kinds) > 1 or (units and not known):
        return None
    units = known
    return None if kinds == {"share"} and not _one_scale(cells) else units


def _scales(units: Sequence[tuple[str, str]]) -> tuple[tuple[str, float], ...]:
    """What numbers with each further unit are multiplied by to be in the first; nothing where that is not known of all."""
    if any(front for front, _ in units):
        return ()
    factors = {back: factor(back, units[0][1]) for _, back in units}
    return () if any(map(math.isnan, factors.values())) else tuple(f for f in factors.items() if f[1] != 1)


def _one_scale(cells: Sequence[Cell]) -> bool:
    """Whether numbers with and without their unit lie in one range: "0.78" is no "0.78 %"."""
    parts: list[list[float]] = [[], []]
    for cell in cells:
        value = NumberStyle("," if COMMA.fullmatch(cell.number) else ".").read(cell.number)
        parts[bool(cell.unit)].append(abs(value))
    if not all(parts):
        return True
    with_unit, without = (float(np.nanmedian(part)) for part in parts)
    return bool(0.2 * with_unit <= without <= 5 * with_unit)


def _apart(cells: Sequence[Cell]) -> bool:
    """Whether some cells are ranges, and begin where numbers of the column lie."""
    plain = NumberStyle()
    single = read_all([cell.number for cell in cells if not cell.two], plain)
    starts = read_all([cell.number for cell in cells if cell.two], plain)
    if not len(starts) or np.isnan(single).all():
        return False
    low, high = float(np.nanmin(single)), float(np.nanmax(single))
    inside = (starts >= low) & (starts <= high)
    return bool(inside.mean() > MOSTLY)


def _one_mark(numbers: Sequence[str]) -> bool:
    """Whether commas and points are both decimal marks: none has both, or a comma before three digits."""
    return not any(THOUSANDS.fullmatch(n) or ("," in n and "." in n) or n.count(",") > 1 for n in numbers)

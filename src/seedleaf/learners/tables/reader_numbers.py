"""Numbers read inside the graph: texts of one style, with a unit and signs of people perhaps, as doubles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from onnx import TensorProto

from seedleaf.data.tables.column import LARGEST
from seedleaf.data.tables.numbers import BETWEEN, EITHER, GROUPS, SIGNS, NumberStyle
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.reader_text import anywhere, before, glued, swapped, without

# What a double can hold without a second thought: a cast of anything else would end the whole batch.
SMALL_POWER = r"[eE][+-]?0*\d{1,2}"
LARGE_POWER = r"[1-9](?:\.\d{0,60})?[eE][+-]?[12]\d\d"
NO_POWER = r"[eE]-\d{3,}"
ZERO = r"(?:0{{1,100}}(?:{0}0{{0,100}})?|{0}0{{1,100}})[eE][+-]?\d+"
HARD_BLANKS = ("\u00a0", "\u202f")


def within(some: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """One of `some` that is a part of one of the others, and that; None where there is none. Marks are cut off by their
    text, so those that others are a part of must go first."""
    return next(((one, other) for one, other in product(some, others) if one in other), None)


def read_numbers(g: Graph, cells: str, style: NumberStyle, silent: str) -> str:
    """Strings (…) -> float64 (…): what a column of numbers in this style reads, NaN where a cell is none, or says the
    pattern `silent`."""

    def looks(pattern: str) -> str:
        return g.add("RegexFullMatch", cells, pattern=pattern)

    if style.between:
        single = replace(style, ranges=False)
        return _middle(g, cells, single, looks(style.between), read_numbers(g, cells, single, silent))
    said, number, negated = looks(style.usual(_number(style))), cells, style.negated
    if negated:
        minus = looks(negated)
        said, number = g.add("Or", said, minus), _unsigned(g, cells, style, minus)
    if silent:
        said = g.add("And", said, g.add("Not", looks(silent)))
    nothing = g.text("nan")
    if style.powers:
        tiny = looks(style.usual(f"{style.digits()}{NO_POWER}|{ZERO.format(f'[{style.decimal}]')}"))
        nothing = g.add("Where", tiny, g.text("0"), nothing)
    read = g.cast(g.add("Where", said, _bare(g, number, style), nothing), "float64")
    if negated:
        read = g.add("Where", minus, g.add("Neg", read), read)
    if style.scales:
        read = g.add("Mul", read, _scale(g, cells, style))
    bounded = g.add("LessOrEqual", g.add("Abs", read), g.constant(LARGEST))
    return g.add("Where", bounded, read, g.constant(np.nan))


def _scale(g: Graph, cells: str, style: NumberStyle) -> str:
    """What the numbers of cells are multiplied by."""
    scale = g.constant(1.0)
    for pattern, factor in style.scaled:
        scale = g.add("Where", g.add("RegexFullMatch", cells, pattern=pattern), g.constant(factor), scale)
    return scale


def _middle(g: Graph, cells: str, style: NumberStyle, between: str, read: str) -> str:
    """`read`, and where `between` holds the middle of the two numbers in a cell. Nothing is done where no cell has two."""

    def halve() -> list[str]:
        whole = cells
        for mark in BETWEEN:
            whole = swapped(g, whole, mark, "-")
        pieces = g.split(whole, "-")
        one, other = g.piece(pieces, 0), g.piece(pieces, 1)
        least, most = (read_numbers(g, end, style, "") for end in (one, other))
        if style.scales:
            own = g.add("RegexFullMatch", one, pattern=style.ended(*style.backs))
            least = g.add("Where", own, least, g.add("Mul", least, _scale(g, other, style)))
        middle = g.add("Div", g.add("Add", least, most), g.constant(2.0))
        middle = g.add("Where", g.add("LessOrEqual", least, most), middle, g.constant(np.nan))
        return [g.add("Where", between, middle, read)]

    return g.either(anywhere(g, between), halve, lambda: [read], [TensorProto.DOUBLE])[0]


def _number(style: NumberStyle) -> str:
    """Numbers that a double holds, without regard to size beyond a hundred digits."""
    if not style.powers:
        return style.digits()
    number = f"{style.digits()}(?:{SMALL_POWER})?"
    return number if style.decimal != "." or style.thousands else f"{number}|{LARGE_POWER}"


def _unsigned(g: Graph, cells: str, style: NumberStyle, minus: str) -> str:
    """The cells where `minus` holds without what says so. Nothing is done where no cell of the batch has it."""

    def cut() -> list[str]:
        rest = cells
        for mark in style.prefix + style.suffix if style.negative else SIGNS:
            rest = without(g, rest, mark, 1)
        return [g.add("Where", minus, rest, cells)]

    return g.either(anywhere(g, minus), cut, lambda: [cells], [TensorProto.STRING])[0]


def _bare(g: Graph, cells: str, style: NumberStyle) -> str:
    """The number alone, as programs write it, in cells that say one with a sign of programs."""
    fronts, backs = ((), ()) if style.negative else (style.fronts, style.backs)
    fronts_first = within(backs, fronts) is not None  # "MXN 5M"
    for prefix in fronts if fronts_first else ():
        cells = without(g, cells, prefix, 1 + bool(style.before))
    for suffix in backs:
        cells = before(g, cells, suffix)
    for prefix in () if fronts_first else fronts:
        cells = without(g, cells, prefix, 1 + bool(style.before))
    spaced = style.thousands == " "
    if fronts or spaced:
        for blank in (*HARD_BLANKS, " "):  # of the last kind perhaps between a sign and a number
            cells = without(g, cells, blank, 4 + 2 * bool(style.before) + GROUPS * spaced)
    if style.thousands and not spaced:
        cells = without(g, cells, style.thousands, GROUPS)
    if style.decimal == EITHER:
        comma = g.add("RegexFullMatch", cells, pattern=".*,.*")
        return g.add("Where", comma, swapped(g, cells, ",", "."), cells)
    if style.decimal != ".":
        pieces = g.split(glued(g, cells, g.text(style.decimal)), style.decimal)
        cells = glued(g, g.piece(pieces, 0), g.text("."), g.piece(pieces, 1))
    return cells

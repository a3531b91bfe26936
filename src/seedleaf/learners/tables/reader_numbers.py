"""Numbers read inside the graph: texts of one style, with a unit and signs of people perhaps, as doubles."""

from __future__ import annotations

import re

import numpy as np
from onnx import TensorProto

from seedleaf.data.tables.column import LARGEST
from seedleaf.data.tables.numbers import GROUPS, SIGNS, NumberStyle
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.reader_text import anywhere, before, glued, without

# What a double can hold without a second thought: a cast of anything else would end the whole batch.
SMALL_POWER = r"[eE][+-]?0*\d{1,2}"
LARGE_POWER = r"[1-9](?:\.\d{0,60})?[eE][+-]?[12]\d\d"
NO_POWER = r"[eE]-\d{3,}"
ZERO = r"(?:0{{1,100}}(?:{0}0{{0,100}})?|{0}0{{1,100}})[eE][+-]?\d+"
HARD_BLANKS = ("\u00a0", "\u202f")


def read_numbers(g: Graph, cells: str, style: NumberStyle, silent: str) -> str:
    """Strings (…) -> float64 (…): what a column of numbers in this style reads, NaN where a cell is none, or says the
    pattern `silent`."""

    def looks(pattern: str) -> str:
        return g.add("RegexFullMatch", cells, pattern=pattern)

    said, number, negated = looks(style.usual(_number(style))), cells, style.negated
    if negated:
        minus = looks(negated)
        said, number = g.add("Or", said, minus), _unsigned(g, cells, style, minus)
    if silent:
        said = g.add("And", said, g.add("Not", looks(silent)))
    nothing = g.text("nan")
    if style.powers:
        tiny = looks(style.usual(f"{style.digits()}{NO_POWER}|{ZERO.format(re.escape(style.decimal))}"))
        nothing = g.add("Where", tiny, g.text("0"), nothing)
    read = g.cast(g.add("Where", said, _bare(g, number, style), nothing), "float64")
    if negated:
        read = g.add("Where", minus, g.add("Neg", read), read)
    bounded = g.add("LessOrEqual", g.add("Abs", read), g.constant(LARGEST))
    return g.add("Where", bounded, read, g.constant(np.nan))


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
    prefix, suffix = ("", "") if style.negative else (style.prefix, style.suffix)
    if suffix:
        cells = before(g, cells, suffix)
    if prefix:
        cells = without(g, cells, prefix, 1)
    spaced = style.thousands == " "
    if prefix or spaced:
        for blank in (*HARD_BLANKS, " "):  # of the last kind perhaps between a sign and a number
            cells = without(g, cells, blank, 4 + GROUPS * spaced)
    if style.thousands and not spaced:
        cells = without(g, cells, style.thousands, GROUPS)
    if style.decimal != ".":
        pieces = g.split(glued(g, cells, g.text(style.decimal)), style.decimal)
        cells = glued(g, g.piece(pieces, 0), g.text("."), g.piece(pieces, 1))
    return cells

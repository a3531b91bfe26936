"""Reading cells inside the graph: strings as they stand in a file become the numbers and texts that a model takes.

What `Column.read` does in Python, done with ONNX's operators on strings: patterns decide what a cell is, pieces are cut out
and put together, and only what surely is a number is cast to one. A cell that says nothing becomes NaN or "".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from onnx import TensorProto, helper

from seedleaf.data.tables import Column, TableSchema
from seedleaf.data.tables.numbers import read_plain
from seedleaf.data.tables.written import CELLS
from seedleaf.learners.tables.block import Layout
from seedleaf.learners.tables.graph import NUMBERS, TEXTS, Graph
from seedleaf.learners.tables.reader_clock import read_clocks
from seedleaf.learners.tables.reader_dates import read_dates
from seedleaf.learners.tables.reader_numbers import read_numbers, within
from seedleaf.learners.tables.reader_text import anywhere

INSIDE_NUMBERS = set("eE+-' ")


def unreadable(schema: TableSchema) -> str:
    """Why the cells of this table cannot be read inside the graph; "" where they can."""
    for column in schema.used:
        fronts, backs = column.style.fronts, column.style.backs
        for mark in fronts + backs:
            if column.style.negative:
                continue
            if column.kind == "number" and mark and set(mark) <= INSIDE_NUMBERS:
                return f"{column.name}: {mark!r} may be a unit or part of a number"
        if (tangled := within(backs, fronts)) and within(fronts, backs):  # neither can go first
            return f"{column.name}: the unit {tangled[0]!r} is part of {tangled[1]!r}"
    return ""


def read_cells(g: Graph, schema: TableSchema, layout: Layout) -> None:
    """Put in front of the nodes of `g` those that make its numbers and texts, as far as it uses them, out of CELLS."""
    model, g.nodes = g.nodes, []
    columns = {c.name: (place, c) for place, c in enumerate(schema.used)}
    cells = _without_first_blank(g)
    if g.uses_numbers:
        _name(g, _numbers(g, cells, [columns[name] for name in layout.numbers]), NUMBERS)
    if g.uses_texts:
        _name(g, _texts(g, cells, [columns[name] for name in layout.texts]), TEXTS)
    g.nodes += model


def _name(g: Graph, x: str, public: str) -> None:
    g.nodes.append(helper.make_node("Identity", [x], [public]))


def _without_first_blank(g: Graph) -> str:
    """A blank behind a separator is no part of a cell. Nothing is done where no cell of the batch has one."""
    led = g.add("RegexFullMatch", CELLS, pattern="(?s) .*")

    def cut() -> list[str]:
        return [g.add("Where", led, g.piece(g.split(CELLS, " ", 1), 1), CELLS)]

    return g.either(anywhere(g, led), cut, lambda: [CELLS], [TensorProto.STRING])[0]


# --- numbers ---


def _numbers(g: Graph, cells: str, columns: Sequence[tuple[int, Column]]) -> str:
    """float64 (N, columns), NaN = missing; columns that are written alike are read together."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for j, (_, column) in enumerate(columns):
        tokens = () if column.kind == "date" else _number_tokens(column.missing)
        alike.setdefault((column.date_format, column.style, tokens), []).append(j)
    parts, order = [], []
    for members in alike.values():
        some = g.gather(cells, [columns[j][0] for j in members])
        column = columns[members[0]][1]
        if column.kind == "date":
            parts.append(read_dates(g, some, column.date_format))
        elif column.style.clock:
            parts.append(read_clocks(g, some, column.style.brief))
        else:
            silent = _any_of(_number_tokens(column.missing))
            parts.append(read_numbers(g, some, column.style, silent))
        order += members
    whole = g.concat(parts)
    if order == sorted(order):
        return whole
    return g.gather(whole, [order.index(j) for j in range(len(order))])


def _number_tokens(missing: Sequence[str]) -> tuple[str, ...]:
    """Those that read as numbers: the others are no numbers anyway."""
    return tuple(t for t in missing if read_plain(t) == read_plain(t))


# --- texts ---


def _texts(g: Graph, cells: str, columns: Sequence[tuple[int, Column]]) -> str:
    """Strings (N, columns). A category that says "missing" is none of its levels; free text that says so has no words."""
    chosen = g.gather(cells, [place for place, _ in columns])
    tokens = tuple(dict.fromkeys(t for _, c in columns if c.kind == "text" for t in c.missing))
    if not tokens:
        return chosen
    silent = g.add("RegexFullMatch", chosen, pattern=_any_of(tokens))
    return g.add("Where", silent, g.text(""), chosen)


def _any_of(tokens: Sequence[str]) -> str:
    """A pattern of these words, without case."""
    return "|".join("".join(_letter(c) for c in token) for token in tokens)


def _letter(c: str) -> str:
    return f"[{c.lower()}{c.upper()}]" if c.isascii() and c.isalpha() else re.escape(c)

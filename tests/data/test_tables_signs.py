"""Negative numbers as people write them, with and without a unit; months that are none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from seedleaf.data.tables import Column
from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.dates import MERE_MONTHS, read_date
from seedleaf.data.tables.infer import infer_column, unit
from seedleaf.data.tables.numbers import NumberStyle

AMOUNTS = np.round(np.random.default_rng(0).lognormal(7, 1, 60), 2)
BARE = ["({})", "\u2212{}", "{}-"]
BESIDE = [
    "(${})",
    "$({})",
    "$ ({})",
    "\u2212${}",
    "$\u2212{}",
    "-${}",
    "${}-",
    "({} €)",
    "({}) €",
    "\u2212{} €",
    "{} €-",
]
MARKS = [(",", "."), (".", ","), ("'", "."), (" ", ","), ("\u00a0", ","), ("\u202f", ".")]


def column(cells: list[str]) -> Column:
    return infer_column("x", RawColumn.of(cells))


def written(value: float, marks: tuple[str, str]) -> str:
    return f"{value:,.2f}".translate(str.maketrans({",": marks[0], ".": marks[1]}))


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("form", [*BARE, *BESIDE])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97, 1])
def test_negatives_are_numbers_whatever_their_share(form: str, marks: tuple[str, str], share: float) -> None:
    minus = np.arange(len(AMOUNTS)) < share * len(AMOUNTS)
    plain = "${}" if "$" in form else "{} €" if "€" in form else "{}"
    cells = [(form if m else plain).format(written(v, marks)) for v, m in zip(AMOUNTS, minus, strict=True)]
    found = column(cells)
    assert found.kind == "number"
    assert found.prefix + found.suffix in ("$", "€") if plain != "{}" else found.style.negative
    np.testing.assert_array_equal(found.read(cells), np.where(minus, -AMOUNTS, AMOUNTS))


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["\u22125 °C", "3 °C", "-2 °C", "(1 °C)", "\u2212.5°C"], [-5, 3, -2, -1, -0.5]),
        (["(EUR 5)", "EUR 7", "EUR (1,234.5)", "EUR -3"], [-5, 7, -1234.5, -3]),
        (["(12 %)", "3 %", "(4)%", "7 %\u2212"], [-12, 3, -4, -7]),
        (["($396.31)", "($1,607.01)", "($5)"], [-396.31, -1607.01, -5]),
        (["0e123 €", "5 €", "1e-400 €"], [0, 5, 0]),
    ],
)
def test_marks_stand_beside_any_unit(cells: list[str], read: list[float]) -> None:
    found = column(cells * 3)
    assert found.kind == "number"
    np.testing.assert_array_equal(found.read(cells), read)


@pytest.mark.parametrize(
    ("unit", "cell"),
    [
        *((("", ""), text) for text in ("(5)", "5-", "\u22125")),
        *((("(", ")"), text) for text in ("( 1 234)", "(1 234 )", "(-5)", "(1e5)", "(inf)", "()")),
        *((("", "-"), text) for text in ("5 -", "-5-", "5.-", "1e5-", "5--")),  # "5.-" is a price
        *((("\u2212", ""), text) for text in ("\u2212 5", "\u2212-5", "\u22121e5")),
        *((("$", ""), text) for text in ("($-5)", "-($5)", "($5", "( $5)", "(($5))", "\u2212($5)", "$5.-", "$()")),
        *((("", "pack"), text) for text in ("5-pack", "5- pack", "5\u2212pack", "(5-pack)")),
        *((("", "-x"), text) for text in ("(5-x)", "5-x-")),  # a unit that holds a sign has no more of them
    ],
)  # fmt: skip
def test_what_is_no_negative(unit: tuple[str, str], cell: str) -> None:
    assert math.isnan(NumberStyle(".", " ", *unit).read(cell))


def test_brackets_are_no_part_of_a_unit() -> None:
    assert unit(["($5)", "($6.50)"] * 9) == ("$", "")
    assert unit(["((5))", "((6))"] * 9) == ("", "")
    assert unit(["(12 km)", "3 km", "\u22124 km", "5 km-"] * 9) == ("", "km")
    assert unit(["5-pack", "12-pack"] * 9) == ("", "-pack")
    assert unit(["CHF 5.-", "CHF 12.-"] * 9) == ("CHF", "-")
    assert column(["5.-", "12.-", "7.-"] * 9).kind == "category"
    assert column(["(206) 555", "(12) 17"] * 9).kind == "category"


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["(5) A", "(7.5) A", "(12) A"], [5, 7.5, 12]),  # a fuse, as all of them have it
        (["(5) A", "7.5 A", "12 A"], [-5, 7.5, 12]),  # here it tells something
        (["(5) €", "(7.5) €"], [-5, -7.5]),  # and of money it is usual
        (["EUR (5)", "EUR (7.5)"], [-5, -7.5]),
        (["(5 A)", "(7.5 A)"], [-5, -7.5]),
        (["(5)", "(7.5)"], [-5, -7.5]),
    ],
)
def test_brackets_that_every_number_has_beside_a_unit_are_no_minus(
    cells: list[str], read: list[float]
) -> None:
    found = column(cells * 6)
    assert found.kind == "number"
    np.testing.assert_array_equal(found.read(cells), read)


def test_numbers_in_brackets_behind_a_word_are_names() -> None:
    assert column(["A (5)", "A (7)", "A (12)"] * 6).kind == "category"


@pytest.mark.parametrize(
    "cells",
    [
        ["1/1000", "1/2000", "1/4000", "1/8000", "1/5000"],  # dilutions
        ["Marketing 2024", "Mayor 2020", "Decor 1999", "Augusta 2001"],
        ["Sunset 2024", "Janet 2020", "Marble 1999"],
        ["May 1066", "Jun 1415", "Oct 1066"],
        ["1000-01", "2000-02", "3000-03"],
    ],
)
def test_few_marks_of_a_month_are_none(cells: list[str]) -> None:
    assert column(cells * 6).kind == "category"


@pytest.mark.parametrize("form", MERE_MONTHS)
def test_what_is_no_month_among_months_is_missing(form: str) -> None:
    texts = {"%Y": "{0}", "%m": "{1:02}", "%b": "Mar"}
    for part, text in texts.items():
        form = form.replace(part, text)
    cells = [form.format(year, year % 12 + 1) for year in range(1960, 2020)]
    found = column([*cells, "unknown"])
    assert found.kind == "date"
    assert np.isnan(found.read([*cells, "unknown"])).tolist() == [False] * 60 + [True]


def test_months_in_capitals_and_in_german() -> None:
    names = ["JAN", "FEB", "MÄR", "APR", "MAI", "JUN", "JUL", "AUG", "SEP", "OKT", "NOV", "DEZ"]
    found = column([f"{name} {year}" for name in names for year in (2000, 2001)])
    assert found.kind == "date"
    days = found.read([f"{name} 2000" for name in names])
    assert [int(day) for day in np.diff(days)] == [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30]
    assert read_date("Jänner 2000", "%b %Y") == read_date("JANUARY 2000", "%b %Y") == days[0]
    assert read_date("März 2000", "%b %Y") == read_date("Mrz. 2000", "%b %Y") == days[2]
    for none in ("Febräar 2024", "Sepember 2024", "Mayo 2024", "O\u212at 2024"):
        assert math.isnan(read_date(none, "%b %Y"))

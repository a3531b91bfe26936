"""The graph and Python read alike whatever stands in a cell, and no cell ends a batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_table_reader import NUMBERS_WRITTEN, Reader, reader, same, schema

from seedleaf.data.tables import Column
from seedleaf.data.tables.cells import TOKENS
from seedleaf.data.tables.dates import FORMATS
from seedleaf.data.tables.numbers import EITHER, MARKS

UNITS = [
    ("(", ")"),
    ("", "-"),
    ("\u2212", ""),
    ("$", ""),
    ("", "€"),
    ("CHF", "p.a."),
    ("", "%"),
    ("", "+"),
    ("", "e"),
    ("E", ""),
    ("(", ") A"),
]
LOOSE = [
    ("", "", ("~", "<", "ca."), (), True),
    ("$", "", ("€", "~"), ("CHF", "%"), True),
    ("", "kg", (), ("g",), False),
    ("", "m2", ("~",), ("m",), True),
    ("€", "M", ("~", "$"), ("K", "M€"), True, (("M", 1e6), ("K", 1e3), ("M€", 1e6))),
    ("", "kg", (), ("g",), True, (("g", 1e-3),)),
]
STYLES = [*NUMBERS_WRITTEN, *((*mark, *unit) for mark in (*MARKS, (EITHER, "")) for unit in (*UNITS, *LOOSE))]
COLUMNS = [Column(f"n{k}", "number", TOKENS, *style) for k, style in enumerate(dict.fromkeys(STYLES))]
COLUMNS += [
    Column(f"d{k}", "date", date_format=form)
    for k, form in enumerate([*FORMATS[::5], "%Y-%m-%d or %d.%m.%Y"])
]
COLUMNS += [Column("brief", "number", TOKENS, ":", ":")]

TEXT = st.text(st.sampled_from("0123456789.,-+eE /:TZapm'%€kéJan?\u00a0"), max_size=14)
DIGITS = [
    "5",
    "12",
    "1,234",
    "1.234",
    "1 234",
    "1\u202f234\u00a0567",
    "1'234",
    "2,53,617",
    "1,234.50",
    "1.234,50",
    ".5",
    ",5",
    "5.",
]
DIGITS += ["5,", "0e123", "0.0e-400", "5e-400", "1e5", "2.5E-3", "1e999", "inf", ""]
AROUND = [
    "",
    "",
    "",
    "",
    "-",
    "+",
    "\u2212",
    "$",
    "€",
    "CHF",
    "p.a.",
    "%",
    "(",
    ")",
    " ",
    "\u00a0",
    "\u202f",
    "  ",
]
PLACE = st.sampled_from(AROUND)
# A number between what may stand beside one, much of which no style knows.
NUMBER = st.tuples(PLACE, PLACE, PLACE, st.sampled_from(DIGITS), PLACE, PLACE, PLACE).map("".join)
FRONT = st.sampled_from(["{}", "({})", "\u2212{}", "{}-", "-{}", "{}\u2212"])
BESIDE = st.sampled_from(
    [
        "{}",
        "${}",
        "$ {}",
        "{} €",
        "{}\u00a0€",
        "CHF {} p.a.",
        "{}%",
        "${}-",
        "$({})",
        "({}) €",
        "$\u2212{}",
        "{}- €",
        "~{}",
        "< ${}",
        "ca. {}",
        "{}-7",
        "5 - {}",
        "€ {} \u2013 9,5 %",
        "{} kg",
        "{} g to {} kg",
        "{} m2",
        "€{}M",
        "~ ${} K",
        "{}-5 M€",
        "€{}K - 7M",
    ]
)
# The same as people write it.
NOTED = st.tuples(FRONT, BESIDE, st.sampled_from(DIGITS)).map(lambda n: n[0].format(n[1].replace("{}", n[2])))
PARTS = [
    ["", "", "-", "+", "1 day, ", "-12 days ", "3 days,"],
    ["0", "07", "12", "31", "100", "12345"],
    [":0", ":05", ":59", ":60", ":"],
    ["", ":07", ":7", ":59.25", ":00,5"],
    ["", " am", "PM", " p", "  pm"],
]
CLOCK = st.tuples(*map(st.sampled_from, PARTS)).map("".join)


@pytest.fixture(scope="module")
def read() -> Reader:
    return reader(schema(*COLUMNS))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(st.one_of(TEXT, NUMBER, NOTED, CLOCK), min_size=1, max_size=40))
def test_python_and_graph_agree_and_no_cell_ends_a_batch(read: Reader, texts: list[str]) -> None:
    got, wanted = read({c.name: [t.strip() for t in texts] for c in COLUMNS})
    equal = same(got["x"], wanted["x"])
    assert equal.all(), [
        (texts[i], COLUMNS[j], got["x"][i, j], wanted["x"][i, j]) for i, j in np.argwhere(~equal)[:5]
    ]

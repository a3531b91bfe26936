"""The reading of cells inside the graph says what `Column.read` says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from seedleaf.data.tables import Column, TableSchema, Target
from seedleaf.data.tables.cells import TOKENS
from seedleaf.data.tables.dates import FORMATS, MERE_MONTHS
from seedleaf.data.tables.written import CELLS, as_cells
from seedleaf.learners.tables.block import Layout
from seedleaf.learners.tables.graph import NUMBERS, TEXTS, Graph, session
from seedleaf.learners.tables.reader import read_cells, unreadable

ODD = [
    "",
    "?",
    "NA",
    "n/A",
    "-",
    "abc",
    "nan",
    "inf",
    "-Infinity",
    "1_000",
    "0x1A",
    "١٢",
    "1e999",
    "1e-400",
    "--",
    "é",
]
NUMBERS_WRITTEN = {
    (".", "", "", ""): ["1", "-2.5", "+.5", "3.", "1e5", "1E-7", "1.25e-250", "-9.5e35", "3e280", "7", "1e-320", "1 2", "."],
    (",", ".", "", ""): ["1.234,50", "12,5", "-1.234.567,8", "12", "1.23", ",5", "1.234", "1,2,3", "2,5e3"],
    (".", ",", "", ""): ["1,234.50", "1,2", "1,234,567", "12.5", "-.5", "1234", "1.5e2"],
    (".", "'", "", ""): ["1'234.5", "12", "1''2", "1'234'567"],
    (",", " ", "", ""): ["1 234,5", "1\u00a0234\u202f567,25", "12", "1 23"],
    (".", "", "€", ""): ["€ 12", "€12.5", "12", "€\u00a07", "$ 3", "€", "-5", "€ -5", "12 €"],
    (".", ",", "", "km"): ["12 km", "1,200km", "3", "km", "3 m", "7\u00a0km", "1.5 km km"],
    (",", ".", "EUR", "p.a."): ["EUR 1.200,5 p.a.", "5", "EUR 5", "5 p.a.", "p.a. 5"],
    (".", ",", "$", ""): [
        "-$254", "$254", "$-254", "-$-254", "- $3", "+$1,000.5",
        "-$ 7", "$ -7", "-7", "2,53,617", "$12,34,56,789.5", "1,23,45", "12,3,456",
    ],
    (".", ",", "(", ")"): [
        "(1,014.28)", "2,014.5", "-3", "()", "(-3)", "( 3)", "(1e5)",
        "1e5", "(3", "3)", "((3))", "7", "(inf)", "(1_0)",
    ],
    (",", ".", "(", ")"): ["(1.014,28)", "2.014,5", "-3", "(,5)", "( 3 )", "7", "(1)"],
    (".", "", "", "-"): ["0.25-", "0.25", "-3", "-3-", "1e5-", "1e-5", "3--", "7", "5 -", "12-", "inf-"],
    (".", "", "\u2212", ""): [
        "\u22120.25", "0.5", "-1", "\u2212-1", "0.25\u2212",
        "\u22121e5", "1e-5", "\u2212", "\u22127", "8",
    ],
    (".", "", "", "%"): ["45 %", "4.5%", "%", "1e1 %", "45 % %"],
}  # fmt: skip
CLOCKS = ["", " 06:30", " T 07:00", "T23:59:59.25", ", 6:05 pm", " 12:00 AM", "T06:00:00Z", " 06:00+02:00"]
CLOCKS += [
    " 18:00:30 -0330",
    " UTC",
    " 25:00",
    " 12:60",
    " 13:00 pm",
    "T6:00:00,5",
    "+05:00",
    " 6:00",
    " 00:08:25+01",
    "T7:30-11",
    " 6:05 pm -03",
    "-01",
    " 7:00 +1",
    " 07:00+01+02",
]
CLOCKS += [" 0:30 am", " 11:15PM GMT"]
DAYS = [
    (1970, 1, 1),
    (2024, 2, 29),
    (2023, 2, 29),
    (1900, 2, 29),
    (2000, 2, 29),
    (1999, 12, 31),
    (2024, 13, 1),
]
DAYS += [(2024, 4, 31), (2024, 0, 5), (2024, 6, 0), (9999, 12, 31), (1, 1, 1), (0, 1, 1), (2068, 9, 9)]
DAYS += [(1969, 7, 20)]


def schema(*columns: Column) -> TableSchema:
    target = Target("y", "regression", (), Column("y", "number"))
    return TableSchema("t", columns, target)


def both(
    table: TableSchema, cells: dict[str, list[Any]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What the graph reads and what Python reads, by input of the model."""
    layout = Layout.of(table)
    g = Graph()
    g.uses_numbers, g.uses_texts = bool(layout.numbers), bool(layout.texts)
    read_cells(g, table, layout)
    out = {}
    if layout.numbers:
        out["x"] = (NUMBERS, TensorProto.DOUBLE, len(layout.numbers))
    if layout.texts:
        out["t"] = (TEXTS, TensorProto.STRING, len(layout.texts))
    run = session(g.model(out, 0, 0, n_cells=len(table.used)))
    got = dict(zip(out, run.run(None, {CELLS: as_cells(cells, table)}), strict=True))
    features = table.features(cells)
    wanted = {}
    if layout.numbers:
        wanted["x"] = np.column_stack([features[n] for n in layout.numbers])
    if layout.texts:
        wanted["t"] = np.column_stack([features[n] for n in layout.texts])
    return got, wanted


def same(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Cells that are equal, missing ones among them."""
    return (got == wanted) | (np.isnan(got) & np.isnan(wanted)) | (np.abs(got - wanted) < 1e-290)


@pytest.mark.parametrize("style", NUMBERS_WRITTEN)
def test_numbers_in_every_style(style: tuple[str, str, str, str]) -> None:
    texts = [*NUMBERS_WRITTEN[style], *ODD]
    columns = [Column(name, "number", TOKENS, *style) for name in ("a", "b")]
    got, wanted = both(schema(*columns), {"a": texts, "b": texts[::-1]})
    equal = same(got["x"], wanted["x"])
    assert equal.all(), [(texts[i], got["x"][i, 0], wanted["x"][i, 0]) for i in np.flatnonzero(~equal[:, 0])]
    assert (~np.isnan(wanted["x"])).sum() >= 6, "something was read at all"
    for i, text in enumerate(texts):
        alone, _ = both(schema(*columns), {"a": [text], "b": [""]})
        assert same(alone["x"][0, :1], got["x"][i, :1]).all(), text


@pytest.mark.parametrize("form", FORMATS)
def test_dates_in_every_format(form: str) -> None:
    names = ("jan", "FEB", "March", "Apr.", "may", "June", "JUL", "aug", "sept", "Oct", "nov", "dec")
    texts = []
    for k, (year, month, day) in enumerate(DAYS):
        for clock in CLOCKS if k < 2 else [CLOCKS[0], CLOCKS[k % len(CLOCKS)]]:
            text = form.replace("%Y", f"{year:04}").replace("%y", f"{year % 100:02}")
            text = text.replace("%a", ("Mon", "Sunday")[k % 2])
            text = text.replace("%b", names[month - 1] if 1 <= month <= 12 else "xyz")
            two = form == "%Y%m%d" or k % 2
            text = text.replace("%m", f"{month:02}" if two else f"{month}")
            texts.append(text.replace("%d", f"{day:02}" if two else f"{day}") + clock)
    column = Column("when", "date", date_format=form)
    got, wanted = both(schema(column), {"when": [*texts, *ODD]})
    wrong = ~same(got["x"], wanted["x"])[:, 0]
    assert not wrong.any(), [(texts[i], got["x"][i, 0], wanted["x"][i, 0]) for i in np.flatnonzero(wrong)]
    assert (~np.isnan(wanted["x"])).sum() > (8 if form in MERE_MONTHS else 20)
    for text in (texts[0], texts[5], "no date"):
        alone, plain = both(schema(column), {"when": [text]})
        assert same(alone["x"], plain["x"]).all(), text


@pytest.mark.parametrize("form", FORMATS)
def test_dates_that_come_as_dates_in_every_format(form: str) -> None:
    """In Python and in the graph the moment that they are, of formats that say a month its first day."""
    days = [date(2024, 3, 12), date(1999, 12, 1), date(1969, 7, 20), date(2068, 5, 9)]
    clocks = [time(), time(10, 30), time(23, 59, 59, 250_000)]
    moments: list[Any] = [*days, *(datetime.combine(day, clock) for day in days for clock in clocks)]
    moments += [np.datetime64(m, unit) for m in moments[4:] for unit in ("ns", "s")]
    zone = timezone(timedelta(hours=-5, minutes=-30))
    aware = [datetime(2024, 3, 12, 20, 15, tzinfo=zone), datetime(2024, 3, 12, tzinfo=UTC)]
    table = schema(Column("when", "date", date_format=form))
    got, wanted = both(table, {"when": [*moments, *aware]})
    assert same(got["x"], wanted["x"]).all()
    told = [np.datetime64(m, "us") for m in moments]
    told += [np.datetime64(m.astimezone(UTC).replace(tzinfo=None), "us") for m in aware]
    stamps = np.array(told)
    if form in MERE_MONTHS:
        stamps = stamps.astype("datetime64[M]").astype("datetime64[us]")
    expected = (stamps - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
    np.testing.assert_allclose(wanted["x"][:, 0], expected, atol=1e-8)
    nothing = [datetime.max, date(1, 1, 1), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), None]
    if "%y" in form:
        nothing += [date(2069, 1, 1), date(1968, 12, 31)]
    far = both(table, {"when": [*nothing, np.datetime64("NaT"), np.datetime64("300000-01-01")]})
    assert np.isnan(far[0]["x"]).all()
    assert np.isnan(far[1]["x"]).all()


def test_categories_words_and_gaps_in_one_table() -> None:
    table = schema(
        Column("z", "text"),
        Column("n", "number", TOKENS, ",", "."),
        Column("gone", "number", dropped="constant"),
        Column("c", "category", levels=("Private", "Never worked", "grün")),
        Column("d", "date", date_format="%d.%m.%Y"),
        Column("m", "number", (*TOKENS, "-999")),
    )
    cells = {
        "c": ["Private", " Private", "Never worked", "grün", "?", "mauve", "\udcff"],
        "m": ["1.5", "-999", "-999.0", "2", "NA", "", "3"],
        "d": ["12.03.2024", "", "31.02.2024", "1.1.1970 12:00", "?", "x", "05.06.2007"],
        "n": ["1.234,5", "7", "x", "", "-", "0,5", "1"],
        "z": ["good and bad", "N/A", "none", "a  b", "missing", "Missing link", ""],
    }
    got, wanted = both(table, cells)
    assert same(got["x"], wanted["x"]).all()
    assert got["t"][:, 0].tolist() == ["Private", "Private", "Never worked", "grün", "", "mauve", ""]
    assert got["t"][:, 1].tolist() == wanted["t"][:, 1].tolist()
    numbers = as_cells({**cells, "n": [1234.5, 7, None, "0,5", float("nan"), 2.5e-07, 3]}, table)
    assert numbers[:, 1].tolist() == ["1234,5", "7", "", "0,5", "", "2,5e-07", "3"]


def test_a_unit_that_may_be_part_of_a_number_is_told() -> None:
    assert unreadable(schema(Column("a", "number", suffix="%"))) == ""
    assert "part of a number" in unreadable(schema(Column("a", "number", suffix="e")))
    column = Column("a", "number", prefix="km", suffix="k")
    assert "part of 'km'" in unreadable(schema(column))
    assert unreadable(schema(replace(column, dropped="constant"))) == ""


TEXT = st.text(st.sampled_from("0123456789.,-+eE /:TZapm'%€kéJan?\u00a0"), max_size=14)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(TEXT, min_size=1, max_size=40))
def test_no_cell_ends_a_batch(texts: list[str]) -> None:
    columns = [Column(f"n{k}", "number", TOKENS, *style) for k, style in enumerate(NUMBERS_WRITTEN)]
    columns += [Column(f"d{k}", "date", date_format=form) for k, form in enumerate(FORMATS[::5])]
    got, wanted = both(schema(*columns), {c.name: [t.strip() for t in texts] for c in columns})
    equal = same(got["x"], wanted["x"])
    assert equal.all(), [
        (texts[i], columns[j].name, got["x"][i, j], wanted["x"][i, j]) for i, j in np.argwhere(~equal)
    ]

"""The reading of cells inside the graph says what `Column.read` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from seedleaf.data.tables import Column, TableSchema, Target
from seedleaf.data.tables.cells import TOKENS
from seedleaf.data.tables.dates import FORMATS, MERE_MONTHS
from seedleaf.data.tables.written import CELLS, as_cells
from seedleaf.learners.tables.block import Layout
from seedleaf.learners.tables.graph import NUMBERS, TEXTS, Graph
from seedleaf.learners.tables.reader import read_cells, unreadable
from seedleaf.learners.tables.running import session

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
    (":", "", "", ""): ["14:30", "2:05:06.25", "-0:30", "+1:15:00,5", "12:15 am", "12:15PM", "8:45:09 pm", "13:00 pm"],
    (":", ":", "", ""): ["58:23", "1:02:10", "-0:30", "1:02.35", "12:15 am", "1 days 02:30:00", "2 day, 1:30", "1:60"],
    (".", ",", "", "+"): ["10,000+", "5+", "5", "-7", "+5", "1e5", "1e+5", "1,000,000+", "0+", "3.5+"],
    (".", "'", "", ""): ["1'234.5", "12", "1''2", "1'234'567"],
    (",", " ", "", ""): ["1 234,5", "1\u00a0234\u202f567,25", "12", "1 23", "0,0e123", "-7", "2 000", "3"],
    (",", " ", "\u2212", ""): [
        "\u22121 234,5", "\u22121\u00a0234\u202f567,25", "1 234,5", "-1 234", "\u2212 1", "\u22121 23", "7", "\u22125,",
        "-\u22125",
    ],
    (".", " ", "(", ")"): [
        "(1 234.50)", "(1\u202f234.50)", "(1\u00a0234)", "1 234.5", "( 1 234)", "(1 234 )", "-1 234", "(12)", "(1 23)",
        "(0e123)",
    ],
    (",", " ", "", "-"): [
        "1 234,5-", "1\u00a0234\u202f567-", "1 234,5", "-1 234", "1 234 -", "5,-", "7-", "1 2-", "-1 234-", ",5-",
    ],
    (",", " ", "", "€"): [
        "(1 234,50 €)", "(1\u202f234\u00a0€)", "1 234,5 € -", "1 234,5 €-", "1 234-€", "1 234- €",
        "1 234 €\u2212", "\u22121 234 €", "(1 234) €", "(1 234)", "-(1 €)", "(-1 €)", "(1 €", "1 €)", "5,- €", "5 €",
    ],
    (".", "", "", "°C"): [
        "\u22125 °C", "-5 °C", "5\u00a0°C", "\u2212 5 °C", "(5 °C)", "\u22125e1 °C", "\u2212.5°C", "°C", "7 °C-",
    ],
    (".", ",", "(", ")km"): ["(5)km", "5", "-5", "(5)", "((5)km)", "5)km", "(1,234)km", "(7)km-", "\u22125", "6", "7"],
    (".", "", "€", ""): [
        "€ 12", "€12.5", "12", "€\u00a07", "$ 3", "€", "-5", "€ -5", "12 €", "0e123", "€-0.e400", "€ 5e-000000000003",
    ],
    (".", ",", "", "km"): ["12 km", "1,200km", "3", "km", "3 m", "7\u00a0km", "1.5 km km"],
    (",", ".", "EUR", "p.a."): ["EUR 1.200,5 p.a.", "5", "EUR 5", "5 p.a.", "p.a. 5"],
    (".", ",", "$", ""): [
        "-$254", "$254", "$-254", "-$-254", "- $3", "+$1,000.5",
        "-$ 7", "$ -7", "-7", "2,53,617", "$12,34,56,789.5", "1,23,45", "12,3,456",
        "($1,607.01)", "$(1,607.01)", "$ (3)", "(7)", "\u2212$5", "$\u22125", "\u2212 $5", "$5-", "$5.-", "($-5)",
        "-($5)", "($5", "$5)", "( $5)", "($ 5)", "($5)-", "$1,234.5e-400",
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
    (".", "", "", "m2"): ["78.25 m2", "5m2", "5", "5 m", "m2", "5 m22", "1e1 m2", "(5 m2)", "m2 5"],
    (".", "", "CO2", "g"): ["CO2 78.25 g", "CO2 5", "5 g", "5", "CO2 g", "CO25g", "CO2 -5g", "5 CO2"],
    (".", "", "", "", ("~", "<", "ca."), (), True): [
        "~78", "< 5.5", "ca. 126", "ca.126", "~<5", "~ca. 5", "~~5", "~ ~ ~5",
        "~", "ca 5", "-5", "~-5", "-~5", "1e-7", "70-80",
        "70 - 80", "70 \u2013 80.5", "70\u201380", "70 to 80", "80-70",
        "~70-80", "70-~80", "70-80-90", "5-5", "-70-80", "70--80",
        "70-", "-", "70 -80", "1e1-2e1", "12-05", "1.2.3", "inf-inf", "7to8", "70 to 80 to 90", "0-0",
    ],
    (".", ",", "€", "", ("$", "US$", "ca."), ("EUR", "USD"), True): [
        "€ 1,234.50", "$5", "US$ 5", "ca. US$ 5", "5 EUR", "1,000 USD",
        "ca. 5 USD", "$ 5-7", "$5-$7", "5 EUR - 1,000 USD", "$$5",
        "5 EUR USD", "-$5", "($5)", "$(1,005)", "US$5-", "5 USD-", "5-7 USD", "$7-5", "5 GBP", "1,23-5", "US$", "$ US$ 5",
    ],
    (".", " ", "", "kg", (), ("g", "k"), True): [
        "5 kg", "5 g", "5000g", "1 000 kg", "1\u00a0000\u202f000 g", "5 k",
        "5 kgg", "5-7 kg", "5 g-7 kg", "1 000 - 2 000 kg", "1 00 kg",
        "5 kg-", "\u22125 g", "(5) g", "1e5 kg",
    ],
    (".,", "", "", ""): [
        "7.5", "7,5", "7", "1,234", "1.234", "12,3456", "1,2,3", "1,2.3",
        "7,", "7.", ",5", ".5", ",125", "-7,5", "1e5", "5e-05", "5,5E-3", "1,234e2", "1.25e+3", "0,0e123",
        "7,e-400", "1e150",
    ],
    (".,", "", "", "kg", ("~",), (), True): [
        "~7,5 kg", "7.5kg", "7,5-8.5 kg", "1,234 kg", "(7,5 kg)",
        "7,5-", "7,5 kg-", "\u22127,5 kg", "5e-05 kg", "5,5e2", "1e1-2e1",
    ],
    (".", "", "€", "K", (), ("M", ""), False, (("K", 1e3), ("M", 1e6))): [
        "€898K", "€1.4M", "€ 1.1 M", "€0", "12", "12 k", "5MK", "-€3.3K", "(€7M)", "€(7M)", "€7M-", "\u2212€7K", "€K",
        "1e3K", "5 KM", "\u22125e1M", "1e-400K", "1e36M",
    ],
    (",", ".", "", "Mio. €", (), ("Mrd. €", "€", "T€"), True, (("Mio. €", 1e6), ("Mrd. €", 1e9), ("T€", 1e3))): [
        "2,5 Mio. €", "1,1 Mrd. €", "1.200 €", "7", "1.234,5T€", "2,5 Mio.", "1-2 Mio. €", "100 T€ - 1 Mio. €",
        "1 Mio. €-2 Mrd. €", "(2 Mio. €)", "-3 T€", "2 Mio. € \u2013 7", "5 \u20137 €",
    ],
    (".", ",", "$", "K", ("~", "US$"), ("M",), True, (("K", 1e3), ("M", 1e6))): [
        "$37K-$66K", "$37-66K", "$ 37 - $66 K", "37 to 66K", "~$5K", "US$ 1,234.5M", "$66K-$37K", "5M-7", "900K-1M",
        "900-1M", "-$5K-7K", "5-7", "($5K)", "~5", "K-M", "5-K",
    ],
    (".", ",", "$", "K (said)", (), ("K(est.)", "K"), True, (("K (said)", 1e3), ("K(est.)", 1e3), ("K", 1e3))): [
        "$37K-$66K (said)", "$37K-$66K(est.)", "$37K", "($5K)", "5K (said)", "(5K (said))", "$5 (est.)", "-$5K(est.)",
        "$37K (said)-$66K (said)", "K(est.)", "5 K (said)",
    ],
    (".", ",", "MXN", "M", ("~",), ("K", "X"), True, (("M", 1e6), ("K", 1e3))): [
        "MXN 78.3M", "MXN101K", "~MXN 5", "7M", "MXN 1,234", "-MXN 3M", "MXN 1K-MXN 2M", "(MXN 5M)", "MXNM", "5 MXN",
        "MXN 5 X", "MXN MXN 5M", "MXN 5-7M", "M5",
    ],
    (".", "", "kr", "k", (), ("m",), False, (("k", 1e3), ("m", 1e6))): [
        "kr 5k", "kr5 m", "5k", "kr 7", "-kr 7k", "kr(7k)", "kr (7) k", "k5r", "kr k", "5 kr", "kr 7k-",
    ],
    (".", "", "", "m2", (), ("cm2", "m", "ha"), True, (("cm2", 1e-4), ("ha", 1e4))): [
        "5 m2", "5cm2", "300 cm2", "1.5 ha", "5 m", "5 m2-7 m2", "5-7 ha", "5 cm2 to 1 m2", "7", "(5 ha)",
        "5 m2-1 ha", "5 ha-",
    ],
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


Read = dict[str, np.ndarray]
Reader = Callable[[dict[str, list[Any]]], tuple[Read, Read]]


def reader(table: TableSchema) -> Reader:
    """What the graph reads of cells and what Python reads, by input of the model."""
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

    def read(cells: dict[str, list[str]]) -> tuple[Read, Read]:
        got = dict(zip(out, run.run(None, {CELLS: as_cells(cells, table)}), strict=True))
        features = table.features(cells)
        wanted = {}
        if layout.numbers:
            wanted["x"] = np.column_stack([features[n] for n in layout.numbers])
        if layout.texts:
            wanted["t"] = np.column_stack([features[n] for n in layout.texts])
        return got, wanted

    return read


def both(table: TableSchema, cells: dict[str, list[str]]) -> tuple[Read, Read]:
    return reader(table)(cells)


def same(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Cells that are equal, missing ones among them."""
    return (got == wanted) | (np.isnan(got) & np.isnan(wanted)) | (np.abs(got - wanted) < 1e-290)


@pytest.mark.parametrize("style", NUMBERS_WRITTEN)
def test_numbers_in_every_style(style: tuple[str, str, str, str]) -> None:
    texts = [*NUMBERS_WRITTEN[style], *ODD]
    read = reader(schema(*(Column(name, "number", TOKENS, *style) for name in ("a", "b"))))
    got, wanted = read({"a": texts, "b": texts[::-1]})
    equal = same(got["x"], wanted["x"])
    assert equal.all(), [(texts[i], got["x"][i, 0], wanted["x"][i, 0]) for i in np.flatnonzero(~equal[:, 0])]
    assert (~np.isnan(wanted["x"])).sum() >= 6, "something was read at all"
    for i, text in enumerate(texts):
        alone, _ = read({"a": [text], "b": [""]})
        assert same(alone["x"][0, :1], got["x"][i, :1]).all(), text


def _written(form: str, day: tuple[int, int, int], name: str, k: int = 0) -> str:
    digits = 2 if form == "%Y%m%d" or k % 2 else 1
    text = form.replace("%Y", f"{day[0]:04}").replace("%y", f"{day[0] % 100:02}")
    text = text.replace("%a", ("Mon", "Sunday")[k % 2]).replace("%b", name)
    return text.replace("%m", f"{day[1]:0{digits}}").replace("%d", f"{day[2]:0{digits}}")


@pytest.mark.parametrize("form", FORMATS)
def test_dates_in_every_format(form: str) -> None:
    names = ("jan", "FEB", "March", "Apr.", "may", "June", "JUL", "aug", "sept", "Oct", "nov", "dec")
    german = "Jänner Febr. MÄRZ Mrz Mai JUNI julY August September OKTOBER Nov. Dez"
    none = ("Marketing", "Febräar", "Sepember", "Mayor", "O\u212at", "Augu\u017ft", "M\u0308AR", "jan..")
    named = (*names, *german.split(), *none) if "%b" in form else ()
    texts = [_written(form, (2024, 2, 5), name) for name in named]
    for k, (year, month, day) in enumerate(DAYS):
        for clock in CLOCKS if k < 2 else [CLOCKS[0], CLOCKS[k % len(CLOCKS)]]:
            name = names[month - 1] if 1 <= month <= 12 else "xyz"
            texts.append(_written(form, (year, month, day), name, k) + clock)
    column = Column("when", "date", date_format=form)
    got, wanted = both(schema(column), {"when": [*texts, *ODD]})
    wrong = ~same(got["x"], wanted["x"])[:, 0]
    assert not wrong.any(), [(texts[i], got["x"][i, 0], wanted["x"][i, 0]) for i in np.flatnonzero(wrong)]
    assert (~np.isnan(wanted["x"])).sum() > (8 if form in MERE_MONTHS else 20)
    for text in (texts[0], texts[5], "no date"):
        alone, plain = both(schema(column), {"when": [text]})
        assert same(alone["x"], plain["x"]).all(), text


def test_dates_in_several_formats() -> None:
    forms = ("%Y-%m-%d", "%m/%d/%Y", "%d %b %Y")
    texts = [_written(form, day, "Mar", k) for form in (*forms, "%d.%m.%Y") for k, day in enumerate(DAYS)]
    texts += [f"{text} 14:30" for text in texts[::5]]
    column = Column("when", "date", date_format=" or ".join(forms))
    got, wanted = both(schema(column), {"when": [*texts, *ODD]})
    assert same(got["x"], wanted["x"]).all()
    assert 0.2 < np.isnan(wanted["x"]).mean() < 0.9


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
    assert unreadable(schema(column)) == ""
    column = replace(column, behind=("km2",))
    assert "part of 'km'" in unreadable(schema(column))
    assert unreadable(schema(replace(column, dropped="constant"))) == ""

"""Numbers that are written short ("€1.4M", "12k"), and units that are converted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seedleaf.data.tables import Column, TableData, load_table
from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.infer import infer_column
from seedleaf.data.tables.multiples import shorts
from seedleaf.data.tables.units import OF_UNIT, SIZES, factor

N = 160
R = np.random.default_rng(0)
A = np.round(R.gamma(4, 20, N), 1)
WHOLE = A.astype(int)
LETTER = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
AMOUNTS = R.lognormal(12, 2, N)


def column(cells: Sequence[str]) -> Column:
    return infer_column("x", RawColumn.of(cells))


def short(value: float) -> tuple[str, float]:
    """A number as it is written short, and what that says."""
    letter = next(k for k in ("B", "M", "K", "") if value >= LETTER[k] or not k)
    number = f"{value / LETTER[letter]:.1f}"
    return number + letter, float(number) * LETTER[letter]


SHORT = [short(v) for v in AMOUNTS]
READ: dict[str, tuple[list[str], Any]] = {
    "money": ([f"€{text}" for text, _ in SHORT], [v for _, v in SHORT]),
    "counts": ([text for text, _ in SHORT], [v for _, v in SHORT]),
    "with nothing": (["€0", *(f"€{text}" for text, _ in SHORT)], [0, *(v for _, v in SHORT)]),
    "losses": (
        [f"{'-€' if i % 2 else '€-'}{text}" for i, (text, _) in enumerate(SHORT)],
        [-v for _, v in SHORT],
    ),
    "losses in brackets": (
        [f"(€{text})" if i % 9 else f"€{text}" for i, (text, _) in enumerate(SHORT)],
        [-v if i % 9 else v for i, (_, v) in enumerate(SHORT)],
    ),
    "one letter, money": ([f"${v}K" for v in WHOLE], WHOLE * 1e3),
    "$2.3bn": ([f"${v}bn" for v in A], A * 1e9),
    "bn": ([f"{v} bn" for v in A], A * 1e9),
    "mn beside k": (
        [f"{v} mn" if i % 2 else f"{v}k" for i, v in enumerate(A)],
        [v * (1e6 if i % 2 else 1e3) for i, v in enumerate(A)],
    ),
    "k among thousands": ([f"{v}k" if i % 2 else f"{v * 1000}" for i, v in enumerate(WHOLE)], WHOLE * 1e3),
    "k after 999": (
        [f"{v}K" if i % 2 else f"{10 * w}" for i, (v, w) in enumerate(zip(A, WHOLE % 70 + 29, strict=True))],
        [v * 1e3 if i % 2 else 10.0 * w for i, (v, w) in enumerate(zip(A, WHOLE % 70 + 29, strict=True))],
    ),
    "German": ([f"{v} Mio. €".replace(".", ",", 1) for v in A], A * 1e6),
    "MEUR": (
        [f"{v} MEUR" if i % 2 else f"{v} kEUR" for i, v in enumerate(A)],
        [v * (1e6 if i % 2 else 1e3) for i, v in enumerate(A)],
    ),
    "kronor": (
        [f"{v} mkr" if i % 2 else f"{v} kkr" for i, v in enumerate(A)],
        [v * (1e6 if i % 2 else 1e3) for i, v in enumerate(A)],
    ),
    "m after 999,999": (
        [f"{A[i]}M" if i % 2 else f"{w * 2000:,}" for i, w in enumerate(WHOLE)],
        [A[i] * 1e6 if i % 2 else w * 2000.0 for i, w in enumerate(WHOLE)],
    ),
    "lakh": (
        [f"₹ {v} Lakh" if i % 2 else f"₹ {v} Cr" for i, v in enumerate(A)],
        [v * (1e5 if i % 2 else 1e7) for i, v in enumerate(A)],
    ),
    "ranges": (
        [f"${v}K-${v + 20}K" if i % 2 else f"${v}-{v + 20}K" for i, v in enumerate(WHOLE)],
        WHOLE * 1e3 + 1e4,
    ),
    "ranges with a remark": (
        [
            f"${v}K-${v + 20}K {'(Glassdoor est.)' if i % 3 else '(Employer Est.)'}"
            for i, v in enumerate(WHOLE)
        ],
        WHOLE * 1e3 + 1e4,
    ),
    "a remark beside none": ([f"${v}K{' (est.)' * (i % 2)}" for i, v in enumerate(A)], A * 1e3),
}


@pytest.mark.parametrize(("cells", "wanted"), READ.values(), ids=READ)
def test_numbers_that_are_written_short_are_read(cells: list[str], wanted: Any) -> None:
    found = column(cells)
    assert found.kind == "number"
    np.testing.assert_allclose(found.read(cells), wanted, rtol=1e-14)
    assert [found.read([cell])[0] for cell in cells[:20]] == found.read(cells)[:20].tolist(), (
        "alone as among others"
    )


KEPT: dict[str, list[str]] = {
    "metres": [f"{v} m" for v in A],
    "metres beside bare": [f"{v}m" if i % 2 else f"{v}" for i, v in enumerate(WHOLE)],
    "thousandths of metres": [f"{v}m" if i % 2 else f"{v * 1000}" for i, v in enumerate(WHOLE)],
    "kelvin": [f"{v + 250} K" for v in WHOLE],
    "gold": [f"{v % 24}k" for v in WHOLE],
    "kelvin beside bare": [f"{v} K" if i % 2 else f"{v}" for i, v in enumerate(A)],
    "kelvin beside whole ones": [f"{v + 250} K" if i % 2 else f"{int(v) + 250}" for i, v in enumerate(A)],
    "metres beside millimetres": [f"{v / 60:.1f}m" if i % 2 else f"{v * 50:.0f}" for i, v in enumerate(A)],
    "thousandths of an inch": [f"{v} mils" for v in A],
    "thousandths of a second": [f"{v} msek" for v in A],
    "bytes": [f"{w}B" if i % 3 == 0 else f"{A[i]}{'KM'[i % 2]}" for i, w in enumerate(WHOLE)],
}


@pytest.mark.parametrize("cells", KEPT.values(), ids=KEPT)
def test_a_letter_that_may_be_a_unit_multiplies_nothing(cells: list[str]) -> None:
    found = column(cells)
    if found.kind == "number":
        assert found.scales == ()
        assert np.nanmax(found.read(cells)) < 1e6


NAMES: dict[str, list[str]] = {
    "races": [f"{v}m" if i % 2 else f"{v}k" for i, v in enumerate(WHOLE)],
    "seats": [f"{v}{'BKM'[i % 3]}" for i, v in enumerate(WHOLE)],
    "houses": [f"{v}{'b' * (i % 3 == 0)}" for i, v in enumerate(R.integers(1, 99, N))],
    "remarks that multiply": [f"${v}{'K' if i % 2 else ' (million)'}" for i, v in enumerate(A)],
    "remarks that are rates": [f"${v}{'K (per year)' if i % 2 else ' (per hour)'}" for i, v in enumerate(A)],
    "remarks that are signs": [f"${v}K{' (loss)' * (i % 2)}" for i, v in enumerate(A)],
    "remarks that say numbers": [f"{'ABC'[i % 3]}{v}K (of {v})" for i, v in enumerate(R.integers(1, 9, N))],
    "few": ["0", "1k", "2k", "5k"] * 40,
    "few with a mark": ["<$50K", ">$50K", "$50K"] * 40,
    "few that are ranges": ["<$25K", "$25K-$50K", "$50K-$100K", ">$100K"] * 40,
}


@pytest.mark.parametrize("cells", NAMES.values(), ids=NAMES)
def test_names_with_such_letters_stay_names(cells: list[str]) -> None:
    assert column(cells).kind == "category"


def test_a_long_cell_with_a_long_gap_comes_to_an_end() -> None:
    """Where parts of the pattern could share blanks or letters it tried every way to: for days."""
    for filler in (" " * 20_000, "a" * 50_000, " '" * 10_000):
        assert shorts(f"5{filler}x1 5k") == []
    assert shorts(f"$ {' ' * 20_000}5{' ' * 20_000}k")[0].size == 1e3


def load(y: Sequence[object], name: str = "y") -> TableData:
    frame = pd.DataFrame({"x": R.normal(size=N), "z": R.normal(size=N), name: y})
    return load_table(frame if name == "y" else frame.assign(y=np.where(A > 70, "big", "small")))


def told(data: TableData, name: str) -> str:
    (finding,) = (f for f in data.schema.findings if (f.column, f.kind) == (name, "number-as-text"))
    return str(finding)


@pytest.mark.parametrize("name", ["y", "c"])
def test_what_is_taken_for_multiples_is_told(name: str) -> None:
    cells = [f"€{text}" for text, _ in SHORT]
    said = told(load([*cells[:-2], "€0", "€7"], name), name)
    assert "'K' as thousand (" in said
    assert "'M' as million (" in said
    assert "have no such letter and are read as written" in said
    assert "is taken to be a unit: it multiplies nothing" in told(load(KEPT["metres"], name), name)


KG = [f"{v} kg" if v >= 55 else f"{v * 1000:.0f} g" for v in A]


@pytest.mark.parametrize("name", ["y", "c"])
def test_units_that_can_be_are_converted(name: str) -> None:
    data = load(KG, name)
    assert data.test is not None
    assert data.y_test is not None
    got = [data.y_train, data.y_test] if name == "y" else [data.train["c"], data.test["c"]]
    np.testing.assert_allclose(np.sort(np.concatenate(got)), np.sort(A), rtol=1e-12)
    said = told(data, name)
    assert "'kg' in " in said
    assert "' g'" not in said
    assert "converted to 'kg'" in said
    if name == "y":
        assert data.schema.target.unit == " in kg"


def test_units_that_can_not_be_keep_their_numbers() -> None:
    cells = [f"{v} {'EUR' if i % 2 else 'USD'}" for i, v in enumerate(A)]
    data = load(cells)
    assert "nothing is converted" in told(data, "y")
    assert data.schema.target.unit == ""
    degrees = column([f"{v} {'°C' if i % 2 else '°F'}" for i, v in enumerate(A)])
    assert (degrees.kind, degrees.scales) == ("number", ())


def test_money_that_is_multiplied_is_not_said_to_be_converted() -> None:
    cells = [f"{v} {('€', '$', 'K€', 'K$')[i % 4]}" for i, v in enumerate(A)]
    data = load(cells)
    assert data.schema.target.column.read(["7 K$", "7 $", "7 €"]).tolist() == [7000, 7, 7]
    assert "nothing is converted" in told(data, "y")
    assert "converted to" not in told(data, "y")


def test_factors_are_of_known_units() -> None:
    for kind, units in SIZES.items():
        for unit in units.split():
            assert OF_UNIT[unit.rsplit("=", 1)[0].replace("_", " ")] == kind
    assert (factor("kg", "g"), factor("g", "kg"), factor("KG", "g")) == (1000, 0.001, 1000)
    assert factor("h", "min") == 60
    assert (factor("years", "months"), factor("ft", "in"), factor("m/s", "km/h")) == (12, 12, 3.6)
    assert np.isnan([factor("EUR", "USD"), factor("°C", "°F"), factor("M", "m")]).all()


@pytest.mark.parametrize(
    "cells",
    [
        [f"{v}".replace(".", "," if i % 5 else ".") for i, v in enumerate(A)],
        [f"{v} furlongs" for v in A],
        [f"{v} metres" if i % 2 else f"{v}" for i, v in enumerate(A)],
    ],
    ids=["either mark", "no e", "an e in the unit"],
)
def test_a_small_number_that_comes_as_one_is_read(cells: list[str]) -> None:
    found = column(cells)
    assert found.kind == "number"
    values = [5e-05, -2.5e-07, 3e20, 7.5, 1e-15]
    assert found.read(values).tolist() == values


def test_a_power_is_read_where_either_mark_may_stand() -> None:
    found = column([f"{v}".replace(".", "," if i % 5 else ".") for i, v in enumerate(A)])
    assert found.read(["5e-05", "2,5E3", "1.5e2"]).tolist() == [5e-05, 2500, 150]
    assert np.isnan(found.read(["1,234e2", "e5", "5e"])).all()

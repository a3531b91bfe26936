"""Numbers that are not all written alike, and texts that only look like names of rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from seedleaf.data.tables import Column, TableData, load_table
from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.infer import infer_column
from seedleaf.data.tables.infer_target import infer_target
from seedleaf.data.tables.schema import Finding
from seedleaf.data.tables.units import OF_UNIT, measures
from seedleaf.errors import DataError

N = 160
R = np.random.default_rng(0)
AMOUNTS = np.round(R.gamma(4, 20, N), 2)
BIG = np.where(AMOUNTS > 75, "big", "small")


def column(cells: Sequence[str]) -> Column:
    return infer_column("x", RawColumn.of(cells))


def written(form: Callable[[int, str], str]) -> list[str]:
    return [form(i, f"{v:.2f}") for i, v in enumerate(AMOUNTS)]


READ: dict[str, Callable[[int, str], str]] = {
    "m2": lambda i, v: f"{v} m2",
    "m3": lambda i, v: f"{v}m3",
    "kg/m2": lambda i, v: f"{v} kg/m2",
    "s-1": lambda i, v: f"{v} m s-1",
    "CO2": lambda i, v: f"CO2 {v} g",
    "kg or g": lambda i, v: f"{v} {'kg' if i % 2 else 'g'}",
    "currencies": lambda i, v: f"{'€$£'[i % 3]} {v}",
    "codes": lambda i, v: f"{v} {'USD' if i % 2 else 'EUR'}",
    "some $": lambda i, v: f"$ {v}" if i % 2 else v,
    "some %": lambda i, v: f"{v}%" if i % 3 else v,
    "some of an unknown unit": lambda i, v: f"{v} furlongs" if i % 2 else v,
    "~": lambda i, v: f"~{v}" if i % 10 == 0 else v,
    "<": lambda i, v: f"< {v}" if i % 10 == 0 else v,
    "words": lambda i, v: f"{['ca.', 'around', 'up to'][i % 3]} {v}" if i % 10 == 0 else v,
    "~ $": lambda i, v: f"~ $ {v}" if i % 10 == 0 else f"$ {v}",
    "commas": lambda i, v: v.replace(".", ",") if i % 5 == 0 else v,
    "commas and kg": lambda i, v: f"{v.replace('.', ',')} kg" if i % 5 == 0 else v,
}


@pytest.mark.parametrize("form", READ.values(), ids=READ)
def test_numbers_in_mixed_notations_are_read(form: Callable[[int, str], str]) -> None:
    cells = written(form)
    found = column(cells)
    assert found.kind == "number"
    factors = [next((f for back, f in found.scales if cell.endswith(f" {back}")), 1.0) for cell in cells]
    assert len(set(factors)) == 1 + (form is READ["kg or g"])  # which are converted
    np.testing.assert_array_equal(found.read(cells), AMOUNTS * factors)
    assert Column.from_json(as_json(found)) == found


def as_json(found: Column) -> dict[str, object]:
    return {name: getattr(found, name) for name in Column.__dataclass_fields__}


def test_a_schema_of_before_is_still_read() -> None:
    body = as_json(Column("x", "number", suffix="kg"))
    for name in ("before", "behind", "ranges", "scales"):
        del body[name]
    assert Column.from_json(body) == Column("x", "number", suffix="kg")


def test_a_range_is_its_middle() -> None:
    cells = [f"{i}-{i + 10}" if i % 10 == 0 else f"{i}" for i in range(1, 161)]
    found = column(cells)
    assert (found.kind, found.ranges) == ("number", True)
    wanted = [i + 5.0 if i % 10 == 0 else float(i) for i in range(1, 161)]
    np.testing.assert_array_equal(found.read(cells), wanted)
    np.testing.assert_array_equal(found.read(["70 \u2013 80", "70 to 80"]), [75, 75])
    assert np.isnan(found.read(["80-70", "1-2-3", "70-", "1.2.3"])).all()


draw = np.random.default_rng(1).integers
NAMES: dict[str, list[str]] = {
    "rooms": [f"room {i}" for i in range(100, 260)],
    "letters": [f"A-{i}" for i in range(100, 260)],
    "letter before": [f"C{i:05}" for i in range(160)],
    "phones": [f"030-{k}" for k in draw(10**6, 10**7, N)],
    "phones abroad": [f"+49 30 {k}" for k in draw(10**6, 10**7, N)],
    "short phones": [f"{a}-{b}" for a, b in zip(draw(100, 999, N), draw(1000, 9999, N), strict=True)],
    "phones, half with a hyphen": [
        f"{k}" if i % 2 else f"{k // 10**4}-{k % 10**4}" for i, k in enumerate(draw(10**6, 10**7, N))
    ],
    "postcodes": [f"{k:05}" for k in draw(0, 10**5, N)],
    "codes": [f"{a:02}-{b:02}" for a, b in draw(1, 99, (N, 2))],
    "versions": [f"{a}.{b}.{c}" for a, b, c in draw(1, 40, (N, 3))],
    "versions, some short": [
        f"{a}.{b}" + f".{c}" * (i % 2) for i, (a, b, c) in enumerate(draw(1, 40, (N, 3)))
    ],
    "houses": [f"{a}{'abc '[b]}".strip() for a, b in zip(draw(1, 99, N), draw(0, 4, N), strict=True)],
    "houses with an A": [f"{a}{'A' * (i % 3 == 0)}" for i, a in enumerate(draw(1, 99, N))],
    "scores": [f"{a}/40" if a % 2 else f"{a}-{b}" for a, b in draw(1, 40, (N, 2))],
    "diseases": [f"V{a}" if i % 3 == 0 else f"{a}.{b}" for i, (a, b) in enumerate(draw(1, 99, (N, 2)))],
    "tickets": [f"PC {k}" if i % 3 == 0 else f"{k}" for i, k in enumerate(draw(1, 10**5, N))],
    "hexadecimal": [f"{k:08x}" for k in draw(0, 2**32, N)],
    "few": ["0", "1", "2", ">2"] * 40,
    "bands": ["<10", "10-20", "20-30", ">30"] * 40,
    "another scale": [
        f"{v}%" if i % 2 else f"{float(v) / 100:.4f}" for i, v in enumerate(written(lambda i, v: v))
    ],
    "units of different things": written(lambda i, v: f"{v} {'kg' if i % 2 else 'km'}"),
}


@pytest.mark.parametrize("cells", NAMES.values(), ids=NAMES)
def test_names_and_codes_are_no_numbers(cells: list[str]) -> None:
    assert column(cells).kind == "category"


def test_units_are_known_in_one_meaning() -> None:
    assert {measures(unit) for unit in ("€", "EUR", "$", "Rs.", "kr")} == {"money"}
    assert measures("KG") == measures("g") == "mass"
    assert not any(measures(text) for text in ("", "a", "A", "C", "room", "abc", "Kg/"))
    assert all(measures(unit) for unit in OF_UNIT if len(unit) > 1)


DATES = [f"{d:%d.%m.%Y}" for d in pd.Timestamp("2015-01-01") + pd.to_timedelta(np.arange(N) * 11, "D")]


def test_some_cells_that_are_no_dates_are_missing() -> None:
    cells = [f"around {2000 + i}" if i % 12 == 0 else d for i, d in enumerate(DATES)]
    found = column(cells)
    assert (found.kind, found.date_format) == ("date", "%d.%m.%Y")
    assert [math.isnan(v) for v in found.read(cells)] == [i % 12 == 0 for i in range(N)]


def test_days_and_months_that_change_places_are_no_dates() -> None:
    cells = [f"{d[3:5]}/{d[:2]}/{d[6:]}" if i % 8 == 0 else d.replace(".", "/") for i, d in enumerate(DATES)]
    assert column(cells).kind == "category"


def load(cells: Sequence[str], name: str = "x") -> TableData:
    z = np.random.default_rng(3).normal(size=N)
    return load_table(pd.DataFrame({name: cells, "z": z, "y": BIG}))


def told(data: TableData, name: str = "x") -> list[Finding]:
    return [f for f in data.schema.findings if f.column == name]


SAY: dict[str, list[str]] = {
    "a number among words": [f"weight: {v} (a{w})" for v, w in zip(AMOUNTS, draw(0, 9, N), strict=True)],
    "dates in either order": [
        f"{d[3:5]}/{d[:2]}/{d[6:]}" if i % 2 else d.replace(".", "/")
        for i, d in enumerate(np.asarray(DATES)[np.argsort(np.argsort(AMOUNTS))])
    ],
    "titles": [f"{'Mr' if i % 3 and b == 'big' else 'Mrs'} Nn{i}q" for i, b in enumerate(BIG)],
}


@pytest.mark.parametrize("cells", SAY.values(), ids=SAY)
def test_texts_that_say_something_are_no_names_of_rows(cells: list[str]) -> None:
    data = load(cells)
    assert (data.schema.columns[0].kind, data.schema.columns[0].dropped) == ("text", "")
    assert any(f.kind in ("id", "free-text") and "split into words" in f.action for f in told(data))


def test_half_of_them_numbers_are_read_where_they_say_something() -> None:
    data = load(written(lambda i, v: f"see note {i}" if i % 4 == 0 else f"{v} m2"))
    assert data.schema.columns[0].kind == "number"
    read = float(np.isnan(data.train["x"]).mean())
    assert 0.1 < read < 0.4
    (finding,) = [f for f in told(data) if f.kind == "id"]
    assert "of the cells are numbers; the others are missing; read as numbers" in str(finding)


@pytest.mark.parametrize(
    "cells",
    [
        *(NAMES[name] for name in ("rooms", "letters", "letter before", "hexadecimal", "phones", "versions")),
        [f"{b}-{i:04}" for i, b in enumerate(BIG)],  # a leak, which is told of as well
    ],
)
def test_names_of_rows_are_dropped_as_ever(cells: list[str]) -> None:
    assert load(cells).schema.columns[0].dropped == "it names the rows"


def test_what_is_called_a_number_of_the_row_is_one() -> None:
    cells = written(lambda i, v: f"weight: {v} (a{i % 7})")
    assert load(cells, "lot_code").schema.columns[0].dropped == "it names the rows"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("kg or g", "units are mixed ("),
        ("some $", "have no unit and are taken to be in '$' as well"),
        ("~", "have a mark such as '~', read as the number behind it"),
        ("commas", "have a comma for the decimal point"),
    ],
)
def test_what_differs_is_told(name: str, says: str) -> None:
    assert says in str(next(f for f in told(load(written(READ[name]))) if f.kind == "number-as-text"))


def goal(cells: Sequence[str], task: str | None = None) -> str:
    return infer_target("y", RawColumn.of(cells), task, "t.csv").task


def odd(every: int) -> list[str]:
    return written(lambda i, v: f"n.v. {i}" if i % every == 0 else v)


def test_a_target_of_mostly_numbers_is_a_regression() -> None:
    assert goal(written(lambda i, v: f"ca {v}" if i % 15 == 0 else v)) == "regression"
    assert goal(written(READ["m2"])) == "regression"
    assert goal(odd(15)) == goal(odd(3), "regression") == "regression"
    frame = pd.DataFrame({"x": AMOUNTS, "z": R.normal(size=N), "y": odd(15)})
    for task in (None, "regression"):
        data = load_table(frame, task=task)
        assert data.schema.target.task == "regression"
        assert data.schema.n_train + data.schema.n_test == N - 11
        (finding,) = [f for f in told(data, "y") if f.kind == "missing-target"]
        assert (finding.rows, finding.count) == ((1, 16, 31, 46, 61), 11)
        assert "'n.v. 0'" in finding.message


def test_where_a_target_may_be_either_the_task_is_asked_for() -> None:
    with pytest.raises(
        DataError, match=r"t\.csv: 106 of 160 cells of the target y are numbers.*--task regression"
    ):
        goal(odd(3))
    with pytest.raises(DataError, match=r"holds text \('n\.v\. 1'\)"):
        goal(written(lambda i, v: v if i % 3 == 0 else f"n.v. {i}"), "regression")


def test_codes_some_of_them_with_letters_are_classes() -> None:
    assert goal([f"V{i % 5}" if i % 7 == 0 else str(i % 40) for i in range(600)]) == "multiclass"
    assert goal(["1", "2", "3+"] * 40) == "multiclass"


@pytest.mark.parametrize("task", [None, "classification"])
def test_rows_that_are_each_a_class_are_refused(task: str | None) -> None:
    cells = [f"A{i}" for i in range(100)] + ["B"] * 20
    with pytest.raises(DataError, match=r"100 of 120 rows are each a class of their own.*--target"):
        goal(cells, task)
    assert goal([f"A{i % 40}" for i in range(120)], task) == "multiclass"


def test_a_target_in_mixed_units_is_told() -> None:
    frame = pd.DataFrame({"x": R.normal(size=N), "y": written(READ["kg or g"])})
    assert any("units are mixed" in f.message for f in told(load_table(frame), "y"))


CODES = {
    "postcodes": ([f"{k:05}" for k in draw(0, 10**5, N)], "say --task regression; "),
    "names": ([f"n{i}x" for i in range(N)], "write its cells as numbers; "),
}


@pytest.mark.parametrize(("cells", "advice"), CODES.values(), ids=CODES)
def test_what_an_error_advises_works(cells: list[str], advice: str) -> None:
    for task in (None, "classification"):
        with pytest.raises(DataError, match="each a class of their own") as error:
            goal(cells, task)
        assert advice in str(error.value)
    if "--task" in advice:
        assert goal(cells, "regression") == "regression"


def test_a_task_that_would_fail_is_not_advised() -> None:
    with pytest.raises(DataError, match=r"say --task regression, which leaves those rows out$"):
        goal(odd(3))
    many = odd(3) * 3
    with pytest.raises(DataError, match=r"or --task classification$"):
        goal(many)
    assert (goal(many, "regression"), goal(many, "classification")) == ("regression", "multiclass")


FEW: dict[str, tuple[list[str], list[float]]] = {
    "units": (["250 g", "500 g", "1 kg", "2 kg"], [250.0, 500.0, 1000.0, 2000.0]),
    "money": (["<$25K", "$25K-$50K", "$50K-$100K", ">$100K"], [25e3, 37.5e3, 75e3, 100e3]),
    "about": (["ca 5", "10", "20", "30", "40"], [5.0, 10.0, 20.0, 30.0, 40.0]),
}


@pytest.mark.parametrize(("cells", "values"), FEW.values(), ids=FEW)
def test_a_few_amounts_are_classes_unless_a_regression_is_asked_for(
    cells: list[str], values: list[float]
) -> None:
    many = cells * 30
    frame = pd.DataFrame({"x": np.arange(len(many)) % 7 + 0.5, "y": many})
    assert load_table(frame, target="y").schema.target.task == "multiclass"
    found = load_table(frame, target="y", task="regression").schema.target
    assert found.task == "regression"
    np.testing.assert_allclose(found.column.read(cells), values)


def test_postcodes_are_classes_unless_a_regression_is_asked_for() -> None:
    cells = [f"{k:05}" for k in range(40)] * 4
    assert (goal(cells), goal(cells, "regression")) == ("multiclass", "regression")

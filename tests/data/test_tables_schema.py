"""What a column holds, what the target is, and that reading a cell depends on nothing but that cell."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedleaf.data.tables import Column, TableSchema, load_table
from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.infer import infer_column
from seedleaf.data.tables.infer_target import infer_target
from seedleaf.errors import DataError

DAY = 19723.0  # 2024-01-01


def column(cells: list[str], comma: bool = False) -> Column:
    return infer_column("x", RawColumn.of(cells), comma)


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["1", "2.5", "-3e2", ".5", "+7", "?"], [1, 2.5, -300, 0.5, 7, math.nan]),
        (["1,234.50", "12", "1,000,000", "N/A"], [1234.5, 12, 1e6, math.nan]),
        (["1.234,50", "12,5", "1.000.000"], [1234.5, 12.5, 1e6]),
        (["1'234.5", "2"], [1234.5, 2]),
        (["1 234,5", "2,25"], [1234.5, 2.25]),
        (["$1,200.00", "$3.50", "$ 7.25"], [1200, 3.5, 7.25]),
        (["EUR 12", "EUR 1,200.50"], [12, 1200.5]),
        (["US$12", "US$ 3.5"], [12, 3.5]),
        (["45 %", "3 %", "7.5 %"], [45, 3, 7.5]),
        (["12 km", "3 km", "none"], [12, 3, math.nan]),
        (["$254", "-$254", "-$ 1,254.50", "$-3"], [254, -254, -1254.5, -3]),
        (["(1,014.28)", "2,014.28", "12"], [-1014.28, 2014.28, 12]),
        (["(12)", "(7.5)"], [-12, -7.5]),
        (["0.25-", "0.25", "12-"], [-0.25, 0.25, -12]),
        (["\u22120.25", "0.25"], [-0.25, 0.25]),
        (["\u2212" + "1.234,5", "3,25"], [-1234.5, 3.25]),
        (["2,53,617", "12,34,567.5", "617"], [253617, 1234567.5, 617]),
        (["1", "2", "inf", "-1e999"], [1, 2, math.nan, math.nan]),
    ],
)
def test_numbers_are_read_however_they_are_written(cells: list[str], read: list[float]) -> None:
    found = column(cells * 6)
    assert found.kind == "number"
    np.testing.assert_array_equal(found.read(cells), read)


@pytest.mark.parametrize(
    ("form", "days"),
    [
        ("2024-01-{:02}", 1),
        ("{:02}.01.2024", 1),
        ("{:02}/01/2024", 1),
        ("01/{:02}/2024", 1),
        ("2024/01/{:02} 12:00", 1.5),
        ("2024-01-{:02}T06:00:00Z", 1.25),
        ("2024-01-{:02}T06:00:00+06:00", 1),
        ("{} Jan 2024", 1),
        ("January {}, 2024 6:00 pm", 1.75),
        ("{:02}-Jan-24", 1),
        ("202401{:02}", 1),
        ("2024-01-{:02} 12:00:00+06", 1.25),
        ("{}. Januar 2024", 1),
        ("Mon, {:02} Jan 2024 12:00:00 GMT", 1.5),
        ("Tuesday, January {}, 2024", 1),
    ],
)
def test_dates_are_read_however_they_are_written(form: str, days: float) -> None:
    """A day above 12 settles which of the numbers is the day."""
    found = column([form.format(day) for day in range(2, 29)])
    assert found.kind == "date"
    assert found.read([form.format(2)])[0] == pytest.approx(DAY + days)


@pytest.mark.parametrize("form", ["{}-{:02}", "{1:02}/{0}", "{2} {0}"])
def test_months_are_their_first_day(form: str) -> None:
    names = ["Jan", "Feb", "M\u00e4rz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"]
    found = column([form.format(y, m + 1, names[m]) for y in (2023, 2024) for m in range(12)])
    assert found.kind == "date"
    assert found.read([form.format(2024, 1, "Jan")])[0] == DAY
    assert found.read([form.format(2024, 3, "M\u00e4rz")])[0] == DAY + 60


@pytest.mark.parametrize(
    "cell", ["2024-02-30", "2024-13-01", "0000-01-01", "2024-01-01 25:00", "soon", "", "n/a"]
)
def test_a_date_that_is_none_is_missing(cell: str) -> None:
    found = column([f"2024-01-{d:02}" for d in range(1, 29)])
    assert math.isnan(found.read([cell])[0])


def test_what_is_neither_number_nor_date() -> None:
    assert column(["01234", "99999", "04711"] * 9).kind == "category"  # postcodes
    assert column(["a", "b", "?"] * 9).levels == ("a", "b")
    assert column(["1", "2", "3", "x"] * 9).kind == "category"
    assert column([f"the cat number {i} sat on a mat" for i in range(30)]).kind == "text"
    assert column([f"p{i % 25}" for i in range(99)]).kind == "category"  # names
    assert column([f"town {i % 25}" for i in range(99)]).kind == "category"
    assert column(["New York", "Los Angeles"] * 20).kind == "category"
    assert column(["", "?", "NA"]).dropped


def test_a_comma_elsewhere_in_the_file_settles_what_a_point_means() -> None:
    cells = ["1.234", "5.678", "9.012"]
    assert column(cells).read(["1.234"])[0] == 1.234
    assert column(cells, comma=True).read(["1.234"])[0] == 1234


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        (["no", "yes"] * 20, "binary", ("no", "yes")),
        (["0", "1"] * 20, "binary", ("0", "1")),
        (["10", "9", "2"] * 20, "multiclass", ("2", "9", "10")),
        (
            ["none", "-", "some"] * 20,
            "multiclass",
            ("-", "none", "some"),
        ),  # honest classes, not missing cells
        ([f"{k / 7:.3f}" for k in range(60)], "regression", ()),
        ([str(k) for k in range(60)], "regression", ()),
        (["1.0", "2.0", "3.0"] * 20, "regression", ()),
        ([f"$ {k},000.50" for k in range(1, 60)], "regression", ()),
    ],
)
def test_what_is_to_be_predicted(cells: list[str], task: str, classes: tuple[str, ...]) -> None:
    goal = infer_target("y", RawColumn.of(cells), None, "t.csv")
    assert (goal.task, goal.classes) == (task, classes)
    if classes:
        assert [goal.classes[k] for k in goal.read(cells)] == cells
        assert goal.read(["", "never seen"]).tolist() == [-1, -1]


def test_the_task_can_be_asked_for() -> None:
    few = RawColumn.of(["1", "2", "3"] * 20)
    assert infer_target("y", few, "regression", "t.csv").task == "regression"
    many = RawColumn.of([str(k) for k in range(60)] * 2)
    assert infer_target("y", many, "classification", "t.csv").task == "multiclass"
    with pytest.raises(DataError, match=r"t\.csv: the target column y holds text \('a'\)"):
        infer_target("y", RawColumn.of(["a", "b"]), "regression", "t.csv")
    with pytest.raises(DataError, match="no task"):
        infer_target("y", many, "guess", "t.csv")


CELLS: dict[str, list[str]] = {
    "number": ["1,234.50", "12", "?", "7.25", "1,000"],
    "date": [f"2024-01-{d:02}" for d in range(1, 29)],
    "category": ["red", "blue", "", "green"],
    "text": [f"the cat number {i} sat on a mat" for i in range(30)],
}
ANY = st.one_of(
    st.sampled_from([c for cells in CELLS.values() for c in cells]),
    st.text(max_size=12),
    st.none(),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.dates(),
    st.datetimes(),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(CELLS)), st.lists(ANY, min_size=1, max_size=20))
def test_a_cell_alone_is_read_as_among_others(kind: str, cells: list[object]) -> None:
    found = column(CELLS[kind] * 4)
    assert found.kind == kind
    batch = found.read(cells)
    alone = [found.read([cell])[0] for cell in cells]
    again = [found.read([cell])[0] for cell in reversed(cells)][::-1]
    for one, two, three in zip(batch, alone, again, strict=True):
        assert one == two == three or (one != one and two != two and three != three)
    if kind in ("number", "date"):
        assert not np.isinf(batch).any()
    else:
        assert all(isinstance(v, str) for v in batch)


def messy(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "price": [f"{v:,.2f} €" for v in rng.uniform(100, 5000, n)],
            "when": [
                f"{d}.{m}.2024" for d, m in zip(rng.integers(1, 28, n), rng.integers(1, 12, n), strict=True)
            ],
            "size": rng.choice(["S", "M", "L", ""], n),
            "words": [f"a text about thing {i} and {i * 7 % 13} more things" for i in range(n)],
            "same": ["k"] * n,
            "y": rng.choice(["no", "yes"], n),
        }
    )


def test_a_schema_survives_json_and_reads_alike() -> None:
    frame = messy()
    data = load_table(frame)
    again = TableSchema.from_json(json.loads(json.dumps(data.schema.to_json())))
    assert again == data.schema
    assert [c.kind for c in again.used] == ["number", "date", "category", "text"]
    whole = again.features(frame)
    for k in (0, 7, 119):
        row = again.features(frame.iloc[[k]])
        for name, values in row.items():
            assert values[0] == whole[name][k] or (
                values[0] != values[0] and whole[name][k] != whole[name][k]
            )


def test_prediction_needs_the_used_columns_only_in_any_order() -> None:
    frame = messy()
    schema = load_table(frame).schema
    first = schema.features(frame)
    second = schema.features(frame[["words", "size", "when", "price"]].assign(more=1))
    assert list(first) == list(second) == ["price", "when", "size", "words"]
    assert all((first[n] == second[n]).all() for n in ("when", "size", "words"))
    with pytest.raises(DataError, match="1 column missing: size; there are: price, when"):
        schema.features(frame[["price", "when", "words"]])


def test_levels_that_training_has_not_seen_are_missing() -> None:
    schema = load_table(messy()).schema
    size = next(c for c in schema.used if c.name == "size")
    assert size.read(["M", "XXL", "?", None, "m"]).tolist() == ["M", "", "", "", ""]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.pop("target"),
        lambda body: body["columns"][0].pop("kind"),
        lambda body: body["columns"][0].update(kind="shape"),
        lambda body: body["target"].update(task="magic"),
        lambda body: body.update(n_train="many"),
        lambda body: body.update(findings=3),
    ],
)
def test_a_schema_that_was_spoilt_is_refused(spoil: Callable[[dict[str, object]], object]) -> None:
    body = load_table(messy()).schema.to_json()
    spoil(body)
    with pytest.raises(DataError, match="not the description of a table"):
        TableSchema.from_json(body)


def test_the_fingerprint_is_of_what_is_read() -> None:
    frame = messy()
    first = load_table(frame).schema.fingerprint
    assert load_table(frame.copy()).schema.fingerprint == first
    other = frame.copy()
    other.loc[3, "size"] = "XL"
    assert load_table(other).schema.fingerprint != first
    assert load_table(frame, seed=1).schema.fingerprint != first  # another split


def test_a_column_says_how_it_is_read() -> None:
    price = next(c for c in load_table(messy()).schema.used if c.name == "price")
    assert (price.thousands, price.suffix) == (",", "€")
    assert price.read(["1,234.50 €", "12 €", "12", 12, 12.5, "€ 3"])[:5].tolist() == [
        1234.5,
        12,
        12,
        12,
        12.5,
    ]
    assert replace(price, suffix="").style.plain is False

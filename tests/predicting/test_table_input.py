"""Rows to predict from Python: frames, columns by name, one row's cells by name. A cell is read by its own type, so a row
gets the same answer alone and among others."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from delivered import NAMES, answers, model_of, rows_of, write
from seedleaf.errors import DataError
from seedleaf.predicting.tables import TablePredictor

N = 80


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TablePredictor:
    folder = tmp_path_factory.mktemp("model")
    return model_of(write(folder / "train.csv", rows_of(400)), folder)


@pytest.fixture(scope="module")
def texts() -> pd.DataFrame:
    """Rows as they stand in a file."""
    return pd.DataFrame(rows_of(N, 3), columns=NAMES)


@pytest.fixture(scope="module")
def whole(model: TablePredictor, texts: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What is answered to a file of them."""
    return model.answers(write(tmp_path_factory.mktemp("new") / "new.csv", texts.to_numpy().tolist()))


def same(model: TablePredictor, frame: pd.DataFrame, whole: Any) -> None:
    """As a frame, as columns, as rows alone and as one row's cells the same answers, and nothing is said."""
    for source in (
        frame,
        frame.iloc[:20],
        {name: frame[name].to_numpy() for name in frame},
        frame.to_dict("list"),
    ):
        found, said = answers(model, source)
        np.testing.assert_array_equal(found, whole[: len(found)])
        assert said == []
    for k in (0, 1, N - 1):
        for row in (frame.iloc[[k]], frame.iloc[k].to_dict()):
            np.testing.assert_array_equal(model.answers(row), whole[k : k + 1])


def number(text: str) -> float:
    return float(text.replace(",", "."))


def test_numbers_that_come_as_numbers_are_read_as_such(
    model: TablePredictor, texts: pd.DataFrame, whole: Any, tmp_path: Path
) -> None:
    """The model's column has decimal commas: a frame of floats has neither commas nor points."""
    frame = texts.assign(size=texts["size"].map(number), x=texts["x"].astype(float))
    same(model, frame, whole)
    frame.to_parquet(tmp_path / "new.parquet")
    np.testing.assert_array_equal(model.answers(tmp_path / "new.parquet"), whole)
    same(model, texts.assign(size=[Decimal(v.replace(",", ".")) for v in texts["size"]]), whole)


@pytest.mark.parametrize("first", [0, 1])
def test_texts_and_numbers_in_one_column_are_each_read_as_what_they_are(
    first: int, model: TablePredictor, texts: pd.DataFrame, whole: Any
) -> None:
    mixed = [v if k % 2 == first else number(v) for k, v in enumerate(texts["size"])]
    same(model, texts.assign(size=pd.Series(mixed, dtype=object)), whole)


def test_a_number_written_with_a_point_is_not_read_among_numbers_either(
    model: TablePredictor, texts: pd.DataFrame
) -> None:
    points = texts["size"].str.replace(",", ".")
    lost, _ = answers(model, texts.assign(size=""))
    for n in (1, 3, N):
        frame = texts.assign(size=pd.Series([1.5, *points[1:]], dtype=object))
        found, said = answers(model, frame.iloc[N - n :])
        np.testing.assert_array_equal(found[n == N :], lost[N - n + (n == N) :])
        assert len(said) == (n == N)


def test_dates_that_come_as_dates_are_read_as_such(
    model: TablePredictor, texts: pd.DataFrame, whole: Any
) -> None:
    """The model's column is written %d.%m.%Y: what Python writes of a date is another form."""
    days = pd.to_datetime(texts["when"], format="%d.%m.%Y")
    for when in (days, days.dt.tz_localize("UTC"), days.dt.date, days.astype("datetime64[s]")):
        same(model, texts.assign(when=when), whole)
    cells = texts.to_dict("list")
    for days_alone in (
        days.to_numpy(),
        days.to_numpy().astype("datetime64[D]"),
        [d.to_pydatetime() for d in days],
    ):
        found, said = answers(model, {**cells, "when": days_alone})
        np.testing.assert_array_equal(found, whole)
        assert said == []
    blank = answers(model, texts.assign(when=""))[0]
    np.testing.assert_array_equal(model.answers(texts.assign(when=pd.NaT)), blank)
    sentinel = datetime(1, 1, 1, tzinfo=UTC), date(9999, 12, 31), np.datetime64("300000-01-01"), datetime.max
    for none in sentinel:
        np.testing.assert_array_equal(model.answers({**cells, "when": [none] * 4 + [""] * (N - 4)}), blank)


def test_one_row_may_come_as_its_cells(model: TablePredictor) -> None:
    row: dict[str, Any] = {
        "code": "001",
        "size": 1.5,
        "when": date(2023, 5, 6),
        "x": np.float32(0.5),
        "note": None,
    }
    expected = model.answers({name: [cell] for name, cell in row.items()})
    assert len(expected) == 1
    np.testing.assert_array_equal(model.answers(row), expected)
    lone = {name: np.array(cell) for name, cell in row.items()}
    np.testing.assert_array_equal(model.answers({**lone, "y": ["no", "use"]}), expected)
    assert model.predict(row) == model.predict({name: [cell] for name, cell in row.items()})


BAD: dict[str, tuple[Any, str]] = {
    "text beside lists": ({"code": "abc"}, "the columns given: code is a single cell and size a column"),
    "bytes beside lists": ({"x": b"abc"}, "x is a single cell and code a column"),
    "a number beside lists": ({"size": 2}, "size is a single cell and code a column"),
    "an array of nothing": ({"size": np.array(2.0)}, "size is a single cell and code a column"),
    "other lengths": ({"x": [1, 2]}, "the columns given: its columns have different lengths, 2 and 3"),
    "two dimensions": ({"x": np.ones((3, 2))}, "x holds several values a cell (list in row 1)"),
    "a list in a cell": ({"note": ["a", "b", ["c"]]}, "note holds several values a cell (list in row 3)"),
    "rows by number": ({"x": {0: 1, 1: 2, 2: 3}}, "x is a dict, which has no order of rows"),
    "a set": ({"note": {"a", "b", "c"}}, "note is a set, which has no order of rows"),
}


@pytest.mark.parametrize("what", BAD)
def test_plain_mistakes_are_errors_that_name_the_column(what: str, model: TablePredictor) -> None:
    columns = dict(zip(NAMES, map(list, zip(*rows_of(3), strict=True)), strict=True))
    change, said = BAD[what]
    with pytest.raises(DataError) as caught:
        model.answers({**columns, **change})
    assert said in str(caught.value)


@pytest.mark.parametrize("n", [1, 70])
def test_a_cell_holds_one_value_in_frames_of_any_length(
    n: int, model: TablePredictor, texts: pd.DataFrame
) -> None:
    frame = texts.iloc[:n].assign(x=[*texts["x"][: n - 1], [1, 2]], other=[[1]] * n)
    with pytest.raises(DataError, match=rf"the frame: x holds several values a cell \(list in row {n}\)"):
        model.answers(frame)
    np.testing.assert_array_equal(
        model.answers(frame.assign(x="1")),
        model.answers(texts.iloc[:n].assign(x="1")),
        "columns beyond the model's",
    )
    with pytest.raises(DataError, match="two columns are called 'x'"):
        model.answers(pd.concat([texts, texts[["x"]]], axis=1).iloc[:n])


def test_what_is_neither_frame_nor_columns_is_said(model: TablePredictor, texts: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"not Series; one row of a frame is frame\.iloc\[\[0\]\]"):
        model.answers(texts.iloc[0])
    with pytest.raises(DataError, match="a table is a file or a pandas DataFrame, not list"):
        model.answers([{"x": 1}])
    with pytest.raises(DataError, match="the frame: 5 columns missing"):
        model.answers(pd.DataFrame())
    columns = texts.rename(columns={"x": " x", "note": "\u200bnote"})
    np.testing.assert_array_equal(model.answers(columns), model.answers(texts))


@pytest.mark.parametrize(
    "vast", [np.inf, -np.inf, 1e300, 10**400, Decimal("Infinity"), np.float32("inf"), "inf", "1e300"]
)
def test_numbers_without_an_end_are_told(
    vast: Any, model: TablePredictor, texts: pd.DataFrame, tmp_path: Path
) -> None:
    """They count as missing; one among many rows, or a row alone, is told as well."""
    cells: list[Any] = [float(v) for v in texts["x"]]
    cells[3] = vast
    frame = texts.assign(x=pd.Series(cells, dtype=object))
    expected = model.answers(texts.assign(x=pd.Series([*cells[:3], None, *cells[4:]], dtype=object)))
    sources = [(frame, 0), (frame.to_dict("list"), 0)]
    if not isinstance(vast, str):
        sources += [(frame.iloc[3:4], 3), (frame.iloc[3].to_dict(), 3)]
    for source, first in sources:
        found, said = answers(model, source)
        np.testing.assert_array_equal(found, expected[first : first + len(found)])
        assert [line.partition(", e.g.")[0] for line in said] == [
            "column x: 1 cell is infinite or beyond 1e+36, as if missing"
        ]
    path = write(tmp_path / "new.csv", frame.astype(str).to_numpy().tolist())
    assert [line[:30] for line in answers(model, path)[1]] == ["column x: 1 cell is infinite o"]


def test_a_number_that_is_none_is_only_missing(model: TablePredictor, texts: pd.DataFrame) -> None:
    cells: list[Any] = [float(v) for v in texts["x"]]
    for gap in (np.nan, Decimal("NaN"), None, pd.NA):
        cells[3] = gap
        assert answers(model, texts.assign(x=pd.Series(cells, dtype=object)))[1] == []

"""Times of a day and durations are numbers, of hours."""

from __future__ import annotations

import math
from datetime import time, timedelta

import numpy as np
import pandas as pd
import pytest

from seedleaf.data.tables import Column, load_table
from seedleaf.data.tables.clock import read_clock, write_clock


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("14:30", 14.5),
        ("0:00", 0.0),
        ("2:05:06", 2 + 5 / 60 + 6 / 3600),
        ("100:15:00.5", 100.25 + 0.5 / 3600),
        ("00:00:01,25", 1.25 / 3600),
        ("-0:30", -0.5),
        ("+1:15", 1.25),
        ("12:15 am", 0.25),
        ("12:15PM", 12.25),
        ("8:45:00 pm", 20.75),
        ("1:02.35", 1 / 60 + 2.35 / 3600),
        ("1 days 02:30:00", 26.5),
        ("0 days 02:48:00", 2.8),
        ("3 days, 0:30:00", 72.5),
        ("-1 days +22:30:00", -1.5),
    ],
)
def test_clocks_are_read_as_hours(text: str, hours: float) -> None:
    assert read_clock(text) == pytest.approx(hours, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "14",
        "14:",
        "14:60",
        "14:5",
        "1:2:3",
        "14:30:60",
        "13:00 pm",
        "0:30 am",
        "-1:00 am",
        "12345678:00",
        "14:30 x",
        "١٤:٣٠",
    ],
)
def test_what_is_no_clock_is_not_read(text: str) -> None:
    assert math.isnan(read_clock(text))


@pytest.mark.parametrize("seconds", [False, True])
def test_a_column_of_clocks_is_kept_and_told(seconds: bool) -> None:
    rng = np.random.default_rng(0)
    minutes = rng.permutation(1440)[:400]
    text = [f"{m // 60}:{m % 60:02d}" + (f":{k % 60:02d}" if seconds else "") for k, m in enumerate(minutes)]
    text[7] = "?"
    table = pd.DataFrame(
        {"start": text, "b": rng.normal(size=400), "y": rng.normal(size=400) + minutes / 200}
    )
    schema = load_table(table, target="y", test="none").schema
    [start] = [c for c in schema.used if c.name == "start"]
    assert start.kind == "number"
    [finding] = [f for f in schema.findings if f.column == "start" and f.kind == "number-as-text"]
    assert finding.message.startswith("times are written like '")
    assert finding.action.startswith("read as hours")
    assert schema.features({"start": ["6:30"], "b": ["1"]})["start"][0] == 6.5


def test_numbers_times_and_durations_come_as_such_in_python() -> None:
    for hours in (6.05, 23.999999999999, -0.25, 0.0, 100.125, 1 / 3):
        assert read_clock(write_clock(hours)) == pytest.approx(hours, abs=1e-12)
    column = Column("start", "number", decimal=":")
    cells = [
        6.05,
        6,
        "6:03",
        time(6, 3),
        timedelta(hours=6, minutes=3),
        np.timedelta64(363, "m"),
        math.nan,
        None,
    ]
    read = column.read(cells)
    assert read[:6] == pytest.approx([6.05, 6.0, 6.05, 6.05, 6.05, 6.05])
    assert np.isnan(read[6:]).all()


def test_durations_in_a_frame_are_hours() -> None:
    took = pd.to_timedelta(np.random.default_rng(0).integers(0, 10_000, 300), unit="min")
    table = pd.DataFrame({"took": took, "b": np.arange(300) % 7, "y": np.arange(300) % 11})
    table.loc[3, "took"] = pd.NaT
    schema = load_table(table, target="y", test="none").schema
    assert schema.columns[0].style.clock
    given = schema.features({"took": [pd.Timedelta("1 days 06:30:00"), pd.NaT], "b": [1, 2]})["took"]
    assert given[0] == 30.5
    assert np.isnan(given[1])


def written(seconds: np.ndarray, form: str) -> list[str]:
    parts = [(s // 3600, s // 60 % 60, s % 60) for s in seconds.tolist()]
    if form == "races":
        return [f"{h}:{m:02}:{s:02}" if h else f"{m}:{s:02}" for h, m, s in parts]
    if form == "laps":
        return [f"{60 * h + m}:{s:02}.{k % 100:02}" for k, (h, m, s) in enumerate(parts)]
    return [
        f"{h:02}:{m:02}:{s:02}" if s else f"{h:02}:{m:02}" for h, m, s in parts
    ]  # seconds where there are some


@pytest.mark.parametrize(
    ("form", "top", "hours"), [("races", 6000, 1), ("laps", 3000, 1), ("day", 86_400, 1)]
)
def test_what_the_first_of_two_parts_is_follows_from_the_column(form: str, top: int, hours: int) -> None:
    rng = np.random.default_rng(0)
    seconds = rng.permutation(np.arange(60, top, 5))[:400]
    table = pd.DataFrame(
        {
            "took": written(seconds, form),
            "b": rng.normal(size=len(seconds)),
            "y": rng.normal(size=len(seconds)),
        }
    )
    schema = load_table(table, target="y", test="none").schema
    assert schema.columns[0].style.clock
    read = schema.features({"took": table["took"].tolist(), "b": ["1"] * len(table)})["took"]
    assert read == pytest.approx(seconds / 3600, abs=1e-3)


@pytest.mark.parametrize(
    "cells",
    [
        ["1:10", "1:20", "1:50"],
        ["16:09", "16:10", "21:09"],
        [f"{a}:{b}" for a in range(20, 35) for b in range(18, 40, 3)],
        [f"{a:02}:{b:02}" for a in range(1, 60, 7) for b in (1, 2, 3, 5, 7, 10)],
        ["3:45", "4:10", "1:02:10", "2:05:00"],  # minutes or hours
        ["02:01:01", "24:02:01", "68:01:02", "02:01", "57:01"],
        ["10:26:26", "12:32:16", "14:28:14"],
    ],
)
def test_ratios_results_and_codes_are_no_times(cells: list[str]) -> None:
    n = 40 * len(cells)
    table = pd.DataFrame({"x": cells * 40, "b": np.arange(n) % 7, "y": np.arange(n) % 11})
    assert load_table(table, target="y", test="none").schema.columns[0].kind == "category"


def test_quarters_of_an_hour_are_times() -> None:
    cells = [f"{h:02}:{m:02}" for h in range(8, 18) for m in (0, 15, 30, 45)]
    table = pd.DataFrame({"x": cells * 10, "b": np.arange(400) % 7, "y": np.arange(400) % 11})
    assert load_table(table, target="y", test="none").schema.columns[0].style.clock


def test_a_few_shifts_are_classes() -> None:
    table = pd.DataFrame({"a": np.arange(300) % 17, "shift": ["6:30", "14:30", "22:30"] * 100})
    assert load_table(table, target="shift", test="none").schema.target.task == "multiclass"


def test_a_duration_may_be_the_target() -> None:
    table = pd.DataFrame(
        {"a": [(7 * k) % 30 for k in range(100)], "took": [f"{k // 6}:{k % 6}9" for k in range(100)]}
    )
    data = load_table(table, target="took", test="none")
    assert data.schema.target.task == "regression"
    assert data.y_train.max() == pytest.approx(16 + 39 / 60)


DAYS = pd.date_range("2023-01-28", periods=120, freq="5D")


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (("%d.%m.%Y", "%Y-%m-%d"), "%Y-%m-%d or %d.%m.%Y"),
        (("%d %b %Y", "%Y-%m-%d %H:%M", "%m/%d/%Y"), "%Y-%m-%d or %m/%d/%Y or %d %b %Y"),
        (("%d/%m/%Y", "%d/%m/%y"), "%d/%m/%Y or %d/%m/%y"),
    ],
)
def test_dates_of_several_tables_put_together_are_dates(written: tuple[str, ...], form: str) -> None:
    texts = [day.strftime(written[k % len(written)]) for k, day in enumerate(DAYS)]
    table = pd.DataFrame({"when": texts, "b": np.arange(120) % 7, "y": np.arange(120) % 11})
    schema = load_table(table, target="y", test="none").schema
    [when] = [c for c in schema.used if c.name == "when"]
    assert (when.kind, when.date_format) == ("date", form)
    assert [f.action for f in schema.findings if f.column == "when"] == [f"read as {form}"]
    days = np.floor(schema.features({"when": texts, "b": ["1"] * 120})["when"])
    assert (days == [(day - pd.Timestamp("1970-01-01")).days for day in DAYS]).all()


@pytest.mark.parametrize(
    "written",
    [
        ("%d/%m/%Y", "%m/%d/%Y"),
        ("%d.%m.%Y", "%m/%d/%Y"),
        ("%Y%m%d", "%Y-%m-%d"),
        ("%Y-%m-%d", "week %d of %Y"),
    ],
)
def test_what_leaves_day_and_month_open_is_none(written: tuple[str, str]) -> None:
    texts = [day.strftime(written[k % 2]) for k, day in enumerate(DAYS)]
    table = pd.DataFrame({"when": texts * 2, "b": np.arange(240) % 7, "y": np.arange(240) % 11})
    kinds = {c.name: c.kind for c in load_table(table, target="y", test="none").schema.columns}
    assert kinds["when"] == "category"

"""Rows that are the same as they are read, whatever is written or whatever they are called."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from seedleaf.data.tables import Finding, TableData, load_table
from seedleaf.data.tables.audit.same import Rows
from seedleaf.data.tables.cells import RawColumn, RawTable
from seedleaf.data.tables.infer_target import infer_target

N = 400


def clean(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Numbers, a date and a category, all as text."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n)).round(3)
    when = np.datetime64("2020-01-11") + rng.integers(0, 900, n).astype("timedelta64[D]")
    kind = rng.choice(["red", "green"], n)
    y = np.where(a + 0.5 * (kind == "red") + rng.normal(size=n) * 0.5 > 0.2, "yes", "no")
    table = pd.DataFrame({"a": a, "b": b, "when": when.astype(str), "kind": kind, "y": y})
    return table.astype(str)


def copies(data: TableData) -> list[Finding]:
    return [f for f in data.schema.findings if f.kind in ("duplicate-rows", "test-rows")]


def rows(data: TableData) -> int:
    return data.schema.n_train + data.schema.n_test


def german(day: str) -> str:
    year, month, date = day.split("-")
    return f"{date}.{month}.{year}"


Rewrite = Callable[[pd.DataFrame], pd.DataFrame]
WRITTEN: dict[str, Rewrite] = {
    "more digits": lambda t: t.assign(a=[f"{v}0" for v in t["a"]]),
    "a power": lambda t: t.assign(a=[f"{float(v):e}" for v in t["a"]]),
    "blanks": lambda t: t.assign(a=[f" {v}\t" for v in t["a"]], kind=t["kind"] + " "),
    "a plus": lambda t: t.assign(a=[v if v[0] == "-" else f"+{v}" for v in t["a"]]),
    "another date": lambda t: t.assign(when=[german(v) for v in t["when"]]),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_copies_are_seen_however_numbers_and_dates_are_written(how: str) -> None:
    table = clean()
    again = WRITTEN[how](table[::10])
    data = load_table(pd.concat([table, again]), target="y")
    [finding] = copies(data)
    assert (finding.count, rows(data)) == (40, N)
    told = copies(load_table(table, target="y", test=pd.concat([clean(60, 1), again])))
    # Dates in a format that training never has are not read.
    assert [(f.count, f.rows[0]) for f in told] == ([] if how == "another date" else [(40, 61)])


def test_a_number_to_be_predicted_is_compared_as_a_number() -> None:
    table = clean().assign(y=lambda t: t["a"].astype(float) * 2 + 1).round(3)
    table["y"] = [f"{v:.3f}" for v in table["y"]]
    again = table[::10].assign(y=lambda t: [v + "0" for v in t["y"]])
    assert rows(load_table(pd.concat([table, again]), target="y")) == N


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.assign(kind=t["kind"].str.upper()),  # letters' case is a difference
        lambda t: t.assign(a=[f"{float(v) + 0.0001:.4f}" for v in t["a"]]),
        lambda t: t.assign(y=np.where(t["y"] == "yes", "no", "yes")),
    ],
)
def test_what_reads_otherwise_is_no_copy(change: Rewrite) -> None:
    table = clean()
    data = load_table(pd.concat([table, change(table[::10])]), target="y")
    assert not copies(data)
    assert rows(data) == N + 40


def test_codes_with_leading_zeros_are_names() -> None:
    """Digits of one length, more of them than a number can hold."""
    table = clean().assign(code=[f"{k:020}" for k in range(10**17, 10**17 + N)])
    raw = RawTable("x", {n: RawColumn.of(c) for n, c in table.items()}, np.arange(N) + 1)
    found = Rows.of(infer_target("y", raw.columns["y"], None, "x"), raw)
    assert len(np.unique(found.codes("code"))) == N
    assert found.numbers("code") is None


NAMES: dict[str, Callable[[int], object]] = {
    "a number": np.arange,
    "a drawn number": lambda n: np.random.default_rng(3).permutation(10**6)[:n],
    "a code": lambda n: [f"c-{k * 7919 % 100003}" for k in range(n)],
}


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_differ_in_their_names_alone_are_copies(name: str) -> None:
    table = clean()
    both = pd.concat([table, table[::10]], ignore_index=True).assign(id=NAMES[name](N + 40))
    data = load_table(both, target="y")
    [finding] = copies(data)
    assert finding.message == "40 rows are exactly like an earlier one but for id"
    assert (finding.rows[0], rows(data), "id" in data.train) == (N + 1, N, False)
    kept = load_table(both, target="y", copies="keep")
    assert (copies(kept)[0].action[:18], rows(kept)) == ("kept, as was asked", N + 40)
    [finding] = copies(load_table(both[:N], target="y", test=both[N:]))
    assert finding.message == "40 of 40 test rows are also in the training file but for id"


def test_rows_that_are_copied_with_and_without_their_names() -> None:
    table = clean().assign(id=np.arange(N))
    again = [table, table[::10], table[::20].assign(id=np.arange(20) + N)]
    data = load_table(pd.concat(again), target="y")
    assert [f.count for f in copies(data)] == [40, 20]
    assert rows(data) == N


@pytest.mark.parametrize("asked", [{"keep": ["id"]}, {"group": "id"}, {"order_by": "id"}])
def test_a_name_that_is_asked_for_tells_rows_apart(asked: dict[str, object]) -> None:
    table = clean()
    both = pd.concat([table, table[::10]], ignore_index=True).assign(id=np.arange(N + 40))
    data = load_table(both, target="y", **asked)  # type: ignore[arg-type]
    assert not copies(data)
    assert rows(data) == N + 40


def test_what_is_measured_in_each_row_is_no_name() -> None:
    table = clean()
    both = pd.concat([table, table[::10]], ignore_index=True).assign(id=np.arange(N + 40))
    both["x"] = np.random.default_rng(1).random(N + 40)
    data = load_table(both, target="y")
    assert not copies(data)
    assert rows(data) == N + 40


@pytest.mark.parametrize("settled", [True, False])
def test_numbers_of_rows_make_no_copies_of_coarse_rows(settled: bool) -> None:
    rng = np.random.default_rng(4)
    x = rng.integers(0, 3, (900, 5))
    y = x.sum(axis=1) + (0 if settled else rng.normal(size=900) * 3) > 5
    table = pd.DataFrame(x, columns=list("abcde")).assign(id=np.arange(900), y=np.where(y, "yes", "no"))
    data = load_table(table, target="y")
    [finding] = copies(data)
    assert finding.action.startswith("kept")
    assert rows(data) == 900
    parts = load_table(table[:500], target="y", test=table[500:])
    assert [f.kind for f in copies(parts)] == ["duplicate-rows"]


def test_a_table_of_names_alone_stays() -> None:
    table = pd.DataFrame({"id": np.arange(50), "y": ["u", "v"] * 25})
    assert rows(load_table(table, target="y", keep=["id"])) == 50
    assert not copies(load_table(table.assign(code=[f"p-{k}" for k in range(50)]), target="y", keep=["code"]))

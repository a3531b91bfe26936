"""Columns that say which rows belong together, and those that say what the target was some rows before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seedleaf.data.tables import Finding, TableData, load_table


def leaks(data: TableData) -> dict[str, Finding]:
    return {f.column: f for f in data.schema.findings if f.kind == "leak"}


def people(count: int = 200, each: int = 3, seed: int = 0, classes: bool = True) -> pd.DataFrame:
    """Rows of people in any order, each of whom has one target."""
    rng = np.random.default_rng(seed)
    who = rng.permutation(np.repeat(np.arange(count), each))
    a, b = rng.normal(size=(2, len(who))).round(3)
    y = np.where(rng.random(count) < 0.4, "ill", "well") if classes else rng.normal(size=count).round(2)
    return pd.DataFrame({"who": who, "a": a, "b": b, "y": y[who]})


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("each", [2, 3, 4])
@pytest.mark.parametrize("named", [True, False])
def test_a_person_whose_rows_share_the_target_is_told(classes: bool, each: int, named: bool) -> None:
    table = people(each=each, classes=classes)
    if named:
        table["who"] = [f"p{k}" for k in table["who"]]
    data = load_table(table, target="y", test="none")
    found = leaks(data)["who"]
    assert "--group 'who'" in found.action
    assert "who" in data.train
    assert "who" not in leaks(load_table(table, target="y", group="who"))


def test_a_person_who_foretells_the_target_is_dropped_and_told_as_one() -> None:
    table = people(count=60, each=10)
    table["who"] = [f"p{k}" for k in table["who"]]
    found = leaks(load_table(table, target="y", test="none"))["who"]
    assert "dropped" in found.action
    assert "--group 'who'" in found.action  # its rows are on both sides of the split all the same
    assert "who" not in leaks(load_table(table, target="y", group="who"))
    answers = table.drop(columns="who").assign(name=table["y"] + "!")
    assert "--group" not in leaks(load_table(answers, target="y"))["name"].action


@pytest.mark.parametrize("seed", range(5))
def test_a_person_whose_target_changes_is_not(seed: int) -> None:
    table = people(seed=seed).sample(frac=1, random_state=seed)
    rng = np.random.default_rng(seed)
    table["who"] = [f"p{k}" for k in table["who"]]
    changed = table.assign(y=np.where(rng.random(len(table)) < 0.2, "well", table["y"]))
    assert not leaks(load_table(changed, target="y"))
    assert not leaks(load_table(table.assign(y=rng.permutation(table["y"])), target="y"))


def test_a_rare_class_that_none_of_few_has_is_chance() -> None:
    rng = np.random.default_rng(1)
    ticket = [f"t{k}" for k in rng.permutation(np.r_[np.arange(800), np.arange(100)])]
    y = np.where(rng.random(900) < 0.03, "fraud", "fine")
    table = pd.DataFrame({"ticket": ticket, "a": rng.normal(size=900).round(3), "y": y})
    assert not leaks(load_table(table, target="y", test="none"))


def test_a_property_that_nearly_settles_the_target_is_no_person() -> None:
    rng = np.random.default_rng(4)
    smell = rng.integers(0, 9, 900)
    y = np.where((smell % 2 == 0) ^ (rng.random(900) < 0.01), "eat", "leave")
    table = pd.DataFrame({"smell": [f"s{k}" for k in smell], "code": smell * 3 % 10 + 2, "y": y})
    table = table.assign(code=lambda t: t["code"] + rng.integers(0, 2, 900) * 20, a=rng.normal(size=900))
    found = leaks(load_table(table, target="y"))
    assert found["smell"].action == "kept; is it known before the target is?"
    assert all("--group" not in f.action for f in found.values())


@pytest.mark.parametrize("target", ["step", "line"])
def test_a_measurement_in_whole_numbers_is_no_person(target: str) -> None:
    """Rows with the same number have the same target, and so have their neighbours."""
    rng = np.random.default_rng(2)
    pay = rng.integers(10_000, 11_500, 600)
    y = np.where(pay // 300 % 2, "u", "v") if target == "step" else np.sin(pay / 50) * 9
    table = pd.DataFrame({"pay": pay, "a": rng.normal(size=600).round(3), "y": y})
    found = leaks(load_table(table, target="y"))
    assert all("--group" not in f.action for f in found.values())


def series(n: int = 1500) -> pd.DataFrame:
    """So smooth that what was before foretells it almost perfectly."""
    s = np.cumsum(np.cumsum(np.cumsum(np.random.default_rng(3).normal(size=n))))
    table = pd.DataFrame({"when": pd.date_range("2020-01-01", periods=n).astype(str), "b": np.arange(n) % 7})
    return table.assign(lag=np.r_[[np.nan] * 3, s[:-3]], ahead=np.r_[s[2:], [np.nan] * 2], y=s)


def test_a_past_value_of_the_target_stays_where_the_order_is_known() -> None:
    mixed = series().sample(frac=1, random_state=0)
    data = load_table(mixed, target="y", order_by="when")
    assert leaks(data)["lag"].action == "kept: it is y of 3 rows before"
    assert leaks(data)["ahead"].action == "column dropped as a leak"
    assert {"lag", "b"} <= set(data.train)
    assert leaks(load_table(mixed, target="y"))["lag"].action == "column dropped as a leak"


def test_the_target_itself_is_no_past_value_of_it() -> None:
    table = series().assign(lag=lambda t: t["y"], ahead=lambda t: np.repeat(t["y"].to_numpy()[::5], 5))
    found = leaks(load_table(table, target="y", order_by="when"))
    assert found["lag"].action == "column dropped as a leak"
    assert "before" not in found.get("ahead", found["lag"]).action


def test_a_class_that_was_so_a_row_before_stays() -> None:
    state = np.repeat(np.arange(60) % 3, 300)[:15_000]
    y = pd.Series(np.array(["low", "mid", "high"])[state])
    table = pd.DataFrame(
        {"t": np.arange(len(y)), "b": np.arange(len(y)) % 11, "was": y.shift(1), "is": y + "!"}
    )
    data = load_table(table.assign(y=y), target="y", order_by="t")
    assert leaks(data)["was"].action == "kept: it is y of 1 row before"
    assert leaks(data)["is"].action == "column dropped as a leak"

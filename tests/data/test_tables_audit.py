"""Each check finds its fault in a clean table, says which column, and is silent where there is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seedleaf.data.tables import Finding, TableData, load_table
from seedleaf.data.tables.audit.copies import in_sets
from seedleaf.data.tables.audit.registry import CHECKS, OF_FILES, OF_ROWS
from seedleaf.errors import DataError

N = 600
RNG = np.random.default_rng(0)


def clean(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Three numbers, two categories and a target that all of them together say something about."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, n)).round(4)
    kind, place = rng.choice(["red", "green", "blue"], n), rng.choice(["north", "south"], n)
    score = a + 0.5 * b * (kind == "red") + 0.7 * (place == "north") + rng.normal(size=n) * 0.5
    y = np.where(score > 0.4, "yes", "no")
    return pd.DataFrame({"a": a, "b": b, "c": c, "kind": kind, "place": place, "y": y})


Plant = Callable[[pd.DataFrame], pd.DataFrame]


def some(n: int = N, share: float = 0.1) -> np.ndarray:
    return np.random.default_rng(5).random(n) < share


def digits(table: pd.DataFrame) -> np.ndarray:
    return (table["y"] == "yes").to_numpy().astype(int)


# kind of finding -> the fault, the column it must name, whether that column must then be gone
FAULTS: dict[str, tuple[Plant, str, bool]] = {
    "empty": (lambda t: t.assign(x=None), "x", True),
    "number-as-text": (lambda t: t.assign(a=[f"{v * 1000:,.2f}" for v in t["a"]]), "a", False),
    "infinite": (lambda t: t.assign(a=t["a"].where(~some(), np.inf)), "a", False),
    "date-as-text": (
        lambda t: t.assign(x=[f"{1 + k % 28}.{1 + k % 12}.{2000 + k % 20}" for k in range(N)]),
        "x",
        False,
    ),
    "constant": (lambda t: t.assign(x="k"), "x", True),
    "missing": (lambda t: t.assign(kind=t["kind"].where(~some(), "?")), "kind", False),
    "id": (lambda t: t.assign(x=[f"c-{k * 7919 % 100003}" for k in range(N)]), "x", True),
    "free-text": (
        lambda t: t.assign(x=[f"called {k} times about item {k * 31 % 97} and left" for k in range(N)]),
        "x",
        False,
    ),
    "leak": (lambda t: t.assign(x=digits(t) * 2.0 + RNG.normal(size=N) * 0.1), "x", False),
    "twin": (lambda t: t.assign(x=t["a"] * 1.8 + 32), "x", True),
    "many-levels": (lambda t: t.assign(x=[f"town {k * k % 211}" for k in range(N)]), "x", False),
    "spelling": (lambda t: t.assign(place=t["place"].where(~some(), t["place"].str.title())), "place", False),
    "rare-class": (lambda t: t.assign(y=t["y"].where(np.arange(N) > 2, "maybe")), "y", False),
    "missing-target": (lambda t: t.assign(y=t["y"].where(~some(), None)), "y", False),
    "duplicate-rows": (lambda t: pd.concat([t, t[::20]]), "", False),
}


def found(data: TableData, kind: str) -> list[Finding]:
    return [f for f in data.schema.findings if f.kind == kind]


@pytest.mark.parametrize("seed", range(5))
def test_a_clean_table_has_no_findings(seed: int) -> None:
    assert load_table(clean(seed=seed)).schema.findings == ()
    regression = clean(seed=seed).assign(y=lambda t: t["a"] * 3 + t["b"] ** 2 + RNG.normal(size=N))
    assert load_table(regression).schema.findings == ()


@pytest.mark.parametrize("kind", FAULTS)
def test_a_planted_fault_is_found_where_it_is(kind: str) -> None:
    plant, where, dropped = FAULTS[kind]
    data = load_table(plant(clean()), target="y")
    [finding] = found(data, kind)
    assert finding.column == where
    assert finding.message
    assert finding.action
    gone = {c.name for c in data.schema.columns if c.dropped}
    assert gone == ({where} if dropped else set())
    assert set(data.train) == {"a", "b", "c", "kind", "place", "x"} & set(plant(clean())) - gone
    others = {f.kind for f in data.schema.findings} - {kind}
    assert others <= {"many-levels", "missing"} if kind == "infinite" else not others


@pytest.mark.parametrize("kind", [k for k, (_, _, dropped) in FAULTS.items() if dropped and k != "empty"])
def test_what_would_be_dropped_can_be_kept(kind: str) -> None:
    plant, where, _ = FAULTS[kind]
    data = load_table(plant(clean()), target="y", keep=["x"])
    assert found(data, kind)[0].action == "kept, as asked"
    assert where in data.train


@pytest.mark.parametrize(
    "x",
    [
        lambda t: np.where(digits(t), "paid in full", "still open"),  # by a level
        lambda t: [
            f"case {k}: {'accepted' if d else 'refused'} on day {k % 31}" for k, d in enumerate(digits(t))
        ],
        lambda t: [f"{'A' if d else 'B'}{k}" for k, d in enumerate(digits(t))],  # a name that begins with it
        lambda t: 1 - digits(t),
    ],
)
def test_a_column_that_says_the_target_is_found_in_any_form(x: Callable[[pd.DataFrame], object]) -> None:
    table = clean()
    [finding] = found(load_table(table.assign(x=x(table)), target="y"), "leak")
    assert finding.column == "x"


def test_what_names_the_classes_goes_and_what_measures_them_stays() -> None:
    """One clean measurement, or what people write, is all that there is to go by."""
    table = clean()
    y = digits(table)
    named = table.assign(level=np.where(y, "in", "out"), number=3 - y, x=y * 2.0 + RNG.normal(size=N) * 0.1)
    named["review"] = [f"{'I liked' if d else 'I hated'} every minute of night {k}" for k, d in enumerate(y)]
    data = load_table(named, target="y")
    assert {f.column for f in found(data, "leak")} == {"level", "number", "x", "review"}
    gone = {c.name for c in data.schema.columns if c.dropped == "it says the target outright"}
    assert gone == {"level", "number"}
    kept = load_table(named, target="y", keep=["level"])
    assert "level" in {c.name for c in kept.schema.used}


def test_copies_of_rows_stay_where_that_is_asked() -> None:
    table = clean()
    twice = pd.concat([table, table.iloc[:60]], ignore_index=True)
    kept = load_table(twice, target="y", copies="keep")
    dropped = load_table(twice, target="y")
    assert kept.schema.n_train + kept.schema.n_test == N + 60
    assert dropped.schema.n_train + dropped.schema.n_test == N
    [finding] = found(kept, "duplicate-rows")
    assert finding.action.startswith("kept, as was asked")
    with pytest.raises(DataError, match="copies are to drop or to keep, not 'both'"):
        load_table(twice, target="y", copies="both")


def test_a_number_that_is_the_target_in_another_unit_is_found() -> None:
    table = clean().assign(y=lambda t: t["a"] * 3 + t["b"] + RNG.normal(size=N))
    table.insert(0, "x", table["y"] * 2.54 + RNG.normal(size=N) * 0.01)
    [finding] = found(load_table(table), "leak")
    assert finding.column == "x"


@pytest.mark.parametrize(
    ("x", "exact"),
    [
        (lambda t: t["a"], True),
        (lambda t: t["a"].where(~some(share=0.03), t["b"]), False),
        (lambda t: t["kind"].map({"red": "rot", "green": "grün", "blue": "blau"}), True),
        (lambda t: t["kind"].map({"red": 1, "green": 2, "blue": 3}), True),
        (lambda t: t["kind"].where(~some(share=0.02), "red"), False),
    ],
)
def test_a_column_that_repeats_another_is_found(x: Callable[[pd.DataFrame], object], exact: bool) -> None:
    table = clean()
    [finding] = found(load_table(table.assign(x=x(table)), target="y"), "twin")
    assert finding.column == "x"
    assert ("dropped" in finding.action) == exact


@pytest.mark.parametrize("text", [True, False])
def test_a_text_or_a_name_that_says_the_number_is_a_leak(text: bool) -> None:
    rng = np.random.default_rng(0)
    item = rng.integers(0, 20, 600)
    y = rng.permutation(np.arange(10_000, 90_000, 133))[:600] if text else (item * 37) % 101 + 3.5
    says = [f"sold for {v} on site" for v in y] if text else [f"item {k}" for k in item]
    table = pd.DataFrame(
        {"says": says, "qty": rng.integers(1, 9, 600), "day": rng.integers(0, 7, 600), "y": y * 1.0}
    )
    assert "says" in {f.column for f in found(load_table(table, target="y"), "leak")}


def shop(n: int) -> pd.DataFrame:
    """Sales, each drawn for itself: what there is of an item repeats, and so do some rows."""
    rng = np.random.default_rng(4)
    price = rng.uniform(1, 90, 40).round(2)
    item, quantity = rng.integers(0, 40, n), rng.integers(1, 6, n)
    paid = rng.choice(["card", "cash"], n)
    return pd.DataFrame(
        {"category": [f"c{k % 5}" for k in item], "item": [f"i{k}" for k in item], "price": price[item],
         "quantity": quantity, "paid": paid, "total": (price[item] * quantity).round(2)}
    )  # fmt: skip


def test_sales_that_are_alike_are_no_copies() -> None:
    data = load_table(shop(1500), target="total", test="none")
    [finding] = found(data, "duplicate-rows")
    assert finding.action.startswith("kept")
    twice = load_table(pd.concat([shop(150), shop(150)]), target="total", test="none")
    assert len(twice.y_train) <= 150


def test_visits_stay_whole_where_they_are_split_by_patient() -> None:
    rng = np.random.default_rng(5)
    who = rng.integers(0, 60, 900)
    bmi = rng.normal(27, 4, 60).round(2)
    table = pd.DataFrame(
        {"patient": who, "bmi": bmi[who], "pain": rng.integers(0, 3, 900), "y": who % 3 == 0}
    )
    data = load_table(table, target="y", group="patient", test="none")
    assert len(data.y_train) == 900


@pytest.mark.parametrize("name", ["elapsed_s", "minutes", "t"])
def test_time_by_any_usual_name_is_no_leak(name: str) -> None:
    rng = np.random.default_rng(6)
    when = np.cumsum(rng.uniform(0.5, 3, 400)).round(2)
    table = pd.DataFrame({name: when, "b": rng.normal(size=400), "y": 100 * np.exp(-when / 300)})
    assert name in load_table(table, target="y").train


def test_what_was_measured_a_moment_before_is_no_leak() -> None:
    now = np.cumsum(np.random.default_rng(7).integers(-1, 2, 4000)) + 500
    table = pd.DataFrame({"now": now[:-1], "b": np.arange(3999) % 7, "next": now[1:]})
    assert not [f for f in found(load_table(table, target="next"), "leak") if "every row" in f.message]


def test_a_duration_written_otherwise_is_a_leak_of_durations() -> None:
    hours = np.random.default_rng(8).gamma(3.0, 4.0, 500)
    table = pd.DataFrame({"trip_hours_log": np.log(hours), "b": np.arange(500) % 7, "trip_hours": hours})
    [leak] = found(load_table(table, target="trip_hours"), "leak")
    assert leak.action == "column dropped as a leak"


def test_what_is_measured_of_few_people_in_many_rows_is_not_the_same() -> None:
    rng = np.random.default_rng(3)
    who = np.repeat(np.arange(40), 12)
    people = pd.DataFrame(
        {"age": rng.integers(20, 60, 40) + rng.random(40).round(3), "weight": rng.normal(70, 9, 40).round(3)}
    )
    people["town"] = [f"t{k}" for k in rng.permutation(40)]
    people["born"] = (2020 - people["age"]).round(1)
    people["log"] = np.log(people["age"])
    table = (
        people.iloc[who]
        .assign(visit=np.tile(np.arange(12), 40), y=rng.normal(size=480))
        .reset_index(drop=True)
    )
    twins = {f.column for f in found(load_table(table, target="y"), "twin")}
    assert twins == {"born", "log"}
    few = table[table["town"].isin(people["town"][:9])]
    assert {f.column for f in found(load_table(few, target="y"), "twin")} == {"born"}, "too few for an order"


def test_a_chain_of_copies_leaves_one() -> None:
    table = clean()
    data = load_table(table.assign(**{f"x{k}": table["a"] * (k + 2) for k in range(5)}), target="y")
    assert set(data.train) == {"a", "b", "c", "kind", "place"}
    assert {f.message.split(" (")[0] for f in found(data, "twin")} == {"repeats a"}


def test_a_rounded_copy_is_a_copy() -> None:
    table = clean().assign(a=lambda t: (t["a"] * 10).round(1))
    [finding] = found(load_table(table.assign(x=(table["a"] * 0.27).round(2)), target="y"), "twin")
    assert finding.message == "repeats a (up to rounding)"
    assert "dropped" in finding.action


def test_a_price_and_its_forward_price_are_no_copies() -> None:
    """Their correlation is 0.9999, and what differs is the point."""
    table = clean()
    walk = 100 + np.cumsum(RNG.normal(size=N))
    table.insert(0, "spot", walk)
    table.insert(1, "forward", walk + RNG.normal(size=N) * 0.05)
    data = load_table(table)
    assert "kept" in found(data, "twin")[0].action
    assert {"spot", "forward"} <= set(data.train)


@pytest.mark.parametrize(("name", "gone"), [("nr", True), ("year", False), ("Day", False), ("dayId", True)])
def test_what_counts_time_is_no_identifier(name: str, gone: bool) -> None:
    data = load_table(clean().assign(**{name: np.arange(N) + 1400}), target="y")
    assert bool(found(data, "id")) == gone


def test_many_columns_are_audited() -> None:
    """Most of them straight lines of one another: as many findings, and one column of each kind is left."""
    i, j = np.arange(40)[:, None], np.arange(1500)[None]
    table = pd.DataFrame((i * (1 + j % 7)) % 41 + j / 8 + 0.1, columns=[f"c{k}" for k in range(1500)])
    data = load_table(table.assign(y=["u", "v"] * 20))
    assert len(data.train) == 7
    assert len(found(data, "twin")) == 1493


def test_small_tables_have_no_twins_by_chance() -> None:
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "y": ["u", "v"] * 30})
    assert load_table(table).schema.findings == ()


@pytest.mark.parametrize(
    ("x", "keeps"),
    [
        (lambda t, rng: t["pay"] * 0 + rng.integers(10**6, 10**9, N), False),
        (lambda t, rng: t["pay"], True),
        (lambda t, rng: rng.integers(1.4e9, 1.7e9, N), True),  # seconds since 1970
    ],
)
def test_amounts_are_no_identifiers(
    x: Callable[[pd.DataFrame, np.random.Generator], object], keeps: bool
) -> None:
    rng = np.random.default_rng(2)
    pay = rng.choice(np.arange(20_000, 200_000), N, replace=False)
    table = clean().assign(pay=pay, y=np.where(pay + rng.normal(size=N) * 60_000 > 110_000, "yes", "no"))
    data = load_table(table.drop(columns="pay").assign(x=x(table, rng)), target="y")
    [finding] = found(data, "id")
    assert (finding.column, "kept" in finding.action, "x" in data.train) == ("x", keeps, keeps)
    numbers = table.assign(x=x(table, rng), y=2 * pay + rng.normal(size=N) * 90_000).drop(columns="pay")
    data = load_table(numbers, target="y")
    assert ("x" in data.train) == keeps
    data = load_table(numbers.rename(columns={"x": "customerId"}), target="y")
    assert "customerId" not in data.train


@pytest.mark.parametrize("n", [40, N, 2500])
@pytest.mark.parametrize(
    "rewrite",
    [
        lambda y: y,
        lambda y: (y * 1.19).round(2),
        lambda y: y * 1.8 + 32,
        lambda y: -np.log(y),
        lambda y: np.where(np.arange(len(y)) % 9 == 0, np.nan, y**3),
    ],
)
def test_the_target_written_otherwise_is_found_at_any_size(n: int, rewrite: Callable[..., object]) -> None:
    table = clean(n)
    y = np.exp(6 + 0.6 * (table["a"] + table["b"] + RNG.normal(size=n))).round(2)
    data = load_table(table.assign(x=rewrite(y.to_numpy()), y=y), target="y")
    [finding] = found(data, "leak")
    assert (finding.column, finding.action) == ("x", "column dropped as a leak")
    assert "x" not in data.train


@pytest.mark.parametrize("n", [60, 150, 1500])
@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("year", lambda n: np.arange(n) * 2 + 1000),
        ("t", lambda n: np.arange(n) * 5 + 7),
        ("unixTime", lambda n: 0.3 + np.arange(n) ** 1.1),
        ("day", lambda n: pd.date_range("2020-01-01", periods=n, freq="3D").astype(str)),
    ],
)
def test_what_only_grows_with_time_as_the_target_does_is_no_leak(
    name: str, when: Callable[[int], object], n: int
) -> None:
    """In whatever order the rows stand: by its name, its kind, or as it counts in even steps."""
    table = clean(n).assign(y=lambda t: np.cumsum(np.exp(t["c"]))).drop(columns="c").assign(**{name: when(n)})
    for rows in (table, table.sample(frac=1, random_state=0)):
        assert all("kept" in f.action for f in found(load_table(rows, target="y"), "leak"))
    table = table.assign(**{name: lambda t: t[name] if name == "day" else t[name] ** 1.01 + 0.5})
    data = load_table(table.rename(columns={name: "x"}), target="y", order_by="x")
    assert all("kept" in f.action for f in found(data, "leak"))


@pytest.mark.parametrize("n", [40, 150, 2500])
@pytest.mark.parametrize("rewrite", [np.log, lambda y: -1 / y, lambda y: np.log(y).round(4), np.cbrt])
def test_a_leak_is_one_in_a_file_that_is_sorted_by_the_target(n: int, rewrite: Callable[..., object]) -> None:
    table = clean(n)
    y = np.exp(6 + 0.6 * (table["a"] + table["b"] + RNG.normal(size=n))).round(2)
    table = table.assign(x=rewrite(y), y=y)
    for rows in (table, table.sort_values("y"), table.sort_values("y", ascending=False)):
        [finding] = found(load_table(rows), "leak")
        assert (finding.column, finding.action) == ("x", "column dropped as a leak")


@pytest.mark.parametrize("n", [20, 30, 40, 60, 90])
@pytest.mark.parametrize("step", [5, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_in_few_rows_a_good_feature_is_no_leak(n: int, step: float, seed: int) -> None:
    """An experiment: values set on a grid in random order, with errors of a fifth of what a step changes."""
    rng = np.random.default_rng(seed)
    x, batch = rng.permutation(n) * step + 20.25, rng.integers(0, 3, n)
    y = (0.39 * x + step * (0.06 * batch + rng.normal(size=n) * 0.05)).round(3)
    data = load_table(pd.DataFrame({"x": x, "batch": batch, "y": y}))
    [finding] = found(data, "leak")
    assert finding.action == "kept; is it known before the target is?"


@pytest.mark.parametrize(("levels", "times"), [(20, 3), (30, 2), (20, 20)])
@pytest.mark.parametrize("share", [0.1, 0.15])
def test_what_was_set_in_steps_is_not_the_target_rounded(levels: int, times: int, share: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.permutation(np.repeat(np.arange(levels) * 5 + 20, times))
    y = (0.4 * x + rng.normal(size=len(x)) * 2 * share).round(2)
    table = pd.DataFrame({"x": x, "z": rng.normal(size=len(x)).round(2), "y": y})
    assert all("kept" in f.action for f in found(load_table(table), "leak"))
    spread = table.assign(y=rng.uniform(0, 200, len(x)).round(2), x=lambda t: (t["y"] * 2.54 / 5).round() * 5)
    [finding] = found(load_table(spread), "leak")
    assert finding.message == "is y in another unit, up to rounding"


@pytest.mark.parametrize("rows", [(7,), (5, 300)])
@pytest.mark.parametrize("seed", range(2))
def test_one_absurd_target_is_told(rows: tuple[int, ...], seed: int) -> None:
    table = clean(seed=seed).assign(y=lambda t: (t["a"] + t["b"] + 0.5).round(3))
    assert not found(load_table(table), "label")
    table.loc[list(rows), "y"] = 1e5
    [finding] = found(load_table(table), "label")
    assert finding.rows == tuple(k + 1 for k in rows)
    assert "100000" in finding.message


@pytest.mark.parametrize("seed", range(8))
def test_heavy_tails_are_no_absurd_targets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for y in (
        np.exp(2 * rng.normal(size=N)),
        rng.standard_t(1.5, N),
        rng.poisson(0.4, N) + rng.random(N) / 9,
    ):
        table = pd.DataFrame({"a": rng.normal(size=N), "y": y})
        assert not [f for f in found(load_table(table), "label") if "all others" in f.message]


def test_copies_of_rows_are_on_neither_side_of_a_split() -> None:
    table = pd.concat([clean(), clean()])
    data = load_table(table)
    assert data.schema.n_train + data.schema.n_test == N
    [finding] = found(data, "duplicate-rows")
    assert (finding.count, finding.rows) == (N, (601, 602, 603, 604, 605))


def coarse(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 4, (2, n))
    return pd.DataFrame({"a": a, "b": b, "y": np.where(a + rng.normal(size=n) * 2 > 1.5, "yes", "no")})


def test_rows_that_are_equal_by_chance_stay() -> None:
    """16 kinds of rows with a target that none of them settles: nothing was copied."""
    data = load_table(coarse())
    assert data.schema.n_train + data.schema.n_test == N
    assert "kept" in found(data, "duplicate-rows")[0].action
    assert not found(load_table(coarse(), test=coarse(300)), "test-rows")


def survey(n: int, questions: int, answers: int, noise: float, shared: float = 0.0) -> pd.DataFrame:
    """Answers, and a target that they settle but for some noise; `shared` of each are what the person always answers."""
    rng = np.random.default_rng(6)
    x = rng.integers(0, answers, (n, questions))
    x = np.where(rng.random(x.shape) < shared, rng.integers(0, answers, (n, 1)), x)
    y = (x.sum(axis=1) > (answers - 1) * questions / 2) ^ (rng.random(n) < noise)
    return pd.DataFrame(x, columns=[f"q{k}" for k in range(questions)]).assign(y=np.where(y, "yes", "no"))


@pytest.mark.parametrize(
    "table",
    [
        coarse().assign(y=lambda t: np.where(t["a"] > t["b"], "yes", "no")),
        survey(1200, 5, 3, 0.03),
        survey(1200, 5, 3, 0.0),
        survey(600, 6, 2, 0.05),
        survey(1500, 8, 4, 0.02, shared=0.5),
    ],
)
def test_coarse_rows_stay_even_where_they_settle_the_target(table: pd.DataFrame) -> None:
    data = load_table(table)
    assert data.schema.n_train + data.schema.n_test == len(table)
    assert "kept" in found(data, "duplicate-rows")[0].action
    assert not found(load_table(table[:400], test=table[400:]), "test-rows")


@pytest.mark.parametrize("levels", [[4] * 5, [3] * 12, [6, 5, 4, 3, 2, 2], [9, 9, 9]])
def test_copies_in_a_coarse_table_without_repeats_are_dropped(levels: list[int]) -> None:
    """As in tables of all combinations, or a sample of them."""
    rng = np.random.default_rng(1)
    x = np.stack(np.unravel_index(rng.permutation(int(np.prod(levels)))[:700], levels), axis=1)
    y = np.where(x.sum(axis=1) > x.sum(axis=1).mean(), "yes", "no")
    table = pd.DataFrame(x, columns=[f"q{k}" for k in range(len(levels))]).assign(y=y)
    data = load_table(pd.concat([table, table[:20]]))
    assert data.schema.n_train + data.schema.n_test == len(table)


def visits(n: int = 100, times: int = 3, target: str = "class", seed: int = 8) -> pd.DataFrame:
    """A patient's numbers again at each visit: pairs of rows agree in all but the visit, none in everything."""
    rng = np.random.default_rng(seed)
    who = pd.DataFrame(rng.normal(size=(n, 5)).round(3), columns=list("abcde"))
    table = pd.concat([who.assign(visit=v) for v in range(times)], ignore_index=True)
    score = table["a"] + 0.3 * table["visit"] + rng.normal(size=len(table))
    y = {"class": np.where(score > 0.3, "yes", "no"), "number": score.round(2)}
    return table.assign(y=y.get(target, np.where(rng.random(len(table)) < 0.5, "yes", "no")))


COPIES: dict[str, Plant] = {
    "twice": lambda t: pd.concat([t, t]),
    "a third": lambda t: pd.concat([t, t.sample(frac=0.3, random_state=0)]),
    "drawn": lambda t: pd.concat([t, t.sample(frac=0.4, replace=True, random_state=0)]),
}
# As often as if each row had been drawn for itself, as the sales of a shop are.
BY_CHANCE: dict[str, Plant] = {
    "one class oversampled": lambda t: pd.concat(
        [t, t[t["y"] == t["y"][0]].sample(300, replace=True, random_state=0)]
    ),
    "a careless join": lambda t: t.loc[
        np.repeat(t.index, np.random.default_rng(0).geometric(0.5, len(t)).astype(int))
    ],
}


@pytest.mark.parametrize("target", ["class", "noise", "number"])
@pytest.mark.parametrize("times", [2, 3, 6])
@pytest.mark.parametrize("copied", COPIES)
def test_copies_are_dropped_where_rows_agree_in_all_but_one_column(
    copied: str, times: int, target: str
) -> None:
    """The visit alone would have that many rows equal by chance."""
    table = visits(times=times, target=target)
    assert not found(load_table(table), "duplicate-rows")
    data = load_table(COPIES[copied](table))
    assert data.schema.n_train + data.schema.n_test == len(table)


@pytest.mark.parametrize("copied", BY_CHANCE)
def test_copies_that_may_be_chance_stay_and_are_told(copied: str) -> None:
    table = BY_CHANCE[copied](visits(times=3, target="class"))
    [finding] = found(load_table(table), "duplicate-rows")
    assert finding.action.startswith("kept: columns have so few values")


@pytest.mark.parametrize("target", ["class", "noise", "number"])
def test_copies_are_dropped_where_a_flag_or_a_name_says_the_rest(target: str) -> None:
    table = visits(400, 2, target=target).drop(columns=["c", "d", "e"])
    table = table[(table["visit"] == 0) | (np.arange(len(table)) % 3 > 0)]
    for t in (table, table.assign(a=[f"p{v}" for v in table["a"]])):
        data = load_table(pd.concat([t, t.sample(frac=0.4, random_state=0)]), target="y")
        assert data.schema.n_train + data.schema.n_test == len(t)


@pytest.mark.parametrize("target", ["class", "noise", "number"])
def test_a_test_file_that_repeats_such_rows_is_told(target: str) -> None:
    table, more = visits(target=target), visits(50, target=target, seed=9)
    for test, count in ((table, 300), (table[::4], 75), (pd.concat([more, table[:60]]), 60)):
        [finding] = found(load_table(table, test=test), "test-rows")
        assert finding.count == count


def test_people_of_the_same_place_are_no_copies() -> None:
    """Numbers of the place are equal in all its rows, and now and then their targets differ."""
    rng = np.random.default_rng(3)
    where, sex = rng.integers(0, 100, 1000), rng.integers(0, 2, 1000)
    places = rng.normal(size=(100, 3)).round(3)[where]
    y = np.where(places[:, 2] + sex / 3 + rng.normal(size=1000) * 0.1 > 0, "yes", "no")
    table = pd.DataFrame(places, columns=["north", "east", "income"]).assign(sex=sex, y=y)
    data = load_table(table)
    assert data.schema.n_train + data.schema.n_test == 1000
    assert "kept" in found(data, "duplicate-rows")[0].action


@settings(max_examples=100, deadline=None)
@given(
    st.integers(30, 3000),
    st.integers(5, 3000),
    st.sampled_from([0.1, 1.0, 10.0, 1000.0]),
    st.integers(0, 9),
)
@example(1506, 416, 1000.0, 0)  # 22, 32 and 7 kinds of rows come six, seven and eight times
def test_rows_drawn_one_by_one_come_in_no_sets(n: int, kinds: int, even: float, seed: int) -> None:
    """However likely each kind of row is. Twice each of many kinds is another matter."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(kinds, n, p=rng.dirichlet(np.full(kinds, even))).astype(np.uint64)
    times = np.bincount(np.unique(rows, return_counts=True)[1], minlength=5)
    enough = max(times[2:4]) > 40  # of fewer, noise may say anything
    assert not (enough and in_sets(rows))
    kept = np.unique(rows)
    assert len(kept) < 20 or in_sets(np.repeat(kept, 2))


def test_test_rows_that_training_has_seen_are_told_and_kept() -> None:
    data = load_table(clean(), test=pd.concat([clean(100, 9), clean()[:30]]))
    [finding] = data.schema.findings
    assert (finding.kind, finding.count, finding.rows) == ("test-rows", 30, (101, 102, 103, 104, 105))
    assert (data.schema.n_train, data.schema.n_test) == (N, 130)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda t: t.assign(a=t["a"] + 1), "a"),
        (lambda t: t.assign(a=t["a"].where(~some(share=0.4), np.nan)), "a"),
        (lambda t: t.assign(kind=t["kind"].where(~some(share=0.3), "violet")), "kind"),
        (lambda t: t.assign(kind=t["kind"].where(~some(share=0.4), "red")), "kind"),
        (lambda t: t[(t["y"] == "yes") | some(share=0.2)], "y"),
    ],
)
def test_a_test_file_from_elsewhere_is_found(change: Plant, column: str) -> None:
    data = load_table(clean(), test=change(clean(seed=9)))
    assert column in {f.column for f in found(data, "shift")}


@pytest.mark.parametrize("seed", range(10, 16))
def test_a_test_file_from_the_same_place_is_not(seed: int) -> None:
    assert load_table(clean(), test=clean(300, seed)).schema.findings == ()


def test_a_test_file_may_have_its_columns_in_any_order_and_more_of_them() -> None:
    rest = clean(200, 9)
    plain = load_table(clean(), test=rest)
    mixed = load_table(clean(), test=rest[["y", "place", "c", "kind", "b", "a"]].assign(more=1, and_more=2))
    assert mixed.schema.fingerprint == plain.schema.fingerprint
    [finding] = mixed.schema.findings
    assert (finding.kind, finding.count) == ("test-columns", 2)
    assert "more, and_more" in finding.message


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (clean(50, 9).drop(columns="kind"), "1 column of the frame is missing: kind"),
        (clean(50, 9).drop(columns=["a", "y"]), "2 columns of the frame are missing: a, y"),
        (clean(50, 9).assign(y=None), "no row with a known y"),
        ("/nope.csv", "/nope.csv does not exist"),
    ],
)
def test_a_test_file_that_cannot_be_used_is_an_error(test: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_table(clean(), test=test)


def test_every_kind_of_finding_is_planted_somewhere() -> None:
    """A new row in the registry needs a fault that it finds."""
    own = {kind for check in CHECKS for kind in check.kinds}
    assert own - set(FAULTS) == {"shift", "label"}  # these have tests of their own
    assert len(own) == sum(len(check.kinds) for check in CHECKS)
    assert not own & {*OF_ROWS, *OF_FILES}


CELL = st.one_of(
    st.sampled_from(
        ["", "?", "a", "b", "1", "2", "1,5", "2024-01-01", "inf", "1e400", "x y z w v", "01", "nan"]
    ),
    st.integers(-5, 5),
    st.floats(),
    st.none(),
    st.text(max_size=5),
)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(4, 40).flatmap(
        lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=2, max_size=5)
    ),
    st.integers(0, 3),
)
def test_no_frame_breaks_the_audit(columns: list[list[object]], repeat: int) -> None:
    """Whatever stands in it: findings, or a DataError. Repeated rows and columns are common in it."""
    table = {f"x{k}": cells * (1 + repeat) for k, cells in enumerate([*columns, columns[0]])}
    try:
        data = load_table(table)
    except DataError:
        return
    kinds = {*OF_ROWS, *OF_FILES, *(kind for check in CHECKS for kind in check.kinds)}
    for finding in data.schema.findings:
        assert finding.kind in kinds
        assert finding.column == "" or finding.column in table
        assert all(1 <= row <= len(table["x0"]) for row in finding.rows)
    for frame in (data.train, data.test):
        for name, values in frame.items():
            assert values.dtype == object or not np.isinf(values).any(), name


def test_what_the_shift_says_is_plain_text() -> None:
    rest = clean(seed=9).assign(kind=lambda t: t["kind"].where(~some(share=0.4), "red"))
    [finding] = [f for f in found(load_table(clean(), test=rest), "shift") if f.column == "kind"]
    assert finding.message.startswith("'red' is ")


def test_names_that_are_numbers_can_be_asked_for() -> None:
    table = clean()[["a", "b", "y"]].rename(columns={"a": 0, "b": 1, "y": 2})
    data = load_table(table, target=2, keep=[1])  # type: ignore[arg-type, list-item]
    assert (data.schema.target.name, set(data.train)) == ("2", {"0", "1"})
    assert load_table(table, target=0).schema.target.name == "0"  # type: ignore[arg-type]


def test_names_that_differ_only_in_case_or_blanks_are_told_and_kept() -> None:
    ways = np.array(["yes", "Yes", "YES", "no", "no", "no"])
    table = clean().assign(
        y=ways[np.arange(N) % 6], place=np.array(["New York", "New  york", "Rome"])[RNG.integers(0, 3, N)]
    )
    data = load_table(table, target="y")
    target, place = found(data, "spelling")
    assert data.schema.target.classes == ("YES", "Yes", "no", "yes")
    assert str(target).startswith(
        "y: 3 classes differ only in case or blanks: 'YES', 'Yes', 'yes'; kept as classes"
    )
    assert str(place).startswith(
        "place: 2 categories differ only in case or blanks: 'New  york', 'New York'; kept as"
    )
    assert {table["y"][row - 1] for row in target.rows} <= {"yes", "Yes", "YES"}
    numbers = clean().assign(y=lambda t: t["a"] * 3 + RNG.normal(size=N))
    assert found(load_table(numbers, target="y"), "spelling") == []


def test_examples_are_of_what_is_read() -> None:
    days = pd.date_range("2020-01-01", periods=N).strftime("%Y-%m-%d").to_numpy(dtype=object)
    days[:: N // 10] = "9999-12-31"
    sizes = [f"$ {k}.5" for k in range(N)]
    sizes[:2] = ["ca $ 1,234.50 or $ 2,234.50", "$ ?"]
    data = load_table(clean().assign(x=days, a=sizes), target="y", test="none")
    [date], [number] = found(data, "date-as-text"), found(data, "number-as-text")
    assert date.message.startswith("dates are written like '2020-01-02'; 10")
    assert number.message.startswith("numbers are written like '$ ")
    assert "'$ ?'" not in number.message.partition(";")[0]
    assert "ca $" not in number.message.partition(";")[0]


@pytest.mark.parametrize("worded", [True, False])
def test_a_date_that_stands_for_none_is_missing_and_told(worded: bool) -> None:
    days = np.datetime64("2023-01-01", "s") + np.arange(N) * np.timedelta64(1, "D")
    days[::50] = np.datetime64("9999-12-31")
    when = [str(d)[:10] for d in days] if worded else list(days.astype(object))
    data = load_table(clean().assign(x=when), target="y")
    [finding] = found(data, "date-as-text")
    assert "('9999-12-31" in finding.message
    assert "no such date" in finding.message
    assert np.nanmax(data.train["x"]) < 25000

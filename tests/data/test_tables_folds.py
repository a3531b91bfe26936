"""Splits of tables: strata are shared out, groups stay whole, the future is never trained on, copies do not leak."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedleaf.data.tables import TableData, folds, judged, load_table, take
from seedleaf.errors import DataError

N = 200


def frame(n: int = N, **more: object) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    base = {
        "a": rng.normal(size=n),
        "b": rng.normal(size=n),
        "y": rng.choice(["u", "v", "w"], n, p=[0.7, 0.25, 0.05]),
    }
    return pd.DataFrame({**base, **more})


def check_partition(data: TableData, k: int, seed: int = 0) -> list[np.ndarray]:
    n = len(data.y_train)
    parts = folds(data, k, seed)
    assert len(parts) == k
    for train, valid in parts:
        assert len(valid)
        assert not set(train) & set(valid)
        assert (np.diff(train) > 0).all()
        assert (np.diff(valid) > 0).all()
    if data.order is None:
        assert sorted(np.concatenate([v for _, v in parts])) == list(range(n))
    return [v for _, v in parts]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 10), st.integers(0, 5))
def test_every_fold_has_its_share_of_each_class(k: int, seed: int) -> None:
    data = load_table(frame())
    valids = check_partition(data, k, seed)
    counts = np.asarray([np.bincount(data.y_train[v], minlength=3) for v in valids])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
    sizes = [len(v) for v in valids]
    assert max(sizes) - min(sizes) <= 1


def test_every_fold_has_its_share_of_a_number() -> None:
    data = load_table(frame(y=np.random.default_rng(2).gamma(0.3, size=N)))
    means = [np.median(data.y_train[v]) for v in check_partition(data, 5)]
    assert max(means) < 2 * min(means)
    assert abs(len(data.y_test) - N / 5) <= 10


def test_folds_are_pure_and_seeded() -> None:
    data = load_table(frame())
    first, again, other = folds(data, 5), folds(data, 5), folds(data, 5, seed=1)
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert any(len(a[1]) != len(b[1]) or (a[1] != b[1]).any() for a, b in zip(first, other, strict=True))


def test_groups_stay_whole_in_the_holdout_and_in_folds() -> None:
    who = np.repeat([f"p{k}" for k in range(25)], 8)
    table = frame(who=who)
    data = load_table(table, target="y", group="who")
    assert data.groups is not None
    assert "who" not in data.train
    test = {tuple(row) for row in zip(data.test["a"], data.test["b"], strict=True)}
    held = {w for w, a, b in zip(who, table["a"], table["b"], strict=True) if (a, b) in test}
    trained = {w for w, a, b in zip(who, table["a"], table["b"], strict=True) if (a, b) not in test}
    assert held
    assert not held & trained
    for train, valid in folds(data, 4):
        assert not set(data.groups[train]) & set(data.groups[valid])
    check_partition(data, 4)


def test_time_is_never_trained_on_before_it_comes() -> None:
    when = [f"2024-{1 + k % 12:02}-{1 + k % 28:02}" for k in range(N)]
    data = load_table(frame(when=when), target="y", order_by="when")
    assert data.order is not None
    assert (np.diff(data.order) >= 0).all()
    assert data.test["when"].min() >= data.train["when"].max()
    for train, valid in folds(data, 5):
        assert data.order[train].max() <= data.order[valid].min()
    check_partition(data, 5)


def test_rows_without_a_time_are_dropped_and_told() -> None:
    when = [str(k) if k % 50 else "" for k in range(N)]
    data = load_table(frame(when=when), target="y", order_by="when")
    [finding] = [f for f in data.schema.findings if f.kind == "order"]
    assert (finding.count, finding.rows) == (4, (1, 51, 101, 151))
    assert data.schema.n_train + data.schema.n_test == N - 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group": "who", "order_by": "a"}, "not both"),
        ({"group": "nobody"}, "no column 'nobody'"),
        ({"group": ""}, "no column ''"),
        ({"order_by": float("nan")}, "no column ''"),
        ({"order_by": "who"}, "neither numbers nor dates"),
        ({"group": "y"}, "is the target"),
        ({"keep": ["z"]}, "no column 'z'"),
        ({"target": "z"}, "no column 'z'; there are: a, b, y, who"),
    ],
)
def test_options_that_make_no_sense_are_errors(options: dict[str, object], said: str) -> None:
    table = frame(who=["p", "q"] * (N // 2))
    with pytest.raises(DataError, match=said):
        load_table(table, **{"target": "y", **options})


def test_too_few_rows_or_groups_for_the_folds_are_errors() -> None:
    data = load_table(frame(20, who=["p", "q", "r", "s"] * 5), target="y", group="who")
    with pytest.raises(DataError, match="groups cannot be shared out over 5 folds"):
        folds(data, 5)
    with pytest.raises(DataError, match="cannot be cut into 50 folds"):
        folds(load_table(frame(30)), 50)


def test_take_gives_rows_in_order() -> None:
    data = load_table(frame())
    part = take(data.train, np.asarray([5, 3]))
    assert part["a"].tolist() == [data.train["a"][5], data.train["a"][3]]


def test_a_run_is_judged_in_as_many_folds_as_there_are_groups() -> None:
    few = pd.DataFrame(
        {"x": np.arange(60) % 7, "g": [f"g{i % 4}" for i in range(60)], "y": ["p", "q", "q"] * 20}
    )
    data = load_table(few, group="g")
    told, splits = judged(data)
    assert len(splits) == 3  # the fourth group is the test part
    assert [f.message for f in told.schema.findings if f.kind == "folds"] == ["3 groups of g for 5 folds"]
    with pytest.raises(
        DataError, match="3 groups of g beside the test rows cannot be shared out over 5 folds"
    ):
        judged(data, 5)


def test_folds_whose_training_rows_have_one_class_are_left_out() -> None:
    late = ["p"] * 60 + ["q", "p"] * 40
    data = load_table(pd.DataFrame({"x": np.arange(140) % 11, "t": range(140), "y": late}), order_by="t")
    told, splits = judged(data)
    assert len(splits) < 5
    assert all(len(set(data.y_train[train])) == 2 for train, _ in splits)
    assert [f.action for f in told.schema.findings if f.kind == "folds"] == ["not judged in"]
    later = pd.DataFrame({"x": np.arange(140) % 11, "t": range(140), "y": ["p"] * 115 + ["q"] * 25})
    with pytest.raises(DataError, match="the training rows have one class of y alone"):
        judged(load_table(later, order_by="t"))


def test_without_a_test_every_row_is_trained_on() -> None:
    table = pd.DataFrame(
        {"x": np.arange(40) % 7, "when": 2.5 * np.arange(40)[::-1], "target": np.arange(40) % 2}
    )
    whole = load_table(table, test="none")
    assert (whole.schema.n_train, whole.schema.n_test, len(whole.y_test)) == (40, 0, 0)
    assert list(whole.train["x"]) == [k % 7 for k in range(40)]
    assert all(len(column) == 0 for column in whole.test.values())
    ordered = load_table(table, test="none", order_by="when")
    assert list(ordered.train["x"]) == [k % 7 for k in range(40)][::-1]
    with pytest.raises(DataError, match="class of its own"):
        load_table(pd.DataFrame({"x": range(9), "target": list("abcdefghi")}), test="none")

"""Files and frames to predict as people have them: every row gets its answer, and what cannot be read is said."""

from __future__ import annotations

import csv
import io
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seedleaf.cli import app
from seedleaf.data.tables import folds, load_table
from seedleaf.data.tables.schema import TableSchema
from seedleaf.errors import DataError
from seedleaf.learners.tables.deliver import deliver, refit
from seedleaf.learners.tables.registry import space_of
from seedleaf.learners.tables.source import open_source, save
from seedleaf.table_predictor import TablePredictor, write_answers

NAMES = ["code", "size", "when", "x", "note", "y"]


def rows_of(n: int, seed: int = 0) -> list[list[str]]:
    """Codes with leading zeros, decimal commas, German dates, plain numbers; a row's answer is all its own by x."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        code, size, x = rng.integers(1, 10), rng.normal() * 3, rng.normal()
        day = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.2023"
        hit = rng.random() < 1 / (1 + np.exp(-2 * x - size / 2 - (code - 5) / 3))
        cells = [f"{code:03d}", f"{size:.3f}".replace(".", ","), day, f"{x:.4f}", rng.choice(["a", "b", "c"])]
        rows.append([*cells, "yes" if hit else "no"])
    return rows


def write(path: Path, rows: list[list[str]], names: list[str] | None = NAMES, mark: str = ";") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=mark).writerows([*([names] if names else []), *rows])
    return path


def model_of(source: Path, folder: Path) -> TablePredictor:
    data = load_table(source, target=None if source.stem == "bare" else "y")
    save(data, folds(data, 3), folder / "cache")
    setup = {"data": str(folder / "cache"), "metric": "logloss", "seed": 0}
    config = space_of(open_source(setup["data"]).kind).complete({"learner": "linear"})
    refit(config, setup, str(folder / "model"), 0, time.time() + 60)
    deliver([str(folder / "model")], [1.0], setup, str(folder / "best"))
    return TablePredictor.open(folder / "best")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def model(folder: Path) -> TablePredictor:
    found = model_of(write(folder / "train.csv", rows_of(400)), folder)
    assert {c.name: c.kind for c in found.schema.used} == {
        "code": "category", "size": "number", "when": "date", "x": "number", "note": "category"
    }  # fmt: skip
    return found


def answers(model: TablePredictor, source: Any) -> tuple[Any, list[str]]:
    """The answers, and the lines that came with them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = model.answers(source)
    assert len(caught) <= 1, "once a call"
    return found, str(caught[0].message).splitlines() if caught else []


# --- every row of a file, in its order ---


def test_rows_that_leave_no_doubt_are_each_answered(model: TablePredictor, tmp_path: Path) -> None:
    rows = rows_of(30, 1)
    whole, said = answers(model, write(tmp_path / "plain.csv", rows))
    assert (len(whole), said) == (30, [])
    assert len(np.unique(whole.round(6), axis=0)) > 25, "rows differ by their answers"
    text = (tmp_path / "plain.csv").read_text().splitlines()

    def same(name: str, lines: list[str], expected: Any = whole) -> list[str]:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        found, told = answers(model, path)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        return told

    assert same("blank.csv", [*text[:8], "", "  ", *text[8:], "", ""]) == [
        "2 blank lines are no row, the first of them line 9"
    ]
    assert same("tails.csv", [text[0], *(line + ";;" for line in text[1:])]) == []
    assert same("prose.csv", ["Export of 1.1.2024", "", *text]) == [
        "1 line above the table, such as 'Export of 1.1.2024'; not read"
    ]
    turned = [";".join(reversed(line.split(";")[:-1])) for line in text]
    assert same("turned.csv", turned) == [], "names count, not places, and no target is needed"
    assert same("one.csv", text[:2], whole[:1]) == []
    short = same("short.csv", [*text, "Total: 30 rows"], np.vstack([whole, model.answers({
        "code": ["Total: 30 rows"], "size": [""], "when": [""], "x": [""], "note": [""]})]))  # fmt: skip
    assert short == ["1 row has fewer than 6 cells; the rest of them counts as missing (row 31)"]
    quoted = [text[0] + ";said", *(f'{line};"two\nlines; here"' for line in text[1:])]
    assert same("lines.csv", quoted) == [
        "line 3: a cell of said goes over several lines ('two\\nlines; here'): two stray quotes?"
    ]


BAD: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "too many cells": (lambda t: [*t[:9], t[9] + ";9;9", *t[10:]], "line 10: 8 cells where there are 6 columns"),
    "an open quote": (lambda t: [*t[:9], '"' + t[9], *t[10:]], "line 10 opens a quote that is never closed"),
    "two stray quotes": (lambda t: [*t[:5], '"' + t[5], '"' + t[6], *t[7:]], "line 7: a cell of code goes over sev"),
    "no names": (lambda t: t[1:], "has none of the columns of the model (code, size, when, x, note)"),
    "other names": (lambda t: [t[0].upper(), *t[1:]], "are the names missing, or written otherwise?"),
    "one name too few": (lambda t: [t[0][5:], *t[1:]], "line 2: 6 cells under 5 names"),
    "a column gone": (lambda t: [t[0].replace("size", "weight"), *t[1:]], "bad.csv: 1 column missing: size"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_would_put_answers_on_other_rows_is_refused(
    what: str, model: TablePredictor, folder: Path, tmp_path: Path
) -> None:
    change, said = BAD[what]
    path = write(tmp_path / "bad.csv", rows_of(30, 1))
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(DataError) as caught:
        model.answers(path)
    assert said in str(caught.value)
    assert "bad.csv" in str(caught.value)
    assert "train.csv" not in str(caught.value)
    done = CliRunner().invoke(app, ["predict", str(folder / "best"), str(path)])
    assert (done.exit_code, done.stdout) == (2, "")


def test_a_model_of_a_file_without_names_goes_by_place(tmp_path: Path) -> None:
    model = model_of(write(tmp_path / "bare.csv", rows_of(200), None), tmp_path)
    rows = rows_of(10, 1)
    whole, said = answers(model, write(tmp_path / "new.csv", rows, None))
    assert (len(whole), said) == (10, [])
    for name, some in (("one", rows[:1]), ("less", [row[:-1] for row in rows])):
        found, said = answers(model, write(tmp_path / f"{name}.csv", some, None))
        np.testing.assert_allclose(found, whole[: len(some)], atol=1e-6)
        assert said == []
    lonely = [["001", "", "", "", "", ""], *rows]
    assert len(model.answers(write(tmp_path / "lonely.csv", lonely, None))) == 11, "no line above the table"
    with pytest.raises(DataError, match="4 cells and no names, where the training file had 6"):
        model.answers(write(tmp_path / "fewer.csv", [row[1:-1] for row in rows[:1]], None, "|"))


def test_a_file_of_one_column_keeps_its_rows(tmp_path: Path) -> None:
    rows = [[row[4] + ", said", "yes" if row[4] == "a" or row[5] == "yes" else "no"] for row in rows_of(200)]
    model = model_of(write(tmp_path / "train.csv", rows, ["kind", "y"]), tmp_path)
    path = tmp_path / "new.csv"
    path.write_text("kind\n" + "".join(row[0] + "\n" for row in rows[:20]))
    expected = model.answers({"kind": [row[0] for row in rows[:20]]})
    np.testing.assert_allclose(answers(model, path)[0], expected, atol=1e-6)
    path.write_text("kind\n" + "".join(row[0] + "\n" for row in rows[:3]) + "\na, 001\n")
    with pytest.raises(DataError, match=r"new\.csv, line 5: is this blank line a row"):
        model.answers(path)


# --- what cannot be read is said ---


def test_columns_that_are_not_read_are_named(model: TablePredictor, folder: Path, tmp_path: Path) -> None:
    rows = rows_of(30, 1)
    odd = [[str(int(r[0])), r[1].replace(",", ".") + " kg", r[2][6:] + "-01-01", r[3].replace(".", ","),
            r[4] if i % 2 else "z"] for i, r in enumerate(rows)]  # fmt: skip
    path = write(tmp_path / "odd.csv", odd, NAMES[:-1])
    expected = [
        "column code: 100 % of its cells are categories that training never saw, e.g. ",
        "column size: 100 % of its cells are not read as numbers, e.g. ",
        "column when: 100 % of its cells are not read as dates (%d.%m.%Y), e.g. '2023-01-01'",
        "column x: 100 % of its cells are not read as numbers, e.g. ",
        "column note: 50 % of its cells are categories that training never saw, e.g. 'z'",
    ]
    frame = pd.DataFrame(odd, columns=NAMES[:-1])
    many = pd.concat([frame] * 3)
    for source in (path, frame, many, frame.to_dict("list")):
        _, said = answers(model, source)
        assert [line[: len(start)] for line, start in zip(said, expected, strict=True)] == expected
    done = CliRunner().invoke(app, ["predict", str(folder / "best"), str(path)])
    assert done.exit_code == 0
    assert [line[:20] for line in done.stderr.splitlines()] == [f"noticed   {s[:10]}" for s in expected]
    assert len(done.stdout.splitlines()) == 31
    for few in (
        frame.iloc[:4],
        frame.iloc[:1],
        frame.iloc[:0],
        {k: v[:4] for k, v in frame.to_dict("list").items()},
    ):
        assert answers(model, few)[1] == []
    assert len(answers(model, frame.iloc[:5])[1]) == 4, "all of five, but not half of them"


def test_what_training_had_as_well_is_not_said(model: TablePredictor) -> None:
    rows = rows_of(40, 2)
    frame = pd.DataFrame(rows, columns=NAMES)
    frame.loc[:15, "code"] = "999"
    frame.loc[:35, "x"] = "?"
    frame.loc[36:, "x"] = "five"
    assert answers(model, frame)[1] == [], "16 of 40, and 4 of 4"


def test_numbers_that_come_as_numbers_are_read_as_such(model: TablePredictor, tmp_path: Path) -> None:
    """The model's column has decimal commas: a frame of floats has neither commas nor points."""
    rows = rows_of(80, 3)
    whole = model.answers(write(tmp_path / "new.csv", rows))
    frame = pd.DataFrame(rows, columns=NAMES)
    frame["size"] = frame["size"].str.replace(",", ".").astype(float)
    frame["x"] = frame["x"].astype(float)
    for source in (frame, frame.iloc[:20], {name: frame[name].to_numpy() for name in frame}):
        found, said = answers(model, source)
        np.testing.assert_allclose(found, whole[: len(found)], atol=1e-6)
        assert said == []


def test_columns_of_different_lengths_are_refused(model: TablePredictor) -> None:
    cells = dict(zip(NAMES, map(list, zip(*rows_of(3), strict=True)), strict=True))
    with pytest.raises(DataError, match="the columns given: its columns have different lengths, 2 and 3"):
        model.answers({**cells, "x": cells["x"][:2]})


# --- the file of answers ---


def schema_of(target: str, classes: tuple[str, ...]) -> TableSchema:
    cells = {"x": [i * i % 37 / 4 for i in range(40)], target: [classes[i % len(classes)] for i in range(40)]}
    return load_table(cells, target=target).schema


@pytest.mark.parametrize(
    ("target", "head"),
    [
        ("y", ["row", "y", "probability", "p(-1)", "p(1)"]),
        ("row", ["row number", "row", "probability", "p(-1)", "p(1)"]),
        ("probability", ["row", "probability", "probability of probability", "p(-1)", "p(1)"]),
    ],
)
def test_no_two_columns_of_the_answers_are_called_alike(target: str, head: list[str]) -> None:
    schema, file = schema_of(target, ("-1", "1")), io.StringIO()
    write_answers(file, np.array([[0.9999995, 5e-7], [0.2, 0.8]], np.float32), [0, 1], schema)
    rows = list(csv.reader(io.StringIO(file.getvalue())))
    assert rows[0] == head
    assert rows[1] == ["1", "-1", "1", "1", "5e-07"], (
        "a number is no formula, and the small share is not nought"
    )
    assert rows[2] == ["2", "1", "0.8", "0.2", "0.8"]
    number = replace(schema, target=replace(schema.target, task="regression", classes=()))
    write_answers(file := io.StringIO(), np.array([-1.5]), [], number)
    assert file.getvalue().splitlines() == [",".join(head[:2]), "1,-1.5"]

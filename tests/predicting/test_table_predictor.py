"""Files and frames to predict as people have them: every row gets its answer, and what cannot be read is said."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from delivered import NAMES, answers, model_of, rows_of, write
from seedleaf.cli import app
from seedleaf.data.tables import load_table
from seedleaf.data.tables.schema import TableSchema
from seedleaf.errors import DataError
from seedleaf.predicting.tables import TablePredictor, write_answers


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


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> TablePredictor:
    """Its training file had no names."""
    folder = tmp_path_factory.mktemp("bare")
    return model_of(write(folder / "bare.csv", rows_of(200), None), folder)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> TablePredictor:
    """It has one column."""
    folder = tmp_path_factory.mktemp("kinds")
    rows = [[row[4] + ", said", "yes" if row[4] == "a" or row[5] == "yes" else "no"] for row in rows_of(200)]
    return model_of(write(folder / "train.csv", rows, ["kind", "y"]), folder)


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


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TablePredictor]:
    """Models of the same rows with letters beyond ASCII, by the encoding of their training file."""
    found, rows = {}, [[*row[:4], "Köln" if row[4] == "a" else row[4], row[5]] for row in rows_of(200)]
    for name in ("utf-8", "cp1252"):
        folder = tmp_path_factory.mktemp(name)
        path = write(folder / "train.csv", rows)
        path.write_bytes(path.read_text(encoding="utf-8").encode(name))
        found[name] = model_of(path, folder)
        assert found[name].schema.notes["encoding"] == name
    return found


@pytest.mark.parametrize("trained", ["utf-8", "cp1252"])
def test_a_byte_that_is_not_utf8_changes_no_other_row(
    trained: str, towns: dict[str, TablePredictor], tmp_path: Path
) -> None:
    model, rows = towns[trained], [[*row[:4], "Köln", row[5]] for row in rows_of(20, 1)]
    path = write(tmp_path / "new.csv", rows)
    raw, (whole, said) = path.read_bytes(), answers(model, path)
    assert said == []
    for mark in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(mark + raw + b"001;\x80 1,5;;;;\r\n")
        with pytest.raises(DataError) as caught:
            model.answers(path)
        assert str(caught.value) == (
            f"{path}, line 22: its byte 5 (0x80) is not UTF-8, as other letters of the file are: save it as UTF-8"
        )
    path.write_bytes(raw.decode().encode("cp1252"))
    found, said = answers(model, path)
    np.testing.assert_array_equal(found, whole)
    told = ["line 2 is not UTF-8; read as Latin-1 (cp1252)"]
    assert said == (told if trained == "utf-8" else []), "plainly of another encoding than training's file"
    plain = raw.replace("Köln".encode(), b"b")
    path.write_bytes(plain)
    alone = model.answers(path)
    path.write_bytes(plain + b"001;\x80 1,5;;;;\r\n")
    np.testing.assert_array_equal(answers(model, path)[0][:20], alone)


def test_a_letter_of_latin1_that_looks_like_utf8_is_told_apart_by_the_training_file(
    towns: dict[str, TablePredictor], tmp_path: Path
) -> None:
    path = write(tmp_path / "new.csv", [[*row[:4], "Köln ANDRÉ’S", row[5]] for row in rows_of(20, 1)])
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp1252"))
    assert len(answers(towns["cp1252"], path)[0]) == 20
    with pytest.raises(DataError, match=r"line 2: its byte \d+ \(0xf6\) is not UTF-8"):
        towns["utf-8"].answers(path)


def test_a_model_of_a_file_without_names_goes_by_place(bare: TablePredictor, tmp_path: Path) -> None:
    model, rows = bare, rows_of(10, 1)
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


@pytest.mark.parametrize("names", [NAMES, NAMES[:-1], ["0", "1", "2", "3", "4", "5"]])
def test_names_are_no_row_of_a_model_that_goes_by_place(
    names: list[str], bare: TablePredictor, tmp_path: Path
) -> None:
    """Answered as a row they would put each answer on the row after its own."""
    for n in (10, 1, 0):
        rows = [row[: len(names)] for row in rows_of(n, 1)]
        with pytest.raises(
            DataError, match=r"new\.csv, line 1: .* are names, and the model's training file had none"
        ):
            bare.answers(write(tmp_path / "new.csv", rows, names))


def test_a_first_row_like_those_below_it_is_no_names(bare: TablePredictor, tmp_path: Path) -> None:
    rows = rows_of(10, 1)
    for first in (
        ["999", "?", "", "1.5", "z"],
        ["", "", "", "", ""],
        ["999", "two", "1.1.2024", "five", "z"],
    ):
        found, said = answers(bare, write(tmp_path / "new.csv", [[*first, "no"], *rows], None))
        assert (len(found), said) == (11, [])


def test_names_above_categories_alone_are_told(tmp_path: Path) -> None:
    rows = [[row[4], "yes" if row[4] == "a" or row[5] == "yes" else "no"] for row in rows_of(200)]
    model = model_of(write(tmp_path / "bare.csv", rows, None), tmp_path)
    found, said = answers(model, write(tmp_path / "new.csv", [[row[0]] for row in rows[:9]], ["kind"]))
    assert (len(found), said) == (10, ["line 1: 'kind' is answered as a row: are they names?"])
    assert answers(model, write(tmp_path / "new.csv", [[row[0]] for row in rows[:9]], None))[1] == []


def test_short_rows_end_in_missing_cells(model: TablePredictor, tmp_path: Path) -> None:
    """A semicolon and decimal commas: where few rows are whole, the comma seems to be the separator."""
    rows = rows_of(10, 1)
    whole = model.answers(write(tmp_path / "new.csv", rows))
    for cut, n in ((1, 1), (1, 2), (1, 10), (2, 4), (2, 5)):
        short = [row[: -cut if k < n else None] for k, row in enumerate(rows)]
        blank = [[*row[:-cut], *[""] * cut] if k < n else row for k, row in enumerate(rows)]
        found, said = answers(model, write(tmp_path / "short.csv", short[: n if cut == 1 else 10]))
        expected = model.answers(write(tmp_path / "blank.csv", blank[: len(found)]))
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert cut > 1 or (found == whole[: len(found)]).all(), "the target alone is not there"
        assert said == [
            f"{n} row{' has' if n == 1 else 's have'} fewer than 6 cells; the rest of them counts as missing (row 1)"
        ]


@pytest.mark.parametrize(
    ("names", "cut", "n", "said"),
    [
        (NAMES, 2, 6, "line 2: 4 cells where the names are 6, and too few in 6 of 10 rows"),
        (NAMES, 2, 10, "too few in 10 of 10 rows: is the separator another"),
        # A name with a separator in it shifts all that follow, though the last of the model's columns is reached.
        (["code", "size", "cm", "when", "x", "note", "y"], 0, 10, "6 cells where the names are 7"),
    ],
)
def test_rows_that_mostly_lack_columns_of_the_model_are_refused(
    names: list[str], cut: int, n: int, said: str, model: TablePredictor, tmp_path: Path
) -> None:
    rows = [row[: len(row) - cut if k < n else None] for k, row in enumerate(rows_of(10, 1))]
    for some in (rows, rows[:1]):
        with pytest.raises(DataError, match=said if some is rows else "too few in 1 of 1 row:"):
            model.answers(write(tmp_path / "short.csv", some, names))


def test_rows_under_another_separator_than_the_names_are_refused(
    model: TablePredictor, tmp_path: Path
) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text(";".join(NAMES) + "\n" + "001|1,5|01.01.2023|2.5|a|no\n" * 9)
    with pytest.raises(DataError, match="line 2: 1 cell where the names are 6, and too few in 9 of 9 rows"):
        model.answers(path)


def test_a_file_of_one_column_keeps_its_rows(kinds: TablePredictor, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    texts = ["a, said", "b, said", "c, said"] * 6
    path.write_text("kind\n" + "".join(text + "\n" for text in texts))
    np.testing.assert_allclose(answers(kinds, path)[0], kinds.answers({"kind": texts}), atol=1e-6)


@pytest.mark.parametrize(
    "cells", [["a", "b", None], [None, "a"], ["a", None, None, "b"], [None], [None, None]]
)
def test_a_missing_cell_of_one_column_is_a_row(
    cells: list[str | None], kinds: TablePredictor, tmp_path: Path
) -> None:
    """Pandas and the csv module write it as two quotes, so that it is no blank line."""
    cells = [cell and f"{cell}, said" for cell in cells]
    expected = kinds.answers({"kind": cells})
    assert len(expected) == len(cells)
    frame = pd.DataFrame({"kind": cells}, dtype=object)
    frame.to_csv(tmp_path / "pandas.csv", index=False)
    write(tmp_path / "csv.csv", [[cell or ""] for cell in cells], ["kind"], ",")
    (tmp_path / "more.csv").write_text((tmp_path / "pandas.csv").read_text() + "\n\n")
    for name in ("pandas", "csv", "more"):
        np.testing.assert_allclose(kinds.answers(tmp_path / f"{name}.csv"), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a", "b", "", "c"], "line 4: is this blank line a row"),
        (["", "a"], "line 2: is this blank line a row"),
        (["a", "b", "  "], "line 4: are these blanks a row"),
        (["a", '""', "", "\t", ""], "line 5: are these blanks a row"),
    ],
)
def test_what_may_be_a_row_of_one_column_is_refused(
    lines: list[str], said: str, kinds: TablePredictor, tmp_path: Path
) -> None:
    path = tmp_path / "new.csv"
    path.write_text("\n".join(["kind", *lines]) + "\n")
    with pytest.raises(DataError, match=said):
        kinds.answers(path)


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

"""Bad tables from the command line: one line that names file, row and column, or a finding. Never a traceback."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from seedleaf.cli import app

HEAD = "a,b,c,y"
Cell = Callable[[int, str], str]


def body(n: int = 80, seed: int = 0) -> list[str]:
    """Lines of a table that nothing is wrong with."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        a = rng.gauss(0, 1)
        said = "yes" if a + rng.gauss(0, 1) > 0 else "no"
        rows.append(f"{a:.3f},{100 * rng.random():.2f},{rng.choice(('red', 'green', 'blue'))},{said}")
    return rows


LINES = [HEAD, *body()]
PLAIN = "\n".join(LINES) + "\n"


def changed(column: int, cell: Cell) -> str:
    """The good table with one column made anew."""
    rows = [line.split(",") for line in LINES[1:]]
    for i, row in enumerate(rows):
        row[column] = cell(i, row[column])
    return "\n".join([HEAD, *map(",".join, rows)]) + "\n"


def save(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(*arguments: object) -> str:
    """What the one line of a refusal says."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("seedleaf: ")
    assert line.isprintable()
    return line


def checked(*arguments: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["check", *map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def found(*arguments: object) -> dict[str, str]:
    """Findings by kind, as one line each."""
    return {
        f["kind"]: f"{f['column']}: {f['message']}; {f['action']}" for f in checked(*arguments)["findings"]
    }


BAD: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "blank lines": ("\n\n\n", "the file is empty"),
    "names alone": (HEAD + "\n", "names and no rows"),
    "one column": ("x\n1\n2\n", "one column, 'x'"),
    "one row": ("\n".join(LINES[:2]), "y is 'no' in every row"),
    "other separator": (PLAIN.replace(",", "~"), "separators that are known: tab, semicolon"),
    "JSON": ('[{"a": 1, "y": 2}, {"a": 3, "y": 4}]', "it looks like JSON"),
    "JSON lines": ("\n".join(f'{{"a": {i}, "y": "p"}}' for i in range(9)), "it looks like JSON"),
    "web page": ("<!DOCTYPE html>\n<html><p>Not, here</p></html>", "a web page"),
    "workbook": (b"PK\x03\x04" + bytes(range(256)), "an Excel workbook or a zip archive: save the sheet as CSV"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "control characters"),
    "NUL": (PLAIN.replace("red", "r\0d"), "control characters from line"),
    "UTF-16 without mark": (PLAIN.encode("utf-16-le"), "UTF-16 or UTF-32 without its mark"),
    "Parquet by another name": (b"PAR1" + bytes(90), "a Parquet file: call it .parquet"),
    "ragged": ("\n".join([HEAD, *(r.rsplit(",", 1)[0] for r in body())]), "line 2: 3 cells where the names are 4"),
    "one class": (changed(3, lambda i, v: "yes"), "y is 'yes' in every row"),
    "no target": (changed(3, lambda i, v: "NA"), "the target column y has no known value"),
    "own classes": (changed(3, lambda i, v: f"n{i}x"), "80 of 80 rows are each a class of their own"),
    "copies": ("\n".join([HEAD, *LINES[1:3] * 30]), "58 copies of rows left out"),
    "huge target": (changed(3, lambda i, v: f"{i + 1}e300"), "no row has a known y ('1e300'"),
    "constants": ("a,y\n" + "1,p\n1,q\n" * 30, "a: it is the same in every row"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used_is_one_line_that_names_the_file(what: str, tmp_path: Path) -> None:
    content, said = BAD[what]
    path = save(tmp_path / "t.csv", content)
    line = refused("check", path)
    assert str(path) in line
    assert said in line


def test_fit_refuses_as_check_does_and_leaves_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "t.csv", changed(3, lambda i, v: ""))
    line = refused("fit", path, "--time", "20s", "--workers", 1, "--out", tmp_path / "run")
    assert line == refused("check", path)
    assert not (tmp_path / "run").exists()
    assert "does not exist" in refused("fit", tmp_path / "none.csv", "--time", "20s", "--workers", 1)
    for options, what in (
        (("--group", "y"), "'y' is the target"),
        (("--task", "guess"), "no task 'guess'"),
        (("--task", "regression"), "y holds text ('no')"),
        (("--folds", 1), "folds must be 2 to 20"),
        (("--metric", "rmse"), "no metric for binary is called 'rmse'"),
    ):
        good = save(tmp_path / "good.csv", PLAIN)
        out = ("--out", tmp_path / "run")
        assert what in refused("fit", good, "--time", "20s", "--workers", 1, *options, *out)
        assert not (tmp_path / "run").exists()


SPLITS: list[tuple[str, tuple[str, ...], str]] = [
    (PLAIN, ("--group", "zzz"), "has no column 'zzz'; there are: a, b, c, y"),
    (PLAIN, ("--group", "y"), "'y' is the target"),
    (PLAIN, ("--order-by", "c"), "c holds neither numbers nor dates"),
    (PLAIN, ("--order-by", "y"), "'y' is the target"),
    (PLAIN, ("--target", "zzz"), "has no column 'zzz'"),
    (changed(2, lambda i, v: "g"), ("--group", "c"), "c is 'g' in every row"),
    (changed(2, lambda i, v: "?"), ("--group", "c"), "c has no known cell"),
    (changed(1, lambda i, v: ""), ("--order-by", "b"), "b has no known cell"),
    (changed(1, lambda i, v: "" if i else "1"), ("--order-by", "b"), "b has a place for 1 row"),
]


@pytest.mark.parametrize(("content", "options", "said"), SPLITS)
def test_a_split_that_makes_no_sense_is_refused(
    content: str, options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    path = save(tmp_path / "t.csv", content)
    line = refused("check", path, *options)
    assert said in line
    assert str(path) in line


def test_group_and_order_do_not_go_together(tmp_path: Path) -> None:
    path = save(tmp_path / "t.csv", PLAIN)
    assert "by group or in order, not both" in refused("check", path, "--group", "c", "--order-by", "a")


def test_rows_without_a_group_are_told(tmp_path: Path) -> None:
    path = save(tmp_path / "t.csv", changed(2, lambda i, v: "" if i % 2 else f"g{i % 7}"))
    assert "c: 40 rows have no group; kept together" in found(path, "--group", "c")["group"]


ODD: dict[str, tuple[str | bytes, str, str]] = {
    "no names": ("\n".join(LINES[1:]), "no-header", "columns are called column1 to column4"),
    "encoding": (PLAIN.replace("red", "rød").encode("latin-1"), "encoding", "is not UTF-8; read as Latin-1"),
    "a long row": (PLAIN + "1,2,red,yes,9\n", "ragged", "1 row has more than 4 cells (line 82 has 5); dropped"),
    "a short row": (PLAIN + "1,2\n", "ragged", "1 row has fewer than 4 cells"),
    "infinite": (changed(1, lambda i, v: "-inf" if i % 9 == 0 else v), "infinite", "b: "),
    "infinite target": (changed(3, lambda i, v: "inf" if i == 4 else str(i * 1.5)), "missing-target", "('inf')"),
    "dates out of range": (
        changed(1, lambda i, v: "2024-02-31" if i % 30 == 0 else f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}"),
        "date-as-text",
        "('2024-02-31') are no such date",
    ),
    "same names": (PLAIN.replace(HEAD, "a,a,c,y"), "same-name", "1 column repeats a name: a"),
    "rare class": (changed(3, lambda i, v: "rare" if i in (5, 7) else v), "rare-class", "'rare'"),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_read_and_told(what: str, tmp_path: Path) -> None:
    content, kind, said = ODD[what]
    assert said in found(save(tmp_path / "t.csv", content))[kind]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.tab", "t.csv.gz", "t.tsv.gz", "t.txt", "T.CSV"])
def test_any_packing_is_the_same_table(name: str, tmp_path: Path) -> None:
    text = PLAIN.replace(",", "\t") if ".t" in name else PLAIN
    path = save(tmp_path / name, gzip.compress(text.encode()) if name.endswith(".gz") else text)
    plain = checked(save(tmp_path / "plain.csv", PLAIN))
    assert checked(path)["fingerprint"] == plain["fingerprint"]


def test_parquet_is_the_same_table_and_lists_in_it_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame([line.split(",") for line in LINES[1:]], columns=HEAD.split(","))
    frame = frame.astype({"a": float, "b": float})
    frame.to_parquet(tmp_path / "t.parquet")
    assert checked(tmp_path / "t.parquet")["target"]["classes"] == ["no", "yes"]
    frame["several"] = [[1, 2]] * len(frame)
    frame.to_parquet(tmp_path / "lists.parquet")
    line = refused("check", tmp_path / "lists.parquet")
    assert "lists.parquet: several holds several values a cell (ndarray in row 1)" in line
    frame.iloc[:0].to_parquet(tmp_path / "none.parquet")
    assert "names and no rows" in refused("check", tmp_path / "none.parquet")
    assert "cannot be read as Parquet" in refused("check", save(tmp_path / "x.parquet", PLAIN))
    whole = gzip.compress(PLAIN.encode())
    assert "not a whole gzip file" in refused("check", save(tmp_path / "cut.csv.gz", whole[:-20]))
    assert "is not a gzip file" in refused("check", save(tmp_path / "not.csv.gz", PLAIN))


TESTS: list[tuple[Callable[[list[str]], list[str]], str]] = [
    (lambda t: [",".join(r.split(",")[:3]) for r in t], "1 column of {train} is missing: y; there are: a, b, c"),
    (lambda t: t[1:], "4 columns of {train} are missing: a, b, c, y; its first row is data"),
    (lambda t: [t[0].upper(), *t[1:]], "the case of names differs: it has A, B, C, Y"),
    (lambda t: t[:1], "names and no rows"),
    (lambda t: [], "the file is empty"),
    (lambda t: [t[0], *(r.rsplit(",", 1)[0] + ",maybe" for r in t[1:])], "no row with a known y: it holds 'maybe'"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), TESTS)
def test_a_test_file_that_does_not_fit_is_refused(
    change: Callable[[list[str]], list[str]], said: str, tmp_path: Path
) -> None:
    train = save(tmp_path / "train.csv", PLAIN)
    test = save(tmp_path / "test.csv", "\n".join(change([HEAD, *body(30, 1)])))
    line = refused("check", train, "--test", test)
    assert str(test) in line
    assert said.format(train=train) in line


def test_a_test_file_may_be_reordered_have_more_columns_and_unknown_classes(tmp_path: Path) -> None:
    train, rows = save(tmp_path / "train.csv", PLAIN), [HEAD, *body(30, 1)]
    plain = checked(train, "--test", save(tmp_path / "test.csv", "\n".join(rows)))
    turned = "\n".join(",".join(reversed(r.split(","))) for r in rows)
    assert (
        checked(train, "--test", save(tmp_path / "turned.csv", turned))["fingerprint"] == plain["fingerprint"]
    )
    more = "\n".join(r + (",more" if i == 0 else ",7") for i, r in enumerate(rows))
    told = found(train, "--test", save(tmp_path / "more.csv", more))
    assert "1 column more: more; not used" in told["test-columns"]
    other = "\n".join(r.replace("yes", "perhaps") for r in rows)
    assert "('perhaps'); dropped" in found(train, "--test", save(tmp_path / "o.csv", other))["missing-target"]


def test_names_do_not_steer_the_terminal(tmp_path: Path) -> None:
    path = save(tmp_path / "t.csv", PLAIN.replace("a,b", "a\x1b[31m,b"))
    assert "\x1b" not in refused("check", path, "--target", "zzz")


def test_thousands_of_columns_are_checked(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 3_000)).round(2)
    names = ",".join(f"c{i}" for i in range(3_000))
    rows = [f"{','.join(map(str, row))},{'pq'[i % 2]}" for i, row in enumerate(x)]
    told = checked(save(tmp_path / "wide.csv", "\n".join([f"{names},y", *rows])))
    assert len(told["columns"]) == 3_000
    assert told["target"]["name"] == "y"


PIECES = st.lists(
    st.sampled_from([*'abc,;\t|"\n\r ~{[<', "\0", "\x1b", "é", "1.5", "inf", "NA", "yes"]), max_size=60
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PIECES.map("".join), st.sampled_from(["utf-8", "utf-16", "latin-1"]), st.booleans())
def test_no_file_makes_the_command_fall_over(tmp_path: Path, text: str, encoding: str, packed: bool) -> None:
    """The table is spoilt at its head and its tail: an answer, or one line that names the file."""
    raw = (text + PLAIN + text).encode(encoding, "replace")
    path = save(tmp_path / "t.csv", gzip.compress(raw) if packed else raw)
    done = CliRunner().invoke(app, ["check", str(path)])
    assert done.exit_code in (0, 2), done.output
    if done.exit_code:
        assert isinstance(done.exception, SystemExit)
        assert str(path) in done.stderr

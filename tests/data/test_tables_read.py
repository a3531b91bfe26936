"""From bytes to a table of texts: whatever the file is, a table with findings or one clear error."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedleaf.data.tables import load_table
from seedleaf.data.tables.cells import TOKENS
from seedleaf.data.tables.read import read_file, records
from seedleaf.data.tables.source import read_source
from seedleaf.errors import DataError

ROWS = "".join(f"{i % 7},{i * 0.5},{'ab'[i % 2]}\n" for i in range(40))
NAMED = "x,z,y\n" + ROWS


def save(folder: Path, body: bytes | str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    return path


def attempt(read: Callable[[Path], Any], path: Path) -> tuple[Any, str]:
    """What was read, or None and what the DataError said; anything else is a failure."""
    try:
        return read(path), ""
    except DataError as error:
        return None, str(error)


def cells(path: Path) -> dict[str, list[str]]:
    table, _, _ = read_file(path)
    return {n: [c.values[k] for k in c.codes] for n, c in table.columns.items()}


@pytest.mark.parametrize(
    "body",
    [
        NAMED.encode(),
        b"\xef\xbb\xbf" + NAMED.encode(),
        NAMED.encode("utf-16"),
        NAMED.replace("\n", "\r\n").encode(),
        NAMED.replace("\n", "\r").encode(),
        NAMED.replace(",", "\t").encode(),
        NAMED.replace(",", ";").encode(),
        NAMED.replace(",", "|").encode(),
        NAMED.replace(",", " ").encode(),
        NAMED.replace(",", ", ").encode(),
        gzip.compress(NAMED.encode()),
        NAMED.replace("\n", "\n\n").encode(),
        NAMED.replace("\n", ",\n").encode().replace(b"y,", b"y", 1),  # a separator at every row's end
        b"\n" + NAMED.encode() + b"\x1a",
    ],
    ids=[
        "plain",
        "bom",
        "utf-16",
        "crlf",
        "cr",
        "tab",
        "semi",
        "bar",
        "blank",
        "comma-blank",
        "gz",
        "blank lines",
        "trailing",
        "dos end",
    ],
)
def test_the_same_cells_however_they_are_packed(body: bytes, tmp_path: Path) -> None:
    assert cells(save(tmp_path, body)) == cells(save(tmp_path, NAMED, "plain.csv"))


def test_letters_outside_ascii_survive_every_encoding(tmp_path: Path) -> None:
    text = "größe,café,y\n" + ROWS.replace("a", "ä")
    expected = cells(save(tmp_path, text))
    assert list(expected) == ["größe", "café", "y"]
    for encoding in ("cp1252", "utf-16", "utf-8-sig"):
        assert cells(save(tmp_path, text.encode(encoding))) == expected
    _, [finding], notes = read_file(save(tmp_path, text.encode("cp1252")))
    assert (finding.kind, notes["encoding"]) == ("encoding", "cp1252")
    assert "line 1" in finding.message


LETTERS = "name,size,y\n" + "".join(f"Köln,{i},{'ja' if i % 2 else 'nein'}\n" for i in range(40))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_few_broken_bytes_leave_the_other_cells_of_a_utf8_file_alone(mark: bytes, tmp_path: Path) -> None:
    whole = cells(save(tmp_path, LETTERS))
    lines = LETTERS.encode().splitlines(keepends=True)
    lines[3] = lines[3].replace("ö".encode(), b"\xf6")
    lines[7] = lines[7].replace("ö".encode(), b"\xc3")
    expected = list(whole["name"])
    expected[2] = expected[6] = "K\ufffdln"
    for name, end in (("n.csv", b"\n"), ("rn.csv", b"\r\n"), ("r.csv", b"\r")):
        path = save(tmp_path, mark + b"".join(lines).replace(b"\n", end), name)
        assert cells(path) == {**whole, "name": expected}
        _, [finding], notes = read_file(path)
        assert (finding.kind, notes["encoding"]) == ("encoding", "utf-8-sig" if mark else "utf-8")
        assert str(finding) == "2 bytes are not UTF-8, in lines 4, 8; read as UTF-8, a \ufffd in their place"


def test_a_file_whose_letters_are_mostly_not_utf8_is_read_as_latin1(tmp_path: Path) -> None:
    """Two letters of Latin-1 in a row may by chance be one of UTF-8."""
    raw = LETTERS.encode("cp1252").replace(b"K\xf6ln,9", "ANDRÉ’S,9".encode("cp1252"))
    table, [finding], notes = read_file(save(tmp_path, raw))
    assert notes["encoding"] == "cp1252"
    assert "ANDRÉ’S" in table.columns["name"].values
    assert str(finding) == "line 2 is not UTF-8; read as Latin-1 (cp1252)"
    with pytest.raises(DataError, match=r"begins as utf-8-sig and is not: line 2: its byte 2 \(0xf6\)"):
        read_file(save(tmp_path, b"\xef\xbb\xbf" + raw))


@pytest.mark.parametrize(
    ("first", "header"),
    [
        ("x,z,y", True),
        ("3,1.5,a", False),
        ("0,1,2", True),  # as pandas writes columns without names
        ("x,z,a", True),
        ("?,2.5,b", False),
    ],
)
def test_a_header_is_known_by_what_stands_below_it(first: str, header: bool, tmp_path: Path) -> None:
    table, findings, notes = read_file(save(tmp_path, f"{first}\n{ROWS}"))
    assert notes["header"] == ("yes" if header else "no")
    assert len(table) == (40 if header else 41)
    assert list(table.columns) == (first.split(",") if header else ["column1", "column2", "column3"])
    assert [f.kind for f in findings] == ([] if header else ["no-header"])


def test_a_table_of_texts_has_no_header_where_the_first_row_is_like_the_rest(tmp_path: Path) -> None:
    body = "red,big,yes\n" + "blue,small,no\nred,small,yes\nblue,big,no\n" * 10
    assert read_file(save(tmp_path, body))[2]["header"] == "no"
    assert read_file(save(tmp_path, "colour,size,bought\n" + body))[2]["header"] == "yes"
    assert read_file(save(tmp_path, body), ("red",))[2]["header"] == "yes"  # the caller names a column so


def test_an_index_without_a_name_is_a_column(tmp_path: Path) -> None:
    body = "x,z\n" + "".join(f"r{i},{i % 5},{i * 0.25}\n" for i in range(20))
    table, [finding], _ = read_file(save(tmp_path, body))
    assert list(table.columns) == ["column1", "x", "z"]
    assert (finding.kind, finding.message) == ("no-name", "1 column has no name")


def test_names_that_repeat_are_numbered(tmp_path: Path) -> None:
    table, [finding], _ = read_file(save(tmp_path, "x,x,x.2\n" + ROWS))
    assert list(table.columns) == ["x", "x.3", "x.2"]
    assert finding.kind == "same-name"


def test_ragged_rows_are_counted_and_named(tmp_path: Path) -> None:
    table, findings, _ = read_file(save(tmp_path, NAMED + "1,2,a,9,9\n1,2\n3,4,b,,\n"))
    assert [(f.kind, f.count, f.rows) for f in findings] == [("ragged", 1, (41,)), ("ragged", 1, (42,))]
    assert "line 42 has 5" in findings[0].message
    assert len(table) == 42
    assert table.columns["y"].values[table.columns["y"].codes[-2]] == ""


def test_an_unclosed_quote_swallows_nothing(tmp_path: Path) -> None:
    lines = NAMED.splitlines()
    lines[12] = '"' + lines[12]
    table, findings, _ = read_file(save(tmp_path, "\n".join(lines) + "\n"))
    assert [f.kind for f in findings] == ["quotes"]
    assert "line 13" in findings[0].message
    assert len(table) == 40
    assert table.columns["x"].values[table.columns["x"].codes[11]] == '"' + lines[12].split(",")[0][1:]


def test_a_row_of_one_empty_cell_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    """Written with quotes, as pandas does; what is not written is no row in either case."""
    text = 'x\n""\n1\n  ""\n\n  \r\n"  "\r\n"\n"\n2 "b"\n""'
    path = tmp_path / "t.csv"
    written = [
        (1, ["x"]),
        (2, [""]),
        (3, ["1"]),
        (4, [""]),
        (7, ["  "]),
        (9, ["\n"]),
        (10, ['2 "b"']),
        (11, [""]),
    ]
    assert records(text, ",", path, [], lone=True) == written
    assert records(text, ",", path, []) == [row for row in written if row[1][0].strip()]


def test_an_empty_cell_between_blanks_is_a_cell(tmp_path: Path) -> None:
    """The blank at a line's end is none."""
    body = "x z y\n" + ROWS.replace(",", " ") + '"" 1.5 a \n2 "" b\n'
    found = cells(save(tmp_path, body))
    assert [column[-2:] for column in found.values()] == [["", "2"], ["1.5", ""], ["a", "b"]]


def test_quoted_cells_may_hold_separators_quotes_and_line_breaks(tmp_path: Path) -> None:
    body = NAMED + '5,6,"a, ""b""\nc"\n'
    found = cells(save(tmp_path, body))
    assert found["y"][-1] == 'a, "b"\nc'
    assert len(found["y"]) == 41


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a\n1\n2\n", "one column, 'a'"),
        (b"a,b\n", "names and no rows"),
        (b"a,b\n1,2\n", "'2' in every row"),
        (b"x,y\n1,c\n2,c\n3,c\n", "'c' in every row"),
        (b"x,z,y\n1,4,c\n2,5,c\n3,6,c\n", "nothing to learn; choose another --target: x, z"),
        (b"x,y\n1,?\n2,\n3,NA\n", "column y has no known value"),
        (b"x,y\n1,p\n2,q\n", "class of its own"),
        (b"id,y\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(40)), "no column is left"),
        (bytes(range(256)) * 50, "control characters"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "control characters"),
        (b"a,b\n1,\x002\n", "control characters"),
        (b"\xff\xfea\x00,", "utf-16"),
        (b"\x1f\x8b\x08\0\0\0", "gzip"),
        (gzip.compress(b"a,b\n1,2\n" * 99)[:-9], "gzip"),
        (b"x,z,y\n" + b"1,2\n" * 30 + b"1,2,3,4\n" * 20, "line 2: 2 cells where the names are 3"),
    ],
)
def test_what_is_no_table_is_one_error_that_names_the_file(body: bytes, said: str, tmp_path: Path) -> None:
    path = save(tmp_path, body)
    with pytest.raises(DataError) as caught:
        load_table(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_no_other_target_is_advised_where_none_would_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is nothing to learn$"):
        load_table(save(tmp_path, b"x,z,y\n1,4,c\n2,4,c\n3,4,c\n"))


@pytest.mark.parametrize("source", ["/nope.csv", "/", "x\0y", 3, None, pd.DataFrame(), {"a": 3, "b": [1]}])
def test_what_is_no_source_is_an_error(source: object) -> None:
    with pytest.raises(DataError):
        load_table(source)


def test_a_frame_is_read_as_its_file_is(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "n": [1.5, None, 3.25, -4e-300] * 10,
            "i": [1, 2, 3, 40000000000] * 10,
            "s": ["a", None, " b ", "c,d"] * 10,
            "b": [True, False, True, False] * 10,
            "d": pd.date_range("2024-01-01", periods=40),
            "c": pd.Categorical(["u", "v"] * 20),
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    from_file, from_memory = load_table(tmp_path / "t.csv"), load_table(frame)
    assert [(c.name, c.kind, c.levels) for c in from_file.schema.columns] == [
        (c.name, c.kind, c.levels) for c in from_memory.schema.columns
    ]
    for name, column in from_file.train.items():
        pd.testing.assert_series_equal(pd.Series(column), pd.Series(from_memory.train[name]))
    assert load_table(tmp_path / "t.parquet").schema.fingerprint == from_memory.schema.fingerprint


def test_a_broken_parquet_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = save(tmp_path, b"PAR1 nothing", "broken.parquet")
    with pytest.raises(DataError, match=r"broken\.parquet cannot be read as Parquet"):
        load_table(path)


TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=8)
GRID = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=3, max_size=12)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(GRID, st.sampled_from([",", ";", "\t", "|"]))
def test_what_a_csv_writer_writes_is_read_back(tmp_path: Path, grid: list[list[str]], separator: str) -> None:
    """Every cell is quoted, so only blanks around it may go."""
    names = [f"name {k}" for k in range(len(grid[0]))]
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([names, *grid])
    path = save(tmp_path, file.getvalue())
    table, _, _ = read_file(path, names)
    read = [list(row) for row in zip(*cells_of(table), strict=True)]
    strip = " \t\r\n\v\f\u00a0\ufeff\u200b"
    assert read == [[cell.strip(strip) for cell in row] for row in grid]


def cells_of(table: object) -> list[list[str]]:
    return [[c.values[k] for k in c.codes] for c in table.columns.values()]  # type: ignore[attr-defined]


ODD = st.one_of(
    st.sampled_from([",", ";", "\t", "|", '"', "\n", "\r\n", "\r", " ", "'", "\\", "\ufeff", "\x1a", "\0"]),
    st.sampled_from(
        [*TOKENS, "inf", "-1e999", "1,5", "1.234,5", "12.03.2024", "2024-02-30", "٣", "1_0", "x"]
    ),
    st.text(max_size=4),
    st.floats(allow_nan=True).map(repr),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ODD, max_size=80).map("".join), st.sampled_from(["utf-8", "utf-16", "cp1252", "latin-1"]))
def test_no_text_breaks_the_reader(tmp_path: Path, text: str, encoding: str) -> None:
    """A table or a DataError, never anything else."""
    path = save(tmp_path, text.encode(encoding, "replace"))
    data, said = attempt(load_table, path)
    if data is None:
        assert str(path) in said
        assert "\n" not in said
        return
    assert data.schema.n_train == len(data.y_train) >= 1
    assert all(len(column) == len(data.y_train) for column in data.train.values())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_break_the_reader(tmp_path: Path, body: bytes, packed: bool) -> None:
    path = save(tmp_path, gzip.compress(body) if packed else body)
    table, said = attempt(read_source, path)
    assert table is not None or str(path) in said


def test_a_name_may_begin_with_a_control_character(tmp_path: Path) -> None:
    """Python strips it as a blank, the reader does not."""
    data = load_table(save(tmp_path, "\x1c" + NAMED))
    assert "\x1cx" in {c.name for c in data.schema.columns}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_good_table_with_a_few_spoilt_characters_is_read_or_refused(
    tmp_path: Path, data: st.DataObject
) -> None:
    body = bytearray(NAMED.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = save(tmp_path, bytes(body))
    table, said = attempt(load_table, path)
    assert str(path) in said if table is None else table.schema.n_train + table.schema.n_test >= 2

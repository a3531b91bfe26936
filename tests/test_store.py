"""What every store must do: the same tests over memory, SQLite and, where one is given, PostgreSQL."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seedleaf.core import Event
from seedleaf.errors import StoreConflict, StudyError
from seedleaf.store import MemoryStore, SqlStore, Store, open_store, plain

POSTGRES = os.environ.get("SEEDLEAF_TEST_POSTGRES")
NOTE = ("note", {"name": "n"})
Open = Callable[[], Store]  # another handle on the same log


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    memory, handles = MemoryStore(), []

    def handle() -> Store:
        if request.param == "memory":
            return memory
        handles.append(SqlStore(tmp_path / "study.db" if request.param == "sqlite" else str(POSTGRES)))
        return handles[-1]

    if request.param == "postgres" and not POSTGRES:
        pytest.skip("SEEDLEAF_TEST_POSTGRES names no PostgreSQL server")
    yield handle
    for store in handles:
        store.close()


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex}"


def test_what_is_appended_is_read(opened: Open, name: str) -> None:
    store = opened()
    assert store.read(name) == []
    rows = store.append(name, 0, [("study", {"seed": 1}), NOTE])
    more = store.append(name, 2, [("note", {"größe": "深さ", "nested": {"a": [1, 2.5, None, True]}})])
    assert [e.seq for e in rows + more] == [1, 2, 3]
    assert store.read(name) == rows + more
    assert store.read(name, 2) == more
    assert store.read(name, 3) == []
    assert store.append(name, 3, []) == []
    assert opened().read(name) == rows + more


def test_studies_do_not_see_each_other(opened: Open, name: str) -> None:
    store = opened()
    store.append(name, 0, [NOTE])
    assert store.read(f"{name}-other") == []
    assert store.append(f"{name}-other", 0, [NOTE])[0].seq == 1


def test_the_second_to_write_an_event_is_told(opened: Open, name: str) -> None:
    first, second = opened(), opened()
    first.append(name, 0, [NOTE, NOTE])
    for stale in (0, 1):
        with pytest.raises(StoreConflict):
            second.append(name, stale, [("note", {"name": "lost"})])
    with pytest.raises(StoreConflict):
        second.append(name, 1, [("note", {"name": "lost"})] * 3)
    assert [e.body for e in first.read(name)] == [NOTE[1]] * 2, "all or none"
    assert second.append(name, 2, [NOTE])[0].seq == 3


def test_a_log_has_no_gaps(opened: Open, name: str) -> None:
    store = opened()
    store.append(name, 0, [NOTE])
    with pytest.raises(StudyError, match="cut or replaced") as error:
        store.append(name, 5, [NOTE])
    assert not isinstance(error.value, StoreConflict), "a driver would try for ever"
    assert len(store.read(name)) == 1


def test_of_racing_writers_exactly_one_wins_each_event(opened: Open, name: str) -> None:
    rounds, wins = 12, [0] * 4
    handles = [opened() for _ in wins]
    gate = threading.Barrier(len(wins))

    def race(me: int) -> None:
        for seq in range(rounds):
            gate.wait()
            try:
                handles[me].append(name, seq, [("note", {"by": me})])
                wins[me] += 1
            except StoreConflict:
                pass

    threads = [threading.Thread(target=race, args=(i,)) for i in range(len(wins))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = handles[0].read(name)
    assert [e.seq for e in log] == list(range(1, rounds + 1))
    assert [sum(e.body["by"] == i for e in log) for i in range(len(wins))] == wins


ODD = {
    "nan": math.nan,
    "inf": [math.inf, -math.inf],
    "np": (
        np.float32(0.5),
        np.int64(3),
        np.bool_(True),
        np.float64("nan"),
        np.str_("s"),
        np.longdouble(0.25),
    ),
    "array": np.array([[1.0, np.nan], [2.0, 3.0]]),
    "path": Path("a/b"),
    7: "key",
}
PLAIN = {
    "nan": None,
    "inf": [None, None],
    "np": [0.5, 3, True, None, "s", 0.25],
    "array": [[1.0, None], [2.0, 3.0]],
    "path": str(Path("a/b")),
    "7": "key",
}


def test_a_body_becomes_plain_json(opened: Open, name: str) -> None:
    assert plain(ODD) == PLAIN
    store = opened()
    written = store.append(name, 0, [("note", ODD)])  # type: ignore[list-item]
    assert written[0].body == PLAIN
    assert store.read(name)[0].body == PLAIN
    assert type(written[0].body["np"][1]) is int


def test_an_unknown_kind_is_refused(opened: Open, name: str) -> None:
    store = opened()
    with pytest.raises(StudyError, match="prophecy"):
        store.append(name, 0, [NOTE, ("prophecy", {})])
    assert store.read(name) == []


def test_floats_come_back_bit_for_bit(opened: Open, name: str) -> None:
    values = [*np.random.default_rng(0).random(50).tolist(), 5e-324, 1e308, 0.1 + 0.2]
    store = opened()
    store.append(name, 0, [("note", {"v": values})])
    assert opened().read(name)[0].body["v"] == values


# --- SQL alone ---


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    failed: list[StudyError] = []

    def first(file: Path, gate: threading.Barrier) -> None:
        gate.wait()
        try:
            SqlStore(file).close()
        except StudyError as error:
            failed.append(error)

    for n in range(10):
        gate = threading.Barrier(6)
        threads = [threading.Thread(target=first, args=(tmp_path / f"{n}.db", gate)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []


def test_a_table_that_another_made_in_between_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL looks and creates in two steps, so IF NOT EXISTS may still fail there."""
    import sqlalchemy.schema as schema

    class Raced(schema.CreateTable):
        def __init__(self, table: Any, if_not_exists: bool) -> None:
            super().__init__(table)

    SqlStore(tmp_path / "raced.db").close()
    monkeypatch.setattr(schema, "CreateTable", Raced)
    SqlStore(tmp_path / "raced.db").append("s", 0, [NOTE])
    (tmp_path / "readable.db").write_bytes(b"no database" * 100)
    with pytest.raises(StudyError, match="cannot be opened"):
        SqlStore(tmp_path / "readable.db")


def test_a_log_is_read_by_another_process_while_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    store = SqlStore(file)
    store.append("s", 0, [("note", {"name": "größe"})])
    code = f"from seedleaf.store import SqlStore; print(ascii(SqlStore({str(file)!r}).read('s')))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert eval(run.stdout, {"Event": Event}) == store.read("s")


@pytest.mark.parametrize("folder", ["what?", "50% off", "a#b", "with space", "größe"])
def test_any_path_will_do(tmp_path: Path, folder: str) -> None:
    file = tmp_path / folder / "deep" / "study.db"
    SqlStore(file).append("s", 0, [NOTE])
    assert file.exists()
    assert len(SqlStore(f"{file}").read("s")) == 1


def unwritable(tmp_path: Path, kind: str) -> Path:
    if kind == "below a file":
        (tmp_path / "file").write_text("x")
        return tmp_path / "file" / "study.db"
    if kind == "a folder":
        return tmp_path
    (tmp_path / "not.db").write_bytes(b"this is a text, not a database " * 200)
    return tmp_path / "not.db"


@pytest.mark.parametrize("kind", ["below a file", "a folder", "no database"])
def test_a_path_that_cannot_be_used_is_named(tmp_path: Path, kind: str) -> None:
    path = unwritable(tmp_path, kind)
    with pytest.raises(StudyError, match="cannot be opened") as error:
        SqlStore(path)
    assert path.name in str(error.value)


def test_a_log_that_becomes_unwritable_is_a_study_error(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    store = SqlStore(file)
    store.append("s", 0, [NOTE])
    with store._engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(StudyError, match="cannot be written"):
        store.append("s", 1, [NOTE])
    with store._engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA query_only = OFF")
        connection.exec_driver_sql("DROP TABLE event")
    with pytest.raises(StudyError, match="cannot be read"):
        store.read("s")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=u&password=hunter2",
        "postgresql://u:hunter2@127.0.0.1:port/db",
        "nosuchdb://u:hunter2@host/db",
        "not a url ://hunter2",
        "sqlite+nosuchdriver://u:hunter2@/x",
    ],
)
def test_a_bad_url_is_a_study_error_that_keeps_the_password(url: str) -> None:
    with pytest.raises(StudyError) as error:
        SqlStore(url)
    seen: Any = error.value
    while seen is not None:
        assert "hunter2" not in str(seen)
        seen = None if seen.__suppress_context__ else seen.__context__


def test_open_store(tmp_path: Path) -> None:
    assert isinstance(open_store(None), MemoryStore)
    memory = MemoryStore()
    assert open_store(memory) is memory
    assert isinstance(open_store(str(tmp_path / "a.db")), SqlStore)

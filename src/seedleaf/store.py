"""The log: an append that names the sequence number it expects is the whole of the locking."""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from seedleaf.core import KINDS, Body, Event
from seedleaf.errors import StoreConflict, StudyError, first_line

NewEvent = tuple[str, Body]  # kind, body
BUSY = 30.0  # seconds to wait for an SQLite file that others write to


class Store(Protocol):
    """Appends and reads the events of named studies."""

    def append(self, study: str, after: int, events: Sequence[NewEvent]) -> list[Event]:
        """Write `events` as after + 1, after + 2, …, all or none.

        StoreConflict when somebody else has been first; StudyError where event `after` does not stand in the log.
        """
        ...

    def read(self, study: str, after: int = 0) -> list[Event]:
        """The events with seq > after, in order."""
        ...

    def close(self) -> None: ...


def plain(body: Any) -> Any:
    """`body` as plain JSON: NaN and infinities become null, numpy scalars and paths their plain twins."""
    if isinstance(body, Mapping):
        return {str(k): plain(v) for k, v in body.items()}
    if isinstance(body, (list, tuple, set, frozenset)):
        return [plain(v) for v in body]
    if isinstance(body, bool) or body is None or isinstance(body, (str, int)):
        return body
    if isinstance(body, (float, np.floating)):
        return float(body) if math.isfinite(body) else None
    return plain(body.tolist()) if isinstance(body, (np.generic, np.ndarray)) else str(body)


def _number(after: int, events: Sequence[NewEvent]) -> list[Event]:
    now = time.time()
    for kind, _ in events:
        if kind not in KINDS:
            raise StudyError(f"unknown kind of event: {kind}")
    return [Event(after + i, now, kind, plain(body)) for i, (kind, body) in enumerate(events, 1)]


class MemoryStore:
    """Keeps the log in this process, for ask/tell loops and tests."""

    def __init__(self) -> None:
        self._logs: dict[str, list[Event]] = {}
        self._lock = threading.Lock()

    def append(self, study: str, after: int, events: Sequence[NewEvent]) -> list[Event]:
        rows = _number(after, events)
        with self._lock:
            log = self._logs.setdefault(study, [])
            if len(log) < after:
                raise _cut(study, after)
            if len(log) > after:
                raise StoreConflict(f"another driver wrote event {after + 1} of study {study!r} first")
            log.extend(rows)
        return rows

    def read(self, study: str, after: int = 0) -> list[Event]:
        return self._logs.get(study, [])[after:]

    def close(self) -> None:
        return None


class SqlStore:
    """One table `event(study, seq, at, kind, body)` in SQLite or PostgreSQL, through SQLAlchemy Core.

    `url` is a database URL or, for SQLite, a path. Passwords in a URL never reach a message. `holds_events`
    and `holds_trials` say whether this handle has read or written any, or may have; a trial counts once it was begun.
    """

    def __init__(self, url: str | Path) -> None:
        import sqlalchemy as sa

        self.holds_events = self.holds_trials = False
        parsed = _parse(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")  # the driver of the extra `postgres`
        # A password may also stand in the query, which SQLAlchemy would show.
        self.where = parsed.set(query={}).render_as_string(hide_password=True)
        self._sa = sa
        try:
            self._engine = sa.create_engine(parsed, **_options(parsed))
        except (sa.exc.ArgumentError, ImportError) as error:
            hint = "; install seedleaf[postgres]" if parsed.drivername.startswith("postgresql") else ""
            raise StudyError(f"the store {self.where} cannot be opened: {first_line(error)}{hint}") from None
        except OSError as error:
            raise StudyError(f"the store {self.where} cannot be opened: {error}") from None
        meta = sa.MetaData()
        self._table = sa.Table(
            "event",
            meta,
            sa.Column("study", sa.String(200), primary_key=True),
            sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("at", sa.Float(53), nullable=False),
            sa.Column("kind", sa.String(20), nullable=False),
            sa.Column("body", sa.Text, nullable=False),
        )
        if parsed.get_backend_name() == "sqlite":
            sa.event.listen(self._engine, "connect", _sqlite_settings)
        try:
            self._create_table()
        except sa.exc.DBAPIError as error:
            raise StudyError(f"the store {self.where} cannot be opened: {first_line(error)}") from None

    def _create_table(self) -> None:
        from sqlalchemy.schema import CreateTable

        try:
            with self._engine.begin() as connection:
                connection.execute(CreateTable(self._table, if_not_exists=True))
        except self._sa.exc.DBAPIError:
            # PostgreSQL looks and creates in two steps, and who may only write must not create: all is well if it is there.
            if not self._sa.inspect(self._engine).has_table(self._table.name):
                raise

    def append(self, study: str, after: int, events: Sequence[NewEvent]) -> list[Event]:
        rows = _number(after, events)
        if not rows:
            return rows
        values = [
            {"study": study, "seq": e.seq, "at": e.at, "kind": e.kind, "body": json.dumps(e.body)}
            for e in rows
        ]
        self._remember(rows)  # before it is: a commit may be on the disk though it was not confirmed
        try:
            with self._engine.begin() as connection:
                # A log never shrinks, so this look ahead needs no lock: the key (study, seq) settles every race.
                if after and not connection.execute(self._at(study, after)).first():
                    raise _cut(study, after)
                connection.execute(self._table.insert(), values)
        except self._sa.exc.IntegrityError:
            raise StoreConflict(f"another driver wrote event {after + 1} of study {study!r} first") from None
        except self._sa.exc.DBAPIError as error:
            raise StudyError(f"the store {self.where} cannot be written: {first_line(error)}") from None
        return rows

    def _at(self, study: str, seq: int) -> Any:
        t = self._table.c
        return self._sa.select(t.seq).where(t.study == study, t.seq == seq)

    def read(self, study: str, after: int = 0) -> list[Event]:
        t = self._table.c
        query = self._sa.select(t.seq, t.at, t.kind, t.body).where(t.study == study, t.seq > after)
        try:
            with self._engine.connect() as connection:
                rows: Sequence[Any] = connection.execute(query.order_by(t.seq)).all()
        except self._sa.exc.DBAPIError as error:
            raise StudyError(f"the store {self.where} cannot be read: {first_line(error)}") from None
        events = [Event(int(seq), float(at), str(kind), json.loads(body)) for seq, at, kind, body in rows]
        self._remember(events)
        return events

    def _remember(self, events: Sequence[Event]) -> None:
        self.holds_events = self.holds_events or bool(events)
        self.holds_trials = self.holds_trials or any(e.kind == "start" for e in events)

    def close(self) -> None:
        self._engine.dispose()


def open_store(where: str | Path | Store | None) -> Store:
    """None: in memory; a path or URL: a database; a Store: itself."""
    if where is None:
        return MemoryStore()
    return SqlStore(where) if isinstance(where, (str, Path)) else where


def _cut(study: str, after: int) -> StudyError:
    return StudyError(
        f"event {after} of study {study!r} is not in the store: its log has been cut or replaced"
    )


def _parse(url: str | Path) -> Any:
    """The URL, or the path of an SQLite file, as SQLAlchemy's URL. PostgreSQL is spoken to through psycopg."""
    import sqlalchemy as sa

    text = str(url)
    if "://" not in text:
        return sa.URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        parsed = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise StudyError("the store's URL cannot be read; use a path or e.g. postgresql://host/db") from None
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _options(url: Any) -> dict[str, Any]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}
    folder = Path(url.database or ".").parent
    folder.mkdir(parents=True, exist_ok=True)
    return {"connect_args": {"timeout": BUSY}}


def _sqlite_settings(connection: Any, _record: Any) -> None:
    # A write-ahead log: readers (a report, a second driver) never block the writer.
    cursor = connection.cursor()
    _retried(lambda: cursor.execute("PRAGMA journal_mode=WAL"))
    # A process that dies, or a machine that is shut down, loses no commit; a power cut may lose those of the last moments,
    # never more. FULL would close that gap, but every commit would wait for the disk: milliseconds in place of a fraction.
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _retried(switch: Callable[[], object]) -> None:
    """SQLite doesn't wait, whatever its timeout, where several processes switch a new file to the write-ahead log."""
    end = time.monotonic() + BUSY
    while True:
        try:
            switch()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)

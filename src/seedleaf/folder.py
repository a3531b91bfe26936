"""A run's folder: where a new one goes, who may work in it, and the log that it holds."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seedleaf.core import History
from seedleaf.errors import RunError, SeedleafError, StudyError, StudyFailed
from seedleaf.store import SqlStore

STUDY = "fit"


def new_folder(data_name: str, out: str | Path | None = None, root: str | Path = "runs") -> Path:
    """`out`, which must not exist yet or be empty, or the next free runs/<data>-<n>/."""
    if out is not None:
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(f"{folder} exists already: runs never overwrite; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    name = re.sub(r"[^\w-]+", "-", Path(data_name).stem.lower()).strip("-")[:40] or "data"
    for n in range(1, 100_000):
        folder = Path(root) / f"{name}-{n}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise RunError(f"{root} holds too many runs of {name}")


@contextmanager
def sole_driver(folder: Path) -> Iterator[None]:
    """Keep a second driver out of `folder`: it would take this one's trials over. The lock dies with the process."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise RunError(f"{folder} is not a run's folder: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{folder} is being worked on by another process; wait for it or end it") from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(lock)


@contextmanager
def hint_at_resume(folder: Path) -> Iterator[None]:
    """Say with whatever cuts a run off how it goes on."""
    try:
        yield
    except (KeyboardInterrupt, StudyError, OSError) as error:
        if not isinstance(error, StudyFailed) and has_log(folder):
            error.add_note(f"go on with: seedleaf resume {shlex.quote(str(folder))}")
        raise


def has_log(folder: Path) -> bool:
    """Whether a study has begun in `folder`."""
    try:
        return bool(read_history(folder).header)
    except SeedleafError:
        return False


def read_history(folder: Path | str) -> History:
    """The fold of a run's log, as far as it has come. RunError where the folder holds none."""
    path = Path(folder) / "study.db"
    if not path.exists():
        raise RunError(f"{folder} is not a run's folder: it holds no study.db")
    store = SqlStore(path)
    try:
        return History.fold(store.read(STUDY))
    finally:
        store.close()


def used_seconds(history: History) -> float:
    """Wall time that earlier sessions of this run took, each until its last event."""
    session = history.note("session")
    return float(session["used"] + history.updated - session["began"]) if session else 0.0

"""A run's folder: where a new one goes, who may work in it, and the log that it holds."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from seedleaf.core import History
from seedleaf.errors import RunError, StudyError, StudyFailed, Unfinished, WorkersFailed
from seedleaf.store import SqlStore

STUDY = "fit"
LOG = "study.db"
CLAIM = ".claimed"  # by a run that is about to begin in a folder that was there


class Savable(Protocol):
    """A job: what was asked for, which is kept in the run's folder."""

    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class NewFolder:
    """An empty folder for a run; `made` are those of it and its parents that were not there, the innermost first."""

    path: Path
    made: tuple[Path, ...]

    def give_back(self) -> None:
        """Leave everything as it was found: what the run wrote goes, and the folders that were made for it."""
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        with suppress(OSError):  # somebody else has put something there: it stays, and what is above it
            for folder in self.made:
                folder.rmdir()


def new_folder(data_name: str, out: str | Path | None = None, root: str | Path = "runs") -> NewFolder:
    """`out`, which must not exist yet or be empty, or the next free runs/<data>-<n>/."""
    if out is not None:
        folder = Path(out)
        made = _missing(folder)
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} exists already: runs never overwrite; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        check_empty(folder)
        return NewFolder(folder, made)
    name = re.sub(r"[^\w-]+", "-", Path(data_name).stem.lower()).strip("-")[:40] or "data"
    for n in range(1, 100_000):
        folder = Path(root) / f"{name}-{n}"
        made = _missing(folder)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return NewFolder(folder, made)
    raise RunError(f"{root} holds too many runs of {name}")


def check_empty(folder: Path) -> None:
    """RunError where something lies in `folder`."""
    if any(entry.name != CLAIM for entry in folder.iterdir()):
        raise RunError(f"{folder} exists already: runs never overwrite; choose another --out")


def _missing(folder: Path) -> tuple[Path, ...]:
    """Those of `folder` and its parents that do not exist, the innermost first."""
    return tuple(f for f in (folder, *folder.parents) if not f.exists())


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
def beginning(new: NewFolder, job: Savable) -> Iterator[SqlStore]:
    """The store of a new run, `job` written beside it; where it comes to nothing before a trial was begun, the folder is
    left as it was found. What is interrupted stays, and can be resumed."""
    # Or it would take away what another one that was told the same folder has begun.
    with sole_driver(new.path):
        check_empty(new.path)
        store: SqlStore | None = None
        try:
            job.save(new.path)
            store = SqlStore(new.path / LOG)
            with closing(store):
                yield store
        except Exception as error:
            # Whether there are trials is remembered and not looked up: on a full disk the log might not be readable now.
            # The logs of workers that could not start are what such an error points to; what is unfinished goes on.
            kept = isinstance(error, (WorkersFailed, Unfinished))
            if not (store is not None and store.holds_trials) and not kept:
                new.give_back()
            raise


@contextmanager
def hint_at_resume(folder: Path, store: SqlStore) -> Iterator[None]:
    """Say with whatever cuts a run off how it goes on, where it can."""
    try:
        yield
    except (KeyboardInterrupt, StudyError, OSError) as error:
        stays = store.holds_events if isinstance(error, KeyboardInterrupt) else store.holds_trials
        if stays and not isinstance(error, StudyFailed):
            error.add_note(f"go on with: seedleaf resume {shlex.quote(str(folder))}")
        raise


def delivered_in(folder: Path) -> tuple[Path, Path]:
    """A run's folder and the one with a network that it delivered: best/ of RUN, or what RUN/best and RUN/front/NAME name.

    RunError where `folder` is none of these.
    """
    whole = folder.absolute()
    above = whole.parent if whole.name == "best" else whole.parent.parent
    if not (whole / LOG).exists() and (above / LOG).exists() and (whole / "config.json").exists():
        return above, whole
    if not (whole / LOG).exists():
        raise RunError(f"{folder} is not a run's folder: it holds no {LOG}")
    return folder, folder / "best"


def read_history(folder: Path | str) -> History:
    """The fold of a run's log, as far as it has come. RunError where the folder holds none."""
    path = Path(folder) / LOG
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


def searched_seconds(history: History) -> float:
    """Wall time of all searches of this run. A session that was killed in its search has noted none: all of it counts."""
    total, open_since = 0.0, None
    for note in history.notes:
        if note.get("name") == "session":
            if open_since is not None:
                total += float(note["used"]) - open_since
            open_since = float(note["used"])
        elif note.get("name") == "search":
            total, open_since = total + float(note["seconds"]), None
    return total

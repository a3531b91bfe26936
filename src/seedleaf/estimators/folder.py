"""The folder that an estimator's run works in: one of its own that goes away with it, or the one that was asked for."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from seedleaf.errors import RunError
from seedleaf.folder import CLAIM

MOST = 10_000  # fits that land beside each other


@contextmanager
def run_folder(estimator: Any) -> Iterator[Path]:
    """Where the run of `estimator.fit` goes. Each fit, and that of each clone, has its own: where `estimator.out` holds
    something, the next free of `out`-2, `out`-3, …

    What cuts a run off says how it goes on; with a folder that goes away it cannot, and that is said in its place.
    """
    if estimator.out is not None:
        folder, was_there = _claimed(Path(estimator.out))
        try:
            yield folder
        finally:
            with suppress(OSError):
                (folder / CLAIM).unlink(missing_ok=True)
                if not was_there:
                    folder.rmdir()  # unless it holds the run
        return
    own = tempfile.mkdtemp(prefix="seedleaf-")
    estimator._finalizer = weakref.finalize(estimator, shutil.rmtree, own, ignore_errors=True)
    try:
        yield Path(own)
    except BaseException as error:
        notes = getattr(error, "__notes__", [])
        if hints := [note for note in notes if own in note]:
            for note in hints:
                notes.remove(note)
            error.add_note(
                "nothing is kept of it: with out=FOLDER what was measured stays, and can be resumed"
            )
        raise


def _claimed(out: Path) -> tuple[Path, bool]:
    """`out` where it is new or empty, else the next free one, and whether it was there. Of fits that begin together each has
    its own: who has made the CLAIM in it."""
    out = Path(os.path.abspath(out))
    for n in range(1, MOST):
        folder = out if n == 1 else out.with_name(f"{out.name}-{n}")
        with suppress(FileExistsError):
            was_there = folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            os.close(os.open(folder / CLAIM, os.O_CREAT | os.O_EXCL))
            if [entry.name for entry in folder.iterdir()] == [CLAIM]:
                return folder, was_there
            (folder / CLAIM).unlink()
    raise RunError(f"{out.parent} holds too many runs of {out.name}")

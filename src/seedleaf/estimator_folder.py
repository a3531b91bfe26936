"""The folder that an estimator's run works in: one of its own that goes away with it, or the one that was asked for."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST = 10_000  # fits that land beside each other


@contextmanager
def run_folder(estimator: Any) -> Iterator[Path]:
    """Where the run of `estimator.fit` goes. Each fit, and that of each clone, has its own: where `estimator.out` holds
    something, the next free of `out`-2, `out`-3, …

    What cuts a run off says how it goes on; with a folder that goes away it cannot, and that is said in its place.
    """
    if estimator.out is not None:
        yield _free(Path(estimator.out))
        return
    folder = tempfile.mkdtemp(prefix="seedleaf-")
    estimator._finalizer = weakref.finalize(estimator, shutil.rmtree, folder, ignore_errors=True)
    try:
        yield Path(folder)
    except BaseException as error:
        notes = getattr(error, "__notes__", [])
        if hints := [note for note in notes if folder in note]:
            for note in hints:
                notes.remove(note)
            error.add_note(
                "nothing is kept of it: with out=FOLDER what was measured stays, and can be resumed"
            )
        raise


def _free(out: Path) -> Path:
    for n in range(1, MOST):
        folder = out if n == 1 else out.with_name(f"{out.name}-{n}")
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
    return out  # which is refused, with its reason

"""Why something failed in a worker, in one line for its driver."""

from __future__ import annotations

import errno
import sys
import traceback

from seedleaf.errors import TrialError
from seedleaf.executors.base import Message


def describe(error: BaseException) -> Message:
    """The reason of a failure in one line; the traceback goes to the worker's own log."""
    try:
        traceback.print_exception(error)
        sys.stderr.flush()
    except OSError:
        pass  # the log lies on the same full disk
    full = disk_full(error)
    if full is not None:
        return {"error": f"the disk is full ({full.filename or 'checkpoint'})", "fatal": True}
    if isinstance(error, TrialError):
        return {"error": str(error)}
    if isinstance(error, MemoryError):
        return {"error": "out of memory"}
    if isinstance(error, SystemExit):
        return {"error": f"the training function called sys.exit({error.code!r})"}
    text = str(error).strip().splitlines()
    return {"error": f"{type(error).__name__}: {text[0] if text else ''}".rstrip(": ")}


def disk_full(error: BaseException | None) -> OSError | None:
    """The OSError that says so, in `error` or in what it came from: torch wraps it in a RuntimeError."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error
        error = error.__cause__ or error.__context__
    return None

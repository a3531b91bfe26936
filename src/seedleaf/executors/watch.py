"""When a worker is to be replaced: it died, it does not stop, it hangs, or it holds more than it may."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from seedleaf.executors.base import Settings
from seedleaf.executors.memory import resident
from seedleaf.executors.worker import Worker

GRACE = 3.0  # seconds that a worker has to abandon its step before it is killed
WATCH_EVERY = 0.5  # seconds between looks at the clocks and the memory of the workers
WATCH_CLOSELY = 0.1  # the same while one of them holds more than CLOSE of what it may
CLOSE = 0.6
START_PATIENCE = 300.0  # seconds that a worker may take to import; a cold disk takes a minute
CALL_PATIENCE = 5.0  # a call that nobody set a time may take as long as so many steps
LATE = 20.0  # seconds that a call may be late, however short the run


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a worker is to be replaced. `error` is None where its task was to be stopped; `lost` as in `Ended`."""

    error: str | None
    lost: bool = False


class Watch:
    """Looks at the workers now and then, oftener while one of them comes close to what it may hold."""

    def __init__(self) -> None:
        self.every = WATCH_EVERY  # seconds until the next look
        self.peak = 0  # the most bytes that this process and its workers were seen to hold together
        self._looked = 0.0

    def due(self) -> bool:
        return time.monotonic() - self._looked >= self.every

    def look(self, workers: Sequence[Worker], memory: int | None) -> dict[int, int]:
        """Bytes that each worker holds, by its index; `memory` is what one may hold."""
        self._looked = time.monotonic()
        held = {w.index: resident(w.process.pid) for w in workers}
        self.peak = max(self.peak, resident() + sum(held.values()))
        near = max(held.values(), default=0) > CLOSE * (memory or float("inf"))
        self.every = WATCH_CLOSELY if near else WATCH_EVERY
        return held


def fault(worker: Worker, settings: Settings, held: int) -> Fault | None:
    """Why a worker that holds `held` bytes is to be replaced now; None where it may go on."""
    now = time.monotonic()
    quiet = now - worker.last_sign
    patience = settings.patience
    if worker.process.poll() is not None:  # a process that it had started may still hold the line open
        return Fault(worker.death(), lost=True)
    if worker.stopping is not None and now - worker.stopping > GRACE:
        return Fault(None)
    if not worker.ready:
        slow = quiet > max(START_PATIENCE, patience)
        return Fault(f"it was not ready in {quiet:.0f} s", lost=True) if slow else None
    if worker.call is not None and quiet > worker.call_patience:
        return Fault(f"hung: no answer in {quiet:.0f} s")
    if worker.task is not None and quiet > max(patience, settings.step_patience):
        return Fault(f"hung: no step finished in {quiet:.0f} s")
    if worker.idle:
        return None
    if settings.memory is not None and held > settings.memory:
        limit = settings.memory / 2**20
        return Fault(f"memory: the worker held {held / 2**20:.0f} MiB, over {limit:.0f}")
    return None


def call_patience(settings: Settings, until: float | None, start_seconds: float) -> float:
    """Seconds that a call may take that means to be over at `until` (seconds since the epoch), where it says so.

    A machine on which workers are slow to start is slow to answer; and the last step of a long run may be long.
    """
    if until is None:
        return CALL_PATIENCE * settings.patience
    late = max(LATE, 4 * start_seconds, 0.2 * settings.patience)
    return max(until - time.time(), 0.0) + late

"""The main loop: keep an executor's workers busy with what a study asks for, and tell it what came of that."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from seedleaf.core import History, State
from seedleaf.errors import StudyError, StudyFailed
from seedleaf.executors.base import Ended, Executor, Report, Stepped

if TYPE_CHECKING:
    from seedleaf.study import Study

SAME_REASON = 3  # so many first trials failing for one reason end the study
RETRIES = 2  # workers that a trial may lose at one step before the trial itself is held to be the cause
ROUND = 0.25  # the longest that a round waits for news, in seconds
PATIENCE = 600.0  # seconds without news from other drivers' trials after which they are held to be gone


class Loop:
    """One driver's rounds. What it remembers is only which tasks its own executor holds; the rest is in the log.

    A round costs the same however many workers there are, but for one look over the held trials in C.
    """

    def __init__(self, study: Study, executor: Executor, patience: float = PATIENCE) -> None:
        self.study = study
        self.executor = executor
        self.patience = patience
        self.held: set[int] = set()  # trials that the executor works on
        self.stopped: set[int] = set()  # those of them that it was told to abandon
        self._news = (
            -1,
            0.0,
        )  # how far the log had come when it last moved while this driver waited, and when

    @property
    def history(self) -> History:
        return self.study.history

    def run(self, until: Callable[[History], str | None], watch: Callable[[History], None]) -> str:
        while (reason := until(self.history)) is None:
            nothing_to_do = self._hand_out()
            if nothing_to_do and not self.held:
                if (reason := self._why_leave()) is not None:
                    break
                time.sleep(ROUND)  # other drivers' trials run: what they report may make work
            self._stop(self._among(State.FAILED, State.STOPPED))
            self._take(self.executor.poll(ROUND), closing=False)
            watch(self.history)
        self._stop(self.held)
        while self.held:
            self._take(self.executor.poll(ROUND), closing=True)
        watch(self.history)
        return reason

    def _hand_out(self) -> bool:
        """Give every free worker a task; True where a worker is left for which there is none now."""
        # A trial at its budget may be resumed at once, but not before its task is known to be over.
        while self.executor.free() and not self._among(State.PAUSED, State.DONE):
            task = self.study.ask()
            if task is None:
                return True
            self.executor.submit(task)
            self.held.add(task.trial)
        return False

    def _why_leave(self) -> str | None:
        """Why there will be nothing to do; None while the trials of other drivers run and are heard of."""
        if self.history.finished is not None:
            return self.history.finished
        others = self.history.running()
        if not others:
            return "nothing is left to do"
        now = time.monotonic()
        if self._news[0] != self.history.seq:
            self._news = self.history.seq, now
        if now - self._news[1] < self.patience:
            return None
        return (
            f"nothing is left to do here: {len(others)} trials of another driver (trial {others[0].id} first) have "
            f"not reported for {self.patience:.0f} s; with take_over=True they are handed out again"
        )

    def _stop(self, trials: Iterable[int]) -> None:
        for trial in sorted(set(trials) - self.stopped):
            self.executor.stop(trial)
            self.stopped.add(trial)

    def _among(self, *states: State) -> set[int]:
        """Those of the held trials that are in one of `states`, none of which is RUNNING."""
        over = self.history.not_running(self.held)
        return {t for t in over if self.history.trials[t].state in states}

    def _runs_here(self, trial: int) -> bool:
        return trial in self.held and self.history.trials[trial].state is State.RUNNING

    def _take(self, reports: Sequence[Report], closing: bool) -> None:
        """Write the reports down."""
        for report in reports:
            if isinstance(report, Stepped) and self._runs_here(report.trial):
                self.study.report(report.trial, report.measurement)
            elif isinstance(report, Ended):
                if report.fatal:
                    raise StudyError(
                        f"{report.error}; nothing that was measured is lost: make room, then resume"
                    )
                if self._runs_here(report.trial):
                    self._settle(report, closing)
                self.held.discard(report.trial)
                self.stopped.discard(report.trial)

    def _settle(self, end: Ended, closing: bool) -> None:
        """A task ended before its budget: its trial goes on later, or has failed."""
        trial = self.history.trials[end.trial]
        if end.error is None and closing:
            self.study.release(trial.id, "stopped", lost=False)
            return
        # A task that ends early without a reason counts as lost: else it would be handed out for ever.
        reason = end.error or f"ended at step {trial.step}, before step {trial.budget}"
        if (end.lost or end.error is None) and trial.lost < RETRIES:
            self.study.release(trial.id, reason, lost=True)
            return
        self.study.fail(trial.id, reason)
        self._stop_if_hopeless()

    def _stop_if_hopeless(self) -> None:
        """StudyFailed where the first trials failed for one reason, but for its numbers, before one had finished a step."""
        if any(t.measurements for t in self.history.trials.values()):
            return
        reasons = [t.reason for t in self.history.in_state(State.FAILED)]
        if len(reasons) >= SAME_REASON and len({gist(r) for r in reasons}) == 1:
            raise StudyFailed(f"the first {len(reasons)} trials all failed: {reasons[0]}")


# A path of two parts or more (each trial has its own folder), an address, a number.
_VARIES = re.compile(r"(?:/[^\s/'\":,;]+){2,}/?|\b0x[0-9a-f]+|-?\d[\d.,]*(?:e[+-]?\d+)?", re.IGNORECASE)


def gist(reason: str) -> str:
    """What is left of a failure's reason without what differs from trial to trial: its paths, addresses and numbers."""
    return _VARIES.sub("#", reason)

"""The main loop: keep an executor's workers busy with what a study asks for, and tell it what came of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seedleaf.core import History, State
from seedleaf.errors import StudyError, StudyFailed
from seedleaf.executors.base import Ended, Executor, Report, Stepped

if TYPE_CHECKING:
    from seedleaf.study import Study

SAME_REASON = 3  # so many first trials failing for one reason end the study
RETRIES = 2  # workers that a trial may lose at one step before the trial itself is held to be the cause
ROUND = 0.25  # the longest that a round waits for news, in seconds


class Loop:
    """One driver's rounds. What it remembers is only which tasks its own executor holds; the rest is in the log."""

    def __init__(self, study: Study, executor: Executor) -> None:
        self.study = study
        self.executor = executor
        self.held: set[int] = set()  # trials that the executor works on
        self.stopped: set[int] = set()  # those of them that it was told to abandon

    def run(self, until: Callable[[History], str | None], watch: Callable[[History], None]) -> str:
        history = self.study.history
        while (reason := until(history)) is None:
            self._hand_out()
            if not self.held:
                reason = history.finished or "nothing is left to do"
                break
            self._stop(self._among(State.FAILED, State.STOPPED))
            self._take(self.executor.poll(ROUND), closing=False)
            watch(history)
        self._stop(self.held)
        while self.held:
            self._take(self.executor.poll(ROUND), closing=True)
        watch(history)
        return reason

    def _hand_out(self) -> None:
        # A trial at its budget may be resumed at once, but not before its task is known to be over.
        while self.executor.free() and not self._among(State.PAUSED, State.DONE):
            task = self.study.ask()
            if task is None:
                return
            self.executor.submit(task)
            self.held.add(task.trial)

    def _stop(self, trials: set[int]) -> None:
        for trial in sorted(trials - self.stopped):
            self.executor.stop(trial)
            self.stopped.add(trial)

    def _among(self, *states: State) -> set[int]:
        return {t for t in self.held if self.study.history.trials[t].state in states}

    def _take(self, reports: Sequence[Report], closing: bool) -> None:
        """Write the reports down."""
        for report in reports:
            if isinstance(report, Stepped) and report.trial in self._among(State.RUNNING):
                self.study.report(report.trial, report.measurement)
            elif isinstance(report, Ended):
                if report.fatal:
                    raise StudyError(
                        f"{report.error}; nothing that was measured is lost: make room, then resume"
                    )
                if report.trial in self._among(State.RUNNING):
                    self._settle(report, closing)
                self.held.discard(report.trial)
                self.stopped.discard(report.trial)

    def _settle(self, end: Ended, closing: bool) -> None:
        """A task ended before its budget: its trial goes on later, or has failed."""
        trial = self.study.history.trials[end.trial]
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
        trials = self.study.trials
        failed = [t for t in trials if t.state == State.FAILED]
        if len(failed) >= SAME_REASON and not any(t.measurements for t in trials):
            reasons = {t.reason for t in failed}
            if len(reasons) == 1:
                raise StudyFailed(f"the first {len(failed)} trials all failed: {reasons.pop()}")

"""`Study`: ask for work, tell what came of it. `Study.run` is the main loop; everything it knows is in the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from seedleaf.core import (
    Body,
    Config,
    Fidelity,
    Finish,
    History,
    Limit,
    Measurement,
    Metrics,
    Objective,
    Resume,
    Start,
    Stop,
    Task,
    Trial,
    Value,
    Wait,
)
from seedleaf.errors import StoreConflict, StudyError, StudyFailed
from seedleaf.executors.base import Ended, Executor, Stepped
from seedleaf.space import Problem, Space, fingerprint
from seedleaf.space.problem import Costs, no_costs
from seedleaf.store import NewEvent, Store, open_store
from seedleaf.tuner.base import Sampler, Scheduler, best_trial, decide
from seedleaf.tuner.registry import pick_sampler, pick_scheduler

SAME_REASON = 3  # so many first trials failing for one reason end the study
RETRIES = 2  # workers that a trial may lose at one step before the trial itself is held to be the cause


class Study:
    """A search over `space`. The form to rely on:

        study = Study(space, minimize="error", fidelity=Fidelity("epoch", 1, 52), seed=0)
        task = study.ask()                  # .trial .config .start .stop; None when there is nothing to do now
        study.tell(task, [{"error": 0.3}])  # one mapping per step from start + 1 to stop
        study.best, study.trials

    `limits` are upper bounds on `costs(config)`; `store` is None (memory), a path or a database URL; a study that is
    already in the store goes on. `take_over` hands out again what a driver that is gone had been running.
    """

    def __init__(
        self,
        space: Space | Mapping[str, object],
        *,
        minimize: str | Sequence[str] | None = None,
        maximize: str | Sequence[str] | None = None,
        fidelity: Fidelity | None = None,
        limits: Mapping[str, float] | None = None,
        costs: Costs = no_costs,
        anchor: Config | None = None,
        max_trials: int | None = None,
        seed: int = 0,
        sampler: str | Sampler = "auto",
        scheduler: str | Scheduler = "auto",
        store: str | Path | Store | None = None,
        name: str = "study",
        take_over: bool = False,
    ) -> None:
        self.problem = Problem(
            space if isinstance(space, Space) else Space(space),
            _objectives(minimize, maximize),
            tuple(Limit(k, float(v)) for k, v in (limits or {}).items()),
            fidelity,
            int(seed),
            costs,
            anchor,
            max_trials,
        )
        self.name = name
        self.sampler = pick_sampler(self.problem, sampler)
        self.scheduler = pick_scheduler(self.problem, scheduler)
        self.store = open_store(store)
        self.history = History.fold(self.store.read(name))
        self._introduce()
        if take_over:
            lost = [
                ("release", {"trial": t.id, "reason": "its driver ended", "lost": False})
                for t in self.history.running()
            ]
            self._write(lost)

    def _introduce(self) -> None:
        body = {**self.problem.to_json(), "sampler": self.sampler.name, "scheduler": self.scheduler.name}
        if not self.history.header:
            self._write([("study", body)])
            return
        for key in ("space", "objectives", "fidelity", "seed"):
            if fingerprint(self.history.header.get(key)) != fingerprint(body[key]):
                raise StudyError(
                    f"study {self.name!r} is in the store already, with another {key}; give it another name"
                )

    # --- what is known ---

    @property
    def trials(self) -> list[Trial]:
        return list(self.history.trials.values())

    @property
    def best(self) -> Trial | None:
        """The trial with the best first objective at its last step; None before any measurement."""
        return best_trial(self.problem, self.history)

    # --- ask and tell ---

    def ask(self) -> Task | None:
        """The next piece of work; None when a running one must report first or when the study is finished."""
        while True:
            decision = decide(self.problem, self.history, self.scheduler, self.sampler)
            if isinstance(decision, Wait):
                return None
            event: NewEvent
            if isinstance(decision, Start):
                event = ("start", _start_body(decision))
            elif isinstance(decision, Resume):
                event = ("resume", {"trial": decision.trial, "budget": decision.budget})
            elif isinstance(decision, Stop):
                event = ("stop", {"trial": decision.trial, "reason": decision.reason})
            else:
                event = ("finish", {"reason": decision.reason})
            if isinstance(decision, Finish) and self.history.finished == decision.reason:
                return None
            try:
                self._append([event])
            except StoreConflict:
                continue  # another driver decided first: what it decided is folded in, so decide again
            if isinstance(decision, Finish):
                return None
            if not isinstance(decision, Stop):
                trial = self.history.trials[decision.trial]
                return Task(trial.id, dict(trial.config), trial.step, decision.budget, self.problem.full)

    def tell(
        self, task: Task, steps: Sequence[Metrics] = (), *, seconds: float = 0.0, error: str | None = None
    ) -> None:
        """One mapping of metrics per step from task.start + 1 to task.stop, or the reason of a failure."""
        if error is None and len(steps) != task.stop - task.start:
            raise StudyError(
                f"trial {task.trial} was to train steps {task.start + 1} to {task.stop}: "
                f"{task.stop - task.start} mappings are needed, {len(steps)} came"
            )
        each = seconds / len(steps) if steps else 0.0
        for i, metrics in enumerate(steps, 1):
            if not self.report(task.trial, Measurement(task.start + i, metrics, each)):
                return
        if error is not None:
            self.fail(task.trial, error)

    def report(self, trial: int, measurement: Measurement) -> bool:
        """One step of a running trial. A metric to optimise that is NaN or infinite fails the trial: False."""
        known = self._running(trial)
        if measurement.step != known.step + 1:
            raise StudyError(
                f"trial {trial} stands at step {known.step}; step {measurement.step} cannot follow"
            )
        for objective in self.problem.objectives:
            if objective.metric not in measurement.metrics:
                given = ", ".join(measurement.metrics) or "nothing"
                raise StudyError(
                    f"the metric {objective.metric!r} is missing; step {measurement.step} gave {given}"
                )
            value = float(measurement.metrics[objective.metric])
            if not math.isfinite(value):
                self.fail(trial, f"diverged: {objective.metric} is {value} at step {measurement.step}")
                return False
        body = {
            "trial": trial,
            "step": measurement.step,
            "metrics": dict(measurement.metrics),
            "seconds": measurement.seconds,
        }
        self._write([("measure", body)])
        return True

    def fail(self, trial: int, reason: str) -> None:
        self._running(trial)
        self._write([("fail", {"trial": trial, "reason": reason})])

    def enqueue(self, config: Mapping[str, Value], budget: int | None = None) -> int:
        """Have `config` (missing values at their defaults) tried next; the id of its trial."""
        trial = self.history.next_trial
        self._write(
            [("queue", {"trial": trial, "config": self.problem.space.complete(config), "budget": budget})]
        )
        return trial

    def note(self, name: str, **body: object) -> None:
        """Keep a fact about the run in the log."""
        self._write([("note", {"name": name, **body})])

    def _running(self, trial: int) -> Trial:
        known = self.history.trials.get(trial)
        if known is None or known.state != "running":
            raise StudyError(f"trial {trial} is {known.state if known else 'not known'}, not running")
        return known

    # --- the loop ---

    def run(
        self,
        executor: Executor,
        until: Callable[[History], str | None] = lambda history: None,
        watch: Callable[[History], None] = lambda history: None,
    ) -> str:
        """Keep the executor's workers busy until the study finishes or `until` gives a reason; that reason.

        Running trials are then stopped at their last finished step. `watch` sees the history after every round.
        """
        running: set[int] = set()
        reason = None
        while reason is None:
            reason = until(self.history)
            while reason is None and executor.free() and (task := self.ask()) is not None:
                executor.submit(task)
                running.add(task.trial)
            if not running:
                reason = reason or self.history.finished or "nothing is left to do"
            else:
                running -= self._take(executor.poll(0.25))
            watch(self.history)
        for trial in running:
            executor.stop(trial)
        while running:
            running -= self._take(executor.poll(0.25))
        return reason

    def _take(self, reports: Sequence[object]) -> set[int]:
        """Write the reports down; the trials that are over."""
        over: set[int] = set()
        for report in reports:
            if isinstance(report, Stepped) and self._is_running(report.trial):
                self.report(report.trial, report.measurement)
            elif isinstance(report, Ended):
                over.add(report.trial)
                self._settle(report)
        return over

    def _is_running(self, trial: int) -> bool:
        return self.history.trials[trial].state == "running"

    def _settle(self, end: Ended) -> None:
        if end.fatal:
            raise StudyError(f"{end.error}; nothing that was measured is lost: make room, then resume")
        if not self._is_running(end.trial):
            return
        lost = self.history.trials[end.trial].lost
        if end.error is not None and not (end.lost and lost < RETRIES):
            self.fail(end.trial, end.error)
            self._stop_if_hopeless()
        else:
            body: Body = {"trial": end.trial, "reason": end.error or "stopped", "lost": end.lost}
            self._write([("release", body)])

    def _stop_if_hopeless(self) -> None:
        failed = [t for t in self.trials if t.state == "failed"]
        if len(failed) >= SAME_REASON and not any(t.measurements for t in self.trials):
            reasons = {t.reason for t in failed}
            if len(reasons) == 1:
                raise StudyFailed(f"the first {len(failed)} trials all failed: {reasons.pop()}")

    # --- the log ---

    def _append(self, events: Sequence[NewEvent]) -> None:
        try:
            rows = self.store.append(self.name, self.history.seq, events)
        except StoreConflict:
            rows = self.store.read(self.name, self.history.seq)
            for row in rows:
                self.history.apply(row)
            raise
        for row in rows:
            self.history.apply(row)

    def _write(self, events: Sequence[NewEvent]) -> None:
        """Facts, which hold whatever another driver wrote meanwhile."""
        while events:
            try:
                return self._append(events)
            except StoreConflict:
                continue


def _objectives(
    minimize: str | Sequence[str] | None, maximize: str | Sequence[str] | None
) -> tuple[Objective, ...]:
    def listed(names: str | Sequence[str] | None) -> list[str]:
        return [names] if isinstance(names, str) else list(names or [])

    found = [Objective(m, "min") for m in listed(minimize)] + [Objective(m, "max") for m in listed(maximize)]
    return tuple(found) or (Objective("error", "min"),)


def _start_body(decision: Start) -> Body:
    body: Body = {"trial": decision.trial, "config": decision.config, "budget": decision.budget}
    return body if decision.parent is None else {**body, "parent": decision.parent}

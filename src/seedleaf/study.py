"""`Study`: ask for work, tell what came of it. `Study.run` is the main loop (loop.py); all it knows is in the log."""

from __future__ import annotations

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
    Stop,
    Task,
    Trial,
    Value,
)
from seedleaf.errors import LimitError, StudyError
from seedleaf.executors.base import Executor
from seedleaf.ledger import Ledger, check_told, event_of, measured, running_trial
from seedleaf.loop import PATIENCE, Loop
from seedleaf.space import Problem, Space, fingerprint
from seedleaf.space.problem import Costs, Kinship, no_costs
from seedleaf.store import NewEvent, Store, open_store
from seedleaf.tuner.base import Sampler, Scheduler, best_trial, decide
from seedleaf.tuner.multi import front
from seedleaf.tuner.registry import pick_sampler, pick_scheduler


class Study:
    """A search over `space`. The form to rely on:

        study = Study(space, minimize="error", fidelity=Fidelity("epoch", 1, 52), seed=0)
        task = study.ask()                  # .trial .config .start .stop; None when there is nothing to do now
        study.tell(task, [{"error": 0.3}])  # one mapping per step from start + 1 to stop
        study.best, study.trials

    `limits` are upper bounds on what `costs(config)` gives, else on what the trials report (docs/objectives.md); `store`
    is None (memory), a path or a database URL; a study that is already in the store goes on. `tie_break` is a metric
    (less is better) that decides between equal values.
    `by_time` says that seconds are the budget: proposals and promotions then go by what the log says steps took.
    `take_over` hands out again what a driver that is gone had been running.
    """

    def __init__(
        self,
        space: Space | Mapping[str, object],
        *,
        minimize: str | Sequence[str] | None = None,
        maximize: str | Sequence[str] | None = None,
        tie_break: str | None = None,
        fidelity: Fidelity | None = None,
        limits: Mapping[str, float] | None = None,
        costs: Costs = no_costs,
        kinship: Kinship | None = None,
        anchor: Config | None = None,
        max_trials: int | None = None,
        by_time: bool = False,
        seed: int = 0,
        sampler: str | Sampler = "auto",
        scheduler: str | Scheduler = "auto",
        store: str | Path | Store | None = None,
        name: str = "study",
        take_over: bool = False,
    ) -> None:
        self.problem = Problem(
            space if isinstance(space, Space) else Space(space),
            _objectives(minimize, maximize, tie_break),
            tuple(Limit(k, float(v)) for k, v in (limits or {}).items()),
            fidelity,
            int(seed),
            costs,
            anchor,
            max_trials,
            by_time,
            kinship,
        )
        self.name = name
        self.sampler = pick_sampler(self.problem, sampler, scheduler)
        self.scheduler = pick_scheduler(self.problem, scheduler)
        self._ledger = Ledger(open_store(store), name)
        self._ledger.state(self._introduction)
        if take_over:
            self._ledger.state(_abandoned)

    def _introduction(self, history: History) -> list[NewEvent]:
        body = {**self.problem.to_json(), "sampler": self.sampler.name, "scheduler": self.scheduler.name}
        if not history.header:
            return [("study", body)]
        known = {"by_time": False, **history.header}  # logs from before there was a choice count
        for key in ("space", "objectives", "limits", "fidelity", "seed", "by_time"):
            if fingerprint(known.get(key)) != fingerprint(body[key]):
                raise StudyError(
                    f"study {self.name!r} is in the store already, with another {key}; give it another name"
                )
        return []

    # --- what is known ---

    @property
    def store(self) -> Store:
        return self._ledger.store

    @property
    def history(self) -> History:
        return self._ledger.history

    @property
    def trials(self) -> list[Trial]:
        return list(self.history.trials.values())

    @property
    def best(self) -> Trial | None:
        """The trial with the best first objective at its last step, of those that keep the limits; None if there is none."""
        return best_trial(self.problem, self.history)

    @property
    def front(self) -> list[Trial]:
        """Of the fully trained trials that keep the limits, those that no other beats in all objectives, best first one
        first. With one objective: the best, and what equals it."""
        return front(self.problem, self.history)

    # --- ask and tell ---

    def ask(self) -> Task | None:
        """The next piece of work; None when a running one must report first or when the study is finished."""
        while True:
            decision = decide(self.problem, self.history, self.scheduler, self.sampler)
            event = event_of(decision)
            if event is None or (isinstance(decision, Finish) and self.history.finished == decision.reason):
                if self._ledger.catch_up():
                    continue  # another driver's trials have reported: there may be work again
                return None
            if not self._ledger.append([event]):
                continue  # another driver decided first: what it decided is folded in, so decide again
            if isinstance(decision, Finish):
                return None
            if not isinstance(decision, Stop):
                trial = self.history.trials[event[1]["trial"]]
                return Task(
                    trial.id, dict(trial.config), trial.step, trial.budget, self.problem.full, trial.parent
                )

    def tell(
        self, task: Task, steps: Sequence[Metrics] = (), *, seconds: float = 0.0, error: str | None = None
    ) -> None:
        """One mapping of metrics per step from task.start + 1 to task.stop, or the reason of a failure.

        With an `error` the steps before it may be told too. A metric to optimise that is NaN or infinite is a failure.
        """
        check_told(task, steps, error)
        each = seconds / len(steps) if steps else 0.0
        problem = self.problem
        events = measured(problem.objectives, task.trial, task.start, steps, each, problem.measured_limits)
        if error is not None and (not events or events[-1][0] != "fail"):
            events.append(("fail", {"trial": task.trial, "reason": str(error)}))
        self._tell(task.trial, task.start, events)

    def report(self, trial: int, measurement: Measurement) -> bool:
        """One step of a running trial. A metric to optimise that is NaN or infinite fails the trial: False."""
        before = measurement.step - 1
        problem, steps, seconds = self.problem, [measurement.metrics], measurement.seconds
        events = measured(problem.objectives, trial, before, steps, seconds, problem.measured_limits)
        self._tell(trial, before, events)
        return events[-1][0] == "measure"

    def _tell(self, trial: int, after: int, events: Sequence[NewEvent]) -> None:
        def facts(history: History) -> Sequence[NewEvent]:
            known = running_trial(history, trial)
            if known.step != after:
                raise StudyError(f"trial {trial} stands at step {known.step}; step {after + 1} cannot follow")
            return events

        self._ledger.state(facts)

    def fail(self, trial: int, reason: str) -> None:
        """The running trial is over, for this reason."""
        fact: NewEvent = ("fail", {"trial": trial, "reason": reason})
        self._ledger.state(lambda history: [fact] if running_trial(history, trial) else [])

    def release(self, trial: int, reason: str, *, lost: bool = False) -> None:
        """The running trial stands still at its last step, to be resumed; `lost`: because its worker is gone."""
        fact: NewEvent = ("release", {"trial": trial, "reason": reason, "lost": lost})
        self._ledger.state(lambda history: [fact] if running_trial(history, trial) else [])

    def enqueue(self, config: Mapping[str, Value], budget: int | None = None) -> int:
        """Have `config` (missing values at their defaults) tried next; the id of its trial."""
        if budget is not None and not 1 <= budget <= self.problem.full:
            raise StudyError(
                f"a budget lies between 1 and the full training of {self.problem.full} steps: {budget}"
            )
        body: Body = {"config": self.problem.space.complete(config), "budget": budget}
        if not self.problem.feasible(body["config"]):
            raise LimitError(f"the config breaks a limit: {dict(self.problem.costs(body['config']))}")
        trial = -1

        def facts(history: History) -> Sequence[NewEvent]:
            nonlocal trial
            trial = history.next_trial
            return [("queue", {"trial": trial, **body})]

        self._ledger.state(facts)
        return trial

    def note(self, name: str, **body: object) -> None:
        """Keep a fact about the run in the log."""
        self._ledger.state(lambda history: [("note", {"name": name, **body})])

    # --- the loop ---

    def run(
        self,
        executor: Executor,
        until: Callable[[History], str | None] = lambda history: None,
        watch: Callable[[History], None] = lambda history: None,
        patience: float = PATIENCE,
    ) -> str:
        """Keep the executor's workers busy until the study finishes or `until` gives a reason; that reason.

        Running trials are then stopped at their last finished step. `watch` sees the history after every round. While
        only other drivers' trials run, this one waits for what they make possible, until the log has stood still for
        `patience` seconds: then their driver is held to be gone, and only `take_over` hands them out again.
        StudyFailed when the first trials all fail for one reason; StudyError when no trial can go on (a full disk).
        """
        return Loop(self, executor, patience).run(until, watch)


def _abandoned(history: History) -> list[NewEvent]:
    """What a driver that is gone had been running, released."""
    return [
        ("release", {"trial": t.id, "reason": "its driver ended", "lost": False}) for t in history.running()
    ]


def _objectives(
    minimize: str | Sequence[str] | None, maximize: str | Sequence[str] | None, tie: str | None
) -> tuple[Objective, ...]:
    def listed(names: str | Sequence[str] | None) -> list[str]:
        return [names] if isinstance(names, str) else list(names or [])

    found = [Objective(m, "min", tie) for m in listed(minimize)]
    found += [Objective(m, "max", tie) for m in listed(maximize)]
    return tuple(found) or (Objective("error", "min", tie),)

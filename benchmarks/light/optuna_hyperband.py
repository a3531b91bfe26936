"""What an Optuna 5 script would do with the same space, trainer and time: its TPE draws, its Hyperband prunes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seedleaf.core import Config, Decision, History, Resume, Start, State, Trial, Value, Wait
from seedleaf.errors import StudyError
from seedleaf.space import Choice, Float, Int, Node, Problem
from seedleaf.tuner.base import Sampler

if TYPE_CHECKING:
    import optuna

ASKS = 2000  # draws in a row that may break a limit
STARTS = 1_000_003  # what the seed of a first draw is away from the seed of the search
ETA = 3


def suggested(trial: optuna.Trial, node: Node) -> Value:
    """The value that Optuna suggests for `node`, asked for as a person would write it by hand."""
    param = node.param
    if isinstance(param, Float):
        return trial.suggest_float(node.id, param.low, param.high, log=param.log)
    if isinstance(param, Int):  # Optuna has no steps on a logarithmic scale
        log = param.log and param.step == 1
        return trial.suggest_int(node.id, param.low, param.high, step=param.step, log=log)
    if not isinstance(param, Choice):
        return param.from_unit(0.5)
    at = trial.suggest_categorical(node.id, list(range(len(param.options))))
    return param.options[at]


def held(node: Node, value: Value) -> Any:
    """What Optuna is told of a `value` that somebody gave."""
    return node.param.index(value) if isinstance(node.param, Choice) else value


def first_draw(problem: Problem, seed: int) -> Config:
    """What a script would begin with that knows no first network: Optuna's first draw that keeps the limits."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed + STARTS))
    return drawn_within(problem, study, lambda drawn: None)[1]


def drawn_within(
    problem: Problem, study: optuna.Study, refused: Callable[[optuna.Trial], None]
) -> tuple[optuna.Trial, Config]:
    """What Optuna draws next that keeps the limits; what breaks one is `refused`."""
    for _ in range(ASKS):
        drawn = study.ask()
        config: Config = problem.space.walk(lambda node, drawn=drawn: suggested(drawn, node))
        if problem.feasible(config):
            return drawn, config
        refused(drawn)
    raise StudyError(f"Optuna's TPE drew {ASKS} configs in a row that break a limit")


@dataclass
class OptunaHyperband:
    """One study in memory, asked and told as `study.optimize` would, one trial at a time.

    Every step is reported and `should_prune` asked after it, but for the last; a trial that is not pruned goes on. Draws
    that break a limit are pruned before they are trained. The given first network is enqueued and never pruned. The
    sampler of the seedleaf study is not asked: this one is for a single worker in a single session.
    """

    seed: int = 0
    study: optuna.Study | None = None
    live: dict[int, optuna.Trial] = field(default_factory=dict)  # ours -> Optuna's, while it is under way
    known: dict[int, int] = field(default_factory=dict)  # ours -> the steps that Optuna has been told

    name: ClassVar[str] = "optuna"
    cites: ClassVar[str] = "Akiba et al. 2019, KDD; Li et al. 2018, Hyperband, JMLR"

    def propose(
        self, problem: Problem, history: History, sampler: Sampler, rng: np.random.Generator
    ) -> Decision:
        if history.running():
            return Wait()
        study = self.study = self.study or self._made(problem)
        for trial in history.trials.values():
            if trial.id not in self.known:
                self._take_in(study, problem, trial)
        for trial in [history.trials[i] for i in self.live]:
            if self._goes_on(study, problem, trial):
                return Resume(trial.id, next(r for r in self._looks(problem) if r > trial.step))
        drawn, config = drawn_within(problem, study, lambda trial: self._tell(study, trial, "PRUNED"))
        self.live[history.next_trial], self.known[history.next_trial] = drawn, 0
        return Start(history.next_trial, config, self._looks(problem)[0])

    def _made(self, problem: Problem) -> optuna.Study:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        assert problem.fidelity is not None
        return optuna.create_study(
            study_name=f"seed {self.seed}",  # Hyperband draws a trial's bracket by it
            sampler=optuna.samplers.TPESampler(seed=self.seed),
            pruner=optuna.pruners.HyperbandPruner(problem.fidelity.low, problem.full, ETA),
        )

    def _looks(self, problem: Problem) -> list[int]:
        """The steps at which any bracket may prune: a trial is held up at these alone."""
        assert problem.fidelity is not None
        steps = [problem.fidelity.low]
        while steps[-1] * ETA < problem.full:
            steps.append(steps[-1] * ETA)
        return [*(s for s in steps if s < problem.full), problem.full]

    def _take_in(self, study: optuna.Study, problem: Problem, trial: Trial) -> None:
        """A trial that was given: Optuna is made to ask for the same."""
        active = list(problem.space.active(trial.config))
        study.enqueue_trial({n.id: held(n, trial.config[n.key]) for n in active})
        self.live[trial.id], self.known[trial.id] = study.ask(), 0
        for node in active:
            suggested(self.live[trial.id], node)

    def _goes_on(self, study: optuna.Study, problem: Problem, trial: Trial) -> bool:
        """Report the steps that are new; False once the trial is over."""
        asked = self.live[trial.id]
        for m in trial.measurements[self.known[trial.id] :]:
            asked.report(problem.objectives[0].loss(m.metrics), m.step)
            self.known[trial.id] += 1
            if m.step < problem.full and asked.should_prune() and not trial.given:
                return self._over(study, trial, "PRUNED")
        if trial.state is State.DONE:
            return self._over(study, trial, "COMPLETE", problem.objectives[0].loss(trial.metrics))
        return trial.state is State.PAUSED or self._over(study, trial, "FAIL")

    def _over(self, study: optuna.Study, trial: Trial, state: str, value: float | None = None) -> bool:
        self._tell(study, self.live.pop(trial.id), state, value)
        return False

    def _tell(self, study: optuna.Study, asked: optuna.Trial, state: str, value: float | None = None) -> None:
        from optuna.trial import TrialState

        study.tell(asked, value, state=TrialState[state])


__all__ = ["OptunaHyperband"]

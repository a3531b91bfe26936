"""Models of a table's trials that will not be delivered are removed while the search goes on, a few at a time.

A file takes a disk milliseconds to remove, and a search of five minutes leaves thousands of them: removed together at the
end, they came later than the time that was asked for.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from seedleaf.core import History, State, Trial
from seedleaf.learners.tables.trial import model_file
from seedleaf.learners.tables.written import remove
from seedleaf.modality.table_choice import LOOKED_AT, candidates, looked_at, winner_of
from seedleaf.study import Study
from seedleaf.tuner.constraints import keeps_limits

AT_ONCE = 2  # trials whose models are removed between two decisions of the search
LATER = (
    5.0  # seconds between looks, and so at least after a trial is over: its worker may still be writing one
)


class Tidy:
    """Called now and then, it removes the models under `trials` of trials that are over and not among the best."""

    def __init__(self, study: Study, trials: Path) -> None:
        self.study, self.trials = study, trials
        self.looked = -math.inf
        self.found: list[Trial] = []  # what is not needed, as the latest look had it,
        self.waiting: list[Trial] = []  # and as the look before, less what has been removed
        self.gone: set[int] = set()

    def __call__(self, history: History) -> None:
        now = time.monotonic()
        if now - self.looked >= LATER:
            self.looked, self.waiting = now, [t for t in self.found if t.id not in self.gone]
            self.found = self._useless(history)
        removed = 0  # what an earlier session has removed costs no time
        while self.waiting and removed < AT_ONCE:
            removed += self._clear(self.waiting.pop(0))

    def rest(self, end: float) -> None:
        """Remove all but the models of trials that came into question or wait for more folds, which are for a run that goes
        on, as far as there is time until `end` (seconds since the epoch)."""
        winner = winner_of(self.study)
        able = [] if winner is None else candidates(self.study, winner)
        kept = self.gone | {t.id for t in able}
        for trial in self.study.trials:
            if time.time() >= end:
                return
            if trial.id not in kept and trial.state is not State.PAUSED:
                self._clear(trial)

    def _useless(self, history: History) -> list[Trial]:
        """Once more trials are over than are looked at in the end: those that would not be candidates, however many folds
        the winner turns out to have; one that is cut off may have any number."""
        problem, kept = self.study.problem, set(self.gone)
        over = list(history.in_state(State.DONE, State.STOPPED, State.FAILED))
        if len(over) <= LOOKED_AT:
            return []
        for step in history.steps_measured():
            rows = ((problem.objectives[0].loss(m), history.trials[k]) for k, m in history.at(step).items())
            able = [(loss, t.id, t) for loss, t in rows if keeps_limits(problem, t)]
            kept |= {t.id for t in looked_at([t for *_, t in sorted(able, key=lambda row: row[:2])])}
        return [t for t in over if t.id not in kept]

    def _clear(self, trial: Trial) -> bool:
        """Remove its models; were there any?"""
        self.gone.add(trial.id)
        folder = self.trials / f"{trial.id:04d}"
        return sum(remove(folder / model_file(j)) for j in range(self.study.problem.full)) > 0

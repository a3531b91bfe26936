"""How trials stand at the last step that each has reached, kept sorted from decision to decision."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from seedleaf.core import History, Objective, State, Trial


@dataclass
class Standing:
    """For each step (loss, trial) of those that have come so far and no further, best first; failed ones are left out."""

    rows: dict[int, list[tuple[float, int]]] = field(default_factory=dict)
    of_trial: dict[int, tuple[int, float]] = field(default_factory=dict)  # its step and loss there
    told: int = 0
    dropped: int = 0

    @classmethod
    def of(cls, history: History, objective: Objective) -> Standing:
        """That of a history: kept in the memo and extended by what the log has told since."""
        key = f"standing:{objective}"
        found = history.memo.get(key)
        if found is None or found.dropped != history.dropped:
            found = history.memo[key] = cls(dropped=history.dropped)
            found._add(history, objective, history.trials)
        else:
            found._add(history, objective, dict.fromkeys(trial for trial, _ in history.told[found.told :]))
        found.told = len(history.told)
        return found

    def _add(self, history: History, objective: Objective, trials: Iterable[int]) -> None:
        for i in trials:
            trial = history.trials[i]
            before = self.of_trial.pop(i, None)
            if before is not None:
                row = self.rows[before[0]]
                del row[bisect_left(row, (before[1], i))]
            if trial.measurements and trial.state is not State.FAILED:
                loss = objective.loss(trial.metrics)
                insort(self.rows.setdefault(trial.step, []), (loss, i))
                self.of_trial[i] = trial.step, loss

    def firsts(self, history: History) -> Iterator[Iterator[Trial]]:
        """For each step, ascending, its trials, best first."""
        for step in sorted(self.rows):
            yield (history.trials[i] for _, i in self.rows[step])

    def best_paused(self, history: History, at_most: int) -> list[Trial]:
        """The paused trials, by number; of many the best of each step, as many of each as there is room for."""
        paused = history.paused()
        if len(paused) <= at_most:
            return paused
        kept: list[Trial] = []
        fewest_first = sorted(self.rows.items(), key=lambda row: (len(row[1]), row[0]))
        for place, (_, rows) in enumerate(fewest_first):
            room = math.ceil((at_most - len(kept)) / (len(fewest_first) - place))
            waiting = (trial for _, i in rows if _is_paused(trial := history.trials[i]))
            kept += islice(waiting, room)
        return sorted(kept, key=lambda t: t.id)


def _is_paused(trial: Trial) -> bool:
    return trial.state is State.PAUSED

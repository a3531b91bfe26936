"""What a kind of data brings: how it is read, what is searched for it, and how the winner becomes a delivered model.

Study, store, executors, log, resume and report are shared: they know trials, steps and metrics, and no kind of data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seedleaf.core import Body, History
from seedleaf.executors.local import LocalExecutor
from seedleaf.job import Job
from seedleaf.modality.known import Known
from seedleaf.store import SqlStore
from seedleaf.study import Study

if TYPE_CHECKING:
    from seedleaf.finish import Run


@dataclass(frozen=True)
class Made:
    """A delivered model, staged in a folder: what the log keeps of it, and what is written beside it.

    `final` is the note of that name, `verdict` holds at least "text"; `metrics` becomes metrics.json and `card` the
    model card; `train_seconds` is the training time of the final fit, `fit_seconds` its wall time.
    """

    final: Body
    verdict: Body
    metrics: Body
    card: Callable[[Body], str]
    train_seconds: float
    fit_seconds: float


class Modality(Protocol):
    """A kind of data. A new one is one row in `registry.MODALITIES`."""

    @property
    def name(self) -> str:
        """Its key in the table, kept in run.json."""

    @property
    def trial(self) -> str:
        """The trial function of its workers, "module:name"."""

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that its workers import while the data is still being read."""

    @property
    def knows(self) -> Known:
        """Which limits and options of a job it understands, and which fields mean nothing to it."""

    def recognises(self, source: Any) -> bool:
        """Is `source` of this kind? Looks at the name or the type only."""

    def check(self, job: Job) -> None:
        """StudyError where what it `knows` of the job has a value that cannot be."""

    def check_new(self, job: Job) -> None:
        """StudyError where it would ignore what is asked of a job that is to begin."""

    def setup(self, job: Job, spec: Any = None, history: History | None = None) -> Mapping[str, Any]:
        """What every trial is told beside where the data lies and the seed; the last two once the data has been read."""

    def prepare(self, cache: Path, job: Job, source: Any, known: Body | None) -> Any:
        """Read `source` into `cache`, from where workers map it, unless it lies there; its spec.

        `known` is the spec that the log remembers, if any: RunError where the data is another now. DataError.
        """

    def worker_bytes(self, spec: Any) -> int:
        """What one worker should hold at most, foretold from the shape of the data; 0 where that is not known."""

    def open_study(
        self,
        store: SqlStore,
        history: History,
        job: Job,
        spec: Any,
        executor: LocalExecutor,
        deadline: float,
    ) -> tuple[Study, float]:
        """The run's study, planned when it is new, and the seconds to keep for delivery."""

    def search_until(self, study: Study, job: Job, end: float) -> Callable[[History], str | None]:
        """When the search ends, so that the final fit is over by `end` (seconds since the epoch)."""

    def tidy(self, study: Study, trials: Path) -> Callable[[History], None]:
        """What is called between two decisions of the search, and removes from `trials` what nothing will need."""

    def describe(self, spec: Any, study: Study) -> list[str]:
        """The data as understood, the trivial baseline and what is searched, in at most six lines."""

    def make(self, run: Run, end: float, staged: Path) -> Made:
        """Fit the winner for good by `end`, export it to `staged` and measure it on the test part."""

    def beside(self, run: Run, end: float) -> None:
        """Deliver what stands beside best/, smaller models for one, as far as there is time until `end`."""

"""Tables as a kind of data: CSV, TSV and Parquet files, and pandas DataFrames."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf import __version__
from seedleaf.core import Body, History
from seedleaf.errors import DataError, RunError, StudyError
from seedleaf.executors.local import LocalExecutor
from seedleaf.job import Job, WithTest
from seedleaf.learners.tables import source as stored
from seedleaf.learners.tables.metrics import fits, metric_for
from seedleaf.learners.tables.registry import chosen
from seedleaf.modality import table_beside, table_choice, table_finish, table_spec, table_study
from seedleaf.modality.base import Made
from seedleaf.modality.known import Known
from seedleaf.modality.table_spec import TableSpec
from seedleaf.modality.table_tidy import Tidy
from seedleaf.store import SqlStore
from seedleaf.study import Study

if TYPE_CHECKING:
    from seedleaf.finish import Run

TEXTS = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
SUFFIXES = (*TEXTS, *(f"{suffix}.gz" for suffix in TEXTS), ".parquet", ".pq")
READ = (
    "target",
    "test",
    "group",
    "order_by",
    "keep",
    "copies",
    "positive",
    "task",
)  # what a table is read by
KNOWS = Known(
    {"bytes": "--max-bytes", "latency_ms": "--max-latency"},
    (*READ, "folds", "metric", "families"),
    {
        "learner": "all families are tried, or those of --families",
        "preset": "what delivery needs is kept free of itself; --time is all there is to give",
        "fidelity": "its steps are folds; --folds says how many",
        "tradeoff": "for a small or a quick file give --max-bytes or --max-latency",
        "inherit": "every fit begins anew",
        "side": "it is for folders of pictures",
    },
)


@dataclass(frozen=True)
class Tables:
    """Classification and regression on tables."""

    name: str = "tables"
    trial: str = "seedleaf.learners.tables.trial:run"
    # The first trial is linear; what others need, torch above all, is imported when they are tried.
    preload: tuple[str, ...] = ("scipy.optimize", "seedleaf.learners.tables.trial")
    knows: Known = KNOWS

    def recognises(self, source: Any) -> bool:
        if isinstance(source, str | os.PathLike):
            return str(source).lower().endswith(SUFFIXES)
        return hasattr(source, "columns") and hasattr(source, "iloc")

    def check(self, job: Job) -> None:
        if job.options.get("copies", "drop") not in ("drop", "keep"):
            raise StudyError(f"copies are to drop or to keep, not {job.options['copies']!r}")
        if "families" in job.options:
            chosen(job.options["families"])
        if not 2 <= int(job.options.get("folds", 2)) <= 20:
            raise StudyError(f"folds must be 2 to 20, got {job.options['folds']}")

    def check_new(self, job: Job) -> None:
        """What it knows it does; what it does not is `KNOWS.foreign`."""

    def prepare(self, cache: Path, job: Job, source: Any, known: Body | None) -> TableSpec:
        from seedleaf.data.tables import judged, load_table

        if not (cache / stored.SPEC).exists():
            asked: dict[str, Any] = {k: job.options[k] for k in READ if k in job.options}
            if isinstance(source, WithTest):
                source, asked["test"] = source.data, source.test
            data = load_table(source, **asked, seed=job.seed)
            goal = metric_for(data.schema.target.task, str(job.options.get("metric", "auto")))
            if not fits(goal, data.y_train):
                lowest = f"{data.schema.target.name} goes down to {data.y_train.min():g}"
                raise DataError(f"{data.schema.name}: {goal.name} is for targets of 0 and more; {lowest}")
            if known and known.get("fingerprint") != data.schema.fingerprint:
                other = (
                    "" if job.version == __version__ else f", or seedleaf {__version__} reads it otherwise"
                )
                raise RunError(
                    f"{job.data} is not what {cache.parent} was fitted on: the table has changed{other}; fit again"
                )
            data, splits = judged(data, job.options.get("folds"), job.seed)
            stored.save(data, splits, cache)
        schema, kind, n_folds = stored.describe(cache)
        if "bytes" in job.limits:
            kind = replace(kind, room=int(job.limits["bytes"]))
        families = tuple(job.options.get("families", ()))
        return TableSpec(schema, kind, n_folds, str(job.options.get("metric", "auto")), families)

    def setup(
        self, job: Job, spec: TableSpec | None = None, history: History | None = None
    ) -> Mapping[str, Any]:
        limits = {"limits": dict(job.limits)} if job.limits else {}
        return {} if spec is None else {"metric": spec.goal.name, **limits}

    def worker_bytes(self, spec: TableSpec) -> int:
        return table_spec.worker_bytes(spec)

    def open_study(
        self,
        store: SqlStore,
        history: History,
        job: Job,
        spec: TableSpec,
        executor: LocalExecutor,
        deadline: float,
    ) -> tuple[Study, float]:
        return table_study.open_study(store, job, spec, executor, deadline)

    def search_until(self, study: Study, job: Job, end: float) -> Callable[[History], str | None]:
        return table_choice.search_until(study, end, job.workers)

    def tidy(self, study: Study, trials: Path) -> Callable[[History], None]:
        return Tidy(study, trials)

    def describe(self, spec: TableSpec, study: Study) -> list[str]:
        return table_spec.describe(spec, study)

    def make(self, run: Run, end: float, staged: Path) -> Made:
        return table_finish.make(run, end, staged)

    def beside(self, run: Run, end: float) -> None:
        table_beside.beside(run, end)

"""Images as a kind of data: whatever no other kind recognises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.core import Body, History
from seedleaf.data.spec import ImageData, ImageSpec
from seedleaf.errors import RunError, StudyError
from seedleaf.executors.local import LocalExecutor
from seedleaf.front.deliver import deliver_front
from seedleaf.horizon import search_until
from seedleaf.job import LATENCY, Job
from seedleaf.learners.base import LEARNERS, learner_named
from seedleaf.modality.base import Made
from seedleaf.modality.image_finish import make
from seedleaf.modality.known import Known
from seedleaf.planning import axis_of, describe, open_study, pace_of
from seedleaf.store import SqlStore
from seedleaf.study import Study

if TYPE_CHECKING:
    from seedleaf.finish import Run

KNOWS = Known(
    {
        "params": "--max-params",
        "macs": "--max-macs",
        "latency_ms": "--max-latency",
        "bytes": "--max-bytes",
    }
)

# Epochs of the first network that one step may take before its worker is held to hang: the search allows networks of 2.5
# times its work, machines are shared, and what an epoch takes is told from a few batches.
SLOWEST = 10.0


@dataclass(frozen=True)
class Images:
    """Classifying images with small convolutional networks."""

    name: str = "images"
    trial: str = "seedleaf.learners.trial:run"
    preload: tuple[str, ...] = ("seedleaf.learners.trial",)
    knows: Known = KNOWS

    def recognises(self, source: Any) -> bool:
        return True

    def check(self, job: Job) -> None:
        learner = learner_named(job.learner)  # SpaceError where there is none
        if job.tradeoff == LATENCY and not learner.tells_latency:
            raise StudyError(
                "what a network by name takes is measured at the end and not told from its config, so it cannot be searched "
                "against: give tradeoff macs or params, a limit (--max-latency), or no learner"
            )

    def check_new(self, job: Job) -> None:
        if job.inherit and job.learner not in LEARNERS:
            raise StudyError(
                "networks by name hand no weights down, as each begins with those that its name stands for: leave --inherit "
                "out, or give no learner"
            )

    def setup(
        self, job: Job, spec: ImageSpec | None = None, history: History | None = None
    ) -> Mapping[str, Any]:
        axis = axis_of(history or History(), job, spec) if spec is not None else "epochs"
        return {"learner": job.learner, "fidelity": axis}

    def prepare(self, cache: Path, job: Job, source: Any, known: Body | None) -> ImageSpec:
        from seedleaf.data.images import load_again, load_images
        from seedleaf.data.mapped import open_mapped, save_mapped

        if (cache / "spec.json").exists():
            return open_mapped(cache).spec
        data: ImageData
        if known:  # at the size that they had, whatever is usual by now
            data = load_again(source, seed=job.seed, size=(int(known["height"]), int(known["width"])))
        else:
            data = load_images(source, seed=job.seed, side=job.side)
        if known and known.get("fingerprint") != data.spec.fingerprint:
            raise RunError(
                f"{job.data} is not what {cache.parent} was fitted on: the images have changed; fit again"
            )
        save_mapped(data, cache)
        return data.spec

    def worker_bytes(self, spec: ImageSpec) -> int:
        """Not known: pictures are mapped, and what a network holds depends on its config."""
        return 0

    def open_study(
        self,
        store: SqlStore,
        history: History,
        job: Job,
        spec: ImageSpec,
        executor: LocalExecutor,
        deadline: float,
    ) -> tuple[Study, float]:
        axis = axis_of(history, job, spec)
        learner = learner_named(job.learner)
        if (pace := pace_of(history, job, executor)) is not None:
            learner = learner.paced(pace)
            if job.tradeoff == LATENCY:  # then every trial tells its own
                told = {**executor.settings.setup, "pace": pace.to_json()}
                executor.settings = replace(executor.settings, setup=told)
        study, kept = open_study(store, history, job, spec, learner, executor, deadline, axis)
        epoch = float((study.history.note("plan") or {})["epoch_seconds"])
        executor.settings = replace(executor.settings, step_patience=SLOWEST * epoch)
        return study, kept

    def search_until(self, study: Study, job: Job, end: float) -> Callable[[History], str | None]:
        return search_until(study, end)

    def tidy(self, study: Study, trials: Path) -> Callable[[History], None]:
        return lambda history: None  # networks are few, and children begin with their weights

    def describe(self, spec: ImageSpec, study: Study) -> list[str]:
        return describe(spec, study)

    def make(self, run: Run, end: float, staged: Path) -> Made:
        return make(run, end, staged)

    def beside(self, run: Run, end: float) -> None:
        deliver_front(run, end)

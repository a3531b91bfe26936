"""The workers of a run: what they are told once, and how they are started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seedleaf.core import History
from seedleaf.executors.base import Settings
from seedleaf.executors.local import LocalExecutor
from seedleaf.job import Job
from seedleaf.modality import modality_named
from seedleaf.workers import devices, memory_per_worker


def setup_of(folder: Path, job: Job, spec: Any = None, history: History | None = None) -> dict[str, Any]:
    """What every trial is told: where the data lies, the seed, and what its kind of data adds (more of it once the data
    is known)."""
    data = {"data": str((folder / "cache").resolve()), "seed": job.seed}
    return {**data, **modality_named(job.kind).setup(job, spec, history)}


def start_workers(folder: Path, job: Job) -> LocalExecutor:
    """Warm workers that import what they need while the data is still being read."""
    modality = modality_named(job.kind)
    settings = Settings(
        function=modality.trial,
        seed=job.seed,
        folder=str((folder / "trials").resolve()),
        setup=setup_of(folder, job),
        preload=modality.preload,
        patience=max(60.0, 0.2 * job.time_limit),
        memory=memory_of(job),
    )
    return LocalExecutor(settings, job.workers, devices(), log_folder=folder / "workers")


def memory_of(job: Job) -> int | None:
    """The most bytes that one worker of `job` may hold."""
    return memory_per_worker(job.workers) if job.memory is None else int(job.memory / job.workers)

"""The workers of a run: what they are told once, and how they are started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seedleaf.core import History
from seedleaf.executors.base import Settings
from seedleaf.executors.local import LocalExecutor
from seedleaf.job import Job
from seedleaf.modality import modality_named
from seedleaf.workers import devices, divided


def setup_of(folder: Path, job: Job, spec: Any = None, history: History | None = None) -> dict[str, Any]:
    """What every trial is told: where the data lies, the seed, and what its kind of data adds (more of it once the data
    is known)."""
    data = {"data": str((folder / "cache").resolve()), "seed": job.seed}
    return {**data, **modality_named(job.kind).setup(job, spec, history)}


def start_workers(folder: Path, job: Job, memory: int | None = None) -> LocalExecutor:
    """Warm workers that import what they need while the data is still being read. `memory`: bytes for the whole run."""
    modality = modality_named(job.kind)
    workers, each = (job.workers, None) if memory is None else divided(memory, job.workers, 0)
    settings = Settings(
        function=modality.trial,
        seed=job.seed,
        folder=str((folder / "trials").resolve()),
        setup=setup_of(folder, job),
        preload=modality.preload,
        patience=max(60.0, 0.2 * job.time_limit),
        memory=each,
    )
    return LocalExecutor(settings, workers, devices(), log_folder=folder / "workers")


def share_memory(executor: LocalExecutor, job: Job, memory: int | None, spec: Any) -> tuple[int, str]:
    """Divide what the run may hold among as many workers as its data lets fit in. How many there are, and what is to be said
    of it, "" for nothing."""
    if memory is None:
        return executor.free(), ""
    needed = modality_named(job.kind).worker_bytes(spec)
    workers, each = divided(memory, executor.free(), needed)
    executor.share(each, workers)
    told = f"a worker should hold {needed / 2**20:,.0f} MiB, the run may hold {memory / 2**20:,.0f}"
    if needed > each:
        return workers, f"{told}: trials that need more than {each / 2**20:,.0f} MiB will fail"
    return workers, f"{told}: {workers} of {job.workers} workers" if workers < job.workers else ""

"""How this machine is shared among a run's workers: how many there are, and what each may hold."""

from __future__ import annotations

from seedleaf.errors import StudyError
from seedleaf.executors.memory import resident
from seedleaf.machine import CPU, cores, devices, free_memory, why_no_cuda


def refit_threads(workers: int) -> int:
    """Threads of the refit, while no other worker trains; a GPU has no use for them."""
    return workers if devices() == CPU else 1


def default_workers() -> int:
    """One per CUDA device, else one per core."""
    found = devices()
    return cores() if found == CPU else len(found)


FREE_SHARE = 0.7  # of what is free, for a run that was not told how much
SEEN = 0.85  # of what is left for workers: they are looked at now and then, and grow in between
LEAST = 350 * 2**20  # bytes that a worker needs to be of any use


def memory_of_run(asked: float | None) -> int | None:
    """Bytes for a whole run, its driver included: what was asked for, else 70 % of what is free now.

    None where the system does not tell. StudyError where no worker fits beside what the driver holds already.
    """
    held = resident()
    if asked is not None and asked < held + LEAST:
        wanted, taken, least = (n / 2**20 for n in (asked, held, held + LEAST))
        raise StudyError(
            f"--memory {wanted:,.0f} MiB is too little: {taken:,.0f} MiB are taken already; give at least {least:.0f}Mi"
        )
    free = free_memory()
    if asked is not None or free is None:
        return None if asked is None else int(asked)
    return max(int(FREE_SHARE * free), held + LEAST)


def divided(memory: int, workers: int, needed: int) -> tuple[int, int]:
    """(workers, bytes for each) of a run that may hold `memory` bytes, this process included: as many workers of those asked
    for as can hold the `needed` bytes, one at least."""
    left = max(int(SEEN * (memory - resident())), LEAST)
    able = max(min(workers, left // max(needed, LEAST)), 1)
    return able, left // able


def memory_per_worker(workers: int) -> int | None:
    """85 % of what is free now, shared; None where the system does not tell."""
    free = free_memory()
    return None if free is None else int(0.85 * free / max(workers, 1))


def at_least_one(what: str, value: int) -> int:
    """`value` as a count of `what`; ValueError where it is none."""
    if int(value) != value or value < 1:
        raise ValueError(f"{what} must be a whole number of at least 1, got {value}")
    return int(value)


__all__ = [
    "at_least_one",
    "default_workers",
    "devices",
    "divided",
    "memory_of_run",
    "memory_per_worker",
    "refit_threads",
    "why_no_cuda",
]

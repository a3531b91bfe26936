"""How this machine is shared among a run's workers: how many there are, and what each may hold."""

from __future__ import annotations

from seedleaf.machine import CPU, cores, devices, free_memory, why_no_cuda


def refit_threads(workers: int) -> int:
    """Threads of the refit, while no other worker trains; a GPU has no use for them."""
    return workers if devices() == CPU else 1


def default_workers() -> int:
    """One per CUDA device, else one per core."""
    found = devices()
    return cores() if found == CPU else len(found)


def memory_per_worker(workers: int) -> int | None:
    """85 % of what is free now, shared; None where the system does not tell."""
    free = free_memory()
    return None if free is None else int(0.85 * free / max(workers, 1))


__all__ = ["default_workers", "devices", "memory_per_worker", "refit_threads", "why_no_cuda"]

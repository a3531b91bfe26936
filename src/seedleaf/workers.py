"""What this machine offers to a run: devices, cores and memory, to be shared among its workers."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Sequence

from seedleaf.timing import cores


def devices() -> Sequence[str]:
    """The CUDA devices that the driver sees, without importing torch; the CPU where there is none."""
    if shutil.which("nvidia-smi") is None:
        return ("cpu",)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:  # torch counts those before the first that is none
        named = list(itertools.takewhile(lambda d: d.strip() not in ("", "-1"), visible.split(",")))
        return tuple(f"cuda:{i}" for i in range(len(named))) or ("cpu",)
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ("cpu",)
    found = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(f"cuda:{i}" for i in range(len(found))) or ("cpu",)


def refit_threads(workers: int) -> int:
    """Threads of the refit, while no other worker trains; a GPU has no use for them."""
    return workers if devices() == ("cpu",) else 1


def default_workers() -> int:
    """One per CUDA device, else one per core."""
    found = devices()
    return cores() if found == ("cpu",) else len(found)


def memory_per_worker(workers: int) -> int | None:
    """85 % of what is free now, shared; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            rows = dict(line.split(":", 1) for line in file)
        return int(0.85 * 1024 * int(rows["MemAvailable"].split()[0]) / max(workers, 1))
    except (OSError, KeyError, ValueError):
        return None

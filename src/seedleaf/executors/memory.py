"""What processes hold, and how one is kept from holding more."""

from __future__ import annotations

import os

SLACK = 128 * 2**20  # bytes reserved beyond what may be held: stacks and arenas that are never touched


def resident(pid: int | None = None) -> int:
    """Resident bytes of a process (this one) that no file backs, as all share the mapped images; 0 where the system does
    not tell."""
    try:
        with open(f"/proc/{'self' if pid is None else pid}/statm", encoding="ascii") as file:
            fields = file.read().split()
            return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def hold_back(pid: int, most: int) -> bool:
    """Have the system refuse a process more than `most` bytes and SLACK, so that one large array fails at once instead of
    outrunning whoever watches. False where that is not to be had."""
    try:
        import resource

        _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)  # type: ignore[attr-defined,unused-ignore]
        bound = most + SLACK if hard == resource.RLIM_INFINITY else min(most + SLACK, hard)
        resource.prlimit(pid, resource.RLIMIT_DATA, (bound, hard))  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, AttributeError, OSError, ValueError):
        return False
    return True

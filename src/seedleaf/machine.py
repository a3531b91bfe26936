"""What this machine grants this process: cores, memory and CUDA devices, container limits (cgroup v1 and v2) included.

Nothing here imports torch: the driver decides without it.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

PROC = Path("/proc")
CPU = ("cpu",)


# --- cores ---


def cores(proc: Path = PROC) -> int:
    """Cores that this process may use: by its affinity, and by the CPU quota of its container, rounded down."""
    count = getattr(os, "process_cpu_count", None)  # Python 3.13; heeds PYTHON_CPU_COUNT
    affinity = getattr(os, "sched_getaffinity", None)
    granted = (count() if count else len(affinity(0)) if affinity else os.cpu_count()) or 1
    return max(int(min(granted, _cpu_quota(proc))), 1)


def _cpu_quota(proc: Path) -> float:
    """CPUs that the tightest group grants; infinite where none has a quota."""
    found = [math.inf]
    for folder in _groups("cpu", proc):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        quota = quota or _text(folder / "cpu.cfs_quota_us")
        period = period or _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:  # "max" and -1 are none
            found.append(int(quota) / int(period))
    return min(found)


# --- memory ---


def free_memory(proc: Path = PROC) -> int | None:
    """Bytes that are free now, for the machine and for the container; None where the system tells neither."""
    found = [_available(proc), *(_left(folder) for folder in _groups("memory", proc))]
    return min((n for n in found if n is not None), default=None)


def _available(proc: Path) -> int | None:
    match = re.search(r"^MemAvailable:\s*(\d+) kB", _text(proc / "meminfo"), re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _left(folder: Path) -> int | None:
    """What the group may still take: its limit less what it holds, but for files that it could drop."""
    limit = _text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes")
    used = _text(folder / "memory.current") or _text(folder / "memory.usage_in_bytes")
    if not (limit.isdigit() and used.isdigit()):
        return None
    rows = dict(re.findall(r"^(\w+) (\d+)$", _text(folder / "memory.stat"), re.MULTILINE))
    prefix = "total_" if "total_inactive_file" in rows else ""
    files = sum(int(rows.get(f"{prefix}{kind}_file", 0)) for kind in ("active", "inactive"))
    return max(int(limit) - max(int(used) - files, 0), 0)


# --- control groups ---


def _groups(controller: str, proc: Path) -> Iterator[Path]:
    """The folders of this process's groups for `controller`, with all groups above: each may have a limit of its own."""
    own: dict[str, str] = {}  # "" is version 2
    for line in _text(proc / "self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        own.update(dict.fromkeys(names.split(","), path))
    for line in _text(proc / "self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        key = "" if kind[0] == "cgroup2" else controller
        if key in own and (not key or controller in kind[2].split(",")):
            yield from _upwards(Path(fields[4].replace("\\040", " ")), fields[3], own[key])


def _upwards(mount: Path, root: str, path: str) -> Iterator[Path]:
    """The folders from the group `path` up to `mount`, where the group `root` is mounted."""
    inside = path.removeprefix(root.rstrip("/")).strip("/")
    here = mount / inside
    if ".." in here.parts or not here.is_dir():  # the group lies outside what a container is shown
        here = mount
    while here != mount:
        yield here
        here = here.parent
    yield mount


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()  # mounts may have any name
    except OSError:
        return ""


# --- CUDA ---


def devices() -> Sequence[str]:
    """The CUDA devices to train on; the CPU where there is none that this torch can use."""
    found = _listed()
    return CPU if found != CPU and _without_cuda() else found


def why_no_cuda() -> str | None:
    """Why CUDA devices that are there are left alone; None where they are not."""
    found = _listed()
    if found == CPU or not _without_cuda():
        return None
    which = "a CUDA device is" if len(found) == 1 else f"{len(found)} CUDA devices are"
    return f"{which} there, but this torch was built without CUDA: training on the CPU"


def _listed() -> Sequence[str]:
    """The CUDA devices that the driver sees."""
    if shutil.which("nvidia-smi") is None:
        return CPU
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:  # torch counts those before the first that is none
        named = list(itertools.takewhile(lambda d: d.strip() not in ("", "-1"), visible.split(",")))
        return tuple(f"cuda:{i}" for i in range(len(named))) or CPU
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return CPU
    found = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(f"cuda:{i}" for i in range(len(found))) or CPU


def _without_cuda() -> bool:
    """Whether torch says of itself, in its version.py, that it was built without CUDA (and without ROCm)."""
    spec = importlib.util.find_spec("torch")  # finds it, runs nothing of it
    text = _text(Path(spec.origin).with_name("version.py")) if spec is not None and spec.origin else ""
    told = dict(re.findall(r"^(cuda|hip)\s*(?::[^=]*)?=\s*(.+?)\s*$", text, re.MULTILINE))
    return told.get("cuda") == "None" and told.get("hip", "None") == "None"

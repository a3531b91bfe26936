"""What the machine grants: cores and memory within a container's limits, CUDA only where torch can use it."""

from __future__ import annotations

import importlib.util
import math
import os
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

import seedleaf
from seedleaf import machine
from seedleaf.machine import cores, devices, free_memory, why_no_cuda
from seedleaf.views.view import SilentView

GIB = 2**30


class Box:
    """A /proc and a /sys/fs/cgroup as a container sees them."""

    def __init__(self, folder: Path, version: int, group: str = "/", root: str = "/") -> None:
        self.proc, self.mounts, self.version = folder / "proc", folder / "a mount", version
        (self.proc / "self").mkdir(parents=True)
        name = str(self.mounts).replace(" ", "\\040")
        if version == 2:
            own = f"0::{group}\n"
            mounts = f"30 1 0:2 {root} {name} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
        else:
            own = f"5:cpu,cpuacct:{group}\n4:memory:{group}\n1:name=systemd:/\n0::/\n"
            mounts = "".join(
                f"3{i} 1 0:2 {root} {name}/{names} rw - cgroup cgroup rw,{names}\n"
                for i, names in enumerate(("cpu,cpuacct", "memory"))
            )
        (self.proc / "self/cgroup").write_text(own)
        (self.proc / "self/mountinfo").write_bytes(
            b"20 1 8:1 / /m\xf6bel rw - ext4 /dev/x rw\n" + mounts.encode()
        )
        (self.proc / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:   {64 * GIB // 1024} kB\n")
        self.mounts.mkdir()

    def write(self, group: str, controller: str, **files: str) -> None:
        where = self.mounts if self.version == 2 else self.mounts / controller
        (where / group.strip("/")).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (where / group.strip("/") / name.replace("_", ".", 1)).write_text(text + "\n")


@pytest.fixture(autouse=True)
def _sixty_four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 64, raising=False)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 64), ("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1),
     ("9900000 100000", 64), ("", 64), ("nonsense", 64), ("100000 0", 64)],
)  # fmt: skip
def test_cores_keep_the_quota_of_version_2(tmp_path: Path, quota: str, expected: int) -> None:
    box = Box(tmp_path, 2)
    box.write("/", "cpu", cpu_max=quota)
    assert cores(box.proc) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 64), ("200000", 2), ("20000", 1)])
def test_cores_keep_the_quota_of_version_1(tmp_path: Path, quota: str, expected: int) -> None:
    box = Box(tmp_path, 1)
    box.write("/", "cpu,cpuacct", cpu_cfs_quota_us=quota, cpu_cfs_period_us="100000")
    assert cores(box.proc) == expected


def test_the_tightest_of_all_groups_above_counts(tmp_path: Path) -> None:
    box = Box(tmp_path, 2, group="/slice/run.scope")
    box.write("/slice/run.scope", "cpu", cpu_max="max 100000", memory_max="max", memory_current="5")
    box.write("/slice", "cpu", cpu_max="300000 100000", memory_max=str(8 * GIB), memory_current=str(GIB))
    assert cores(box.proc) == 3
    assert free_memory(box.proc) == 7 * GIB


@pytest.mark.parametrize(
    ("group", "root"), [("/docker/abc", "/docker/abc"), ("/../../other", "/"), ("/hidden", "/")]
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_container_sees_its_own_group_as_the_mount(
    tmp_path: Path, version: int, group: str, root: str
) -> None:
    box = Box(tmp_path, version, group, root)
    if version == 2:
        box.write("/", "cpu", cpu_max="400000 100000")
    else:
        box.write("/", "cpu,cpuacct", cpu_cfs_quota_us="400000", cpu_cfs_period_us="100000")
    assert cores(box.proc) == 4


def test_memory_is_what_the_machine_and_the_container_leave(tmp_path: Path) -> None:
    box = Box(tmp_path, 2)
    assert free_memory(box.proc) == 64 * GIB
    files = f"anon 1\ninactive_file {GIB}\nactive_file {GIB}"
    box.write("/", "memory", memory_max=str(4 * GIB), memory_current=str(3 * GIB), memory_stat=files)
    assert free_memory(box.proc) == 3 * GIB, "files that were read can be dropped"
    box.write("/", "memory", memory_max=str(200 * GIB))
    assert free_memory(box.proc) == 64 * GIB


def test_memory_of_version_1(tmp_path: Path) -> None:
    box = Box(tmp_path, 1)
    unlimited = {"memory_limit_in_bytes": "9223372036854771712", "memory_usage_in_bytes": str(GIB)}
    box.write("/", "memory", **unlimited)
    assert free_memory(box.proc) == 64 * GIB
    files = f"inactive_file 0\ntotal_inactive_file {GIB}\ntotal_active_file 0"
    used = {"memory_usage_in_bytes": str(3 * GIB), "memory_stat": files}
    box.write("/", "memory", memory_limit_in_bytes=str(4 * GIB), **used)
    assert free_memory(box.proc) == 2 * GIB


def test_a_system_that_tells_nothing_is_no_error(tmp_path: Path) -> None:
    assert cores(tmp_path) == 64
    assert free_memory(tmp_path) is None


def test_the_real_machine_grants_something() -> None:
    assert 1 <= cores() <= 64
    assert 0 < (free_memory() or 1) < math.inf


# --- CUDA ---


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose nvidia-smi lists two; the folder of a torch that is found there."""
    smi = tmp_path / "bin/nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100'\necho 'GPU 1: NVIDIA H100'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(smi.parent), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    spec = ModuleSpec("torch", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    return tmp_path


@pytest.mark.parametrize(
    ("version", "usable"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", False),
        ("cuda = None\n", False),
        ("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", True),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '7.1'\n", True),
        ("", True),  # it does not tell: the worker will
    ],
)
def test_a_torch_without_cuda_leaves_the_gpus_alone_and_that_is_said(
    two_gpus: Path, version: str, usable: bool
) -> None:
    (two_gpus / "version.py").write_text(f"__version__ = '9+x'\n{version}")
    assert devices() == (("cuda:0", "cuda:1") if usable else ("cpu",))
    why = why_no_cuda()
    assert (why is None) == usable
    if why is not None:
        assert why == "2 CUDA devices are there, but this torch was built without CUDA: training on the CPU"


def test_without_a_gpu_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_listed", lambda: machine.CPU)
    assert devices() == ("cpu",)
    assert why_no_cuda() is None


def test_tune_says_it_and_runs(two_gpus: Path) -> None:
    said: list[str] = []

    class Listening(SilentView):
        def message(self, text: str) -> None:
            said.append(text)

    (two_gpus / "version.py").write_text("cuda = None\n")
    found = seedleaf.tune(
        lambda config, ctx: float(ctx.device == "cpu"), {"n": seedleaf.Int(1, 2)}, workers=1, view=Listening()
    )
    assert set(found.trials["error"]) == {1.0}
    assert said == ["2 CUDA devices are there, but this torch was built without CUDA: training on the CPU"]


def test_a_worker_falls_back_where_torch_cannot_reach_its_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    from seedleaf.learners.trial import usable

    usable.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (usable("cpu"), usable("cuda:1")) == ("cpu", "cpu")
    assert "cuda:1 cannot be used by this torch" in capsys.readouterr().out
    usable.cache_clear()

"""What the end-to-end tests share: small pictures in folders, and how the command line is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from seedleaf.core import Event
from seedleaf.store import SqlStore

CLASSES = ("cat 猫", "naïve été", "plain")  # sorted, as the folders are read
SECONDS = 30.0


@dataclass(frozen=True)
class Finished:
    """A run of the command line that came to its end; `seconds` is its wall time with the interpreter's start."""

    folder: Path
    data: Path
    stdout: str
    stderr: str
    seconds: float


def draw(kind: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A 12×12 colour picture of class `kind`: a bar, a cross or a block in noise."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 90, (12, 12, 3))
    at = int(rng.integers(3, 9))
    if kind == 0:
        image[at] += 150
    elif kind == 1:
        image[at] += 100
        image[:, at] += 100
    else:
        image[at - 2 : at + 2, at - 2 : at + 2, 0] += 150
    return np.clip(image, 0, 255).astype(np.uint8)


def draw_folder(folder: Path, each: int = 60) -> Path:
    for kind, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            Image.fromarray(draw(kind, 1000 * kind + i)).save(folder / name / f"{i:03d}.png")
    return folder


def seedleaf(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "seedleaf.cli", *map(str, arguments)]


def log_of(folder: Path) -> list[Event]:
    """The log of a fit; empty before there is one."""
    if not (folder / "study.db").exists():
        return []
    store = SqlStore(folder / "study.db")
    try:
        return store.read("fit")
    finally:
        store.close()


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that live."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def lives(pid: int) -> bool:
    """Whether the process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

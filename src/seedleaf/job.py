"""`Job`: what was asked for, kept as run.json in the run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seedleaf.data.spec import DIGITS
from seedleaf.errors import BudgetError, RunError, StudyError
from seedleaf.timing import PRESETS, SHORTEST
from seedleaf.train.ramp import AUTO, AXES
from seedleaf.tuner.registry import SAMPLERS, SCHEDULERS
from seedleaf.writing import replacing

LATENCY = "latency_ms"
# What accuracy may be searched against: known from the config, in every measurement.
TRADEOFFS = ("macs", "params", LATENCY)
SIDES = (8, 512)  # pixels: beyond, pictures are specks, or no light network's
ARRAYS = "<arrays>"  # what stands for the data of a run that was given arrays and no path


def tradeoff_of(given: str | None) -> str:
    """The metric that is asked for, by its name: "latency" is latency_ms, None nothing."""
    return LATENCY if given == "latency" else given or ""


def name_of(data: Any) -> str:
    """`data` as the job keeps it: paths absolute, so that the run can be resumed from anywhere; names as they are."""
    if not isinstance(data, (str, Path)):
        return ARRAYS
    if isinstance(data, str) and (data.casefold() == DIGITS or not _exists(data)):
        return data
    return str(Path(data).absolute())


@dataclass(frozen=True)
class WithTest:
    """Data whose test rows were handed over in memory, beside it."""

    data: Any
    test: Any


def _exists(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists()
    except OSError:  # too long for a path, say
        return False


@dataclass(frozen=True)
class Job:
    """What was asked for; kept as run.json in the run's folder."""

    data: str
    time_limit: float
    limits: Mapping[str, float] = field(default_factory=dict)
    workers: int = 1
    seed: int = 0
    preset: str = "good"
    learner: str = "convnet"
    kind: str = "images"
    options: Mapping[str, Any] = field(default_factory=dict)  # what the kind of data understands
    memory: float | None = None  # bytes for the whole run; without one, 70 % of what is free
    sampler: str = "auto"
    scheduler: str = "auto"
    fidelity: str = "auto"
    tradeoff: str = ""
    inherit: bool = False  # begin new trials with the weights of near ones
    side: int | None = None  # pixels of the longer side of pictures in folders
    command: str = ""
    version: str = ""

    def save(self, folder: Path) -> None:
        with replacing(folder / "run.json") as file:
            file.write((json.dumps(asdict(self), indent=2) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Job:
        try:
            body = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            known = {k: v for k, v in body.items() if k in cls.__dataclass_fields__}
            limits = {str(k): float(v) for k, v in known.pop("limits", {}).items()}
            time_limit, workers = float(known.pop("time_limit")), int(known.pop("workers"))
            return cls(**known, time_limit=time_limit, workers=workers, limits=limits)
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(f"{folder} is not a run's folder: it holds no run.json") from None
        except (ValueError, TypeError, AttributeError, KeyError, OSError) as error:
            raise RunError(f"{folder / 'run.json'} cannot be read: {error!r}") from None

    def check(self) -> None:
        """StudyError or BudgetError where no run can come of it, before anything is written or started."""
        for kind, name, known in (
            ("preset", self.preset, PRESETS),
            ("sampler", self.sampler, {"auto": None, **SAMPLERS}),
            ("scheduler", self.scheduler, {"auto": None, **SCHEDULERS}),
            ("fidelity", self.fidelity, {AUTO: None, **AXES}),
            ("tradeoff", self.tradeoff or TRADEOFFS[0], dict.fromkeys(TRADEOFFS)),
        ):
            if name not in known:
                raise StudyError(f"no {kind} is called {name!r}; there are: {', '.join(known)}")
        if self.seed < 0:
            raise StudyError(f"the seed must be 0 or more, got {self.seed}")
        if self.side is not None and not SIDES[0] <= self.side <= SIDES[1]:
            raise StudyError(f"the side of pictures must be {SIDES[0]} to {SIDES[1]} pixels, got {self.side}")
        if self.time_limit < SHORTEST:
            raise BudgetError(f"--time {self.time_limit:g}s is too short; give at least {SHORTEST:g}s")

"""What was asked of a compression; kept as run.json in the run's folder."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from seedleaf.amounts import format_seconds, parse_seconds
from seedleaf.compressing.plan import INT8
from seedleaf.compression.candidates import UNITS as METRICS
from seedleaf.errors import BudgetError, LimitError, RunError, StudyError
from seedleaf.job import ARRAYS

SHORTEST = 20.0  # seconds: the workers start, the original is measured, and something is left to train
USUAL = 600.0  # seconds, where none are given


@dataclass(frozen=True)
class CompressJob:
    """What was asked for; kept as run.json in the run's folder. `at_most` are the bounds as given, by metric."""

    model: str
    data: str
    time_limit: float
    speedup: float | None = None
    at_most: Mapping[str, float] = field(default_factory=dict)
    max_drop: float = 0.5
    int8: str = "auto"
    tradeoff: str = ""
    max_trials: int | None = None
    workers: int = 1
    seed: int = 0
    command: str = ""
    version: str = ""
    kind: str = "compress"
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None

    @property
    def of_run(self) -> bool:
        """Whether `model` is the folder of a run, which is kept absolute, and not the class of somebody's module."""
        return Path(self.model).is_absolute()

    def again(self) -> str:
        """What begins it anew, in the time it has now: its command line, or the call of Python, in which `module` and `data`
        are what nobody has kept."""
        if self.command.startswith("seedleaf compress "):
            return _timed(self.command, self.time_limit)
        bounds = {f"max_{m.removesuffix('_ms')}": _short(v) for m, v in self.at_most.items()}
        usual = {f.name: f.default for f in fields(self)}
        names = ("max_drop", "int8", "tradeoff", "max_trials", "mean", "std", "seed")
        told = {k: v for k in names if (v := getattr(self, k)) != usual[k]}
        speedup = {} if self.speedup is None else {"speedup": self.speedup}
        options = {**speedup, **bounds, "time_limit": _short(self.time_limit), **told}
        model = repr(self.model) if self.of_run else "module"
        data = "data" if self.data in ("", ARRAYS) else repr(self.data)
        call = f"seedleaf.compress({', '.join([model, data, *(f'{k}={v!r}' for k, v in options.items())])})"
        # Earlier versions, which kept no more of a call than this, kept no mean and std either.
        lacking = not self.of_run and self.command == "seedleaf.compress(…)"
        return f"{call} and the mean and std that it was given" if lacking else call

    def check(self) -> None:
        """LimitError, BudgetError or StudyError where nothing can come of it, before anything is written or started."""
        if self.speedup is None and not self.at_most:
            raise LimitError(
                "say how small: --speedup 2.5, --max-params N, --max-macs N, --max-latency MS or --max-bytes N"
            )
        if self.speedup is not None and not 1.0 < self.speedup < math.inf:
            raise LimitError(f"a speed-up must be more than 1, got {self.speedup:g}")
        for metric, bound in self.at_most.items():
            if not 0 < bound < math.inf:
                raise LimitError(f"a limit on {metric} must be positive, got {bound:g}")
        if not self.max_drop >= 0:
            raise LimitError(f"--max-drop is in percent points and at least 0, got {self.max_drop:g}")
        if self.int8 not in INT8:
            raise StudyError(f"no int8 is called {self.int8!r}; there are: {', '.join(INT8)}")
        if self.tradeoff and self.tradeoff not in METRICS:
            raise StudyError(f"no tradeoff is called {self.tradeoff!r}; there are: {', '.join(METRICS)}")
        if self.max_trials is not None and self.max_trials < 1:
            raise StudyError(f"max_trials must be 1 or more, got {self.max_trials}")
        if self.seed < 0:
            raise StudyError(f"the seed must be 0 or more, got {self.seed}")
        if self.time_limit < SHORTEST:
            given = format_seconds(self.time_limit)
            raise BudgetError(f"--time {given} is too short; give at least {SHORTEST:.0f}s")

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2) + "\n"
        (folder / "run.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> CompressJob:
        """What `save` wrote. RunError where it cannot be read."""
        try:
            body = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            return cls(**{k: v for k, v in body.items() if k in cls.__dataclass_fields__})
        except (ValueError, TypeError, AttributeError, OSError) as error:
            raise RunError(f"{folder / 'run.json'} cannot be read: {error!r}") from None


def _timed(command: str, seconds: float) -> str:
    """A command line with that `--time`; as it was given where that is what it says."""
    found = re.search(r" --time[ =]('[^']*'|\S+)", command)
    if (parse_seconds(found[1].strip("'")) if found else USUAL) == seconds:
        return command
    time = f" --time {_short(seconds)}s"
    return command.replace(found[0], time) if found else command + time


def _short(value: float) -> float | int:
    return int(value) if value == int(value) else value


def is_compression(folder: Path) -> bool:
    """Whether a run's folder is that of a compression, by its run.json."""
    try:
        body = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return isinstance(body, dict) and body.get("kind") == "compress"
    except (ValueError, OSError):
        return False

"""Float and Int: numbers on a linear or logarithmic scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space.values import hints_json


def _number(kind: str, value: object) -> float:
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise SpaceError(f"{kind}: {value!r} is not a number that fits a float")


def _check_number(
    kind: str, low: float, high: float, log: bool, default: float | None, prior: float | None
) -> None:
    if not math.isfinite(high - low):
        raise SpaceError(f"{kind}({low}, {high}): bounds and their distance must be finite")
    if low > high:
        raise SpaceError(f"{kind}({low}, {high}): low is above high")
    if log and low <= 0:
        raise SpaceError(f"{kind}({low}, {high}, log=True): a log scale needs low > 0")
    for name, value in (("default", default), ("prior", prior)):
        if value is not None and not low <= value <= high:
            raise SpaceError(f"{kind}({low}, {high}): the {name} {value} lies outside")


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]; `log=True` where ratios matter more than differences.

    `prior` is a value believed to be good: samplers try near it first. Without a default it is the default too.
    """

    low: float
    high: float
    log: bool = False
    default: float | None = None
    prior: float | None = None

    def __post_init__(self) -> None:
        # Plain floats whatever came in, so that Float(0, 1) and Float(0.0, 1.0) are one space with one fingerprint.
        for name in ("low", "high", *_given(self)):
            object.__setattr__(self, name, _number("Float", getattr(self, name)))
        _check_number("Float", self.low, self.high, self.log, self.default, self.prior)
        _default_to_prior(self)

    @property
    def n_values(self) -> int | None:
        return 1 if self.low == self.high else None

    is_ordered = True

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            return False
        return bool(self.low <= value <= self.high)

    def to_unit(self, value: Value) -> float:
        if self.low == self.high:
            return 0.5
        return _to_unit(float(value), self.low, self.high, self.log)  # type: ignore[arg-type]

    def from_unit(self, unit: float) -> float:
        return min(max(_from_unit(unit, self.low, self.high, self.log), self.low), self.high)

    def neighbour(self, value: Value, rng: np.random.Generator, scale: float = 0.2) -> float:
        return self.from_unit(_reflect(self.to_unit(value) + scale * float(rng.standard_normal())))

    def to_json(self) -> dict[str, Any]:
        return _number_json("float", self)


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high], both ends included; with `step` one of low, low + step, … up to high.

    `prior` as in `Float`.
    """

    low: int
    high: int
    log: bool = False
    default: int | None = None
    step: int = 1
    prior: int | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high", "step", *_given(self)):
            value = getattr(self, name)
            if not _number("Int", value).is_integer():
                raise SpaceError(f"Int({self.low}, {self.high}): {name} must be a whole number, got {value}")
            object.__setattr__(self, name, int(value))
        _check_number("Int", self.low, self.high, self.log, self.default, self.prior)
        if self.step < 1:
            raise SpaceError(f"Int({self.low}, {self.high}): step must be at least 1, got {self.step}")
        object.__setattr__(self, "high", self.high - (self.high - self.low) % self.step)
        if self.log and self.low <= self.step / 2:
            raise SpaceError(
                f"Int({self.low}, {self.high}, log=True): a step of {self.step} needs low > {self.step / 2:g}"
            )
        for name in _given(self):
            if not self.contains(getattr(self, name)):
                value = getattr(self, name)
                raise SpaceError(f"Int({self.low}, {self.high}): the {name} {value} is not a step from low")
        _default_to_prior(self)

    @property
    def n_values(self) -> int | None:
        return (self.high - self.low) // self.step + 1

    is_ordered = True

    # Each value owns its share of the (log) scale, so the ends are as likely as the middle.
    @property
    def _edges(self) -> tuple[float, float]:
        return self.low - self.step / 2, self.high + self.step / 2

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            return False
        return self.low <= int(value) <= self.high and (int(value) - self.low) % self.step == 0

    def to_unit(self, value: Value) -> float:
        return _to_unit(float(value), *self._edges, self.log)  # type: ignore[arg-type]

    def from_unit(self, unit: float) -> int:
        return self.nearest(_from_unit(unit, *self._edges, self.log))

    def nearest(self, value: float) -> int:
        """The value of the range that is closest to `value`."""
        steps = round((value - self.low) / self.step)
        return min(max(self.low + steps * self.step, self.low), self.high)

    def neighbour(self, value: Value, rng: np.random.Generator, scale: float = 0.2) -> int:
        if self.low == self.high:
            return self.low
        moved = self.from_unit(_reflect(self.to_unit(value) + scale * float(rng.standard_normal())))
        if moved != value:
            return moved
        up = value == self.low or (value != self.high and rng.random() < 0.5)
        return int(value) + (self.step if up else -self.step)

    def to_json(self) -> dict[str, Any]:
        body = _number_json("int", self)
        return body if self.step == 1 else {**body, "step": self.step}


def _number_json(kind: str, param: Float | Int) -> dict[str, Any]:
    body: dict[str, Any] = {"kind": kind, "low": param.low, "high": param.high}
    if param.log:
        body["log"] = True
    return {**body, **hints_json(param.default, param.prior)}


def _given(param: Float | Int) -> tuple[str, ...]:
    return tuple(name for name in ("default", "prior") if getattr(param, name) is not None)


def _default_to_prior(param: Float | Int) -> None:
    if param.default is None:
        object.__setattr__(param, "default", param.prior)


def _to_unit(value: float, low: float, high: float, log: bool) -> float:
    if log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)


def _from_unit(unit: float, low: float, high: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
    return low + unit * (high - low)


def _reflect(unit: float) -> float:
    """Fold a step that left [0, 1] back in, so that the ends are not favoured as clipping would."""
    unit = abs(unit) % 2.0
    return 2.0 - unit if unit > 1.0 else unit

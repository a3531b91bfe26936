"""The kinds of parameter. Each maps its values to the unit interval and back: all that samplers need to know."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from seedleaf.core import Value
from seedleaf.errors import SpaceError

if TYPE_CHECKING:
    from seedleaf.space.space import Space


@runtime_checkable
class Param(Protocol):
    """One hyper-parameter. `to_unit` and `from_unit` are inverse up to rounding; `n_values` is None where infinite."""

    @property
    def default(self) -> Value | None: ...
    @property
    def n_values(self) -> int | None: ...
    @property
    def is_ordered(self) -> bool: ...
    def contains(self, value: object) -> bool: ...
    def to_unit(self, value: Value) -> float: ...
    def from_unit(self, unit: float) -> Value: ...
    def neighbour(self, value: Value, rng: np.random.Generator, scale: float) -> Value: ...
    def to_json(self) -> dict[str, Any]: ...


def plain_value(value: object) -> Value:
    """`value` as the plain Python value that a config and the log hold; SpaceError for anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise SpaceError(f"{value} cannot stand in a space or a config: the log has no such number")
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise SpaceError(f"{value!r} is a {type(value).__name__}: use str, int, float, bool or None")


def _number(kind: str, value: object) -> float:
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise SpaceError(f"{kind}: {value!r} is not a number that fits a float")


def _check_number(kind: str, low: float, high: float, log: bool, default: float | None) -> None:
    if not math.isfinite(high - low):
        raise SpaceError(f"{kind}({low}, {high}): bounds and their distance must be finite")
    if low > high:
        raise SpaceError(f"{kind}({low}, {high}): low is above high")
    if log and low <= 0:
        raise SpaceError(f"{kind}({low}, {high}, log=True): a log scale needs low > 0")
    if default is not None and not low <= default <= high:
        raise SpaceError(f"{kind}({low}, {high}): the default {default} lies outside")


@dataclass(frozen=True)
class Float:
    """A real number in [low, high]; `log=True` where ratios matter more than differences."""

    low: float
    high: float
    log: bool = False
    default: float | None = None

    def __post_init__(self) -> None:
        # Plain floats whatever came in, so that Float(0, 1) and Float(0.0, 1.0) are one space with one fingerprint.
        for name in ("low", "high") if self.default is None else ("low", "high", "default"):
            object.__setattr__(self, name, _number("Float", getattr(self, name)))
        _check_number("Float", self.low, self.high, self.log, self.default)

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
    """A whole number in [low, high], both ends included; with `step` one of low, low + step, … up to high."""

    low: int
    high: int
    log: bool = False
    default: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        for name in ("low", "high", "step") if self.default is None else ("low", "high", "step", "default"):
            value = getattr(self, name)
            if not _number("Int", value).is_integer():
                raise SpaceError(f"Int({self.low}, {self.high}): {name} must be a whole number, got {value}")
            object.__setattr__(self, name, int(value))
        _check_number("Int", self.low, self.high, self.log, self.default)
        if self.step < 1:
            raise SpaceError(f"Int({self.low}, {self.high}): step must be at least 1, got {self.step}")
        object.__setattr__(self, "high", self.high - (self.high - self.low) % self.step)
        if self.log and self.low <= self.step / 2:
            raise SpaceError(
                f"Int({self.low}, {self.high}, log=True): a step of {self.step} needs low > {self.step / 2:g}"
            )
        if self.default is not None and not self.contains(self.default):
            raise SpaceError(
                f"Int({self.low}, {self.high}): the default {self.default} is not a step from low"
            )

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


class Choice:
    """One of several options; an option may carry parameters that exist only under it.

    `Choice("relu", "gelu")`, `Choice(16, 32, ordered=True)`, `Choice(sgd=dict(momentum=Float(0, 1)), adam={})`.
    Options given by keyword are strings and carry a mapping of parameters (possibly empty). A mapping does the same
    for names that are no keywords: `Choice({"default": {}, "one-cycle": dict(peak=Float(0, 1))})`.
    """

    def __init__(
        self,
        *options: Value | Mapping[str, Any],
        default: Value | None = None,
        ordered: bool = False,
        **branches: Any,
    ) -> None:
        from seedleaf.space.space import Space  # a Choice holds spaces and a Space holds choices

        for name, given in (("default", default), ("ordered", ordered)):
            if isinstance(given, (Mapping, Space)):
                raise SpaceError(
                    f'{name}= is Choice\'s own argument; write Choice({{"{name}": {{...}}, ...}}) for an option '
                    "of that name"
                )
        found: list[Value] = []
        named: dict[str, Any] = {}
        for option in (*options, branches):
            if isinstance(option, Mapping):
                found.extend(option)
                named.update(option)
            else:
                found.append(plain_value(option))
        self.options: tuple[Value, ...] = tuple(found)
        if not self.options:
            raise SpaceError("Choice() has no options")
        if len({option_key(o) for o in self.options}) != len(self.options):
            raise SpaceError(f"Choice{self.options}: an option stands twice")
        self.branches: dict[Value, Space] = {}
        for name, branch in named.items():
            if not isinstance(name, str) or not isinstance(branch, (Mapping, Space)):
                raise SpaceError(
                    f"Choice option {name!r} needs a name and a dict of parameters, got {type(branch).__name__}"
                )
            self.branches[name] = branch if isinstance(branch, Space) else Space(branch)
        self._index = {option_key(o): i for i, o in enumerate(self.options)}
        if default is not None and option_key(default) not in self._index:
            raise SpaceError(f"Choice{self.options}: the default {default!r} is no option")
        self.default = None if default is None else self.options[self.index(default)]
        self.ordered = bool(ordered)

    def __repr__(self) -> str:
        return f"Choice{self.options}"

    def __eq__(self, other: object) -> bool:
        # As text, because 1 == True: Choice(0, 1) is not Choice(False, True).
        return isinstance(other, Choice) and json.dumps(self.to_json()) == json.dumps(other.to_json())

    __hash__ = None  # type: ignore[assignment]  # equal by value, and not frozen in the hashing sense

    @property
    def n_values(self) -> int | None:
        return len(self.options)

    @property
    def is_ordered(self) -> bool:
        return self.ordered

    def contains(self, value: object) -> bool:
        return option_key(value) in self._index

    def index(self, value: Value) -> int:
        try:
            return self._index[option_key(value)]
        except KeyError:
            raise SpaceError(f"{value!r} is not among {self.options}") from None

    def to_unit(self, value: Value) -> float:
        return (self.index(value) + 0.5) / len(self.options)

    def from_unit(self, unit: float) -> Value:
        return self.options[min(max(int(unit * len(self.options)), 0), len(self.options) - 1)]

    def neighbour(self, value: Value, rng: np.random.Generator, scale: float = 0.2) -> Value:
        n, at = len(self.options), self.index(value)
        if n == 1:
            return value
        if self.ordered:
            step = 1 if at == 0 or (at != n - 1 and rng.random() < 0.5) else -1
            return self.options[at + step]
        return self.options[(at + 1 + int(rng.integers(n - 1))) % n]

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"kind": "choice", "options": list(self.options)}
        if any(space.nodes for space in self.branches.values()):
            body["branches"] = {str(k): s.to_json() for k, s in self.branches.items() if s.nodes}
        if self.ordered:
            body["ordered"] = True
        return body if self.default is None else {**body, "default": self.default}


def Bool(default: bool | None = None) -> Choice:
    """False or True."""
    return Choice(False, True, default=default)


@dataclass(frozen=True, eq=False)
class Const:
    """A fixed value that the config should carry."""

    value: Value

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", plain_value(self.value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self.contains(other.value)

    def __hash__(self) -> int:
        return hash(option_key(self.value))

    @property
    def default(self) -> Value | None:
        return self.value

    n_values = 1
    is_ordered = False

    def contains(self, value: object) -> bool:
        return option_key(self.value) == option_key(value)

    def to_unit(self, value: Value) -> float:
        return 0.5

    def from_unit(self, unit: float) -> Value:
        return self.value

    def neighbour(self, value: Value, rng: np.random.Generator, scale: float = 0.2) -> Value:
        return self.value

    def to_json(self) -> dict[str, Any]:
        return {"kind": "const", "value": self.value}


def param_from_json(body: Mapping[str, Any]) -> Param:
    """The parameter that `to_json` described."""
    from seedleaf.space.space import Space

    kind = body.get("kind")
    if kind in ("float", "int"):
        given = (body["low"], body["high"], bool(body.get("log", False)), body.get("default"))
        return Float(*given) if kind == "float" else Int(*given, step=body.get("step", 1))
    if kind == "const":
        return Const(body["value"])
    if kind == "choice":
        branches = {k: Space.from_json(v) for k, v in body.get("branches", {}).items()}
        return _choice(body["options"], branches, body.get("default"), bool(body.get("ordered", False)))
    raise SpaceError(f"unknown kind of parameter: {kind!r}")


def _choice(options: Sequence[Value], branches: Mapping[str, Space], default: Value, ordered: bool) -> Choice:
    choice = Choice(*options, default=default, ordered=ordered)
    choice.branches = {o: branches[o] for o in options if isinstance(o, str) and o in branches}
    return choice


def option_key(value: object) -> tuple[str, object]:
    """1, 1.0 and True are different options, as are "1" and 1; numpy scalars equal their Python twins."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (str, int, float)):
        return type(value).__name__, value
    return type(value).__name__, None


def _number_json(kind: str, param: Float | Int) -> dict[str, Any]:
    body: dict[str, Any] = {"kind": kind, "low": param.low, "high": param.high}
    if param.log:
        body["log"] = True
    return body if param.default is None else {**body, "default": param.default}


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

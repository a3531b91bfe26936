"""What every kind of parameter offers (`Param`), and the plain values that configs hold."""

from __future__ import annotations

import math
from typing import Any, Protocol, runtime_checkable

import numpy as np

from seedleaf.core import Value
from seedleaf.errors import SpaceError


@runtime_checkable
class Param(Protocol):
    """One hyper-parameter. `to_unit` and `from_unit` are inverse up to rounding; `n_values` is None where infinite.

    `prior` is the value that the user believes to be good, a hint and not a bound; None where nobody said.
    """

    @property
    def default(self) -> Value | None: ...
    @property
    def prior(self) -> Value | None: ...
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


def option_key(value: object) -> tuple[str, object]:
    """1, 1.0 and True are different options, as are "1" and 1; numpy scalars equal their Python twins."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (str, int, float)):
        return type(value).__name__, value
    return type(value).__name__, None


def hints_json(default: Value | None, prior: Value | None) -> dict[str, Any]:
    """The default and the prior of a parameter, each left out where None: old spaces keep their fingerprints."""
    return {k: v for k, v in (("default", default), ("prior", prior)) if v is not None}

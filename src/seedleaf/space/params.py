"""The kinds of parameter. Each maps its values to the unit interval and back: all that samplers need to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space.choice import Bool, Choice
from seedleaf.space.number import Float, Int
from seedleaf.space.values import Param, option_key, plain_value

if TYPE_CHECKING:
    from seedleaf.space.space import Space

__all__ = ["Bool", "Choice", "Const", "Float", "Int", "Param", "option_key", "param_from_json", "plain_value"]


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

    prior = None
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
        prior = body.get("prior")
        return (
            Float(*given, prior=prior)
            if kind == "float"
            else Int(*given, step=body.get("step", 1), prior=prior)
        )
    if kind == "const":
        return Const(body["value"])
    if kind == "choice":
        branches = {k: Space.from_json(v) for k, v in body.get("branches", {}).items()}
        return _choice(body["options"], branches, body)
    raise SpaceError(f"unknown kind of parameter: {kind!r}")


def _choice(options: Sequence[Value], branches: Mapping[str, Space], body: Mapping[str, Any]) -> Choice:
    choice = Choice(
        *options,
        default=body.get("default"),
        ordered=bool(body.get("ordered", False)),
        prior=body.get("prior"),
    )
    choice.branches = {o: branches[o] for o in options if isinstance(o, str) and o in branches}
    return choice

"""Choice: one of several options, each with parameters of its own if need be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space.values import hints_json, option_key, plain_value

if TYPE_CHECKING:
    from seedleaf.space.space import Space


class Choice:
    """One of several options; an option may carry parameters that exist only under it.

    `Choice("relu", "gelu")`, `Choice(16, 32, ordered=True)`, `Choice(sgd=dict(momentum=Float(0, 1)), adam={})`.
    Options given by keyword are strings and carry a mapping of parameters (possibly empty). A mapping does the same
    for names that are no keywords: `Choice({"default": {}, "one-cycle": dict(peak=Float(0, 1))})`.
    `prior` is the option believed to be good: samplers try it first. Without a default it is the default too.
    """

    def __init__(
        self,
        *options: Value | Mapping[str, Any],
        default: Value | None = None,
        ordered: bool = False,
        prior: Value | None = None,
        **branches: Any,
    ) -> None:
        from seedleaf.space.space import Space  # a Choice holds spaces and a Space holds choices

        for name, given in (("default", default), ("ordered", ordered), ("prior", prior)):
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
        self.prior = self._option("prior", prior)
        self.default = self.prior if default is None else self._option("default", default)
        self.ordered = bool(ordered)

    def _option(self, role: str, value: Value | None) -> Value | None:
        if value is not None and option_key(value) not in self._index:
            raise SpaceError(f"Choice{self.options}: the {role} {value!r} is no option")
        return None if value is None else self.options[self.index(value)]

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
        return {**body, **hints_json(self.default, self.prior)}


def Bool(default: bool | None = None, prior: bool | None = None) -> Choice:
    """False or True."""
    return Choice(False, True, default=default, prior=prior)

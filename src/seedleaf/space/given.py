"""What people hand to a space, checked and made plain: its parameters, its rules, a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seedleaf.core import Config, Value
from seedleaf.errors import SpaceError
from seedleaf.space.conditions import Condition, is_condition
from seedleaf.space.params import Const, Param, plain_value

if TYPE_CHECKING:
    from seedleaf.space.space import Space


def named_params(given: Mapping[str, Any]) -> dict[str, Param]:
    """Parameters by name, plain values as Const; SpaceError for what is neither, and for a name that cannot be."""
    params: dict[str, Param] = {}
    for name, param in given.items():
        if not isinstance(name, str) or not name or any(c in name for c in "[]"):
            raise SpaceError(f"parameter name {name!r}: use a name without '[' or ']'")
        params[name] = _as_param(name, param)
    return params


def _as_param(name: str, param: object) -> Param:
    if isinstance(param, Param):
        return param
    if param is None or isinstance(param, (str, int, float, bool, np.generic)):
        return Const(plain_value(param))
    raise SpaceError(f"{name}={param!r}: use Float, Int, Choice, Bool, Const or a plain value")


def rules(
    when: Mapping[str, Condition] | None, forbid: Sequence[Condition]
) -> tuple[dict[str, Condition], tuple[Condition, ...]]:
    """Both as they are kept; SpaceError where a parameter was to be called so, or where they hold no conditions."""
    for name, given, kind in (("when", when or {}, Mapping), ("forbid", forbid or (), Sequence)):
        if isinstance(given, (Param, str, int, float)) or not isinstance(given, kind):
            raise SpaceError(
                f"{name}= is Space's own argument: a {'mapping' if name == 'when' else 'list'} of conditions; "
                f'a parameter of that name is written Space({{"{name}": ...}})'
            )
    kept, clauses = dict(when or {}), tuple(forbid or ())
    for condition in (*kept.values(), *clauses):
        if not is_condition(condition):
            raise SpaceError(f"{condition!r} is no condition: use Equals, In, Greater, And, ...")
    return kept, clauses


def checked(space: Space, config: Mapping[str, Value]) -> Config:
    """`config` with plain Python values if it lies in the space; SpaceError says what does not."""
    found: Config = {}
    values: dict[str, Value] = {}
    for node in space.active(config):
        if not node.param.contains(config[node.key]):
            raise SpaceError(f"{node.key} = {config[node.key]!r} is not in {node.param!r}")
        found[node.key] = values[node.id] = plain_value(config[node.key])
    refuse_extra(config, found)
    clause = space.forbidden_by(values)
    if clause is not None:
        raise SpaceError(f"the config is forbidden: {clause}")
    return found


def refuse_extra(config: Mapping[str, Value], active: Mapping[str, Value]) -> None:
    """SpaceError where `config` names more than is `active`."""
    extra = sorted(str(name) for name in set(config) - set(active))
    if extra:
        raise SpaceError(f"not parameters of this space under these choices: {', '.join(extra)}")

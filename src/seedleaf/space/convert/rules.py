"""Conditions as text: `depth > 3 and (cell == 'a' or width in [8, 16])`, parsed and never evaluated."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from seedleaf.errors import SpaceError
from seedleaf.space.conditions import (
    Above,
    And,
    Below,
    Condition,
    Equals,
    Greater,
    In,
    Less,
    Not,
    NotEquals,
    Or,
    Same,
    condition_from_json,
    condition_to_json,
    describe,
)

_ATOMS: Mapping[type[ast.cmpop], type[Equals | NotEquals | Greater | Less]] = {
    ast.Eq: Equals,
    ast.NotEq: NotEquals,
    ast.Gt: Greater,
    ast.Lt: Less,
}
_RELATIONS: Mapping[type[ast.cmpop], type[Same | Above | Below]] = {
    ast.Eq: Same,
    ast.Gt: Above,
    ast.Lt: Below,
}


def parse_rule(rule: object) -> Condition:
    """A condition from text, from `{name: value or list of values}` (all must hold) or from the JSON form.

    In text a bare name on the right is another parameter: write texts in quotes, `optimizer == 'sgd'`.
    """
    if isinstance(rule, str):
        return _parse(rule)
    if isinstance(rule, Mapping) and rule:
        parts = [In(k, v) if isinstance(v, list) else Equals(k, v) for k, v in rule.items()]
        return parts[0] if len(parts) == 1 else And(*parts)
    return condition_from_json(rule)


def write_rule(condition: Condition) -> str | list[Any]:
    """The condition as text where that reads back as itself, else in the JSON form."""
    text = describe(condition)
    try:
        again = _parse(text)
    except SpaceError:
        return condition_to_json(condition)
    same = repr(condition_to_json(again)) == repr(condition_to_json(condition))
    return text if same else condition_to_json(condition)


def _parse(text: str) -> Condition:
    try:
        return _build(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = "is too long" if isinstance(error, (RecursionError, MemoryError)) else str(error)
        raise SpaceError(f"the condition {text!r} cannot be read: {reason}") from None


def _build(tree: ast.expr) -> Condition:
    if isinstance(tree, ast.BoolOp):
        kind = And if isinstance(tree.op, ast.And) else Or
        return kind(*(_build(part) for part in tree.values))
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        return Not(_build(tree.operand))
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1:
        raise ValueError(f"{ast.unparse(tree)} compares nothing: write name == value, joined by and, or, not")
    name, sign, right = _name(tree.left), type(tree.ops[0]), tree.comparators[0]
    if name is None:
        raise ValueError(f"{ast.unparse(tree.left)} is no name")
    other = _name(right)
    if other is not None and sign in _RELATIONS:
        return _RELATIONS[sign](name, other)
    value = ast.literal_eval(right)
    if sign is ast.In:
        return In(name, value)
    if sign not in _ATOMS:
        raise ValueError(f"{ast.unparse(tree)}: the signs are ==, !=, <, > and in")
    return _ATOMS[sign](name, value)


def _name(tree: ast.expr) -> str | None:
    """`a` or `a.b`, as written; None where it is something else."""
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Attribute):
        inner = _name(tree.value)
        return None if inner is None else f"{inner}.{tree.attr}"
    return None

"""Spaces: what may vary, and one point of it."""

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
)
from seedleaf.space.nodes import Node
from seedleaf.space.params import Bool, Choice, Const, Float, Int, Param
from seedleaf.space.problem import Problem
from seedleaf.space.space import Space
from seedleaf.space.text import fingerprint

__all__ = [
    "Above",
    "And",
    "Below",
    "Bool",
    "Choice",
    "Condition",
    "Const",
    "Equals",
    "Float",
    "Greater",
    "In",
    "Int",
    "Less",
    "Node",
    "Not",
    "NotEquals",
    "Or",
    "Param",
    "Problem",
    "Same",
    "Space",
    "fingerprint",
]

"""Spaces: what may vary, and one point of it."""

from seedleaf.space.params import Bool, Choice, Const, Float, Int, Param
from seedleaf.space.problem import Problem
from seedleaf.space.space import Node, Space, fingerprint

__all__ = ["Bool", "Choice", "Const", "Float", "Int", "Node", "Param", "Problem", "Space", "fingerprint"]

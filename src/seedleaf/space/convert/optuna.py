"""Optuna's distributions <-> parameters. Optuna has no conditions: a define-by-run trial holds what it asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from seedleaf.core import Value
from seedleaf.errors import SpaceError
from seedleaf.space.listing import values_of
from seedleaf.space.params import Choice, Float, Int, Param, plain_value
from seedleaf.space.space import Space

LISTED = 1000  # values of a stepped number that are written out one by one


def library() -> Any:
    """The module optuna.distributions; SpaceError where Optuna is not installed."""
    try:
        import optuna.distributions
    except ImportError:
        raise SpaceError("Optuna is not installed: pip install 'seedleaf[optuna]'") from None
    return optuna.distributions


def from_optuna(distributions: Mapping[str, Any]) -> Space:
    """The flat Space of `{name: distribution}`; SpaceError by name for what cannot be carried over."""
    return Space({name: param_of(name, dist) for name, dist in distributions.items()})


def param_of(name: str, dist: Any) -> Param:
    """The parameter that an Optuna distribution describes."""
    lib = library()
    try:
        if isinstance(dist, lib.IntDistribution):
            return Int(dist.low, dist.high, log=dist.log, step=dist.step)
        if isinstance(dist, lib.FloatDistribution):
            if dist.step is None:
                return Float(dist.low, dist.high, log=dist.log)
            return Choice(*_grid(dist.low, dist.high, dist.step), ordered=True)
        if isinstance(dist, lib.CategoricalDistribution):
            return Choice(*(plain_value(c) for c in dist.choices))
    except SpaceError as error:
        raise SpaceError(f"{name}: {error}") from None
    raise SpaceError(f"{name}: a {type(dist).__name__} has no counterpart")


def _grid(low: float, high: float, step: float) -> list[float]:
    """low, low + step, … as Optuna writes them."""
    n = math.floor(round((high - low) / step, 8)) + 1
    if n > LISTED:
        raise SpaceError(f"{n} steps are more than {LISTED}")
    return [float(low + i * step) for i in range(n)]


def to_optuna(space: Space) -> dict[str, Any]:
    """`{name: distribution}` of a space without conditions and clauses; SpaceError by name where it has some."""
    for node in space.nodes:
        if node.parent is not None or node.when is not None:
            raise SpaceError(
                f"{node.key} exists only under a condition, which no dict of distributions can say: "
                "seedleaf.optuna_bridge has samplers that keep conditions"
            )
    if space.clauses:
        raise SpaceError(f"what is forbidden cannot be carried over: {space.clauses[0][1]}")
    return {node.key: distribution_of(node.key, node.param) for node in space.nodes}


def distribution_of(name: str, param: Param) -> Any:
    """The Optuna distribution of one parameter. Priors and defaults have no place in it."""
    lib = library()
    try:
        if isinstance(param, Float):
            return lib.FloatDistribution(param.low, param.high, log=param.log)
        if isinstance(param, Int):
            return _int(lib, param)
        options = param.options if isinstance(param, Choice) else (param.default,)
        step = _even(options) if param.is_ordered else None
        if step is None:
            return _categorical(lib, options)
        if isinstance(step, int):
            return lib.IntDistribution(options[0], options[-1], step=step)
        return lib.FloatDistribution(options[0], options[-1], step=step)
    except (ValueError, SpaceError) as error:
        raise SpaceError(f"{name}: Optuna cannot hold it: {error}") from error


def _int(lib: Any, param: Int) -> Any:
    if not (param.log and param.step != 1):
        return lib.IntDistribution(param.low, param.high, log=param.log, step=param.step)
    if (param.n_values or 0) > LISTED:  # Optuna has no step on a log scale
        raise SpaceError(f"more than {LISTED} values with a step on a log scale")
    return lib.CategoricalDistribution(list(values_of(param)))


def _categorical(lib: Any, options: Sequence[Value]) -> Any:
    if any(a == b for i, a in enumerate(options) for b in options[:i]):
        raise SpaceError(f"it would take two of {tuple(options)} for one")
    return lib.CategoricalDistribution(list(options))


def _even(options: Sequence[Any]) -> float | None:
    """The step of evenly spaced, ascending numbers of one type; None for anything else."""
    kinds = {type(o) for o in options}
    if len(options) < 2 or kinds not in ({int}, {float}):
        return None
    step = options[1] - options[0]
    again = [options[0] + i * step for i in range(len(options))]
    return step if step > 0 and again == list(options) else None

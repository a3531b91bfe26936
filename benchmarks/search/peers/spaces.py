"""A seedleaf Space in each peer's own words, and a peer's answer back as a seedleaf config.

Every free parameter is called p0, p1, …: the place of its node in `space.nodes`, because ids hold dots and brackets that
not every peer takes. Parameters with a single value are left out and put back by `config_of`. Peers without conditionals
get the flat space, all parameters always there; `config_of` drops what is not active.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from seedleaf.core import Config, Value
from seedleaf.space import Choice, Float, Int, Node, Param, Space


@dataclass(frozen=True)
class Plain:
    """A parameter as every peer knows it. Ordered choices and stepped ints are the int of their place in the order."""

    kind: Literal["float", "int", "choice"]
    low: float = 0
    high: float = 0
    log: bool = False
    labels: tuple[str, ...] = ()


def plain(param: Param) -> Plain:
    """`param` in plain words. An int on a log scale with a step would lose the scale, so it is a real number, rounded."""
    if isinstance(param, Float):
        return Plain("float", param.low, param.high, param.log)
    if isinstance(param, Int) and param.step == 1:
        return Plain("int", param.low, param.high, param.log)
    if isinstance(param, Int) and param.log:
        return Plain("float", param.low, param.high, True)
    if param.n_values is None:
        raise TypeError(f"no peer knows {param!r}")
    if param.is_ordered:
        return Plain("int", 0, param.n_values - 1)
    return Plain("choice", labels=tuple(f"o{i}" for i in range(param.n_values)))


def value_of(param: Param, raw: Any) -> Value:
    """A peer's raw value (numpy scalars and a float for an int included) as a value of `param`."""
    if isinstance(param, Float):
        return min(max(float(raw), param.low), param.high)
    if isinstance(param, Int):
        by_place = param.step > 1 and not param.log
        return param.nearest(param.low + param.step * float(raw) if by_place else float(raw))
    if isinstance(param, Choice):
        return param.options[round(float(raw)) if param.is_ordered else int(str(raw)[1:])]
    raise TypeError(f"no peer knows {param!r}")


def free(space: Space) -> dict[str, Node]:
    """The nodes that a peer has to choose a value for, by the name that the peers use."""
    return {f"p{i}": node for i, node in enumerate(space.nodes) if node.param.n_values != 1}


def config_of(space: Space, raw: Mapping[str, Any]) -> Config:
    """The seedleaf config (active parameters only) of a peer's values by name. KeyError where an active one is missing."""
    return walk(space, lambda name, node: value_of(node.param, raw[name]))


def walk(space: Space, ask: Callable[[str, Node], Value]) -> Config:
    """The config whose free, active parameters `ask(name, node)` gives, from the root down: define by run."""

    def pick(node: Node) -> Value:
        return (
            node.param.from_unit(0.5) if node.param.n_values == 1 else ask(f"p{space.index[node.id]}", node)
        )

    return space.walk(pick)


def to_optuna(space: Space, trial: Any) -> Config:
    """Define by run: a parameter is asked for only where it is active."""

    def ask(name: str, node: Node) -> Value:
        p = plain(node.param)
        if p.kind == "float":
            raw = trial.suggest_float(name, p.low, p.high, log=p.log)
        elif p.kind == "int":
            raw = trial.suggest_int(name, int(p.low), int(p.high), log=p.log)
        else:
            raw = trial.suggest_categorical(name, list(p.labels))
        return value_of(node.param, raw)

    return walk(space, ask)


def to_configspace(space: Space, seed: int) -> Any:
    """A ConfigSpace (0.6 to 1.2) with an EqualsCondition for every conditional parameter."""
    import ConfigSpace as cs
    import ConfigSpace.hyperparameters as csh

    made: dict[str, Any] = {}
    for name, node in free(space).items():
        p = plain(node.param)
        if p.kind == "float":
            made[name] = csh.UniformFloatHyperparameter(name, p.low, p.high, log=p.log)
        elif p.kind == "int":
            made[name] = csh.UniformIntegerHyperparameter(name, int(p.low), int(p.high), log=p.log)
        else:
            made[name] = csh.CategoricalHyperparameter(name, list(p.labels))
    conditions = []
    for name, node in free(space).items():
        parent, option = free_parent(space, node)
        if parent is not None and isinstance(parent.param, Choice):
            place = parent.param.index(option)
            label = place if parent.param.is_ordered else f"o{place}"
            conditions.append(cs.EqualsCondition(made[name], made[f"p{space.index[parent.id]}"], label))
    result = cs.ConfigurationSpace(seed=seed)
    if hasattr(result, "add_hyperparameters"):  # before ConfigSpace 1.0
        result.add_hyperparameters(list(made.values()))
        result.add_conditions(conditions)
    else:
        result.add(list(made.values()))
        result.add(conditions)
    return result


def free_parent(space: Space, node: Node) -> tuple[Node | None, Value]:
    """The nearest choice above `node` that is left to the peer, and the option that `node` needs there."""
    while node.parent is not None:
        parent, option = space.by_id[node.parent], node.option
        if parent.param.n_values != 1:
            return parent, option
        node = parent
    return None, None


def to_syne_tune(space: Space) -> dict[str, Any]:
    """Syne Tune's dictionary of domains: flat."""
    from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform

    made: dict[str, Any] = {}
    for name, node in free(space).items():
        p = plain(node.param)
        if p.kind == "float":
            made[name] = (loguniform if p.log else uniform)(p.low, p.high)
        elif p.kind == "int":
            made[name] = (lograndint if p.log else randint)(int(p.low), int(p.high))
        else:
            made[name] = choice(list(p.labels))
    return made


def to_neps(space: Space, fidelity: int | None) -> Any:
    """A NePS PipelineSpace: flat (its classic optimizers refuse conditionals), `steps` as the fidelity."""
    import neps

    made: dict[str, Any] = {}
    for name, node in free(space).items():
        p = plain(node.param)
        if p.kind == "float":
            made[name] = neps.Float(p.low, p.high, log=p.log)
        elif p.kind == "int":
            made[name] = neps.Integer(int(p.low), int(p.high), log=p.log)
        else:
            made[name] = neps.Categorical(choices=list(p.labels))
    if fidelity is not None:
        made["steps"] = neps.IntegerFidelity(1, fidelity)
    return type("Flat", (neps.PipelineSpace,), made)()


def to_hebo(space: Space) -> Any:
    """HEBO's DesignSpace: flat."""
    from hebo.design_space.design_space import DesignSpace

    made: list[dict[str, Any]] = []
    for name, node in free(space).items():
        p = plain(node.param)
        if p.kind == "choice":
            made.append(dict(name=name, type="cat", categories=list(p.labels)))
        else:
            kind = {"float": "pow" if p.log else "num", "int": "pow_int" if p.log else "int"}[p.kind]
            made.append(dict(name=name, type=kind, lb=p.low, ub=p.high))
    return DesignSpace().parse(made)

"""The table of families, and the one space over all of them: the family is a Choice, what it takes is nested under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedleaf.core import Config, Value
from seedleaf.errors import SpaceError
from seedleaf.learners.tables.boosting import Boosting
from seedleaf.learners.tables.forest import ForestFamily
from seedleaf.learners.tables.knn import KnnFamily
from seedleaf.learners.tables.linear import LinearFamily
from seedleaf.learners.tables.mlp import MlpFamily
from seedleaf.learners.tables.model import Family, Kind
from seedleaf.learners.tables.svm import SvmFamily
from seedleaf.space import Choice, Param, Space
from seedleaf.space.draw import default_value

FAMILIES: Mapping[str, Family] = {
    f.name: f for f in (LinearFamily(), ForestFamily(), Boosting(), MlpFamily(), KnnFamily(), SvmFamily())
}
# Those that rarely win share one option: in a short search they must not take the time of the others.
OTHERS = ("knn", "svm")
DEFAULT = "boosting"
LADDER = ("linear", "boosting", "mlp", "forest")
# In the order in which each added most to those before it, on tables that benchmarks/RESULTS.md names.
PORTFOLIO: tuple[tuple[str, Mapping[str, Value]], ...] = (
    ("boosting", {"leaves": 8, "rate": 0.05, "columns": 0.5}),
    ("mlp", {"waves": "none"}),
    ("boosting", {"leaves": 64, "rate": 0.05, "columns": 0.5, "least": 5}),
    ("linear", {"products": 16}),
    ("mlp", {"rate": 0.015, "epochs": 128}),
    ("forest", {"least": 1, "columns": 0.8}),
    ("mlp", {"act": "relu", "numbers": "standard"}),
    ("boosting", {"leaves": 4, "rate": 0.12}),
    ("mlp", {"width": 256, "depth": 1}),
)
# What is tried first where the file is limited: the fewest bytes of features that still say something.
SMALL: tuple[tuple[str, Mapping[str, Value]], ...] = (
    ("boosting", {"leaves": 6, "rate": 0.15, "encode": "target", "words": 8, "dates": "days"}),
    ("linear", {"encode": "target", "words": 8, "dates": "days", "numbers": "standard"}),
    ("boosting", {"leaves": 4, "rate": 0.3, "encode": "ordinal", "words": 8, "dates": "days"}),
)


def space_of(kind: Kind) -> Space:
    """Everything that may vary for a table of that kind."""
    spaces: dict[str, Any] = {name: dict(f.space(kind)) for name, f in FAMILIES.items()}
    branches = {name: space for name, space in spaces.items() if name not in OTHERS}
    branches["other"] = {"family": Choice({name: spaces[name] for name in OTHERS}, default=OTHERS[0])}
    return Space(learner=Choice(branches, default=DEFAULT))


def begun_with(body: Mapping[str, Any], kind: Kind) -> Space:
    """The space of a run that goes on: what its log began with, or today's. SpaceError where it has learners that are not
    known here."""
    if not body:
        return space_of(kind)
    space = Space.from_json(body)
    named = [n.param for n in space.nodes if n.key in ("learner", "learner.family")]
    unknown = {str(o) for p in named for o in _options(p)} - {*FAMILIES, "other"}
    if unknown:
        raise SpaceError(f"there is no learner {min(unknown)!r} here")
    return space


def brought_up(config: Config, kind: Kind) -> Config:
    """A config of a space from before with what its family has been given since, at the defaults."""
    return {**space_of(kind).walk(lambda n: config.get(n.key, default_value(n.param))), **config}


def ladder(space: Space) -> dict[str, Config]:
    """The configs that are tried first, each by its family's name: the plain, the strong, the net, then what is left."""
    known = dict.fromkeys(str(o) for n in space.nodes if n.key == "learner" for o in _options(n.param))
    return {name: space.complete({"learner": name}) for name in LADDER if name in known}


def _options(param: Param) -> tuple[Value, ...]:
    return param.options if isinstance(param, Choice) else ()


def portfolio(space: Space) -> tuple[Config, ...]:
    """What is tried after the defaults: configs that won on other tables where the defaults did not, as far as this space
    has what they set."""
    found = []
    for name, own in PORTFOLIO:
        try:
            found.append(space.complete({"learner": name, **{f"learner.{k}": v for k, v in own.items()}}))
        except SpaceError:
            continue
    return tuple(found)


def small(space: Space) -> tuple[Config, ...]:
    """What is tried after the defaults where bytes are limited."""
    found = []
    for name, own in SMALL:
        default = space.complete({"learner": name})
        there = {f"learner.{k}": v for k, v in own.items() if f"learner.{k}" in default}
        found.append(space.complete({"learner": name, **there}))
    return tuple(found)


def family_name(config: Mapping[str, Any]) -> str:
    """What the family of a config is called."""
    name = str(config["learner"])
    return str(config["learner.family"]) if name == "other" else name


def family_config(name: str) -> dict[str, Any]:
    """The part of a config that says which family it is of."""
    return {"learner": "other", "learner.family": name} if name in OTHERS else {"learner": name}


def split_config(config: Mapping[str, Any]) -> tuple[Family, dict[str, Any]]:
    """The family of a config, and its own parameters without the prefix."""
    name = family_name(config)
    prefix = "learner.family." if name in OTHERS else "learner."
    own = {k.removeprefix(prefix): v for k, v in config.items() if k.startswith(prefix)}
    return FAMILIES[name], own

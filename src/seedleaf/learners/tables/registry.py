"""The table of families, and the one space over all of them: the family is a Choice, what it takes is nested under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from seedleaf.core import Config, Value
from seedleaf.errors import SpaceError, StudyError
from seedleaf.learners.tables.boosting import Boosting
from seedleaf.learners.tables.catboost import CatBoost
from seedleaf.learners.tables.forest import ForestFamily
from seedleaf.learners.tables.knn import KnnFamily
from seedleaf.learners.tables.lightgbm import LightGbm
from seedleaf.learners.tables.linear import LinearFamily
from seedleaf.learners.tables.mlp import MlpFamily
from seedleaf.learners.tables.model import Family, Kind
from seedleaf.learners.tables.svm import SvmFamily
from seedleaf.learners.tables.xgboost import XgBoost
from seedleaf.space import Choice, Param, Space
from seedleaf.space.draw import default_value

FAMILIES: Mapping[str, Family] = {
    f.name: f for f in (LinearFamily(), ForestFamily(), Boosting(), MlpFamily(), KnnFamily(), SvmFamily())
}
# Families of other packages: extra -> what it brings. They are searched where they are named, and only there.
EXTRAS: Mapping[str, Sequence[Family]] = {"boosters": (LightGbm(), XgBoost(), CatBoost())}
KNOWN: Mapping[str, Family] = {**FAMILIES, **{f.name: f for some in EXTRAS.values() for f in some}}
# Those that rarely win share one option: in a short search they must not take the time of the others.
OTHERS = ("knn", "svm")
FAMILY_KEYS = ("learner", "learner.family")  # the parameters that say which family a config is of
LADDER = (
    "linear",
    "boosting",
    "lightgbm",
    "xgboost",
    "catboost",
    "mlp",
    "forest",
)  # what is tried first, in this order
# The first of those that are searched is the default.
STRONG = ("boosting", "lightgbm", "catboost", "xgboost", "forest", "mlp", "linear", "knn", "svm")
# In the order in which each added most to those before it, on tables that benchmarks/RESULTS.md names.
PORTFOLIO: tuple[tuple[str, Mapping[str, Value]], ...] = (
    ("boosting", {"leaves": 8, "rate": 0.05, "columns": 0.5}),
    ("mlp", {"waves": "none"}),
    ("boosting", {"leaves": 64, "rate": 0.05, "columns": 0.5, "least": 5}),
    ("linear", {"products": 16}),
    ("mlp", {"rate": 0.015, "epochs": 128}),
    ("forest", {"least": 1, "columns": 0.8}),
    ("mlp", {"heads": 4}),
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


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The families of those names, in their one order. StudyError where there is no such family, it is not installed, or
    none is named."""
    if unknown := [name for name in names if name not in KNOWN]:
        raise StudyError(f"tables know no family {unknown[0]!r}; there are: {', '.join(KNOWN)}")
    if not names:
        raise StudyError(f"no family is named; there are: {', '.join(KNOWN)}")
    for extra, families in EXTRAS.items():
        for f in families:
            if f.name in names and any(find_spec(module) is None for module in f.modules):
                raise StudyError(f"the family {f.name!r} is not installed: pip install 'seedleaf[{extra}]'")
    return tuple(name for name in KNOWN if name in names)


def space_of(kind: Kind, names: Sequence[str] = ()) -> Space:
    """Everything that may vary for a table of that kind: of the families of those names, in whatever order they are named,
    or of all but the extras."""
    named = [name for name in KNOWN if name in names] or list(FAMILIES)
    spaces: dict[str, Any] = {name: dict(KNOWN[name].space(kind)) for name in named}
    branches = {name: space for name, space in spaces.items() if name not in OTHERS}
    if others := [name for name in OTHERS if name in spaces]:
        branches["other"] = {"family": Choice({name: spaces[name] for name in others}, default=others[0])}
    best = next(name for name in STRONG if name in spaces)
    return Space(learner=Choice(branches, default=best if best in branches else "other"))


def begun_with(body: Mapping[str, Any], kind: Kind, names: Sequence[str] = ()) -> Space:
    """The space of a run that goes on: what its log began with, or today's of the families of those names. SpaceError where
    it has learners that are not known here."""
    if not body:
        return space_of(kind, names)
    space = Space.from_json(body)
    unknown = set(families_of(space)) - set(KNOWN)
    if unknown:
        raise SpaceError(f"there is no learner {min(unknown)!r} here")
    return space


def brought_up(config: Config, kind: Kind) -> Config:
    """A config of a space from before with what its family has been given since, at the defaults."""
    today = space_of(kind, (family_name(config),))
    return {**today.walk(lambda n: config.get(n.key, default_value(n.param))), **config}


def families_of(space: Space) -> tuple[str, ...]:
    """The families that a space has."""
    named = [n.param for n in space.nodes if n.key in ("learner", "learner.family")]
    return tuple(str(o) for p in named for o in _options(p) if o != "other")


def ladder(space: Space) -> dict[str, Config]:
    """The configs that are tried first, each by its family's name: the plain, the strong, the net, then what is left; of a
    space that has none of these, all that it has."""
    known = families_of(space)
    names = [name for name in LADDER if name in known] or known
    return {name: space.complete(family_config(name)) for name in names}


def default_of(space: Space) -> str:
    """The family whose default the others are compared with; it stands on the ladder."""
    known = ladder(space)
    return next(name for name in STRONG if name in known)


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
    """What is tried after the defaults where bytes are limited, of the families that this space has."""
    found, known = [], families_of(space)
    for name, own in SMALL:
        if name not in known:
            continue
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
    return KNOWN[name], own

"""The table of families, and the one space over all of them: the family is a Choice, what it takes is nested under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedleaf.core import Config
from seedleaf.learners.tables.boosting import Boosting
from seedleaf.learners.tables.forest import ForestFamily
from seedleaf.learners.tables.linear import LinearFamily
from seedleaf.learners.tables.mlp import MlpFamily
from seedleaf.learners.tables.model import Family, Kind
from seedleaf.space import Choice, Space

FAMILIES: Mapping[str, Family] = {
    f.name: f for f in (LinearFamily(), ForestFamily(), Boosting(), MlpFamily())
}
DEFAULT = "boosting"
LADDER = ("linear", "boosting", "mlp", "forest")


def space_of(kind: Kind) -> Space:
    """Everything that may vary for a table of that kind."""
    branches: dict[str, Any] = {name: dict(f.space(kind)) for name, f in FAMILIES.items()}
    return Space(learner=Choice(branches, default=DEFAULT))


def ladder(space: Space) -> dict[str, Config]:
    """The configs that are tried first, each by its family's name: the plain, the strong, the net, then what is left."""
    return {name: space.complete({"learner": name}) for name in LADDER}


def split_config(config: Mapping[str, Any]) -> tuple[Family, dict[str, Any]]:
    """The family of a config, and its own parameters without the prefix."""
    family = FAMILIES[str(config["learner"])]
    return family, {k.removeprefix("learner."): v for k, v in config.items() if k != "learner"}

"""`Space`: parameters, flattened once into nodes; a config holds the active parameters only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Config, Value
from seedleaf.errors import SpaceError
from seedleaf.space import draw, given, listing, text
from seedleaf.space.conditions import Condition
from seedleaf.space.existence import Existence
from seedleaf.space.nodes import Node, flatten
from seedleaf.space.params import Param
from seedleaf.space.prior import NumberPrior, OptionPrior, log_prior, prior_of, sample_prior


class Space:
    """What may vary. `Space(lr=Float(1e-4, 1, log=True), optimizer=Choice(sgd=dict(momentum=Float(0, 1)), adam={}))`.

    What a nested Choice cannot say: `when` maps a parameter to the condition on which it exists, `forbid` lists what no
    config may fulfil (conditions.py). Names may not hold "[" or "]"; in a config "." joins nested parameters' names.
    """

    def __init__(
        self,
        params: Mapping[str, Any] | None = None,
        /,
        *,
        when: Mapping[str, Condition] | None = None,
        forbid: Sequence[Condition] = (),
        **named: Any,
    ) -> None:
        self.when, self.forbid = given.rules(when, forbid)
        self.params: dict[str, Param] = given.named_params({**(params or {}), **named})
        self.nodes, self.clauses = flatten(self)
        self._existence = Existence(self.nodes)
        self.by_id: dict[str, Node] = self._existence.by_id
        self.index: dict[str, int] = self._existence.index

    def __repr__(self) -> str:
        more = [f"{k}={v!r}" for k, v in (("when", self.when), ("forbid", list(self.forbid))) if v]
        return f"Space({', '.join([*(f'{k}={v!r}' for k, v in self.params.items()), *more])})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __len__(self) -> int:
        return len(self.nodes)

    # --- which parameters exist (existence.py) ---

    @property
    def is_tree(self) -> bool:
        """Does each parameter exist under at most one option of one choice, with nothing forbidden?"""
        return self._existence.nested and not self.clauses

    def children(self, parent: str | None, option: Value = None) -> list[Node]:
        """The nodes that hang directly on `option` of the Choice node `parent`; the roots for None.

        Those with a further condition, `when`, are among them.
        """
        return self._existence.children(parent, option)

    def is_active(self, node: Node, values: Mapping[str, Value]) -> bool:
        """Does `node` exist where the active nodes before it have these values, by their id?"""
        return self._existence.is_active(node, values)

    def alive(self, i: int, vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
        """In which of the unit vectors, shape (n, nodes), does the i-th node exist? Shape (n,).

        Only columns before the i-th are read; they must hold NaN where their node does not exist.
        """
        return self._existence.alive(i, vectors)

    def walk(self, pick: Callable[[Node], Value]) -> Config:
        """Build a config from the roots down: `pick(node)` gives the value of each node that turns out active."""
        config: Config = {}
        for node in self._existence.follow(config):
            config[node.key] = pick(node)
        return config

    def active(self, config: Mapping[str, Value]) -> Iterator[Node]:
        """The nodes that exist in `config`, parents first. Raises SpaceError where a value is missing."""
        for node in self._existence.follow(config):
            if node.key not in config:
                raise SpaceError(f"the config lacks {node.key!r}")
            yield node

    # --- what is forbidden ---

    def forbidden_by(self, values: Mapping[str, Value]) -> str | None:
        """The forbidden clause that the active nodes' values, by their id, fulfil; None where they are allowed."""
        return next((text for bound, text in self.clauses if bound.holds(values)), None)

    def allowed(self, config: Mapping[str, Value]) -> bool:
        """Is a config of this space clear of every forbidden clause?"""
        if not self.clauses:
            return True
        return self.forbidden_by({n.id: config[n.key] for n in self.active(config)}) is None

    # --- configs (draw.py, given.py) ---

    def sample(self, rng: np.random.Generator) -> Config:
        """An allowed config drawn uniformly (on each parameter's own scale) from the root down."""
        return draw.keep_clear(self, lambda: draw.uniform(self, rng), rng)

    def default(self) -> Config:
        """Each parameter's default; where none is given the middle of its range, or the first option.

        Where that is forbidden an allowed config near it; SpaceError where none is found.
        """
        return dict(self._default)

    @cached_property
    def _default(self) -> Config:
        return draw.default(self)

    def complete(self, partial: Mapping[str, Value]) -> Config:
        """`partial` with the missing active parameters at their defaults; unknown names raise SpaceError."""
        config = draw.complete(self, partial)
        checked = given.checked(self, config)
        given.refuse_extra(partial, config)
        return checked

    def check(self, config: Mapping[str, Value]) -> Config:
        """`config` with plain Python values if it lies in the space; SpaceError says what does not."""
        return given.checked(self, config)

    def contains(self, config: Mapping[str, Value]) -> bool:
        try:
            self.check(config)
        except SpaceError:
            return False
        return True

    def neighbour(self, config: Mapping[str, Value], rng: np.random.Generator, scale: float = 0.2) -> Config:
        """`config` with one active parameter moved; a changed choice draws the parameters under it anew.

        Where the forbidden clauses leave it nowhere to go, `config` itself.
        """
        return draw.neighbour(self, config, rng, scale)

    # --- what the user believes (prior.py) ---

    @cached_property
    def priors(self) -> dict[str, NumberPrior | OptionPrior]:
        """The densities of the nodes with a prior, by the node's id."""
        found = ((n.id, prior_of(n.param)) for n in self.nodes)
        return {name: density for name, density in found if density is not None}

    @property
    def has_prior(self) -> bool:
        """Did the user say of any parameter which value is believed to be good?"""
        return bool(self.priors)

    def sample_prior(self, rng: np.random.Generator) -> Config:
        """An allowed config drawn from the priors; parameters without one are uniform on their scale."""
        return draw.keep_clear(self, lambda: sample_prior(self, rng), rng)

    def log_prior(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log prior density relative to the uniform one, shape (n,), of unit vectors, shape (n, nodes)."""
        return log_prior(self, vectors)

    # --- as a set (listing.py) ---

    @cached_property
    def size(self) -> int | None:
        """How many allowed configs there are; None where there are infinitely many.

        An upper bound where conditions and forbidden clauses would take too many cases to count.
        """
        return listing.count(self)

    def enumerate(self) -> Iterator[Config]:
        """Every allowed config of a finite space; SpaceError where there are infinitely many."""
        if self.size is None:
            raise SpaceError("an infinite space cannot be listed")
        yield from listing.configs(self)

    # --- as text (text.py) ---

    def to_json(self) -> dict[str, Any]:
        """By name the parameters' own JSON; conditions and clauses under keys that no parameter can have."""
        return text.to_json(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Space:
        params, when, forbid = text.parts(body)
        return cls(params, when=when, forbid=forbid)

    # --- from elsewhere and back (convert/) ---

    @classmethod
    def from_yaml(cls, source: str | Path) -> Space:
        """The space of a YAML file (a Path, or a str that ends in .yaml or .yml) or of YAML text."""
        from seedleaf.space.convert.yaml import from_yaml

        return from_yaml(source)

    def to_yaml(self) -> str:
        """YAML text for people; `from_yaml` gives the space back."""
        from seedleaf.space.convert.yaml import to_yaml

        return to_yaml(self)

    @classmethod
    def from_configspace(cls, cs: Any) -> Space:
        """The space of a ConfigSpace.ConfigurationSpace [extra configspace]; SpaceError names what has no counterpart."""
        from seedleaf.space.convert.configspace import from_configspace

        return from_configspace(cs)

    def to_configspace(self, seed: int | None = None) -> Any:
        """A ConfigSpace.ConfigurationSpace with the same configs [extra configspace]."""
        from seedleaf.space.convert.to_configspace import to_configspace

        return to_configspace(self, seed)

    @classmethod
    def from_optuna(cls, distributions: Mapping[str, Any]) -> Space:
        """The flat space of `{name: optuna distribution}` [extra optuna]."""
        from seedleaf.space.convert.optuna import from_optuna

        return from_optuna(distributions)

    def to_optuna(self) -> dict[str, Any]:
        """`{name: optuna distribution}` of a flat space [extra optuna]; SpaceError where it has conditions."""
        from seedleaf.space.convert.optuna import to_optuna

        return to_optuna(self)

    def fingerprint(self) -> str:
        """Sixteen hex digits that change when the space does."""
        return text.fingerprint(self.to_json())

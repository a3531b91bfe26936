"""`Space`: parameters, flattened once into nodes; a config holds the active parameters only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Config, Value
from seedleaf.errors import SpaceError
from seedleaf.space import draw, listing
from seedleaf.space.conditions import Condition, condition_from_json, condition_to_json, is_condition
from seedleaf.space.nodes import Node, flatten
from seedleaf.space.params import Choice, Const, Param, option_key, param_from_json, plain_value
from seedleaf.space.prior import NumberPrior, OptionPrior, log_prior, prior_of, sample_prior

__all__ = ["Node", "Space", "fingerprint"]

WHEN, FORBID = "[when]", "[forbid]"  # keys in the JSON that no parameter can have


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
        self.when, self.forbid = _rules(when, forbid)
        self.params: dict[str, Param] = {}
        for name, param in {**(params or {}), **named}.items():
            if not isinstance(name, str) or not name or any(c in name for c in "[]"):
                raise SpaceError(f"parameter name {name!r}: use a name without '[' or ']'")
            self.params[name] = _as_param(name, param)
        self.nodes, self.clauses = flatten(self)
        self.by_id: dict[str, Node] = {n.id: n for n in self.nodes}
        self.index: dict[str, int] = {n.id: i for i, n in enumerate(self.nodes)}
        self._children: dict[tuple[str | None, object], list[Node]] = {}
        for node in self.nodes:
            self._children.setdefault((node.parent, option_key(node.option)), []).append(node)
        self._parents = {n.parent for n in self.nodes}
        self._nested = all(n.when is None for n in self.nodes)

    def __repr__(self) -> str:
        more = [f"{k}={v!r}" for k, v in (("when", self.when), ("forbid", list(self.forbid))) if v]
        return f"Space({', '.join([*(f'{k}={v!r}' for k, v in self.params.items()), *more])})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __len__(self) -> int:
        return len(self.nodes)

    # --- which parameters exist ---

    @property
    def is_tree(self) -> bool:
        """Does each parameter exist under at most one option of one choice, with nothing forbidden?"""
        return self._nested and not self.clauses

    def children(self, parent: str | None, option: Value = None) -> list[Node]:
        """The nodes that hang directly on `option` of the Choice node `parent`; the roots for None.

        Those with a further condition, `when`, are among them.
        """
        if parent not in self._parents:
            return []
        return self._children.get((parent, option_key(option)), [])

    def is_active(self, node: Node, values: Mapping[str, Value]) -> bool:
        """Does `node` exist where the active nodes before it have these values, by their id?"""
        if node.parent is not None and (
            node.parent not in values or option_key(values[node.parent]) != option_key(node.option)
        ):
            return False
        return node.when is None or node.when.holds(values)

    def alive(self, i: int, vectors: NDArray[np.float64]) -> NDArray[np.bool_]:
        """In which of the unit vectors, shape (n, nodes), does the i-th node exist? Shape (n,).

        Only columns before the i-th are read; they must hold NaN where their node does not exist.
        """
        node = self.nodes[i]
        found = np.ones(len(vectors), bool)
        if node.parent is not None:
            choice = self.by_id[node.parent].param
            assert isinstance(choice, Choice)
            n = len(choice.options)
            at = np.minimum(np.floor(vectors[:, self.index[node.parent]] * n), n - 1)
            found = at == choice.index(node.option)
        return found if node.when is None else found & node.when.mask(vectors)

    def walk(self, pick: Callable[[Node], Value]) -> Config:
        """Build a config from the roots down: `pick(node)` gives the value of each node that turns out active."""
        config: Config = {}
        for node in self._follow(config):
            config[node.key] = pick(node)
        return config

    def active(self, config: Mapping[str, Value]) -> Iterator[Node]:
        """The nodes that exist in `config`, parents first. Raises SpaceError where a value is missing."""
        for node in self._follow(config):
            if node.key not in config:
                raise SpaceError(f"the config lacks {node.key!r}")
            yield node

    def _follow(self, config: Mapping[str, Value]) -> Iterator[Node]:
        """The active nodes, parents first; the value of each must stand in `config` before the next is asked for."""
        if self._nested:
            stack = list(reversed(self.children(None)))
            while stack:
                node = stack.pop()
                yield node
                if node.id in self._parents:
                    stack.extend(reversed(self.children(node.id, config[node.key])))
            return
        values: dict[str, Value] = {}
        for node in self.nodes:
            if self.is_active(node, values):
                yield node
                values[node.id] = config[node.key]

    # --- what is forbidden ---

    def forbidden_by(self, values: Mapping[str, Value]) -> str | None:
        """The forbidden clause that the active nodes' values, by their id, fulfil; None where they are allowed."""
        return next((text for bound, text in self.clauses if bound.holds(values)), None)

    def allowed(self, config: Mapping[str, Value]) -> bool:
        """Is a config of this space clear of every forbidden clause?"""
        if not self.clauses:
            return True
        return self.forbidden_by({n.id: config[n.key] for n in self.active(config)}) is None

    # --- configs (draw.py) ---

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
        checked = self.check(config)
        _refuse_extra(partial, config)
        return checked

    def check(self, config: Mapping[str, Value]) -> Config:
        """`config` with plain Python values if it lies in the space; SpaceError says what does not."""
        checked: Config = {}
        values: dict[str, Value] = {}
        for node in self.active(config):
            if not node.param.contains(config[node.key]):
                raise SpaceError(f"{node.key} = {config[node.key]!r} is not in {node.param!r}")
            checked[node.key] = values[node.id] = plain_value(config[node.key])
        _refuse_extra(config, checked)
        clause = self.forbidden_by(values)
        if clause is not None:
            raise SpaceError(f"the config is forbidden: {clause}")
        return checked

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

    # --- as text ---

    def to_json(self) -> dict[str, Any]:
        """By name the parameters' own JSON; conditions and clauses under keys that no parameter can have."""
        body: dict[str, Any] = {name: param.to_json() for name, param in self.params.items()}
        if self.when:
            body[WHEN] = {name: condition_to_json(c) for name, c in self.when.items()}
        if self.forbid:
            body[FORBID] = [condition_to_json(c) for c in self.forbid]
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Space:
        return cls(
            {name: param_from_json(p) for name, p in body.items() if name not in (WHEN, FORBID)},
            when={name: condition_from_json(c) for name, c in body.get(WHEN, {}).items()},
            forbid=[condition_from_json(c) for c in body.get(FORBID, [])],
        )

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
        return fingerprint(self.to_json())


def fingerprint(body: Any) -> str:
    """Sixteen hex digits of the canonical JSON of `body`: equal for equal content on every machine."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")


def _as_param(name: str, param: object) -> Param:
    if isinstance(param, Param):
        return param
    if param is None or isinstance(param, (str, int, float, bool, np.generic)):
        return Const(plain_value(param))
    raise SpaceError(f"{name}={param!r}: use Float, Int, Choice, Bool, Const or a plain value")


def _rules(
    when: Mapping[str, Condition] | None, forbid: Sequence[Condition]
) -> tuple[dict[str, Condition], tuple[Condition, ...]]:
    """Both as they are kept; SpaceError where a parameter was to be called so, or where they hold no conditions."""
    for name, given, kind in (("when", when or {}, Mapping), ("forbid", forbid or (), Sequence)):
        if isinstance(given, (Param, str, int, float)) or not isinstance(given, kind):
            raise SpaceError(
                f"{name}= is Space's own argument: a {'mapping' if name == 'when' else 'list'} of conditions; "
                f'a parameter of that name is written Space({{"{name}": ...}})'
            )
    rules, clauses = dict(when or {}), tuple(forbid or ())
    for condition in (*rules.values(), *clauses):
        if not is_condition(condition):
            raise SpaceError(f"{condition!r} is no condition: use Equals, In, Greater, And, ...")
    return rules, clauses


def _refuse_extra(config: Mapping[str, Value], active: Mapping[str, Value]) -> None:
    extra = sorted(str(name) for name in set(config) - set(active))
    if extra:
        raise SpaceError(f"not parameters of this space under these choices: {', '.join(extra)}")

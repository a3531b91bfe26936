"""User priors as densities over the unit cube: what the user believes to be good, tried first and never required.

A number's prior is a normal around the value, cut to the unit interval of its (log) scale; an unordered choice's puts half
of its mass on the option and spreads the rest evenly (PriorBand, Mallik et al. 2023; πBO, Hvarfner et al. 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Config, Value
from seedleaf.space.number import Int
from seedleaf.space.values import Param

if TYPE_CHECKING:
    from seedleaf.space.nodes import Node
    from seedleaf.space.space import Space

Array = NDArray[np.float64]
SD = 0.2  # of the unit interval: two decades of a ten-decade range; PriorBand's "medium" confidence is 0.25
MASS = 0.5  # what the option named gets beyond its even share of the rest
CELLS = 1000  # ordered values up to this many get their exact share; more are as good as continuous
NORMAL = NormalDist()


@dataclass(frozen=True)
class NumberPrior:
    """A normal of standard deviation `SD` around `centre`, cut to [0, 1].

    `edges` bound the values of an ordered, finite parameter, shape (values + 1,); None for real numbers.
    """

    centre: float
    edges: Array | None = None

    def _cdf(self, unit: float) -> float:
        return NORMAL.cdf((unit - self.centre) / SD)

    def draw(self, uniform: float) -> float:
        """The unit value at quantile `uniform`."""
        low, high = self._cdf(0.0), self._cdf(1.0)
        unit = self.centre + SD * NORMAL.inv_cdf(low + uniform * (high - low))
        return min(max(unit, 0.0), 1.0)

    def log_density(self, units: Array) -> Array:
        """Log density relative to the uniform one, shape of `units`."""
        mass = self._cdf(1.0) - self._cdf(0.0)
        if self.edges is None:
            z = (units - self.centre) / SD
            return np.asarray(-0.5 * z * z - math.log(SD * math.sqrt(2 * math.pi) * mass))
        share = np.diff([self._cdf(e) for e in self.edges]) / mass
        cell = np.clip(np.searchsorted(self.edges, units, side="right") - 1, 0, len(share) - 1)
        return np.asarray(np.log(share / np.diff(self.edges))[cell])


@dataclass(frozen=True)
class OptionPrior:
    """Half of the mass on option `at` of `n`, the rest even."""

    at: int
    n: int

    def draw(self, uniform: float) -> float:
        """A unit value: within the option with `MASS`, else anywhere."""
        if uniform < MASS:
            return (self.at + 0.5) / self.n
        return (uniform - MASS) / (1 - MASS)

    def log_density(self, units: Array) -> Array:
        """Log density relative to the uniform one, shape of `units`."""
        at = np.minimum((units * self.n).astype(np.intp), self.n - 1) == self.at
        return np.where(at, math.log(1 - MASS + MASS * self.n), math.log(1 - MASS))


def prior_of(param: Param) -> NumberPrior | OptionPrior | None:
    """The density that the parameter's prior stands for; None without one, or where there is one value only."""
    if param.prior is None or param.n_values == 1:
        return None
    centre, n = param.to_unit(param.prior), param.n_values
    if not param.is_ordered:
        assert n is not None
        return OptionPrior(min(int(centre * n), n - 1), n)
    return NumberPrior(centre, None if n is None or n > CELLS else _edges(param, n))


def _edges(param: Param, n: int) -> Array:
    """Where the values of an ordered parameter meet on the unit interval, shape (n + 1,)."""
    if not isinstance(param, Int):
        return np.linspace(0.0, 1.0, n + 1)
    inner = [param.to_unit(param.low + (i - 0.5) * param.step) for i in range(1, n)]
    return np.array([0.0, *inner, 1.0])


def sample_prior(space: Space, rng: np.random.Generator) -> Config:
    """A config drawn from the priors, one uniform number per active parameter; parameters without one are uniform."""
    priors = space.priors

    def pick(node: Node) -> Value:
        prior, uniform = priors.get(node.id), float(rng.random())
        return node.param.from_unit(uniform if prior is None else prior.draw(uniform))

    return space.walk(pick)


def log_prior(space: Space, vectors: Array) -> Array:
    """Log prior density relative to the uniform one, shape (n,), of unit vectors, shape (n, nodes).

    Summed over the parameters with a prior; NaN marks what is not active and counts nothing.
    """
    total = np.zeros(len(vectors))
    for name, prior in space.priors.items():
        column = vectors[:, space.index[name]]
        alive = ~np.isnan(column)
        total[alive] += prior.log_density(column[alive])
    return total

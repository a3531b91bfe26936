"""A Gaussian process over configs with a linear part: what a model knows of many parameters after few evaluations.

Size and latency, and much of an accuracy, add up from the parts of a network: on 28 parameters a ridge regression explains
of 100 random evaluations what a stationary kernel does not see among 300. What is left over goes to a Matérn 5/2 kernel with
a weight for each node (Snoek et al. 2012), and to noise.

A number is its unit value and 0.5 where it is not active; an unordered choice is a one-hot vector, with a place more for
"not active". The kernel is one between real vectors, so it is positive definite whatever the space looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from seedleaf.space.space import Space

Array = NDArray[np.float64]
JITTER = 1e-6
ROWS = 120  # the hyper-parameters are fitted to at most so many, spread evenly over what is given
# Of the logarithms of (one node's weight, linear part, Matérn part, noise), on a metric of unit spread: centre and spread
# of a normal prior. A node's weight is that of squared distances, centred on 1 / the number of nodes.
PRIOR = ((0.5, 1.5), (-1.0, 1.5), (-1.0, 1.0), (-3.0, 2.0))


@dataclass(frozen=True)
class AdditiveGp:
    """A fitted model. `theta`: the logarithms of the nodes' weights, of the linear part, of the Matérn part, of noise."""

    sizes: tuple[int, ...]  # of each node how many options it has; 0 for a number
    rows: Array  # the configs as points, shape (n, columns)
    theta: Array
    root: Array  # lower Cholesky factor of the kernel matrix
    dual: Array
    mean: float
    scale: float

    @classmethod
    def fit(cls, space: Space, units: Array, values: Array, iterations: int = 25) -> AdditiveGp:
        """The most probable hyper-parameters for `values`, shape (n,), at unit vectors `units`, shape (n, nodes)."""
        sizes = tuple(0 if n.param.is_ordered else int(n.param.n_values or 1) for n in space.nodes)
        mean, scale = float(values.mean()), float(values.std()) or 1.0
        goal, rows = (values - mean) / scale, _points(units, sizes)
        gaps, gram, nodes = _gaps(rows, rows, sizes), _gram(rows, rows, sizes), len(sizes)
        some = np.unique(np.linspace(0, len(goal) - 1, min(len(goal), ROWS)).astype(np.intp))
        centre = np.array([PRIOR[0][0] - np.log(max(nodes, 1))] * nodes + [c for c, _ in PRIOR[1:]])
        spread = np.array([PRIOR[0][1]] * nodes + [s for _, s in PRIOR[1:]])
        found = minimize(
            _badness,
            centre,
            (gaps[some][:, some], gram[some][:, some], goal[some], centre, spread),
            "L-BFGS-B",
            jac=True,
            bounds=list(zip(centre - 4 * spread, centre + 4 * spread, strict=True)),
            options={"maxiter": iterations},
        )
        theta = np.asarray(found.x)
        root = cholesky(
            _kernel(gaps @ np.exp(theta[:-3]), gram, theta)[0] + _noise(theta) * np.eye(len(goal)), lower=True
        )
        return cls(sizes, rows, theta, root, cho_solve((root, True), goal), mean, scale)

    def predict(self, units: Array) -> tuple[Array, Array]:
        """(mean, standard deviation without noise) at `units`, shape (n, nodes); each of shape (n,)."""
        at = _points(units, self.sizes)
        far = _far(at, self.rows, self.sizes, np.exp(self.theta[:-3]))
        across = _kernel(far, _gram(at, self.rows, self.sizes), self.theta)[0]
        part = solve_triangular(self.root, across.T, lower=True)
        own = np.exp(self.theta[-3]) * _norms(at, self.sizes) + np.exp(self.theta[-2])
        left = np.maximum(own - np.square(part).sum(axis=0), 1e-10)
        return self.mean + self.scale * (across @ self.dual), self.scale * np.sqrt(left)


def _points(units: Array, sizes: tuple[int, ...]) -> Array:
    """Numbers as they are, options by their place, -1 where a choice is not active; shape (n, nodes)."""
    out = np.where(np.isnan(units), 0.5, units)
    for i, size in enumerate(sizes):
        if size:
            out[:, i] = np.where(
                np.isnan(units[:, i]), -1.0, np.minimum(np.floor(out[:, i] * size), size - 1)
            )
    return out


def _is_choice(sizes: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.array(sizes, int) > 0


def _gaps(a: Array, b: Array, sizes: tuple[int, ...]) -> Array:
    """Squared distances by node, shape (len(a), len(b), nodes); unequal options are 1 apart."""
    apart = a[:, None] - b[None]
    return np.asarray(np.where(_is_choice(sizes), apart != 0, np.square(apart)))


def _gram(a: Array, b: Array, sizes: tuple[int, ...]) -> Array:
    """Dot products, shape (len(a), len(b)): numbers about their middle, three times as long, so that they span what
    options span."""
    choice = _is_choice(sizes)
    numbers = 9 * (a[:, ~choice] - 0.5) @ (b[:, ~choice] - 0.5).T
    return np.asarray(numbers + (a[:, None, choice] == b[None, :, choice]).sum(axis=2))


def _norms(a: Array, sizes: tuple[int, ...]) -> Array:
    choice = _is_choice(sizes)
    return np.asarray(9 * np.square(a[:, ~choice] - 0.5).sum(axis=1) + choice.sum())


def _noise(theta: Array) -> float:
    return float(np.exp(theta[-1])) + JITTER


def _far(a: Array, b: Array, sizes: tuple[int, ...], weights: Array) -> Array:
    """`_gaps` weighted and summed over the nodes, shape (len(a), len(b)), without holding them node by node."""
    choice = _is_choice(sizes)
    by = np.sqrt(weights[~choice])
    x, y = a[:, ~choice] * by, b[:, ~choice] * by
    far = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1) - 2 * x @ y.T
    for i in np.flatnonzero(choice):
        far += weights[i] * (a[:, i, None] != b[:, i])
    return np.asarray(far)


def _kernel(far: Array, gram: Array, theta: Array) -> tuple[Array, Array, Array]:
    """The kernel, its Matérn part, and the derivative of that by `far`, the weighted squared distances."""
    r = np.sqrt(5 * np.maximum(far, 1e-12))
    decay = np.exp(theta[-2] - r)
    matern = (1 + r + r * r / 3) * decay
    return matern + np.exp(theta[-3]) * gram, matern, -5 / 6 * (1 + r) * decay


def _badness(
    theta: Array, gaps: Array, gram: Array, goal: Array, centre: Array, spread: Array
) -> tuple[float, Array]:
    """The negative log posterior of the hyper-parameters, and its gradient."""
    kernel, matern, slope = _kernel(gaps @ np.exp(theta[:-3]), gram, theta)
    n = len(goal)
    try:
        root = cholesky(kernel + _noise(theta) * np.eye(n), lower=True)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    dual, inverse = cho_solve((root, True), goal), cho_solve((root, True), np.eye(n))
    pull = np.outer(dual, dual) - inverse
    away = (theta - centre) / spread
    value = 0.5 * goal @ dual + np.log(np.diag(root)).sum() + 0.5 * away @ away
    by_node = (pull * slope).ravel() @ gaps.reshape(n * n, -1) * np.exp(theta[:-3])
    linear = (pull * gram).sum() * np.exp(theta[-3])
    rest = [linear, (pull * matern).sum(), np.trace(pull) * np.exp(theta[-1])]
    return float(value), -0.5 * np.append(by_node, rest) + away / spread

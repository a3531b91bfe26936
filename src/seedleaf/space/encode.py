"""Config <-> unit vector: one slot per node of the space, NaN where the node is not active."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seedleaf.core import Config, Value
from seedleaf.space.space import Space

Vector = NDArray[np.float64]


def encode(space: Space, config: Mapping[str, Value]) -> Vector:
    """The config as a vector of shape (len(space),) in [0, 1], NaN for what is not active."""
    vector = np.full(len(space), np.nan)
    for node in space.active(config):
        vector[space.index[node.id]] = node.param.to_unit(config[node.key])
    return vector


def decode(space: Space, vector: Vector) -> Config:
    """The config at a point of the unit cube, shape (len(space),). Slots of inactive nodes are not read."""
    return space.walk(lambda node: node.param.from_unit(float(vector[space.index[node.id]])))

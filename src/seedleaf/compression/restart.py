"""Somebody's network with new weights: the control that inherited weights must beat.

A module knows how its own weights start where it has `reset_parameters`, as torch's layers have, or `_reset_parameters`, as
attention has. Parameters that none of these touches are the author's, and nothing says how they started.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from seedleaf.learners.blocks import Net

RESETS = ("reset_parameters", "_reset_parameters")


def untrained(net: Net) -> tuple[Net, tuple[str, ...]]:
    """A copy with new weights, and the names of the parameters that keep their trained values.

    What no module resets is drawn as torch draws a layer's weights where it is a matrix; a vector or a single number (a
    scale that starts at 1 or at 1e-5, a shift that starts at 0) is kept, and so is what is not trained anyway.
    """
    fresh = copy.deepcopy(net)
    old = {name: p.detach().clone() for name, p in fresh.named_parameters()}
    with torch.no_grad():
        for parameter in filter(torch.is_floating_point, fresh.parameters()):
            parameter.fill_(math.nan)  # what is still so afterwards was not touched
        for module in reversed(list(fresh.modules())):  # as they were made: the parts before the whole
            _reset(module)
        kept = tuple(n for n, p in fresh.named_parameters() if _untouched(p) and not _drawn(p))
        for name, parameter in fresh.named_parameters():
            if name in kept or not parameter.is_floating_point():
                parameter.copy_(old[name])
    return fresh, kept


def _reset(module: nn.Module) -> None:
    for name in RESETS:
        reset = getattr(module, name, None)
        if callable(reset):
            try:
                reset()
            except Exception:  # one that wants arguments; its parameters are taken for nobody's
                continue
            return


def _untouched(parameter: Tensor) -> bool:
    return parameter.is_floating_point() and bool(parameter.isnan().any())


def _drawn(parameter: Tensor) -> bool:
    """Draw a trained matrix anew, by its fan-in as in nn.Linear; whether it was one."""
    if not parameter.requires_grad or sum(n > 1 for n in parameter.shape) < 2:
        return False
    bound = 1.0 / math.sqrt(parameter[0].numel())
    parameter.uniform_(-bound, bound)
    return True

"""The table of passes. A new one is one file and one row here; the tests run over the table."""

from __future__ import annotations

from collections.abc import Mapping

from seedleaf.compress.decompose import Decompose
from seedleaf.compress.distil import Distil
from seedleaf.compress.drop import Drop
from seedleaf.compress.prune import Prune
from seedleaf.compress.quantise import Quantise
from seedleaf.compress.recipe import Pass

PASSES: Mapping[str, Pass] = {
    "drop": Drop(),
    "prune": Prune(),
    "decompose": Decompose(),
    "distil": Distil(),
    "quantise": Quantise(),
}

"""The table of passes. A new one is one file and one row here; the tests run over the table."""

from __future__ import annotations

from collections.abc import Mapping

from seedleaf.compression.decompose import Decompose
from seedleaf.compression.distil import Distil
from seedleaf.compression.drop import Drop
from seedleaf.compression.prune import Prune
from seedleaf.compression.quantise import Quantise
from seedleaf.compression.recipe import Pass

PASSES: Mapping[str, Pass] = {
    "drop": Drop(),
    "prune": Prune(),
    "decompose": Decompose(),
    "distil": Distil(),
    "quantise": Quantise(),
}

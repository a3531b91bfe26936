"""`python benchmarks/search/reference.py`: the best and the median loss of every scenario that is no table.

The median is that of uniformly drawn configs at full fidelity; the best is what the same draw and a local search from its
ten best configs found (`neighbour` of seedleaf.space with shrinking steps); `best_drawn` is the draw's alone. Writes
reference.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":  # in place of this folder, whose trace.py would hide the standard library's
    sys.path[0] = str(Path(__file__).parents[1])

from search import scenarios
from search.scenarios import REFERENCE, Scenario
from search.surrogates import Curve
from seedleaf.core import Config

CALCULATED = ("lcbench", "iaml_super", "rbv2_svm", "nb301", "synthetic")


def losses_of(scenario: Scenario, configs: Sequence[Config]) -> NDArray[np.float64]:
    """The loss of each config at full fidelity; +inf where it diverges."""
    if not isinstance(scenario.source, Curve):
        return np.array([scenario.full_loss(c) for c in configs])
    values = scenario.source.full_values(configs)
    return values if scenario.direction == "min" else -values


def search(scenario: Scenario, draws: int, rounds: int, seed: int = 0) -> dict[str, float]:
    """{"best", "best_drawn", "median", "draws"} of `draws` random configs and `rounds` of local search from ten of them."""
    rng = np.random.default_rng(seed)
    configs = [scenario.space.sample(rng) for _ in range(draws)]
    losses = losses_of(scenario, configs)
    median = float(np.median(losses))
    best = [(float(losses[i]), configs[i]) for i in np.argsort(losses)[:10]]
    drawn = best[0][0]
    for k in range(rounds):
        scale = 0.3 * 0.02 ** (k / rounds)
        moved = [scenario.space.neighbour(c, rng, scale) for _, c in best for _ in range(30)]
        for at, loss in enumerate(losses_of(scenario, moved)):
            if loss < best[at // 30][0]:
                best[at // 30] = float(loss), moved[at]
    found = min(loss for loss, _ in best)
    return {"best": found, "best_drawn": drawn, "median": median, "draws": draws}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--families", default=",".join(CALCULATED))
    parser.add_argument("--out", type=Path, default=REFERENCE)
    given = parser.parse_args()
    begun = given.out if given.out.exists() else REFERENCE
    known = json.loads(begun.read_text()) if begun.exists() else {}
    for family in given.families.split(","):
        for name in scenarios.names(family):
            known[name] = search(scenarios.load(name), given.draws, given.rounds)
            print(name, known[name], flush=True)
            given.out.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

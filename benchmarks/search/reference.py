"""`python benchmarks/search/reference.py`: the best and the median loss of every scenario that is no table.

The median is that of uniformly drawn configs at full fidelity; the best is what the same draw and a local search from its
ten best configs found (`neighbour` of seedleaf.space with shrinking steps). Writes reference.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

# In place of this folder, whose trace.py would hide the standard library's.
sys.path[0] = str(Path(__file__).parents[1])

from search import scenarios  # noqa: E402
from search.scenarios import REFERENCE, Scenario  # noqa: E402

CALCULATED = ("lcbench", "iaml_super", "iaml_super_full", "rbv2_svm", "nb301", "synthetic")


def search(scenario: Scenario, draws: int, moves: int, seed: int = 0) -> dict[str, float]:
    """{"best", "median", "draws"} after `draws` random configs and `moves` local moves from each of the ten best."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        config = scenario.space.sample(rng)
        found.append(
            (scenario.loss(scenario.evaluate(config, scenario.full - 1, scenario.full)[0][0]), config)
        )
    losses = np.array([loss for loss, _ in found])
    best = float(losses.min())
    for at in np.argsort(losses)[:10]:
        loss, config = found[int(at)]
        for k in range(moves):
            scale = 0.3 * 0.02 ** (k / moves)
            moved = scenario.space.neighbour(config, rng, scale)
            value = scenario.full_loss(moved)
            if value <= loss:
                loss, config = value, moved
        best = min(best, loss)
    return {"best": best, "median": float(np.median(losses)), "draws": draws}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--moves", type=int, default=1_000)
    parser.add_argument("--families", default=",".join(CALCULATED))
    given = parser.parse_args()
    known = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    for family in given.families.split(","):
        for name in scenarios.names(family):
            known.setdefault(name, {"best": 0.0, "median": 1.0})  # load needs a row
            REFERENCE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
            known[name] = search(scenarios.load(name), given.draws, given.moves)
            print(name, known[name], flush=True)
            REFERENCE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()

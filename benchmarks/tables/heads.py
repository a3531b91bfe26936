"""What several heads over shared weights gain the network of tables, and cost: `python benchmarks/tables/heads.py --write`.

The network's default with 1, 2, 4 and 8 heads, folds 0 to 2 of five (stratified), on tables that others are compared on by
none: log loss, or the error's spread over the target's (r). As many epochs for each, and stopped alike.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from sections import write_section
from seedleaf.data.tables import folds, load_table
from seedleaf.learners.tables.block import Layout
from seedleaf.learners.tables.fitting import fit_config
from seedleaf.learners.tables.metrics import row_losses
from seedleaf.learners.tables.model import Effort
from seedleaf.learners.tables.registry import space_of
from seedleaf.learners.tables.source import kind_of

ROOT = Path(__file__).resolve().parents[3] / "shared" / "data" / "tabular" / "pmlb"
TABLES = ["1028_SWD", "vehicle", "segmentation", "splice", "churn", "phoneme", "225_puma8NH", "503_wind"]
HEADS = (1, 2, 4, 8)
FOLDS = 3  # of five


def told(name: str) -> tuple[list[float], list[float]]:
    """The loss and the seconds of a fit, in the mean over the folds, for each number of heads."""
    path = next(p for p in ROOT.iterdir() if p.name.split(".")[0] == name)
    data = load_table(path, test="none")
    n_classes, layout = len(data.schema.target.classes), Layout.of(data.schema)
    space, block, y = space_of(kind_of(data.schema, True)), layout.block(data.train), data.y_train
    plan = folds(data, 5)[:FOLDS]
    losses, seconds = [], []
    for heads in HEADS:
        config = space.complete({"learner": "mlp", "learner.heads": heads})
        found, began = [], time.process_time()
        for fold, (rows, held) in enumerate(plan):
            valid = (block.take(held), y[held])
            fitted = fit_config(
                config, block.take(rows), y[rows], n_classes, Effort(time.time() + 3600, fold), valid
            )
            found.append(float(row_losses(y[held], fitted.predict(valid[0]), n_classes).mean()))
        seconds.append((time.process_time() - began) / FOLDS)
        mean = float(np.mean(found))
        losses.append(mean if n_classes else float(np.sqrt(mean) / y.std()))
    return losses, seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    lines = [
        "| table | "
        + " | ".join(f"{h} head{'s' * (h > 1)}" for h in HEADS)
        + " | CPU seconds, over one head's |"
    ]
    lines.append("|---" * (len(HEADS) + 2) + "|")
    ratios = []
    for name in TABLES:
        losses, seconds = told(name)
        ratios.append([[v / losses[0] for v in losses], [s / seconds[0] for s in seconds]])
        cells = [f"{v:.4f}" for v in losses]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {', '.join(f'{s / seconds[0]:.1f}' for s in seconds[1:])} |"
        )
        print(lines[-1], flush=True)
    middle = np.exp(np.log(np.asarray(ratios)).mean(0))
    said = ", ".join(f"{v:.1f}" for v in middle[1][1:])
    lines.append(f"| geometric mean, over one head | {' | '.join(f'{v:.3f}' for v in middle[0])} | {said} |")
    print(lines[-1])
    if given.write:
        write_section("tables-heads", "## Several heads over shared weights\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()

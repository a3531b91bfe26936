"""Do configs rank on a tenth of the rows as on all: `python benchmarks/tables/subsets.py --write`.

For each table, way to pick and seed: CONFIGS are trained on the subset and on all training rows, and scored on the same
held-out rows; Kendall's tau of the two rankings, and the score on all rows lost by trusting the subset's first.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, wilcoxon

sys.path.insert(0, str(Path(__file__).parents[1]))
from sections import write_section
from seedleaf.data.subset import PICKERS, cheap, subset

ROOT = Path(__file__).resolve().parents[3] / "shared" / "data" / "tabular" / "pmlb"
TABLES = ["satimage", "phoneme", "magic", "segmentation", "adult", "waveform_40", "page_blocks"]
TABLES += ["197_cpu_act", "537_houses", "503_wind"]
MOST_ROWS = 3000  # trained on; as many are for scoring, as far as they go
SHARE = 0.1

Made = Callable[[], Any]


def configs(regression: bool) -> list[Made]:
    """Configs of six families, from tiny to large."""
    from sklearn import ensemble, linear_model, neighbors, pipeline, preprocessing, tree

    kind = "Regressor" if regression else "Classifier"
    boosting = getattr(ensemble, f"HistGradientBoosting{kind}")
    extra, forest = getattr(ensemble, f"ExtraTrees{kind}"), getattr(ensemble, f"RandomForest{kind}")
    near, one = getattr(neighbors, f"KNeighbors{kind}"), getattr(tree, f"DecisionTree{kind}")
    scaled = lambda model: pipeline.make_pipeline(preprocessing.StandardScaler(), model)  # noqa: E731
    fixed = dict(max_iter=25, early_stopping=False, random_state=0)
    grid = [(rate, leaves) for rate in (0.03, 0.1, 0.3) for leaves in (4, 31)]
    made: list[Made] = [
        lambda r=r, v=v: boosting(learning_rate=r, max_leaf_nodes=v, **fixed) for r, v in grid
    ]
    made += [lambda k=k: scaled(near(k)) for k in (1, 5, 15, 40)]
    made += [lambda d=d: one(max_depth=d, random_state=0) for d in (2, 5, 12)]
    made += [lambda v=v: forest(30, min_samples_leaf=v, random_state=0) for v in (1, 5, 20)]
    made += [lambda v=v: extra(30, min_samples_leaf=v, random_state=0) for v in (1, 5)]
    for strength in (1e-3, 1e-1, 10.0):
        if regression:
            made.append(lambda c=strength: scaled(linear_model.Ridge(1 / c)))
        else:
            made.append(lambda c=strength: scaled(linear_model.LogisticRegression(C=c, max_iter=60)))
    return made


def scores(made: list[Made], x: np.ndarray, y: np.ndarray, xv: np.ndarray, yv: np.ndarray) -> np.ndarray:
    """Accuracy or R² of each config."""
    out = []
    for make in made:
        try:
            out.append(make().fit(x, y).score(xv, yv))
        except ValueError:  # fewer rows than neighbours
            out.append(-1.0)
    return np.asarray(out)


def one(name: str, seeds: int) -> list[dict[str, Any]]:
    frame = pd.read_csv(ROOT / f"{name}.tsv.gz", sep="\t").sample(frac=1, random_state=0)
    x, y = frame.iloc[:, :-1].to_numpy(float), frame.iloc[:, -1].to_numpy()
    regression = name[0].isdigit()
    if not regression:
        y = pd.factorize(y, sort=True)[0]
    cut = min(MOST_ROWS, len(y) * 2 // 3)
    x, y, xv, yv = x[:cut], y[:cut], x[cut : 2 * cut], y[cut : 2 * cut]
    made, features = configs(regression), cheap(x)
    full = scores(made, x, y, xv, yv)
    rows = []
    for seed in range(seeds):
        for how in PICKERS:
            picked = subset(features, y, int(SHARE * cut), how, seed)
            part = scores(made, x[picked], y[picked], xv, yv)
            tau = float(kendalltau(full, part).statistic)
            lost = float(full.max() - full[part.argmax()])
            rows.append({"table": name, "seed": seed, "how": how, "tau": tau, "lost": lost})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def summary(rows: list[dict[str, Any]]) -> str:
    frame = pd.DataFrame(rows)
    tau = frame.groupby(["table", "how"])["tau"].mean().unstack()[list(PICKERS)]
    lost = frame.groupby(["table", "how"])["lost"].mean().unstack()[list(PICKERS)]
    lines = ["| table | " + " | ".join(PICKERS) + " |", "|---" * (len(PICKERS) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(f"{v:.3f}" for v in row) + " |"
        for name, row in zip(tau.index, tau.to_numpy(), strict=True)
    ]
    lines.append("| **mean τ** | " + " | ".join(f"{v:.3f}" for v in tau.mean()) + " |")
    lines.append(
        "| tables won against random | "
        + " | ".join(f"{int((tau[h] > tau['random']).sum())}" for h in PICKERS)
        + " |"
    )
    p = ["–" if h == "random" else f"{wilcoxon(tau[h], tau['random']).pvalue:.3f}" for h in PICKERS]
    lines.append("| Wilcoxon p against random | " + " | ".join(p) + " |")
    lines.append("| mean score lost by its first | " + " | ".join(f"{v:.4f}" for v in lost.mean()) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=Path, help="a file of earlier output: its rows count, nothing is run")
    parser.add_argument("--write", action="store_true", help="write the section of RESULTS.md")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.rows:
        rows = [json.loads(line) for line in options.rows.read_text().splitlines() if line.startswith("{")]
    else:
        rows = [row for name in options.names or TABLES for row in one(name, options.seeds)]
    text = summary(rows)
    print(text)
    if options.write:
        command = f"`python benchmarks/tables/subsets.py --seeds {options.seeds} --write`"
        said = "Kendall's τ of the scores of 21 configs on the subset and on all rows"
        write_section("subsets", f"## Configs on a tenth of the rows\n\n{command}: {said}.\n\n{text}")


if __name__ == "__main__":
    main()

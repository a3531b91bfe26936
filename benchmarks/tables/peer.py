"""One system on one split of a table, in whatever environment holds it; called by fit.py.

    python benchmarks/tables/peer.py flaml TRAIN.csv TEST.csv SECONDS OUT_FOLDER CLASSES

The target is the column "target"; CLASSES is 0 for a regression. Writes answers.npy (probabilities in the order of the
sorted classes, or values) and told.json (seconds, bytes, milliseconds a row).
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Answer = Callable[[pd.DataFrame], Any]


def flaml(x: pd.DataFrame, y: pd.Series, seconds: float, n_classes: int, out: Path) -> tuple[Answer, int]:
    from flaml import AutoML

    model = AutoML()
    task, metric = ("classification", "log_loss") if n_classes else ("regression", "rmse")
    model.fit(x, y, task=task, metric=metric, time_budget=seconds, n_jobs=2, seed=0, verbose=0)
    size = len(pickle.dumps(model))
    return (model.predict_proba if n_classes else model.predict), size


def autogluon(x: pd.DataFrame, y: pd.Series, seconds: float, n_classes: int, out: Path) -> tuple[Answer, int]:
    from autogluon.tabular import TabularPredictor

    kind = "regression" if not n_classes else "binary" if n_classes == 2 else "multiclass"
    metric = "log_loss" if n_classes else "root_mean_squared_error"
    model = TabularPredictor(
        "target", problem_type=kind, eval_metric=metric, path=str(out / "ag"), verbosity=0
    )
    model.fit(x.assign(target=y), presets="medium_quality", time_limit=seconds, num_cpus=2, num_gpus=0)
    place = model.clone_for_deployment(str(out / "deployed"))
    size = sum(f.stat().st_size for f in Path(str(place)).rglob("*") if f.is_file())
    if not n_classes:
        return (lambda rows: model.predict(rows).to_numpy()), size
    return (lambda rows: model.predict_proba(rows)[sorted(set(y))].to_numpy()), size


def plain(x: pd.DataFrame, model: Any, y: pd.Series, n_classes: int, scale: bool) -> tuple[Answer, int]:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = [c for c in x if not pd.api.types.is_numeric_dtype(x[c])]
    encode = OneHotEncoder(handle_unknown="ignore", max_categories=40, sparse_output=False)
    numbers = make_pipeline(SimpleImputer(), StandardScaler()) if scale else "passthrough"
    rest = [c for c in x if c not in words]
    whole = make_pipeline(make_column_transformer((encode, words), (numbers, rest)), model).fit(x, y)
    return (whole.predict_proba if n_classes else whole.predict), len(pickle.dumps(whole))


def linear(x: pd.DataFrame, y: pd.Series, seconds: float, n_classes: int, out: Path) -> tuple[Answer, int]:
    from sklearn.linear_model import LogisticRegression, Ridge

    return plain(x, LogisticRegression(max_iter=300) if n_classes else Ridge(), y, n_classes, True)


def hgb(x: pd.DataFrame, y: pd.Series, seconds: float, n_classes: int, out: Path) -> tuple[Answer, int]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if n_classes else HistGradientBoostingRegressor
    return plain(x, kind(random_state=0), y, n_classes, False)


def realmlp(x: pd.DataFrame, y: pd.Series, seconds: float, n_classes: int, out: Path) -> tuple[Answer, int]:
    """With its defaults, whatever time that takes."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    kind = RealMLP_TD_Classifier if n_classes else RealMLP_TD_Regressor
    metric = {"val_metric_name": "cross_entropy"} if n_classes else {}
    model = kind(device="cpu", random_state=0, n_threads=2, **metric).fit(x, y)
    return (model.predict_proba if n_classes else model.predict), len(pickle.dumps(model))


def seedleaf(x: pd.DataFrame, y: pd.Series, seconds: float, n_classes: int, out: Path) -> tuple[Answer, int]:
    import seedleaf as ours

    task = "classification" if n_classes else "regression"
    result = ours.fit(
        out.parent / "train.csv",
        target="target",
        task=task,
        test="none",  # the others hold no test rows back either; fit.py has its own
        time_limit=seconds,
        workers=2,
        out=out / "run",
    )
    size = (result.best.path / "model.onnx").stat().st_size
    order = np.argsort(result.classes) if n_classes else None
    if order is None:
        return result.predict, size
    return (lambda rows: result.predict_proba(rows)[:, order]), size


SYSTEMS = {f.__name__: f for f in (flaml, autogluon, linear, hgb, realmlp, seedleaf)}


def main() -> None:
    name, train, test, seconds, folder, n_classes = sys.argv[1:]
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    frame, rest = pd.read_csv(train), pd.read_csv(test).drop(columns="target")
    y = frame.pop("target")
    y = y.astype(str) if int(n_classes) else y.astype(float)
    begun = time.time()
    answer, size = SYSTEMS[name](frame, y, float(seconds), int(n_classes), out)
    took = time.time() - begun
    np.save(out / "answers.npy", np.asarray(answer(rest), np.float64))
    times = []
    for i in range(min(20, len(rest))):
        row = rest.iloc[i : i + 1]
        begun = time.perf_counter()
        answer(row)
        times.append(1e3 * (time.perf_counter() - begun))
    told = {"seconds": took, "bytes": size, "row_ms": float(np.median(times))}
    (out / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()

"""Tune a training function of your own: `python examples/tune_function.py`.

A logistic regression on the digits, one pass of SGD a step; paused and resumed from the weights in ctx.folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

import seedleaf
from seedleaf import Choice, Fidelity, Float, Space

SPACE = Space(
    alpha=Float(1e-6, 1e-1, log=True),
    rate=Choice(optimal={}, constant=dict(eta0=Float(1e-4, 1e-1, log=True))),
)


def train(config: dict[str, Any], ctx: Any) -> Iterator[dict[str, float]]:
    x, y = load_digits(return_X_y=True)
    x_train, x_valid, y_train, y_valid = train_test_split(x / 16, y, random_state=0, stratify=y)
    model = SGDClassifier(
        alpha=config["alpha"],
        learning_rate=config["rate"],
        eta0=config.get("rate.eta0", 0.01),
        random_state=ctx.seed % 2**32,
    )
    saved = ctx.folder / "weights.npz"
    model.partial_fit(x_train[:1], y_train[:1], classes=np.unique(y))
    if ctx.start:
        with np.load(saved) as body:
            model.coef_, model.intercept_, model.t_ = body["coef"], body["intercept"], float(body["t"])
    for _ in range(ctx.start, ctx.stop):
        model.partial_fit(x_train, y_train)
        np.savez(saved, coef=model.coef_, intercept=model.intercept_, t=model.t_)
        yield {"error": 1 - model.score(x_valid, y_valid)}


if __name__ == "__main__":
    result = seedleaf.tune(train, SPACE, fidelity=Fidelity("pass", 1, 9), max_trials=12, workers=2)
    print(result.reason, result.best.config, dict(result.best.metrics))

"""Several heads over shared weights: right in Python and in the graph, whatever the task, and no dearer than told."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from seedleaf.errors import TrialError
from seedleaf.learners.tables import mlp, mlp_train
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.mlp import MlpFamily, Net
from seedleaf.learners.tables.mlp_train import Training
from seedleaf.learners.tables.model import Effort, Rows
from seedleaf.learners.tables.running import session

OWN = {"width": 32, "depth": 2, "act": "silu", "rate": 0.04, "decay": 0.02, "dropout": 0.1, "smoothing": 0.0, "epochs": 16,
       "waves": "cosines", "waves.pitch": 0.1}  # fmt: skip


def rows(n_classes: int, n: int = 400, seed: int = 0) -> Rows:
    """Two numbers and a category of three; what is asked for hangs on all of them."""
    rng = np.random.default_rng(seed)
    number, kind = rng.normal(size=(n, 2)), rng.integers(0, 3, n)
    score = number[:, 0] * (kind - 1) + number[:, 1]
    x = np.column_stack([number, np.eye(3)[kind]]).astype(np.float32)
    cuts = np.quantile(score, np.arange(1, max(n_classes, 1)) / max(n_classes, 1))
    y = np.digitize(score, cuts).astype(np.int64) if n_classes else (score - score.mean()) / score.std()
    return Rows(x, y, n_classes, 2)


def fitted(n_classes: int, heads: int, valid: Rows | None = None, rounds: int | None = 12, **own: Any) -> Net:
    effort = Effort(time.time() + 60, seed=1, rounds=rounds)
    return MlpFamily().fit({**OWN, "heads": heads, **own}, rows(n_classes), valid, effort)


@pytest.mark.parametrize("n_classes", [0, 2, 3])
@pytest.mark.parametrize("heads", [1, 2, 5])
@pytest.mark.parametrize("own", [{}, {"waves": "none", "act": "relu", "depth": 1}], ids=["waves", "plain"])
def test_the_graph_says_what_python_says(n_classes: int, heads: int, own: dict[str, Any]) -> None:
    net, x = fitted(n_classes, heads, **own), rows(n_classes, 50, seed=2).x
    g = Graph()
    opened = session(
        g.model({"out": (net.graph(g, g.cast(g.numbers, "float32")), 1, n_classes or 1)}, x.shape[1], 0)
    )
    wanted = net.predict(x)
    assert wanted.shape == (50, n_classes or 1)
    for part in (slice(None), slice(7, 8)):
        got = opened.run(None, {opened.get_inputs()[0].name: x[part].astype(np.float64)})[0]
        assert np.abs(got.reshape(wanted[part].shape) - wanted[part]).max() < 1e-5


@pytest.mark.parametrize("n_classes", [0, 3])
def test_heads_learn_and_differ(n_classes: int) -> None:
    train, test = rows(n_classes), rows(n_classes, 300, seed=5)
    net = fitted(n_classes, 4, valid=rows(n_classes, 100, seed=4), rounds=None)
    answer = net.predict(test.x)
    if n_classes:
        assert np.allclose(answer.sum(1), 1)
        assert (answer.argmax(1) == test.y).mean() > 0.6
    else:
        assert ((answer[:, 0] - test.y) ** 2).mean() < 0.25 * train.y.var()
    last, bias = net.layers[-1]
    own = last.reshape(len(last), 4, -1)
    assert bias.shape == (4 * (n_classes or 1),)
    assert all(np.abs(own[:, i] - own[:, j]).max() > 0.01 for i in range(4) for j in range(i))
    assert net.heads.shape == (4, net.layers[0][0].shape[0])


def test_python_averages_what_each_head_says() -> None:
    """As by hand: each head as a network of its own."""
    net, x = fitted(3, 3), rows(3, 40, seed=3).x
    said = []
    for k in range(3):
        last, bias = net.layers[-1]
        first, shift = net.layers[0]
        scaled = (first * net.heads[k][:, None], shift)
        alone = ((last[:, 3 * k : 3 * k + 3]), bias[3 * k : 3 * k + 3])
        one = Net(net.waves, net.scale, net.heads[:0], (scaled, net.layers[1], alone), net.act, 2, True, 1)
        said.append(one.predict(x))
    np.testing.assert_allclose(net.predict(x), np.mean(said, axis=0), atol=1e-6)


def test_many_rows_are_answered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = fitted(2, 3), rows(2, 100, seed=3).x
    whole = net.predict(x)
    monkeypatch.setattr(mlp, "AT_ONCE", 24)
    np.testing.assert_allclose(net.predict(x), whole, atol=1e-7)


def test_a_config_from_before_has_one_head() -> None:
    net = MlpFamily().fit(OWN, rows(2), None, Effort(time.time() + 60, seed=1, rounds=3))
    assert not len(net.heads)
    same = fitted(2, 1, rounds=3)
    assert all(
        (a == b).all()
        for one, two in zip(net.layers, same.layers, strict=True)
        for a, b in zip(one, two, strict=True)
    )


def test_heads_cost_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights that a limit of bytes counts are those that there are, and too many heads are refused before training."""
    for heads in (1, 6):
        net = fitted(3, heads, rounds=1)
        kept = sum(w.size + 4 * w.shape[1] + 4 * b.size for w, b in net.layers)
        kept += 4 * (net.scale.size + net.heads.size + sum(w.size for w in net.waves))
        assert mlp._bytes(5, 32, 2, 3, 2, heads) == kept
    monkeypatch.setattr(mlp_train, "Training", None)
    needed = mlp._bytes(5, 32, 2, 3, 2, 6)
    with pytest.raises(TrialError, match="too large"):
        MlpFamily().fit({**OWN, "heads": 6}, rows(3), None, Effort(time.time() + 60, 1, 1, room=needed - 1))


def test_weights_that_burst_are_told() -> None:
    with pytest.raises(TrialError, match="diverged"):
        Training({**OWN, "heads": 3, "rate": 1e30}, rows(2), None, Effort(time.time() + 60, 1, 3)).run()


def test_a_training_that_the_clock_ends_early_is_judged_and_no_divergence() -> None:
    late = Effort(
        time.time() - 1, seed=1, rounds=400
    )  # so long a one is looked at only after more steps than there are
    net = MlpFamily().fit({**OWN, "heads": 1}, rows(3), rows(3, 100, seed=4), late)
    assert np.isfinite(net.predict(rows(3, 20, seed=5).x)).all()

"""Several objectives: the order of trials, who is promoted, the front, and searches that are ahead of chance."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest
from problems import replay

from seedleaf.core import Config, Event, Fidelity, History, Resume
from seedleaf.space import Choice, Float, Space
from seedleaf.study import Study
from seedleaf.tuner.base import decide, ranked
from seedleaf.tuner.hypervolume import hypervolume
from seedleaf.tuner.pareto import pareto_front
from seedleaf.tuner.registry import SAMPLERS, SCHEDULERS, pick_sampler

PLAIN = Space(x=Float(0, 1), y=Float(0, 1))


def told(study: Study, rows: list[tuple[float, float]]) -> None:
    for a, b in rows:
        task = study.ask()
        assert task is not None
        study.tell(task, [{"a": a, "b": b}] * (task.stop - task.start))


def test_front_by_front_and_the_knee_first() -> None:
    study = Study(PLAIN, minimize=["a", "b"], sampler="random")
    told(study, [(0, 3), (4, 4), (1, 1), (3, 0), (2, 2)])
    rows = ranked(study.problem, study.history, 1)
    assert [trial for _, trial in rows] == [2, 0, 3, 4, 1]
    assert [math.floor(value) for value, _ in rows] == [0, 0, 0, 1, 2]
    assert [t.id for t in study.front] == [0, 2, 3]
    assert study.best is study.trials[0]


def test_directions_may_differ() -> None:
    study = Study(PLAIN, minimize="a", maximize="b", sampler="random")
    told(study, [(0, 3), (4, 4), (1, 1)])
    assert [t.id for t in study.front] == [0, 1]


def test_the_front_is_of_fully_trained_trials() -> None:
    study = Study(
        PLAIN, minimize=["a", "b"], sampler="random", scheduler="asha", fidelity=Fidelity("epoch", 1, 3)
    )
    told(study, [(1, 1), (0, 2), (2, 0)])
    assert study.front == []
    assert decide(study.problem, study.history, study.scheduler, study.sampler) == Resume(0, 3)
    told(study, [(1, 1)])
    assert [t.id for t in study.front] == [0]


def test_the_order_is_that_of_a_fresh_fold_whatever_happened() -> None:
    """Grown row by row with failures in between, it is what sorting all at once gives."""
    study = Study(
        PLAIN, minimize=["a", "b", "c"], sampler="random", scheduler="asha", fidelity=Fidelity("e", 1, 9)
    )
    rng = np.random.default_rng(0)
    for i in range(150):
        task = study.ask()
        assert task is not None
        steps = [
            dict(zip("abc", rng.integers(0, 9, 3).tolist(), strict=True))
            for _ in range(task.stop - task.start)
        ]
        study.tell(task, steps[:-1] if i % 5 == 4 else steps, error="gone" if i % 5 == 4 else None)
        for step in (1, 3, 9):
            rows = ranked(study.problem, study.history, step)
            assert {t for _, t in rows} == set(study.history.at(step))
    fresh = History.fold(study.store.read(study.name))
    for step in (1, 3, 9):
        assert ranked(study.problem, study.history, step) == ranked(study.problem, fresh, step)


@pytest.mark.parametrize("sampler", ["tpe", "evolution", "pareto-gp"])
@pytest.mark.parametrize("limits", [{}, {"b": 0.7}])
def test_decisions_with_several_objectives_follow_from_the_log(
    sampler: str, limits: dict[str, float]
) -> None:
    study = Study(
        PLAIN,
        minimize=["a", "c"],
        limits=limits,
        sampler=sampler,
        scheduler="asha",
        fidelity=Fidelity("epoch", 1, 9),
        seed=5,
    )
    held = []
    for i in range(36):
        task = study.ask()
        assert task is not None
        held.append(task)
        if i % 3:  # some run while others are decided on
            task = held.pop(0)
            x, y = float(task.config["x"]), float(task.config["y"])  # type: ignore[arg-type]
            told_steps = [{"a": x + y, "b": y, "c": 1 - x + y * y}] * (task.stop - task.start)
            study.tell(task, told_steps, error="gone" if i == 20 else None)
    log: list[Event] = study.store.read(study.name)
    assert replay(study.problem, SCHEDULERS["asha"](), SAMPLERS[sampler](), log) == []


def test_ten_thousand_rows_cost_little() -> None:
    """In CPU time of the median decision; a sort of all rows anew took 80 ms."""
    study = Study(
        PLAIN, minimize=["a", "b"], sampler="random", scheduler="asha", fidelity=Fidelity("epoch", 1, 3)
    )
    rng = np.random.default_rng(1)
    events = []
    for i, (a, b) in enumerate(rng.random((10_000, 2)).tolist()):
        start = {"trial": i, "config": {"x": a, "y": b}, "budget": 1}
        events.append(("start", start))
        events.append(("measure", {"trial": i, "step": 1, "metrics": {"a": a, "b": b}, "seconds": 0.0}))
    history = History.fold(Event(k, 0.0, kind, body) for k, (kind, body) in enumerate(events, 1))
    ranked(study.problem, history, 1)
    spent = []
    for i, (a, b) in enumerate(rng.random((40, 2)).tolist(), 10_000):
        history.apply(
            Event(history.seq + 1, 0.0, "start", {"trial": i, "config": {"x": a, "y": b}, "budget": 1})
        )
        body = {"trial": i, "step": 1, "metrics": {"a": a, "b": b}, "seconds": 0.0}
        history.apply(Event(history.seq + 1, 0.0, "measure", body))
        began = time.process_time()
        decide(study.problem, history, study.scheduler, study.sampler)
        spent.append(time.process_time() - began)
    assert median(spent) < 0.02


def test_auto_takes_the_sampler_for_several_objectives() -> None:
    assert Study(PLAIN, minimize=["a", "b"]).sampler == pick_sampler(Study(PLAIN).problem, "pareto-gp")
    assert Study(PLAIN, minimize="a", limits={"b": 1}).sampler.name == "pareto-gp"
    assert Study(PLAIN, minimize="a").sampler.name != "pareto-gp"


# --- does it search well? ---

ZDT = Space({f"x{i}": Float(0, 1) for i in range(6)})
TREE = Space(
    kind=Choice(
        small=dict(lr=Float(1e-4, 1, log=True), drop=Float(0, 1)),
        large=dict(
            lr=Float(1e-4, 1, log=True), depth=Choice(1, 2, 3, 4, ordered=True), act=Choice("a", "b", "c")
        ),
    ),
    width=Float(0, 1),
)


def zdt1(config: Config) -> tuple[float, float]:
    """Zitzler, Deb & Thiele 2000: the front is x1 = … = 0, and f2 = 1 - sqrt(f1)."""
    x = [float(v) for v in config.values()]  # type: ignore[arg-type]
    g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
    return x[0], g * (1 - math.sqrt(x[0] / g)) / 5


def tree(config: Config) -> tuple[float, float]:
    """Error against size: small networks are the left part of the front, large ones the right, at other learning rates."""
    width = float(config["width"])  # type: ignore[arg-type]
    lr = math.log10(float(config["kind.lr"]))  # type: ignore[arg-type]
    if config["kind"] == "small":
        off = (lr + 1) ** 2 / 4 + (float(config["kind.drop"]) - 0.2) ** 2  # type: ignore[arg-type]
        return 0.5 + off / 4 - 0.15 * width, 0.1 + 0.3 * width
    depth = int(config["kind.depth"])  # type: ignore[arg-type]
    off = (lr + 3) ** 2 / 4 + 0.3 * (config["kind.act"] != "b")
    return 0.45 + off / 4 - 0.15 * width - 0.07 * depth, 0.3 + 0.2 * width + 0.1 * depth


TOYS: dict[str, tuple[Space, Callable[[Config], tuple[float, float]]]] = {
    "zdt1": (ZDT, zdt1),
    "tree": (TREE, tree),
}


def missing(sampler: str, toy: str, seed: int, trials: int) -> float:
    """The share of the reachable hypervolume that the first `trials` have not covered."""
    space, function = TOYS[toy]
    study = Study(space, minimize=["f1", "f2"], sampler=sampler, seed=seed)
    points = []
    for _ in range(trials):
        task = study.ask()
        assert task is not None
        points.append(function(task.config))
        study.tell(task, [dict(zip(("f1", "f2"), points[-1], strict=True))])
    return 1 - hypervolume(points, [1.1, 1.1]) / reachable(toy)


def reachable(toy: str) -> float:
    """The hypervolume of the true front."""
    if toy == "zdt1":
        f1 = np.linspace(0, 1, 2000)
        return hypervolume(np.stack([f1, (1 - np.sqrt(f1)) / 5], axis=1), [1.1, 1.1])
    w = np.linspace(0, 1, 500)
    small = [np.stack([0.5 - 0.15 * w, 0.1 + 0.3 * w], axis=1)]
    large = [np.stack([0.45 - 0.15 * w - 0.07 * d, 0.3 + 0.2 * w + 0.1 * d], axis=1) for d in (1, 2, 3, 4)]
    points = np.concatenate(small + large)
    return hypervolume(points[pareto_front(points)], [1.1, 1.1])


@pytest.mark.parametrize(
    ("toy", "sampler", "trials", "at_most"),
    [
        ("zdt1", "tpe", 80, 0.8),
        ("tree", "tpe", 80, 0.9),
        ("zdt1", "pareto-gp", 40, 0.2),
        ("tree", "pareto-gp", 40, 0.8),
    ],
)
def test_more_volume_than_chance(sampler: str, toy: str, trials: int, at_most: float) -> None:
    ours = median(missing(sampler, toy, seed, trials) for seed in range(3))
    chance = median(missing("random", toy, seed, trials) for seed in range(9))
    assert 0 < ours < at_most * chance, (ours, chance)


def test_in_three_objectives_it_searches_too() -> None:
    """DTLZ2 (Deb et al. 2005) in four numbers: the front is an eighth of a sphere."""

    def point(config: Config) -> list[float]:
        x = [float(v) for v in config.values()]  # type: ignore[arg-type]
        far = 1 + sum((v - 0.5) ** 2 for v in x[2:])
        s, t = x[0] * math.pi / 2, x[1] * math.pi / 2
        return [far * math.cos(s) * math.cos(t), far * math.cos(s) * math.sin(t), far * math.sin(s)]

    def volume(sampler: str, seed: int) -> float:
        study = Study(
            Space({f"x{i}": Float(0, 1) for i in range(5)}),
            minimize=["a", "b", "c"],
            sampler=sampler,
            seed=seed,
        )
        points = []
        for _ in range(40):
            task = study.ask()
            assert task is not None
            points.append(point(task.config))
            study.tell(task, [dict(zip("abc", points[-1], strict=True))])
        return hypervolume(points, [1.1] * 3)

    ours, chance = (median(volume(s, seed) for seed in range(3)) for s in ("pareto-gp", "random"))
    assert ours > 1.1 * chance, (ours, chance)

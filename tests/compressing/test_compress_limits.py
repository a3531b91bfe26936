"""What is measured as it will be delivered, and breaks a bound, is not delivered: the next best is, or an error says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from seedleaf.compressing import finish as compress_finish
from seedleaf.compressing import limits as compress_limits
from seedleaf.compressing.job import CompressJob
from seedleaf.compressing.late import best_within
from seedleaf.compressing.limits import broken_bounds, times_asked, winner_within
from seedleaf.compression import deploy
from seedleaf.errors import LimitError
from seedleaf.executors.base import Returned
from seedleaf.space import Float, Space
from seedleaf.study import Study
from seedleaf.train import CHECKPOINT

JOB = CompressJob("m", "d", 60.0, speedup=2.0, at_most={"bytes": 1000.0, "latency_ms": 0.5, "params": 50.0})
GOOD = {"speedup": 2.0, "bytes": 1000, "params": 50, "macs": 9, "latency_ms": {"median": 0.5, "p90": 0.6}}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, ""),
        ({"bytes": 1001}, "bytes is 1,001, over 1,000"),
        ({"params": 51}, "params is 51, over 50"),
        ({"speedup": 1.99}, "it is 1.99 times faster, not 2"),
        ({"speedup": 0.8}, "it is 1.25 times slower, not 2 times faster"),
        ({"speedup": 1.00001}, "it is as fast, not 2 times faster"),
        ({"latency_ms": {"median": 0.51, "p90": 0.6}}, "latency_ms is 0.51, over 0.5"),
    ],
)
def test_every_bound_is_held_against_what_was_measured(found: dict[str, Any], said: str) -> None:
    assert broken_bounds(JOB, {**GOOD, **found}) == said


def test_only_times_are_measured_again() -> None:
    assert times_asked(JOB) == {"speedup": 2.0, "latency_ms": 0.5}
    assert times_asked(replace(JOB, speedup=None, at_most={"bytes": 1.0})) == {}


class Fake:
    """Three trials, the first the best; `weighed` says what each takes when it is written."""

    def __init__(self, folder: Path, weighed: Mapping[int, Mapping[str, Any] | str]) -> None:
        self.folder, self.job, self.setup = folder, JOB, {"original": "nowhere"}
        self.study = Study(Space({"x": Float(0, 1)}), minimize="error", max_trials=3)
        self.weighed, self.calls, self.said = weighed, list[int](), list[str]()
        self.view = SimpleNamespace(message=self.said.append)
        for error in (0.1, 0.2, 0.3):
            task = self.study.ask()
            assert task is not None
            self.study.tell(task, [{"error": error}] * (task.stop - task.start))
            place = folder / "trials" / f"{task.trial:04d}"
            place.mkdir(parents=True)
            (place / "recipe.json").write_text('{"recipe": {"passes": []}}')

    def call_all(self, run: Any, calls: Any, *_: Any, **__: Any) -> dict[str, Returned]:
        [(name, (_, arguments))] = calls.items()
        trial = int(Path(arguments["scratch"]).name)
        self.calls.append(trial)
        found = self.weighed[trial]
        return {name: Returned(0, error=found) if isinstance(found, str) else Returned(0, found)}


def fake(
    folder: Path, weighed: Mapping[int, Mapping[str, Any] | str], monkeypatch: pytest.MonkeyPatch
) -> Any:
    made = Fake(folder, weighed)
    monkeypatch.setattr(compress_limits, "call_all", made.call_all)
    return made


def test_the_next_best_is_taken_where_the_best_breaks_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake(tmp_path, {0: {**GOOD, "bytes": 2000}, 1: "it differs from the network", 2: GOOD}, monkeypatch)
    over: dict[int, str] = {}
    winner = winner_within(run, over)
    assert winner is not None
    assert winner.id == 2
    assert over == {0: "bytes is 2,000, over 1,000", 1: "it differs from the network"}
    assert len(run.said) == 2


def test_where_none_keeps_the_bounds_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake(tmp_path, {k: {**GOOD, "bytes": 1500} for k in range(3)}, monkeypatch)
    with pytest.raises(
        LimitError, match=r"no recipe .* keeps the bounds .*trial 0: bytes is 1,500, over 1,000; trial 1"
    ):
        best_within(run, {})
    assert run.calls == [0, 1, 2]


def test_what_is_only_counted_is_not_written_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake(tmp_path, {}, monkeypatch)
    run.job = replace(JOB, speedup=None, at_most={"params": 50.0})
    winner = winner_within(run, {})
    assert winner is not None
    assert winner.id == 0
    assert run.calls == []
    run.study = Study(Space({"x": Float(0, 1)}))
    assert winner_within(run, {}) is None, "that nothing was trained is another matter"


def test_after_the_last_training_one_whose_weights_are_there_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake(tmp_path, dict.fromkeys(range(3), GOOD), monkeypatch)
    (tmp_path / "trials" / "0002" / CHECKPOINT).touch()
    over = {0: "latency_ms is 0.51, over 0.5"}
    winner, fitted = compress_finish._instead(run, over, run.study.history.trials[0])
    assert winner.id == 2
    assert fitted.tuned == str((tmp_path / "trials" / "0002").resolve())
    assert fitted.no_control == "the time for it went to that of trial 0"
    assert run.said == [
        "trial 0 is not delivered: latency_ms is 0.51, over 0.5; trial 2 is, as the search left it"
    ]
    with pytest.raises(LimitError, match=r"trial 0: latency_ms is 0\.51, over 0\.5"):
        compress_finish._instead(run, {**over, 2: "bytes is 1,001, over 1,000"}, None)


def test_times_that_break_a_bound_are_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that others use, a graph can only seem slower than it is: so can the original."""
    taken = iter([(0.9, 1.2), (0.6, 1.0), (0.4, 1.4), (0.1, 9.0)])
    monkeypatch.setattr(deploy, "times", lambda *_, **__: [{"median": t, "p90": t} for t in next(taken)])
    image = np.zeros((1, 8, 8, 1), np.uint8)
    mine, theirs = deploy.times_within(Path("a"), Path("b"), image, {"speedup": 2.0, "latency_ms": 0.5})
    assert (mine["median"], theirs["median"]) == (0.4, 1.0)
    assert next(taken) == (0.1, 9.0), "and not once more than is needed"

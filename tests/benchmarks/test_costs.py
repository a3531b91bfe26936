"""The benchmarks of decisions and of virtual workers measure what they say; and each writes its own section only."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# decision_cost.py is a script: it puts the benchmarks first on the path itself.
before = list(sys.path)
import virtual_workers  # noqa: E402
from search import decision_cost  # noqa: E402
from search.scenarios import load  # noqa: E402
from sections import write_section  # noqa: E402

sys.path[:] = before


def test_the_made_up_log_holds_as_many_trials_or_steps_as_asked() -> None:
    log = list(decision_cost.events_of(810, (1, 3, 9, 27), None))
    assert [kind for kind, _ in log].count("start") == 810
    deep = [body["step"] for kind, body in log if kind == "measure"]
    for rung, share in ((1, 1), (3, 1 / 3), (9, 1 / 9), (27, 1 / 27)):
        assert 0.6 * share <= deep.count(rung) / 810 <= 1.5 * share
    first = {b["trial"]: b["metrics"]["error"] for k, b in log if k == "measure" and b["step"] == 1}
    gone_on = [b["trial"] for k, b in log if k == "measure" and b["step"] == 3]
    assert max(first[i] for i in gone_on) <= min(first[i] for i in first if i not in set(gone_on))
    steps = [kind for kind, _ in decision_cost.events_of(0, (1, 3, 9, 27), 100)].count("measure")
    assert 100 <= steps < 127


@pytest.mark.parametrize("scheduler", ["full", "asha"])
def test_our_decisions_are_timed_one_by_one(scheduler: str) -> None:
    found = decision_cost.ours("random", scheduler, 30)
    assert len(found) == decision_cost.DECISIONS
    assert all(0 <= ms < 1000 for ms in found)


def test_quantiles_and_what_is_missing() -> None:
    assert decision_cost.quantiles([float(x) for x in range(101)]) == (50.0, 99.0)
    assert decision_cost.cell("RuntimeError: no environment") == "-"
    assert "3 decisions" in decision_cost.cell([1.0, 2.0, 3.0])
    with pytest.raises(RuntimeError, match=r"envs\.sh optuna"):
        decision_cost.peer_elsewhere("optuna", 10, Path("/nowhere"))


def test_virtual_workers_judge_at_every_checkpoint_and_reproduce() -> None:
    def run() -> virtual_workers.Outcome:
        return virtual_workers.drive(load("synthetic/tree"), 20, "asha", "random", 0, [100, 300])

    one, two = run(), run()
    assert [steps for steps, _ in one.regrets] == [100, 300]
    assert one.regrets == two.regrets
    assert one.seconds == two.seconds
    assert one.used > 0.95
    assert 300 <= one.steps < 330


def test_a_section_is_rewritten_and_the_rest_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    path.write_text("# Title\n\nby hand\n")
    write_section("a", "first", path)
    write_section("b", "other", path)
    write_section("a", "second", path)
    text = path.read_text()
    assert text.startswith("# Title\n\nby hand\n")
    assert "first" not in text
    assert text.index("second") < text.index("other")

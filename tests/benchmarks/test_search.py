"""The harness that compares searches: what it counts, whom it calls the incumbent, and that its numbers are the data's."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search import plots, run, stats, tables, trace
from search.batch import free_batch
from search.scenarios import FAMILIES, SPLITS, Scenario, Steps, load, names
from search.surrogates import DATA, Curve, network
from search.tabular import Nearest, sticky
from search.trace import BudgetUsed, Meter
from search.volume import front, growth, hypervolume
from seedleaf.core import Config, Fidelity
from seedleaf.errors import SpaceError
from seedleaf.space import Choice, Float, Space

needs_data = pytest.mark.skipif(not DATA.exists(), reason="the data of the benchmarks is not here")


class Written:
    """Curves by hand: config {"x": name} -> losses by step."""

    def __init__(self, curves: dict[str, list[float]]) -> None:
        self.curves = curves

    def steps(self, config: Config, start: int, stop: int) -> Steps:
        return [({"loss": v}, 2.0) for v in self.curves[str(config["x"])][start:stop]]


def scenario(**curves: list[float]) -> Scenario:
    space = Space(x=Choice(*curves))
    fidelity = Fidelity("step", 1, len(next(iter(curves.values()))))
    return Scenario("hand/made", "hand", space, "loss", "min", fidelity, 0.0, 1.0, Written(curves))


# --- what is counted ---


def test_resuming_pays_for_the_new_steps_only() -> None:
    meter = Meter(scenario(a=[3.0, 2.0, 1.0]), 10)
    meter.step({"x": "a"}, 0, 1)
    meter.step({"x": "a"}, 1, 3)
    assert (meter.used, meter.seconds, meter.calls) == (3, 6.0, 2)
    meter.step({"x": "a"}, 0, 3)  # anew
    assert meter.used == 6


def test_the_budget_ends_in_the_middle_of_a_call_and_keeps_what_was_paid() -> None:
    meter = Meter(scenario(a=[3.0, 2.0, 1.0], b=[0.5, 0.4, 0.3]), 4)
    meter.step({"x": "a"}, 0, 3)
    with pytest.raises(BudgetUsed):
        meter.step({"x": "b"}, 0, 3)
    assert meter.used == 4
    assert meter.trace == [(1, 1.0), (4, 0.3)]
    with pytest.raises(BudgetUsed):
        meter.step({"x": "b"}, 1, 2)
    assert meter.used == 4


def test_a_budget_that_is_used_up_exactly_raises_at_the_next_call_only() -> None:
    meter = Meter(scenario(a=[3.0, 2.0]), 2)
    assert len(meter.step({"x": "a"}, 0, 2)) == 2
    with pytest.raises(BudgetUsed):
        meter.step({"x": "a"}, 0, 1)


def test_a_divergence_ends_the_call_and_later_steps_are_not_paid() -> None:
    meter = Meter(scenario(a=[1.0, math.nan, math.nan, math.nan]), 10)
    told = meter.step({"x": "a"}, 0, 4)
    assert len(told) == 2
    assert math.isnan(told[-1]["loss"])
    assert meter.used == 2


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (2, 1), (0, 4)])
def test_steps_outside_a_training_are_refused(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="has steps 1 to 3"):
        scenario(a=[3.0, 2.0, 1.0]).evaluate({"x": "a"}, start, stop)


def test_a_config_outside_the_space_is_refused() -> None:
    with pytest.raises(SpaceError):
        Meter(scenario(a=[1.0]), 1).step({"x": "b"}, 0, 1)


# --- whom it calls the incumbent ---


def test_the_incumbent_is_judged_at_full_fidelity_at_once() -> None:
    meter = Meter(scenario(fast=[0.5, 0.5, 0.5], slow=[0.9, 0.6, 0.1]), 10)
    meter.step({"x": "slow"}, 0, 1)
    meter.step({"x": "fast"}, 0, 1)
    meter.step({"x": "slow"}, 1, 3)
    assert meter.trace == [(1, 0.1), (2, 0.5), (4, 0.1)]


def test_the_two_rules_differ_on_a_curve_that_rises_again() -> None:
    meter = Meter(scenario(peak=[0.1, 0.9], steady=[0.5, 0.4]), 10)
    meter.step({"x": "peak"}, 0, 2)
    meter.step({"x": "steady"}, 0, 2)
    assert meter.trace == [(1, 0.9)]
    assert meter.last == [(1, 0.9), (3, 0.4)]


def test_the_deeper_wins_a_tie_and_the_earlier_an_even_one() -> None:
    meter = Meter(scenario(a=[0.5, 0.5], b=[0.5, 0.4], c=[0.5, 0.3]), 10)
    meter.step({"x": "a"}, 0, 2)
    meter.step({"x": "b"}, 0, 1)
    assert meter.trace == [(1, 0.5)]
    other = Meter(scenario(a=[0.5, 0.5], b=[0.5, 0.5]), 10)
    other.step({"x": "a"}, 0, 1)
    other.step({"x": "b"}, 0, 2)
    assert [at for at, _ in other.trace] == [1, 3]


def test_what_diverged_is_no_incumbent_any_more() -> None:
    meter = Meter(scenario(a=[0.1, math.nan], b=[0.5, 0.4]), 10)
    meter.step({"x": "b"}, 0, 1)
    meter.step({"x": "a"}, 0, 2)
    assert meter.trace == [(1, 0.4), (2, math.inf), (3, 0.4)]
    assert meter.line("m", 0)["trace"][1] == [2, None]


def test_a_first_config_that_diverges_leaves_no_incumbent() -> None:
    meter = Meter(scenario(a=[math.nan, math.nan], b=[0.5, 0.4]), 10)
    meter.step({"x": "a"}, 0, 2)
    assert meter.trace == []
    meter.step({"x": "b"}, 0, 1)
    assert meter.trace == [(2, 0.4)]


# --- numbers ---


def test_regret_at_a_mark_reads_the_trace_before_it() -> None:
    made = scenario(a=[1.0, 1.0])
    line = {"trace": [[1, 0.5], [4, None], [5, 0.25]]}
    assert stats.regrets(line, made, [0.25, 0.5, 1.5, 2, 2.5]).tolist() == [10, 0.5, 0.5, 10, 0.25]


def test_nothing_is_read_beyond_the_end_of_a_run() -> None:
    made = scenario(a=[1.0, 1.0])
    line = {"trace": [[1, 0.5]], "clock": [[3.0, 0.5]], "budget": 4, "simulated_s": 8.0}
    np.testing.assert_equal(stats.regrets(line, made, [2, 3]), [0.5, np.nan])
    np.testing.assert_equal(stats.regrets(line, made, [1, 2, 3], "clock", 4.0), [0.5, 0.5, np.nan])
    both = stats.spread(np.array([1.0, np.nan, 3.0]), ["x", "x", "y"])
    assert (both.mean, both.worst, both.n) == (2.0, 3.0, 2)
    assert str(stats.spread(np.array([np.nan]), ["x"])) == "–"


def test_a_method_that_ran_on_little_does_not_shrink_the_comparison() -> None:
    runs = [{"method": m, "scenario": s} for m in "ab" for s in "wxyz"] + [{"method": "c", "scenario": "x"}]
    assert stats.covering(runs, 0.5) == (["a", "b"], {"w", "x", "y", "z"})
    assert stats.covering(runs, 0.25) == (["a", "b", "c"], {"x"})
    assert stats.covering([], 0.5) == ([], set())


def test_the_critical_difference_is_that_of_the_published_table() -> None:
    rng = np.random.default_rng(0)
    found = stats.rank({f"m{i}": rng.random(30).tolist() for i in range(5)})
    assert found is not None
    assert found.critical == pytest.approx(
        2.728 * math.sqrt(5 * 6 / (6 * 30)), abs=2e-3
    )  # Demšar 2006, table 5
    assert list(found.ranks.values()) == sorted(found.ranks.values())
    assert found.p > 0.01


def test_methods_that_always_differ_are_told_apart() -> None:
    found = stats.rank({"best": [1.0] * 30, "middle": [2.0] * 30, "worst": [3.0] * 30})
    assert found is not None
    assert (found.ranks, found.n) == ({"best": 1, "middle": 2, "worst": 3}, 30)
    assert found.p < 1e-6
    assert plots.groups(list(found.ranks.values()), found.critical) == []


def test_groups_are_the_maximal_stretches() -> None:
    assert plots.groups([1.0, 1.5, 2.2, 4.0], 1.0) == [(0, 1), (1, 2)]
    assert plots.groups([1.0, 1.5, 1.9], 1.0) == [(0, 2)]


def test_ranks_use_the_scenarios_that_all_methods_ran_on() -> None:
    runs = [
        {"method": m, "scenario": s, "v": v}
        for m, s, v in [("a", "x", 1), ("a", "x", 3), ("a", "y", 9), ("b", "x", 5)]
    ]
    assert stats.by_scenario(runs, lambda r: r["v"], ["a", "b"]) == {"a": [2.0], "b": [5.0]}


def test_the_hypervolume_of_a_staircase() -> None:
    points = [[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [3.0, 3.0], [2.0, 2.0], [math.inf, 0.0]]
    assert front(points).tolist() == [[1, 3], [2, 2], [3, 1]]
    assert hypervolume(points, (4, 4)) == 6
    assert hypervolume(points, (1, 1)) == 0
    assert growth([(1, [1.0, 3.0]), (2, [None, 1.0]), (3, [2.0, 2.0])], (4, 4), [0, 1, 2, 3]) == [0, 3, 3, 5]


def test_what_diverged_does_not_come_back() -> None:
    values = np.array([[1.0, np.nan, 2.0], [np.inf, 1.0, 1.0], [1.0, 2.0, 3.0]])
    assert np.isnan(sticky(values)).tolist() == [[False, True, True], [True] * 3, [False] * 3]


def test_the_nearest_row_minds_the_tree() -> None:
    space = Space(a=Float(0, 1), kind=Choice({"on": dict(b=Float(0, 1)), "off": {}}))
    rows: list[Config] = [
        {"a": 0.1, "kind": "on", "kind.b": 0.9},
        {"a": 0.1, "kind": "off"},
        {"a": 0.2, "kind": "on", "kind.b": 0.1},
    ]
    nearest = Nearest(space, rows)
    assert [nearest(row) for row in rows] == [0, 1, 2]
    assert nearest({"a": 0.1, "kind": "on", "kind.b": 0.2}) == 2
    assert nearest({"a": 0.9, "kind": "off"}) == 1


# --- the command ---


def test_every_instance_stands_in_one_split_and_names_are_checked() -> None:
    for family in FAMILIES:
        listed = [i for instances in SPLITS[family].values() for i in instances]
        assert len(listed) == len(set(listed))
    assert not any(n.startswith("synthetic") for n in names())
    with pytest.raises(KeyError, match="no scenario is called"):
        load("lcbench/1")


def test_the_command_runs_resumes_and_writes_its_tables(tmp_path: Path) -> None:
    out, target = tmp_path / "results", tmp_path / "RESULTS.md"
    methods = ["seedleaf:random+asha", "random", "random-asha", "i-epoch"]
    given = [
        "--scenarios",
        "synthetic/tree,synthetic/tree_full",
        "--methods",
        ",".join(methods),
        "--seeds",
        "0-1",
    ]
    given += ["--full", "5", "--evaluations", "10", "--out", str(out)]
    run.main(given)
    lines = trace.read(sorted(out.glob("*.jsonl")))
    assert len(lines) == 2 * (2 + 2 + 1 + 1)  # without a fidelity two of the baselines would be random search
    assert all(line["steps"] == line["budget"] and "error" not in line for line in lines)
    assert all(line["trace"] and line["last"] for line in lines)
    run.main(given)
    assert len(trace.read(sorted(out.glob("*.jsonl")))) == len(lines)
    target.write_text("# Before\n")
    for rule in ("latest", "seen", "seen"):
        chosen = ["--results", str(out), "--archive", str(tmp_path / "none.csv"), "--split", "all"]
        tables.main([*chosen, "--into", str(target), "--rule", rule])
    text = target.read_text()
    assert text.startswith("# Before\n")
    assert text.count(tables.BEGIN) == text.count(tables.END) == text.count("### synthetic") == 1
    assert (tmp_path / "plots" / "search-synthetic.svg").read_text().startswith("<svg")


def test_equal_seeds_give_equal_runs_and_a_cut_off_line_is_run_again(tmp_path: Path) -> None:
    job = ("random-asha", "synthetic/tree", 3, 3.0, 3.0)
    first, second = run.run_one(job), run.run_one(job)
    assert first["trace"] == second["trace"]
    assert first["trace"] != run.run_one((*job[:2], 4, *job[3:]))["trace"]
    path = tmp_path / "m.jsonl"
    path.write_text(json.dumps(first) + "\n" + json.dumps({**first, "seed": 4})[:-9])
    assert trace.done(path) == {("random-asha", "synthetic/tree", 3)}


def test_a_method_that_raises_is_a_broken_run_that_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no more ideas")

    monkeypatch.setattr(run, "drive_i_epoch", fail)
    line = run.run_one(("i-epoch", "synthetic/tree", 0, 3.0, 3.0))
    assert line["error"] == "RuntimeError: no more ideas"
    trace.append(tmp_path / "i-epoch.jsonl", line)
    assert trace.done(tmp_path / "i-epoch.jsonl") == set()
    assert tables.select([line], None) == []


def test_an_unknown_method_is_refused_before_anything_runs() -> None:
    with pytest.raises(KeyError, match="no method is called 'tpe'"):
        run.drive("tpe")


def test_i_epoch_completes_its_best_before_it_is_judged() -> None:
    made = load("synthetic/tree")
    meter = Meter(made, 10 * made.full)
    with pytest.raises(BudgetUsed):
        run.drive_i_epoch(made, meter, 0)
    assert 3 <= len(meter.evaluated) <= 6
    assert meter.evaluated[0][0] <= 2 * made.full


# --- the numbers are the data's ---


@needs_data
@pytest.mark.parametrize("folder", ["iaml_super_v0", "rbv2_svm_v0", "nb301_v0", "lcbench_v1"])
def test_a_network_with_its_batch_freed_answers_as_before(folder: str) -> None:
    import onnxruntime

    path = DATA / "yahpo" / folder / "model.onnx"
    net, old = network(folder), onnxruntime.InferenceSession(str(path))
    rng = np.random.default_rng(0)
    fixed = {"epoch": 5, "trainsize": 0.5, "repl": 10, "OpenML_task_id": "3945", "task_id": "1067"}
    rows = [net.row(net.space.sample(rng), fixed) for _ in range(9)]
    single = [
        old.run(None, {"x_cat": np.array([cat], np.int32), "x_cont": np.array([cont], np.float32)})[0]
        for cat, cont in rows
    ]
    np.testing.assert_allclose(net.predict(rows), np.concatenate(single), rtol=1e-4, atol=1e-5)


def test_what_is_no_protocol_buffer_is_refused() -> None:
    with pytest.raises(ValueError, match="not an ONNX file"):
        free_batch(b"\x0f\x00")


@needs_data
@pytest.mark.parametrize(
    ("name", "folder", "instance"),
    [
        ("lcbench/3945", "lcbench_v1", "3945"),
        ("lcbench/168868", "lcbench_v1", "168868"),
        ("iaml_super/1489", "iaml_super_v0", "1489"),
        ("iaml_super_full/41146", "iaml_super_v0", "41146"),
        ("nb301/CIFAR10", "nb301_v0", "None"),
    ],
)
def test_a_random_search_reproduces_the_quantiles_of_the_data(name: str, folder: str, instance: str) -> None:
    """Inactive parameters, encodings and scales: any mistake in them moves the quantiles."""
    made = load(name)
    _reproduces(
        made,
        json.loads((DATA / "yahpo" / "manifest.json").read_text())[folder]["reference_random_search"],
        instance,
    )


@needs_data
def test_the_same_for_an_instance_of_rbv2_svm() -> None:
    manifest = json.loads((DATA / "yahpo" / "manifest.json").read_text())["rbv2_svm_v0"]
    made = load("rbv2_svm/1053")
    source = made.source
    assert isinstance(source, Curve)
    other = Curve(source.net, "mmce", source.runtime, lambda step: {**source.at(step), "task_id": "38"}, 1)
    moved = Scenario("rbv2_svm/38", "rbv2_svm", made.space, "mmce", "min", None, 0, 1, other)
    _reproduces(moved, manifest["reference_random_search"], "38")


def _reproduces(made: Scenario, published: dict[str, Any], instance: str, draws: int = 600) -> None:
    rng = np.random.default_rng(0)
    sign = 1 if published["minimize"] else -1
    row = {k: sign * v for k, v in published["per_instance"][instance].items()}
    losses = np.array([made.full_loss(made.space.sample(rng)) for _ in range(draws)])
    # Standard errors of the two shares: 0.012 and 0.02.
    assert np.mean(losses <= row["top10%"]) == pytest.approx(0.1, abs=0.045)
    assert np.mean(losses <= row["median"]) == pytest.approx(0.5, abs=0.07)
    assert losses.min() >= row["best"] - 0.15 * (row["median"] - row["best"])


@needs_data
@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "synthetic"])
def test_every_family_loads_is_normalised_and_repeats_itself(family: str) -> None:
    made = load(names(family)[0])
    rng = np.random.default_rng(1)
    configs = [made.space.sample(rng) for _ in range(150)]
    regrets = np.array([made.regret(made.full_loss(c)) for c in configs])
    assert regrets.min() >= -1e-9
    assert made.best <= made.drawn < made.median
    assert 0.3 < np.mean(regrets <= 1) < 0.7
    once = made.evaluate(configs[0], 0, made.full)
    assert len(once) == made.full
    assert str(once) == str(made.evaluate(configs[0], 0, made.full))
    assert all(seconds > 0 for _, seconds in once)
    assert str(once[-1][0]) == str(made.full_metrics(configs[0]))
    middle = made.full // 2
    assert str(made.evaluate(configs[0], middle, made.full)) == str(once[middle:])


@needs_data
def test_diverged_runs_stay_visible() -> None:
    made = load("arlbench/cc_pendulum_sac")
    rng = np.random.default_rng(0)
    shares = [math.isinf(made.full_loss(made.space.sample(rng))) for _ in range(200)]
    assert 0.08 < np.mean(shares) < 0.3

"""What is kept of a run says at every mark what the run itself says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from search import archive, run, stats, tables, trace
from search.archive import GRID, pack, undominated, unpack
from search.scenarios import load, seconds_of_full
from search.volume import hypervolume


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    out = tmp_path_factory.mktemp("results")
    given = ["--scenarios", "synthetic/tree,synthetic/tree_full", "--methods", "random,random-asha"]
    run.main([*given, "--seeds", "0-1", "--full", "7", "--evaluations", "12", "--out", str(out)])
    return trace.read(sorted(out.glob("*.jsonl")))


def test_a_kept_run_has_the_regrets_of_the_whole_one(runs: list[dict[str, object]], tmp_path: Path) -> None:
    path = tmp_path / "kept" / "peers.csv"
    assert pack(runs, path) == len(runs) == 6
    kept = {(r["method"], r["scenario"], r["seed"]): r for r in unpack(path)}
    for whole in runs:
        found = kept[whole["method"], whole["scenario"], whole["seed"]]
        scenario = load(str(whole["scenario"]))
        for key, marks in (("last", GRID), ("trace", stats.MARKS)):
            both = [stats.regrets(r, scenario, marks, key) for r in (whole, found)]
            assert np.isfinite(both[0]).sum() > 2
            np.testing.assert_allclose(*both, rtol=1e-5)
        unit = seconds_of_full(scenario.name)
        both = [stats.regrets(r, scenario, archive.CLOCK, "clock_last", unit) for r in (whole, found)]
        np.testing.assert_allclose(*both, rtol=1e-5)
        assert {k: found[k] for k in archive.PLAIN} == {k: whole[k] for k in archive.PLAIN}
    assert pack(unpack(path), tmp_path / "again.csv") == 6
    assert (tmp_path / "again.csv").read_text() == path.read_text()


def test_a_diverged_incumbent_and_a_broken_run_stay_what_they_are(
    runs: list[dict[str, object]], tmp_path: Path
) -> None:
    diverged = {**runs[0], "last": [[1, None]], "error": "ValueError: it broke", "seed": 7}
    pack([diverged], tmp_path / "peers.csv")
    (found,) = unpack(tmp_path / "peers.csv")
    assert found["error"] == "ValueError: it broke"
    assert stats.regrets(found, load(found["scenario"]), [1, 2], "last").tolist() == [stats.CAP, stats.CAP]


def test_a_run_that_broke_does_not_replace_a_whole_one(runs: list[dict[str, object]], tmp_path: Path) -> None:
    pack([runs[0], {**runs[0], "error": "again"}], tmp_path / "peers.csv")
    assert "error" not in unpack(tmp_path / "peers.csv")[0]
    assert unpack(tmp_path / "none.csv") == []


def test_leaving_out_what_is_dominated_leaves_the_hypervolume() -> None:
    rng = np.random.default_rng(0)
    points = [[used, rng.uniform(size=2).tolist()] for used in range(1, 60)] + [[60, [None, 0.1]]]
    kept = undominated(points)
    assert len(kept) < 30
    for mark in (1, 5, 20, 60):
        whole = [p for used, p in points if used <= mark and None not in p]
        assert hypervolume(whole, (1, 1)) == pytest.approx(
            hypervolume([p for used, p in kept if used <= mark], (1, 1))
        )


def test_tables_read_what_is_kept_beside_fresh_runs(runs: list[dict[str, object]], tmp_path: Path) -> None:
    pack([r for r in runs if r["method"] == "random"], tmp_path / "peers.csv")
    for r in runs:
        if r["method"] == "random-asha":
            trace.append(tmp_path / "fresh" / "random-asha.jsonl", r)
    target = tmp_path / "RESULTS.md"
    given = ["--archive", str(tmp_path / "peers.csv"), "--results", str(tmp_path / "fresh")]
    tables.main([*given, "--split", "all", "--into", str(target)])
    text = target.read_text()
    assert "| random |" in text
    assert "| random-asha |" in text


def test_what_was_kept_stays_when_more_is_added(runs: list[dict[str, object]], tmp_path: Path) -> None:
    into = tmp_path / "peers.csv"
    pack(runs[:1], into)
    trace.append(tmp_path / "fresh" / "new.jsonl", {**runs[0], "seed": 99})
    archive.main([str(tmp_path / "fresh"), "--into", str(into)])
    assert [r["seed"] for r in unpack(into)] == sorted([runs[0]["seed"], 99])  # type: ignore[type-var]

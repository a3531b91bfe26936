"""The campaign: who runs what, in which order, and never two of one method at once."""

from __future__ import annotations

import sys
from pathlib import Path

from search.peers import campaign
from search.peers.run import PEERS
from search.scenarios import FAMILIES


def test_every_peer_has_a_plan_of_families_that_exist() -> None:
    assert set(campaign.PLAN) == set(PEERS) | set(campaign.OURS)
    for parts in campaign.PLAN.values():
        for part in parts:
            assert set(part.families.split(",")) <= set(FAMILIES)


def test_processes_run_in_order_one_at_a_time_for_each_method(tmp_path: Path) -> None:
    class Written(campaign.Part):
        def command(self, peer: str, seed: int, out: Path) -> list[str]:
            code = (
                f"import time; f = open({str(out / 'order')!r}, 'a'); f.write('{peer}{seed} '); f.close(); "
            )
            return [sys.executable, "-c", code + ("time.sleep(30)" if peer == "slow" else "pass")]

    part, slow = Written("synthetic"), Written("synthetic", most=1)
    todo = [(0.0, "a", 0, part), (0.0, "slow", 0, slow), (1.0, "a", 1, part), (1.0, "a", 2, part)]
    campaign.run(todo, 2, tmp_path)
    order = (tmp_path / "order").read_text().split()
    assert [o for o in order if o.startswith("a")] == ["a0", "a1", "a2"]
    log = (tmp_path / "campaign.log").read_text().splitlines()
    assert len(log) == 4
    assert any(line.startswith("slow seed 0 synthetic: exit -9") for line in log)

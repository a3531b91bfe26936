"""What a plan tells of a network before anything is measured: its costs as counted, and floors that nothing passes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zoo

from seedleaf.compressing.early import check_bounds, floor
from seedleaf.compressing.job import CompressJob
from seedleaf.compression.allocate import least
from seedleaf.compression.bench import counted
from seedleaf.compression.blocktable import BlockTable
from seedleaf.compression.own import OwnNet
from seedleaf.compression.pricing import Pricer
from seedleaf.errors import LimitError
from seedleaf.learners import cost
from seedleaf.learners.ops import Conv, Head, NetPlan


@pytest.mark.parametrize("name", list(zoo.OWN))
def test_a_plan_tells_what_the_network_is_counted_to_have(name: str) -> None:
    own = zoo.shared(name)
    assert isinstance(own, OwnNet)
    costs = cost.costs(own.plan)
    assert counted(own.net, zoo.images(1).numpy()) == (costs["params"], costs["macs"])
    assert own.skeleton.costs().items() >= {m: costs[m] for m in ("params", "macs")}.items()


@pytest.mark.parametrize("name", list(zoo.OWN))
def test_no_pruning_and_no_blocks_left_out_come_below_the_floor(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BlockTable, "at", lambda *_: 1.0)  # times are nothing here
    own = zoo.shared(name)
    pricer = Pricer(own.skeleton, BlockTable({"block": 8.0}))
    found = floor(own.skeleton, own.skeleton.costs()["bytes"], int8=False)
    for gone in ([], [b.name for b in own.skeleton.blocks][: int(0.75 * len(own.skeleton.blocks))]):
        reached = least(pricer, gone)
        assert all(found[m] <= reached[m] + 1e-6 for m in found)
    if not own.skeleton.blocks:
        assert all(found[m] == pytest.approx(least(pricer)[m]) for m in found)
    half = floor(own.skeleton, own.skeleton.costs()["bytes"], int8=True)
    assert half == {**found, "bytes": pytest.approx(found["bytes"] / 4)}


def grouped(width: int, kernel: int = 1, groups: tuple[int, int] = (4, 4)) -> NetPlan:
    """A convolution between two others, which may have groups."""
    ops = [Conv(3, width, 3, 1, 1, 8, 8, "relu")]
    ops += [
        Conv(width, width, k, 1, n, 8, 8, "relu") for k, n in ((3, groups[0]), (kernel, 1), (3, groups[1]))
    ]
    return NetPlan(8, 8, 3, 10, (*ops, Conv(width, width, 1, 1, 1, 8, 8, "relu"), Head(width, 10, 0.0)))


def test_where_a_layer_stays_wide_a_chain_may_come_below_the_floor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(plan: NetPlan) -> bool:
        body = SimpleNamespace(plan=plan, delivered=tmp_path, compressed=True)
        monkeypatch.setattr("seedleaf.compressing.early.described", lambda _: body)
        try:
            check_bounds(tmp_path, CompressJob("", "", 60.0, at_most={"params": 10.0}))
        except LimitError:
            return True
        return False

    assert not told(grouped(64)), "neither end of a convolution can be cut"
    assert not told(grouped(64, 3, (4, 1))), "a chain cuts the wide end before it sees three by three pixels"
    assert told(grouped(64, 1, (4, 1)))
    assert told(grouped(4, 1, (2, 2))), "too narrow for a chain"
    assert all(told(own.plan) for name in zoo.OWN if isinstance(own := zoo.shared(name), OwnNet))


def test_floors_are_below_what_a_worker_finds_out(looked: Any) -> None:
    _, _, found = looked
    own = zoo.shared("own_conv")
    size = Path(found["delivered"]).stat().st_size
    for floors, int8 in ((found["floors"], False), (found["floors8"], True)):
        early = floor(own.skeleton, size, int8)
        for order in floors.values():
            assert all(early[m] <= order[m] * (1 + 1e-9) for m in early)
    early, late = floor(own.skeleton, size, False), found["floors"]["drop_prune"]
    assert np.allclose([early["params"], early["macs"]], [late["params"], late["macs"]], rtol=0.2)

"""Evolution over the table of Accel-NASBench: networks are those of the table, a proxy chooses among what is not tried."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from light import nb201
from light.accel import Nearest, Table, evaluations, read_scores
from light.mobile import Stage, mobile_network
from light.proxies import PROXIES
from search.surrogates import DATA
from seedleaf.study import Study
from seedleaf.tuner.evolution import EvolutionSampler

WITH_TABLE = pytest.mark.skipif(
    not (DATA / "tables" / "accel_nasbench.npz").exists(), reason="needs the table of Accel-NASBench"
)
HEAD = (
    320 * 1280 + 2 * 1280 + (1280 - 320) * 1000
)  # what theirs has more: a last convolution, and a wider layer behind it


@WITH_TABLE
def test_networks_have_the_parameters_that_the_table_says() -> None:
    table = Table.read()
    for row in np.linspace(0, len(table.accuracy) - 1, 12).astype(int):
        ours = sum(p.numel() for p in mobile_network(table.stages(row), 1.0, 1000).parameters())
        assert (ours + HEAD) / 1e6 == pytest.approx(table.values["params_M"][row], abs=1e-5)


def test_every_proxy_says_something_of_a_mobile_network() -> None:
    torch.manual_seed(0)
    stages = [
        Stage(e, k, r, se) for e, k, r, se in ((1, 3, 1, 0), (6, 5, 2, 1), (4, 3, 3, 0), *((4, 3, 1, 1),) * 4)
    ]
    x, y = torch.randn(8, 3, 16, 16), torch.arange(8)
    assert mobile_network(stages)(x).shape == (8, 10)
    assert all(np.isfinite(proxy(mobile_network(stages), x, y)) for proxy in PROXIES.values())


def toy(n: int = 60) -> Table:
    """Two stages whose accuracy rises with repeats."""
    rng = np.random.default_rng(0)
    names = ("a_e", "a_k", "a_l", "a_se", "b_e", "b_k", "b_l", "b_se")
    networks = np.stack([rng.choice(c, n) for c in ((1, 4, 6), (3, 5), (1, 2, 3), (0, 1)) * 2], axis=1)
    return Table(names, networks, {"val_top1": networks[:, 2] + networks[:, 6] + 0.01 * rng.random(n)})


def test_nothing_of_the_table_is_tried_twice_and_all_of_it_can_be() -> None:
    table = toy(20)
    study = Study(
        table.space(),
        maximize="accuracy",
        seed=0,
        sampler=Nearest(table, EvolutionSampler()),
        scheduler="full",
    )  # type: ignore[arg-type]
    seen = []
    for _ in range(20):
        task = study.ask()
        assert task is not None
        seen.append(tuple(task.config.values()))
        study.tell(task, [{"accuracy": 0.5}])
    assert sorted(seen) == sorted(map(tuple, table.networks.tolist()))


def test_a_proxy_that_knows_finds_the_best_sooner() -> None:
    table = toy(500)
    alone = [evaluations(table, seed, None) for seed in range(5)]
    knowing = [evaluations(table, seed, table.accuracy) for seed in range(5)]
    assert np.median(knowing) <= 0.6 * np.median(alone)


def test_scores_of_parts_are_put_together_with_sums_of_ranks(tmp_path: Path) -> None:
    table = toy(40)
    table = Table(
        table.names, table.networks, {**table.values, "params_M": table.accuracy, "macs_M": table.accuracy}
    )
    for part in (0, 1):
        rows = np.arange(40)[part::2]
        values = np.stack([rows, -rows], axis=1).astype(float)
        np.savez(tmp_path / f"{part}.npz", rows=rows, names=["naswot", "synflow"], values=values)
    found = read_scores([tmp_path / "0.npz", tmp_path / "1.npz"], table)
    np.testing.assert_array_equal(found["naswot"], np.arange(40))
    np.testing.assert_array_equal(found["naswot+synflow"], np.full(40, 41.0))
    with pytest.raises(SystemExit, match="missing"):
        read_scores([tmp_path / "0.npz"], table)


@pytest.mark.skipif(not (DATA / "tables" / "nb201").exists(), reason="needs the table of NAS-Bench-201")
def test_scores_of_cells_are_put_together(tmp_path: Path) -> None:
    ops, names, _ = nb201.table("cifar10")
    rows = np.unique(nb201.first_of_a_kind(ops, names))
    values = np.stack([rows, rows], axis=1).astype(float)
    np.savez(tmp_path / "all.npz", rows=rows, names=["naswot", "synflow"], values=values)
    found = nb201.read_scores([tmp_path / "all.npz"])
    assert {"depth", "macs (as parameters)", "naswot+synflow", "naswot+synflow+depth"} <= set(found)
    np.testing.assert_allclose(found["naswot+synflow"], 2 * nb201.ranks(found["naswot"]))

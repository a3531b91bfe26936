"""Which trial hands its weights down: a near one among the good, told from the log alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from problems import RUNGS, SPACE, drive, replay

from seedleaf.core import Config
from seedleaf.study import Study
from seedleaf.tuner.registry import SAMPLERS, SCHEDULERS


def kinship(child: Config, parent: Config) -> float:
    """The share of the child's values that the parent has."""
    return sum(parent.get(key) == value for key, value in child.items()) / len(child)


@pytest.mark.parametrize(
    ("sampler", "scheduler"), [("evolution", "asha"), ("tpe", "asha"), ("random", "freeze-thaw")]
)
def test_parents_are_good_and_near_and_follow_from_the_log(
    sampler: str, scheduler: str, tmp_path: Path
) -> None:
    study = Study(
        SPACE,
        fidelity=RUNGS,
        seed=3,
        sampler=sampler,
        scheduler=scheduler,
        store=tmp_path / "study.db",
        kinship=kinship,
    )
    drive(study, 80)
    log = study.store.read(study.name)
    children = [e.body for e in log if e.kind == "start" and e.body.get("parent") is not None]
    assert len(children) >= 3
    for body in children:
        parent = study.history.trials[body["parent"]]
        assert parent.measurements
        assert kinship(body["config"], parent.config) >= 0.5
        assert study.history.trials[body["trial"]].parent == parent.id
    fresh = SAMPLERS[sampler](), SCHEDULERS[scheduler]()
    assert replay(study.problem, fresh[1], fresh[0], log) == []


def test_without_kinship_nobody_has_a_parent() -> None:
    study = Study(SPACE, fidelity=RUNGS, seed=3, sampler="evolution", scheduler="asha")
    drive(study, 60)
    assert all(t.parent is None for t in study.trials)

"""What a file of a table costs: fits keep within the room that a limit leaves, blends and deliveries within the limits."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from messy import messy
from seedleaf.core import Context
from seedleaf.data.tables import folds, load_table
from seedleaf.errors import TrialError
from seedleaf.learners.tables import cost
from seedleaf.learners.tables import deliver as delivering
from seedleaf.learners.tables.blend import blend
from seedleaf.learners.tables.cost import KEYS, costs_over, files_of, model_costs, reader_costs, room_for
from seedleaf.learners.tables.deliver import deliver
from seedleaf.learners.tables.fitting import fit_config
from seedleaf.learners.tables.model import Effort
from seedleaf.learners.tables.registry import FAMILIES, family_config, small, space_of
from seedleaf.learners.tables.source import Source, kind_of, open_source, save
from seedleaf.learners.tables.trees import leaves_within
from seedleaf.learners.tables.trial import model_file, run
from seedleaf.learners.tables.written import remove, taken_in, write

LIMIT = 20_000


@pytest.fixture(scope="module", params=["multiclass", "regression"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    data = load_table(pd.DataFrame(messy(request.param, 300)), target="y")
    cache = tmp_path_factory.mktemp("cost") / "cache"
    save(data, folds(data, 3), cache)
    return str(cache)


def fitted_at(folder: Path, source: Source, config: dict[str, object], room: int | None, rounds: int) -> Path:
    effort = Effort(time.time() + 30, 1, rounds, room)
    write(fit_config(config, source.train, source.y_train, source.n_classes, effort), source, folder / "m")
    return folder / "m"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fit_takes_the_room_that_is_left_and_no_more(family: str, place: str, tmp_path: Path) -> None:
    source = open_source(place)
    config = space_of(kind_of(source.schema, True)).complete(family_config(family))
    room = room_for({"limits": {"bytes": LIMIT}}, source)
    assert room is not None
    assert 0 < room < LIMIT
    if family == "mlp":
        with pytest.raises(TrialError, match=r"too large: its weights take .* are left of the limit"):
            fitted_at(tmp_path, source, config, room, 4)
        return
    made = fitted_at(tmp_path, source, config, room, 200)
    costs = model_costs(made, source, {})
    assert reader_costs(source)["bytes"] < costs["bytes"] <= LIMIT
    assert costs["bytes"] == len(files_of([made], [1.0], source)[0].model)
    assert costs["latency_ms"] > 0
    if family in ("boosting", "forest"):
        (tmp_path / "free").mkdir()
        free = model_costs(fitted_at(tmp_path / "free", source, config, None, 200), source, {})
        assert free["bytes"] > LIMIT, "without the limit it is larger"
        assert costs["bytes"] > 0.6 * LIMIT, "what there is of room is used"


def test_a_graph_in_which_nothing_is_packed_is_joined_once(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, joined = open_source(place), []

    def told(*given: Any) -> Any:
        joined.append(given)
        return taken_in(*given)

    monkeypatch.setattr(cost, "taken_in", told)
    space = space_of(kind_of(source.schema, True))
    linear = fitted_at(tmp_path, source, space.complete(family_config("linear")), None, 10)
    assert [f.walked for f in files_of([linear], [1.0], source)] == [False]
    assert len(joined) == 1
    joined.clear()
    trees = fitted_at(tmp_path, source, space.complete(family_config("boosting")), None, 200)
    assert [f.walked for f in files_of([trees], [1.0], source)] == [True, False]
    assert len(joined) == 2


def test_trees_that_are_packed_have_more_leaves_in_the_same_room() -> None:
    def leaves(room: int | None) -> int:
        return leaves_within(Effort(0.0, 0, room=room), 120_000, exact=False)

    assert leaves(None) == leaves(10**9) == 120_000
    assert leaves(10_000) == 485, "few stay with the operator, twenty bytes each"
    assert leaves(21_000) == 1_000
    assert leaves(102_000) == 10_000
    some = [leaves(room) for room in range(0, 200_000, 500)]
    assert some == sorted(some)


def test_narrow_networks_are_all_that_is_searched_where_room_is_short(place: str) -> None:
    from dataclasses import replace

    kind = kind_of(open_source(place).schema, True)
    wide, narrow = (space_of(replace(kind, room=room)) for room in (None, 2_000))
    assert wide.complete({"learner": "mlp"})["learner.width"] == 128
    assert narrow.complete({"learner": "mlp"})["learner.width"] < 128
    assert [c["learner"] for c in small(narrow)] == ["boosting", "linear", "boosting"]
    assert small(narrow)[0]["learner.words"] == 8


def test_a_trial_tells_what_its_file_would_cost(place: str, tmp_path: Path) -> None:
    source = open_source(place)
    config = space_of(kind_of(source.schema, True)).complete({"learner": "linear"})
    setup = {"data": place, "metric": "logloss" if source.n_classes else "rmse", "seed": 0}
    limited = {**setup, "limits": {"bytes": 1e6}}

    def told(folder: str, start: int, given: dict[str, object]) -> list[dict[str, float]]:
        (tmp_path / folder).mkdir(exist_ok=True)
        ctx = Context(0, start, start + 1, 3, 0, tmp_path / folder, setup=given)
        return [dict(m.metrics) for m in run(config, ctx)]

    assert "bytes" not in told("free", 0, setup)[0]
    assert "own_rounds" not in told("plain", 0, setup)[0], "a linear model has none"
    grown = {"learner": "boosting"} if not source.n_classes else None
    if grown is not None:
        (tmp_path / "grown").mkdir()
        whole = space_of(kind_of(source.schema, True)).complete(grown)
        tasks = [Context(0, a, b, 3, 0, tmp_path / "grown", setup=setup) for a, b in ((0, 1), (1, 3))]
        steps = [m.metrics for ctx in tasks for m in run(whole, ctx)]
        assert steps[0]["own_rounds"] == steps[0]["rounds"]
        assert steps[2]["rounds"] == pytest.approx((steps[1]["own_rounds"] + steps[2]["own_rounds"]) / 2)
    first, second = told("limited", 0, limited)[0], told("limited", 1, limited)[0]
    assert second["bytes"] >= first["bytes"] > 1_000, "the largest of the folds counts"
    remove(tmp_path / "limited" / model_file(0))
    once = tmp_path / "limited" / "costs-0.json"
    once.write_text(json.dumps({"bytes": 9e5, "latency_ms": 1.0}))  # what was measured is not measured again
    assert told("limited", 2, limited)[0]["bytes"] == 9e5
    once.unlink()
    assert told("limited", 2, limited)[0]["bytes"] == second["bytes"], "a model that is gone costs nothing"


def test_members_of_a_blend_keep_the_limits_together(tmp_path: Path) -> None:
    data = load_table(pd.DataFrame(messy("binary", 300)), target="y")
    cache = tmp_path / "cache"
    save(data, folds(data, 3), cache)
    source = open_source(str(cache))
    rng = np.random.default_rng(0)
    signs = 2.0 * source.y_train - 1
    for name in ("one", "other", "third"):
        (tmp_path / name).mkdir()
        score = signs * 0.6 + rng.normal(size=len(signs))
        for j, (_, valid) in enumerate(source.folds):
            p = 1 / (1 + np.exp(-score[valid]))
            np.save(tmp_path / name / f"fold-{j}.npy", np.column_stack([1 - p, p]))
    base = reader_costs(source)["bytes"]
    costs = [{"bytes": base + extra, "latency_ms": 0.1} for extra in (1_000, 900_000, 2_000)]
    folders = [str(tmp_path / n) for n in ("one", "other", "third")]

    def members(limits: dict[str, float]) -> list[bool]:
        setup = {"data": str(cache), "metric": "logloss", "limits": limits}
        return [w > 0 for w in blend(folders, setup, 3, costs)["weights"]]

    assert members({"bytes": 5e6}) == [True] * 3
    assert members({"bytes": base + 4_000}) == [True, False, True]
    assert members({"bytes": base + 1_500}) == [True, False, False], "the first stands alone"
    # Two forms: together they keep the limits in the plain one only, though the first's own costs are the packed one's.
    read = reader_costs(source)["latency_ms"]
    packed, plain = (base + 1_000.0, read + 0.9), (base + 9_000.0, read + 0.3)
    forms = {
        **{f"packed_{k}": v for k, v in zip(KEYS, packed, strict=True)},
        **{f"plain_{k}": v for k, v in zip(KEYS, plain, strict=True)},
    }
    costs = [{**dict(zip(KEYS, packed, strict=True)), **forms}, dict(zip(KEYS, plain, strict=True)), {}]
    assert members({"latency_ms": read + 1.0}) == [True, True, False]
    assert members({"latency_ms": read + 1.0, "bytes": base + 15_000}) == [True, False, False]
    assert members({"latency_ms": read + 1.3, "bytes": base + 11_000}) == [True, True, False]
    assert members({"latency_ms": read + 1.1, "bytes": base + 11_000}) == [True, False, False], (
        "one of them packed, the other plain is no file"
    )


def test_folds_are_counted_in_one_form() -> None:
    """Packed, each fold is small and slow; plain, large and quick: a limit is kept by the one or the other, not by both."""

    def fold(packed: float, slow: float, plain: float, quick: float) -> dict[str, float]:
        return {
            "packed_bytes": packed,
            "packed_latency_ms": slow,
            "plain_bytes": plain,
            "plain_latency_ms": quick,
        }

    folds = [fold(1_000, 2.0, 5_000, 0.5), fold(1_200, 1.8, 4_000, 0.7)]

    def costs(**limits: float) -> list[float]:
        found = costs_over(folds, limits)
        assert costs_over([found], limits) == found, "what a trial has told is told again"
        assert found["packed_bytes"] == 1_200
        assert found["plain_bytes"] == 5_000
        return [found["bytes"], found["latency_ms"]]

    assert costs() == costs(bytes=2_000) == costs(latency_ms=1.9) == [1_200, 1.8]
    assert costs(latency_ms=1.0) == costs(latency_ms=1.0, bytes=5_000) == [5_000, 0.5]
    assert costs(latency_ms=1.0, bytes=4_500) == [5_000, 0.5], "a ninth beyond, where packed it is twice"
    assert costs(latency_ms=1.0, bytes=1_500) == [1_200, 1.8]
    large = [{k: v for k, v in f.items() if k != "plain_latency_ms"} for f in folds]
    assert costs_over(large, {"latency_ms": 1.0, "bytes": 3_000})["bytes"] == 1_200, "too large to be timed"
    single = [{"bytes": 900.0, "latency_ms": 0.4}, {"bytes": 950.0, "latency_ms": 0.3}]
    assert costs_over(single, {}) == {"bytes": 950, "latency_ms": 0.3}
    mixed = costs_over([folds[0], {"bytes": 900.0, "latency_ms": 0.3}], {"bytes": 2_000.0, "latency_ms": 1.0})
    assert mixed["plain_bytes"] == 5_000
    assert (mixed["bytes"], mixed["latency_ms"]) == (1_000, 2.0), "few trees say nothing of many packed ones"
    assert costs_over([{"rmse": 1.0}, *single], {}) == costs_over(single, {}), "a fold without its model"


def test_trees_are_packed_where_that_pays_and_the_limits_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of a file stand in for its latency: the fewer, the slower."""
    data = load_table(pd.DataFrame(messy("regression", 300)), target="y")
    cache = tmp_path / "cache"
    save(data, folds(data, 3), cache)
    source = open_source(str(cache))
    config = space_of(kind_of(source.schema, True)).complete({"learner": "boosting"})
    made = fitted_at(tmp_path, source, config, None, 300)
    files = files_of([made], [1.0], source)
    assert [file.walked for file in files] == [True, False]
    packed, plain = (len(file.model) for file in files)
    assert packed < 0.9 * plain

    def look(run: Any, source: Source, seconds: float = 0.3) -> dict[str, float]:
        return dict.fromkeys(("median", "p90"), 1e6 / len(run.model))

    class Session:
        def __init__(self, model: bytes) -> None:
            self.model = model

    monkeypatch.setattr(cost, "milliseconds", look)
    monkeypatch.setattr(cost, "session", Session)
    monkeypatch.setattr(delivering, "session", Session)
    monkeypatch.setattr(delivering, "settled", look)

    def taken(limits: dict[str, float]) -> tuple[int, int]:
        place, file, _ = delivering._first_within([([str(made)], [1.0], 1.0)], source, limits, ())
        return place, len(file.model)

    slow, quick = 1e6 / packed, 1e6 / plain
    assert model_costs(made, source, {})["bytes"] == packed
    assert model_costs(made, source, {"latency_ms": slow})["bytes"] == packed
    assert model_costs(made, source, {"latency_ms": quick})["bytes"] == plain
    assert model_costs(made, source, {"latency_ms": quick, "bytes": packed})["bytes"] == packed, (
        "none keeps both"
    )
    assert taken({}) == taken({"latency_ms": slow}) == (0, packed)
    assert taken({"latency_ms": quick}) == taken({"latency_ms": quick, "bytes": plain}) == (0, plain)
    assert taken({"latency_ms": quick, "bytes": packed}) == (-1, packed)
    monkeypatch.setattr(cost, "PAYS", 0.0)
    assert model_costs(made, source, {})["bytes"] == plain
    assert model_costs(made, source, {"bytes": packed})["bytes"] == packed, "small enough only when packed"
    assert taken({}) == (0, plain)
    assert taken({"bytes": packed}) == (0, packed)


def test_what_breaks_a_limit_is_replaced_or_not_delivered(place: str, tmp_path: Path) -> None:
    source = open_source(place)
    space = space_of(kind_of(source.schema, True))
    places = []
    for name in ("boosting", "linear"):
        (tmp_path / name).mkdir()
        config = space.complete({"learner": name})
        places.append(str(fitted_at(tmp_path / name, source, config, None, 60)))
    large, little = (model_costs(Path(p), source, {})["bytes"] for p in places)
    assert large > little
    setup = {"data": place, "metric": "logloss", "limits": {"bytes": (large + little) / 2, "latency_ms": 1e3}}
    both = (places, [0.5, 0.5], 1.0)
    instead = [([places[0]], [1.0], 1.0), ([places[1]], [1.0], 1.0)]
    out = tmp_path / "best"
    said = deliver(*both[:2], setup, str(out), instead=instead)
    assert said["plan"] == 2
    assert said["bytes"] == little == (out / "model.onnx").stat().st_size
    for limits in ({"bytes": little - 1}, {"latency_ms": 1e-6}):
        nothing = deliver(*both[:2], {**setup, "limits": limits}, str(tmp_path / "none"), instead=instead)
        assert nothing["plan"] == -1
        assert nothing["bytes"] == little, "the least that was reached is told"
        assert not (tmp_path / "none").exists()
    assert deliver(*both[:2], {**setup, "limits": {}}, str(out))["plan"] == 0

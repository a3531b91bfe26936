"""What a run's steps are spent on, and what they cost, as its log says."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, cast

import pytest

import seedleaf.growing as growing
from seedleaf.core import Event, Fidelity, History, Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import DataError, StudyError
from seedleaf.executors.base import Report, Returned, Settings
from seedleaf.folder import STUDY
from seedleaf.job import Job
from seedleaf.learners.convnet import ConvNet
from seedleaf.planning import axis_of, most_refit, open_study, step_share
from seedleaf.store import MemoryStore
from seedleaf.study import Study
from seedleaf.timing import LONGEST_REFIT, PRESETS, affordable_epoch
from seedleaf.train.ramp import AXES, resolve


def spec(side: int) -> ImageSpec:
    return ImageSpec("made", side, side, 1, 2, ("a", "b"), 100, 10, (50, 50), (), "0" * 32)


def history(**plan: Any) -> History:
    bodies: list[tuple[str, Any]] = [("study", {"fidelity": {"name": "step", "low": 1, "high": 9}})]
    bodies += [("note", {"name": "plan", **plan})] if plan else []
    return History.fold(Event(i, 0.0, kind, body) for i, (kind, body) in enumerate(bodies, 1))


def test_the_log_goes_before_the_job_and_one_that_names_no_axis_had_epochs() -> None:
    assert axis_of(history(), Job("x", 60, fidelity="size"), spec(28)) == "size"
    assert axis_of(history(axis="data"), Job("x", 60, fidelity="size"), spec(28)) == "data"
    assert axis_of(history(full=9), Job("x", 60, fidelity="size"), spec(28)) == "epochs"
    assert axis_of(history(), Job("x", 60), spec(28)) == resolve("auto", 100, 28, 28)


def test_a_quick_winner_may_have_all_epochs_that_are_wanted() -> None:
    assert most_refit(history(longest=67)) == 67
    assert most_refit(history()) == LONGEST_REFIT * history().full, "a log from before it was noted"


def test_a_run_goes_on_with_the_space_that_it_began_with() -> None:
    """A later version may draw another, here one without mirrored signs."""
    began, later = (replace(SPEC, name=name) for name in ("cats", "digits"))
    learner, store = ConvNet(), MemoryStore()
    space = learner.space(began)
    assert space.to_json() != learner.space(later).to_json()
    plan = {"full": 9, "low": 1, "limits": {"macs": 1e9}, "refit": 9.0, "epoch_seconds": 1.0, "delivery": 2.0}
    study = Study(
        space,
        tie_break="loss",
        fidelity=Fidelity("epoch", 1, 9),
        limits={"macs": 1e9},
        costs=lambda config: learner.costs(began, config),
        by_time=True,
        sampler="tpe",
        scheduler="asha",
        store=store,
        name=STUDY,
    )
    study.note("plan", **plan)
    study.note("default", trial=study.enqueue({}, budget=9))
    log, nobody = History.fold(store.read(STUDY)), cast(Any, None)
    again, kept = open_study(store, log, Job("x", 60), later, learner, nobody, time.time(), "epochs")
    assert again.problem.space.to_json() == space.to_json()
    assert again.problem.anchor is not None
    assert space.contains(again.problem.anchor), "in the space of the run, not of this version"
    assert kept == 2.0


def test_pictures_that_are_too_small_end_in_one_line() -> None:
    with pytest.raises(DataError, match="images of 8×8 are too small to be shrunk further"):
        axis_of(history(), Job("x", 60, fidelity="size"), spec(8))


def test_a_job_with_an_unknown_fidelity_is_refused() -> None:
    with pytest.raises(
        StudyError, match="no fidelity is called 'depth'; there are: auto, epochs, data, size, both"
    ):
        Job("x", 60, fidelity="depth").check()
    for name in ("auto", *AXES):
        Job("x", 60, fidelity=name).check()


def test_a_step_costs_what_the_probe_measured() -> None:
    share = step_share(history(axis="size", third_seconds=[0.4, 0.6, 1.6]))
    found = [share(step) for step in (1, 3, 4, 6, 7, 9)]
    assert found == pytest.approx([0.25, 0.25, 0.375, 0.375, 1.0, 1.0])
    for plain in (history(axis="epochs", third_seconds=[2.0, 2.0, 2.0]), history(full=9), history()):
        assert step_share(plain)(1) == 1.0


class Machine:
    """A machine on which an epoch of a network takes `first` seconds, and `power` tells how much longer a larger one."""

    start_seconds = 1.0

    def __init__(self, first: float, power: float) -> None:
        self.first, self.power, self.probed = first, power, list[float]()

    def probe(self, executor: Any, job: Job, config: Any) -> list[float]:
        found = ConvNet().work(SPEC, config)
        self.probed.append(found)
        return [self.first * (found / self.probed[0]) ** self.power] * 3


SPEC = ImageSpec("made", 28, 28, 1, 10, tuple("abcdefghij"), 60_000, 10_000, (6_000,) * 10, (), "0" * 32)


@pytest.mark.parametrize(("first", "power"), [(10.0, 1.0), (0.3, 0.05), (0.5, 0.8), (40.0, 1.0)])
def test_the_first_network_grows_until_an_epoch_takes_what_is_affordable(
    monkeypatch: pytest.MonkeyPatch, first: float, power: float
) -> None:
    machine = Machine(first, power)
    monkeypatch.setattr(growing, "probe", machine.probe)
    job = Job("x", 900, limits={"params": 500_000.0})
    room, thirds = growing.grown(machine, job, SPEC, ConvNet(), time.time() + 900)  # type: ignore[arg-type]
    affordable = affordable_epoch(890, 5, 60_000, PRESETS["good"])
    config = ConvNet().default(SPEC, [Limit("params", 500_000)], room)
    assert ConvNet().work(SPEC, config) in machine.probed
    assert len(machine.probed) <= 4
    if first > affordable:
        assert room <= growing.DEEPER, "of no more work, but perhaps deeper"
    else:
        assert thirds[-1] <= 1.4 * affordable
        longer = thirds[-1] > 0.5 * affordable
        assert longer or ConvNet().costs(SPEC, config)["params"] > 250_000


def test_a_network_that_proves_too_slow_is_followed_by_a_lighter_one(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(1.5, 1.6)  # seconds grow faster than the work
    monkeypatch.setattr(growing, "probe", machine.probe)
    job = Job("x", 900, limits={"params": 500_000.0})
    room, thirds = growing.grown(machine, job, SPEC, ConvNet(), time.time() + 900)  # type: ignore[arg-type]
    affordable = affordable_epoch(890, 5, 60_000, PRESETS["good"])
    slow, second = machine.probed[1:3]
    assert machine.first * (slow / machine.probed[0]) ** 1.6 > growing.TOO_SLOW * affordable
    assert machine.probed[0] < second < slow
    assert room > 1
    assert 1.5 < thirds[-1] <= growing.TOO_SLOW * affordable


def test_the_next_try_starts_from_what_a_network_that_was_too_slow_really_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(1.5, 1.6)
    monkeypatch.setattr(growing, "probe", machine.probe)
    job = Job("x", 900, limits={"params": 100_000.0})  # which end what the room would allow
    found = growing.Growing(machine, job, SPEC, ConvNet(), time.time() + 900)  # type: ignore[arg-type]
    wanted = affordable_epoch(890, 5, 60_000, PRESETS["good"])
    found.power = 0.2  # so that far more is hoped for than there is
    found.fill()
    slow = machine.probed[1] / machine.probed[0]
    if 1.5 * slow**1.6 > growing.TOO_SLOW * wanted:
        assert found.most <= slow
        assert len(machine.probed) > 2, "it was followed by a lighter one"
        assert machine.probed[2] < machine.probed[1]
    else:
        pytest.fail(f"{slow:.1f} times the work is not too slow")


def test_a_deeper_network_of_as_much_work_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(6.0, 1.0)
    monkeypatch.setattr(growing, "probe", machine.probe)
    job = Job("x", 900, limits={"params": 50_000.0})
    left = 6.0 * 30 / PRESETS["good"].refit_share * 1.2  # a fifth more work is affordable
    room, _ = growing.grown(machine, job, SPEC, ConvNet(), time.time() + left)  # type: ignore[arg-type]
    first, second = (ConvNet().default(SPEC, [Limit("params", 50_000)], r) for r in (1.0, room))
    assert len(machine.probed) == 2
    assert machine.probed[1] < growing.WORTH_GROWING * machine.probed[0]
    assert (first["stage1.repeats"], second["stage1.repeats"]) == (1, 2)


@pytest.mark.parametrize(("epochs", "slower", "deep"), [(35, 1.0, True), (35, 1.4, False), (5, 1.0, False)])
def test_where_time_is_short_a_deeper_network_of_as_much_work_is_taken_if_epochs_are_enough(
    monkeypatch: pytest.MonkeyPatch, epochs: int, slower: float, deep: bool
) -> None:
    machine = Machine(0.3 * 600 / epochs, 1.0)
    looked = list[dict[str, Any]]()

    def probe(executor: Any, job: Job, config: Any) -> list[float]:
        looked.append(dict(config))
        taken = machine.probe(executor, job, config)
        return [t * (slower if len(looked) > 1 else 1.0) for t in taken]

    monkeypatch.setattr(growing, "probe", probe)
    spec = replace(SPEC, n_train=12_000)  # of which 67 epochs are asked for
    room, _ = growing.grown(
        machine, Job("x", 600, limits={"params": 50_000.0}), spec, ConvNet(), time.time() + 600
    )  # type: ignore[arg-type]
    assert room == (growing.DEEPER if deep else 1.0)
    assert len(looked) == (1 if epochs < 10 else 2)
    if len(looked) > 1:
        assert looked[1]["stage1.repeats"] == 2
        assert machine.probed[1] <= 1.05 * machine.probed[0]


class OneSize:
    """A family whose first network is the same whatever the time, without stages."""

    def default(self, spec: ImageSpec, limits: Any, room: float = 1.0) -> dict[str, Any]:
        return {"net": "somebody's", "batch_size": 64}

    def work(self, spec: ImageSpec, config: Any) -> float:
        return 1e6


@pytest.mark.parametrize("gpu", [False, True])
def test_networks_of_one_size_do_not_grow(monkeypatch: pytest.MonkeyPatch, gpu: bool) -> None:
    looks = list[float]()
    monkeypatch.setattr(growing, "probe", lambda *_: looks.append(1) or [2.0] * 3)
    monkeypatch.setattr(growing, "devices", lambda: ("cuda:0",) if gpu else growing.CPU)
    job: Any = Job("x", 900)
    for seconds in (200.0, 2_000.0):
        looks.clear()
        assert growing.grown(Machine(1, 1), job, SPEC, OneSize(), time.time() + seconds) == (1.0, [2.0] * 3)  # type: ignore[arg-type]
        assert len(looks) == 1


def test_what_is_not_of_more_plain_convolutions_is_not_looked_at_where_time_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, spec = Machine(6.0, 1.0), replace(SPEC, height=32, width=32, channels=3, n_train=12_000)
    monkeypatch.setattr(growing, "probe", machine.probe)
    limits = [Limit("macs", 2e5)]
    other, first = (ConvNet().default(spec, limits, room) for room in (growing.DEEPER, 1.0))
    assert other != first
    assert other["stage1"] == "separable"
    growing.grown(machine, Job("x", 600, limits={"macs": 2e5}), spec, ConvNet(), time.time() + 600)  # type: ignore[arg-type]
    assert len(machine.probed) == 1


def test_a_gpu_leaps_from_what_the_first_network_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from a deeper one that was allowed to be slower."""
    monkeypatch.setattr(growing, "devices", lambda: ("cuda:0",))
    seconds = list[float]()

    def probe(executor: Any, job: Job, config: Any) -> list[float]:
        blocks = int(config["stage1.repeats"]) + 9
        seconds.append(12.0 * blocks / 10)  # launches are what it waits for
        return [seconds[-1]] * 3

    monkeypatch.setattr(growing, "probe", probe)
    job = Job("x", 900, limits={"params": 100_000.0})
    machine = Machine(12.0, 0.0)
    room, thirds = growing.grown(machine, job, SPEC, ConvNet(), time.time() + 900)  # type: ignore[arg-type]
    assert room == growing.LEAP
    assert 12.0 < thirds[-1] <= growing.NEARLY_FREE * 12.0
    assert len(seconds) == 2


def test_where_time_is_short_only_the_first_network_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for left, looks in ((8.0, 1), (200.0, 2)):
        machine = Machine(0.05, 0.3)
        monkeypatch.setattr(growing, "probe", machine.probe)
        job = Job("x", 900, limits={"params": 500_000.0})
        growing.grown(machine, job, SPEC, ConvNet(), time.time() + left)  # type: ignore[arg-type]
        assert (len(machine.probed) > 1) == (looks > 1)


@pytest.mark.parametrize(
    ("power", "gpu", "leaps"), [(0.15, True, True), (0.8, True, False), (0.15, False, False)]
)
def test_a_gpu_takes_what_is_nearly_free_though_epochs_are_short(
    monkeypatch: pytest.MonkeyPatch, power: float, gpu: bool, leaps: bool
) -> None:
    machine = Machine(12.0, power)  # more than is affordable already
    monkeypatch.setattr(growing, "probe", machine.probe)
    monkeypatch.setattr(growing, "devices", lambda: ("cuda:0",) if gpu else growing.CPU)
    job = Job("x", 900, limits={"params": 100_000.0})
    room, thirds = growing.grown(machine, job, SPEC, ConvNet(), time.time() + 900)  # type: ignore[arg-type]
    assert (room > growing.DEEPER) == leaps
    assert (thirds[-1] > 12.5) == leaps
    if leaps:
        assert machine.probed[-1] > 1.8 * machine.probed[0]


def test_what_is_nearly_free_is_left_where_it_would_leave_too_few_epochs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(10.0, 0.15)
    monkeypatch.setattr(growing, "probe", machine.probe)
    monkeypatch.setattr(growing, "devices", lambda: ("cuda:0",))
    job = Job("x", 900, limits={"params": 100_000.0})
    assert growing.grown(machine, job, SPEC, ConvNet(), time.time() + 60)[0] == 1.0  # type: ignore[arg-type]


def test_a_larger_network_that_cannot_be_trained_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(0.3, 0.05)

    def probe(executor: Any, job: Job, config: Any) -> list[float]:
        found = machine.probe(executor, job, config)
        if len(machine.probed) > 1:
            raise StudyError("out of memory")
        return found

    monkeypatch.setattr(growing, "probe", probe)
    job = Job("x", 900, limits={"params": 500_000.0})
    room, thirds = growing.grown(machine, job, SPEC, ConvNet(), time.time() + 900)  # type: ignore[arg-type]
    assert len(machine.probed) == 3, "and a deeper one of the first's work"
    assert (room, thirds) == (1.0, [0.3] * 3)


class Failing:
    """Two workers that cannot do what they are called for."""

    settings = Settings("a:b", 0, "trials", {})

    def __init__(self) -> None:
        self.asked, self.waiting = 0, list[int]()

    def call(self, function: str, **arguments: Any) -> int:
        self.asked += 1
        self.waiting.append(self.asked)
        return self.asked

    def poll(self, timeout: float) -> list[Report]:
        return [Returned(self.waiting.pop(0), None, "out of memory")]


def test_a_probe_that_fails_leaves_no_worker_busy() -> None:
    workers = Failing()
    with pytest.raises(StudyError, match="cannot be trained here: out of memory"):
        growing.probe(workers, Job("x", 60, workers=2), {})  # type: ignore[arg-type]
    assert workers.asked == 3, "one of two calls is tried again"
    assert not workers.waiting

"""What is given to be compressed: a run, whose test images stay unseen, its Result, a table's run, and what is neither."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn
from typer.testing import CliRunner

import seedleaf
from seedleaf.cli import app
from seedleaf.compressing.early import check_bounds
from seedleaf.compressing.given import DRAWN, own_data
from seedleaf.compressing.job import CompressJob
from seedleaf.compressing.model_source import Reading, TakenRun, reading, take_module, take_run
from seedleaf.compression.plan_json import plan_to_json
from seedleaf.compression.recipe import fingerprint
from seedleaf.core import Event, History
from seedleaf.data.images import load_images
from seedleaf.errors import DataError, LimitError, RunError
from seedleaf.executors.base import Settings
from seedleaf.folder import LOG, STUDY
from seedleaf.job import ARRAYS, Job
from seedleaf.learners.blocks import build
from seedleaf.learners.convnet import ConvNet
from seedleaf.planning import run_note
from seedleaf.result import Result
from seedleaf.store import SqlStore
from seedleaf.study import Study
from seedleaf.train import checkpoint
from seedleaf.views.view import SilentView


def deliver(folder: Path, data: Path, study: Any, seed: int, compressed: bool = False, **final: Any) -> None:
    """What a run delivers, as far as a compression of it asks: the default network, untrained, of compressions its plan."""
    learner, spec = ConvNet(), load_images(data, seed=seed).spec
    plan = learner.plan(spec, learner.default(spec))
    config = dict(learner.default(spec))
    body: dict[str, Any] = {"classes": list(spec.class_names), "config": config}
    if compressed:
        body |= {"structure": {"plan": plan_to_json(plan)}, "training": {}}
    (folder / "best").mkdir(parents=True)
    (folder / "best" / "config.json").write_text(json.dumps(body))
    (folder / "best" / "metrics.json").write_text("{}")
    (folder / "best" / "model.onnx").touch()
    checkpoint.save(folder / "best" / "weights.pt", {"model": build(plan).state_dict()})
    study.note("final", trial=0, config=config, **final)


def fit_of(folder: Path, data: Path, seed: int = 0, kind: str = "images") -> Path:
    """A run's folder as `seedleaf fit --seed` leaves it, with no hour spent on it."""
    folder.mkdir()
    store = SqlStore(folder / LOG)
    study = Study(seedleaf.Space({"x": seedleaf.Float(0, 1)}), store=store, name=STUDY)
    study.note("run", **run_note(Job(str(data), 60.0, seed=seed, kind=kind)))
    if kind == "images":
        study.note("data", spec=load_images(data, seed=seed).spec.to_json())
        deliver(folder, data, study, seed)
    store.close()
    return folder


class Nobody:
    """Workers who are asked for nothing."""

    settings, start_seconds = Settings("nothing:at_all", 0, "", {}), 0.0

    def close(self) -> None:
        pass


@pytest.fixture
def tested(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The test images of each compression, all of which are over when they have been drawn."""
    drawn: list[Any] = []
    found = {
        "costs": {"params": 10_000, "macs": 1_000_000, "bytes": 40_000, "latency_ms": 1.0},
        "floors": {"prune": {"params": 300.0, "macs": 20_000.0, "bytes": 1500.0, "latency_ms": 0.2}},
        "floors8": {}, "int8": {}, "no_int8": "not here", "mode8": "", "groups": ["a"], "decomposable": [],
        "refused": {}, "epoch_seconds": 0.01, "test_error": 0.5, "on": "cpu", "ours": True,
    }  # fmt: skip

    def finish(run: Any, *_: Any) -> None:
        drawn.append(np.load(run.folder / "cache" / "x_test.npy"))
        deliver(run.folder, pictures, run.study, 0, compressed=True, test_drawn=bool(run.of_test))

    monkeypatch.setattr("seedleaf.compressing.run._workers", lambda *_: Nobody())
    monkeypatch.setattr("seedleaf.compressing.run.probe", lambda *_: found)
    monkeypatch.setattr("seedleaf.compressing.run.begin", lambda *_: None)
    monkeypatch.setattr("seedleaf.compressing.run.finish", finish)
    monkeypatch.setattr(Study, "run", lambda *_: "over")
    return drawn


def test_a_compressed_run_is_tested_on_what_its_original_was_never_trained_on(
    pictures: Path, tested: list[Any], tmp_path: Path
) -> None:
    first = fit_of(tmp_path / "fit", pictures, seed=3)
    once = seedleaf.compress(first, max_params=5000, out=tmp_path / "once")
    seedleaf.compress(once.folder, max_params=2500, seed=7, out=tmp_path / "twice")
    expected = load_images(pictures, seed=3).x_test
    assert [np.array_equal(x, expected) for x in tested] == [True, True]
    assert not np.array_equal(load_images(pictures, seed=0).x_test, expected), "or the seed would not matter"
    taken = take_run(tmp_path / "twice")
    assert isinstance(taken, TakenRun)
    assert taken.read.seed == 3


def test_pictures_are_read_at_the_size_that_the_run_took_them_at(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(rng.integers(0, 256, (80, 80, 3)).astype(np.uint8)).save(
                tmp_path / "set" / label / f"{i}.png"
            )
    spec = Reading(0, (20, 18)).images(tmp_path / "set").spec
    assert (spec.height, spec.width) == (20, 18)
    assert Reading(0).images(tmp_path / "set").spec.height == 64
    arrays = rng.integers(0, 256, (20, 9, 9)).astype(np.uint8), np.arange(20) % 2
    assert Reading(0, (20, 20)).images(arrays).spec.height == 9, "arrays are read whole"


def test_how_a_run_read_its_images_is_handed_on() -> None:
    def log(**notes: dict[str, Any]) -> History:
        bodies = [{"name": name, **body} for name, body in notes.items()]
        return History.fold(Event(i, 0.0, "note", body) for i, body in enumerate(bodies, 1))

    spec = {"spec": {"height": 64, "width": 96}}
    fit = log(run={"seed": 3, "side": 96}, data=spec)
    compression = log(run={"seed": 7, "model": "/gone"}, data={**spec, "split": 3}, original={})
    assert reading(fit) == reading(compression) == Reading(3, (64, 96))
    of_a_module = log(run={"seed": 7, "model": "Net"}, data=spec, original={})
    assert reading(of_a_module) == Reading(7, (64, 96))


def test_a_compression_that_did_not_note_it_is_asked_for_its_original(pictures: Path, tmp_path: Path) -> None:
    first = fit_of(tmp_path / "fit", pictures, seed=3)

    def log(model: Path) -> History:
        bodies = [
            {"name": "run", "seed": 7, "model": str(model)},
            {"name": "data", "spec": {"height": 9, "width": 9}},
            {"name": "original"},
        ]
        return History.fold(Event(i, 0.0, "note", body) for i, body in enumerate(bodies, 1))

    assert reading(log(first)).seed == 3
    with pytest.raises(RunError):
        reading(log(tmp_path / "gone"))


def test_a_result_is_its_run(pictures: Path, tested: list[Any], tmp_path: Path) -> None:
    first = fit_of(tmp_path / "fit", pictures)
    result = seedleaf.compress(seedleaf.load(first), max_params=5000, out=tmp_path / "out")
    assert isinstance(result, Result)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["model"] == str(first)
    assert len(tested) == 1


class Heard(SilentView):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def test_a_test_part_that_was_drawn_from_what_a_module_may_know_is_told_at_once(
    pictures: Path, tested: list[Any], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 12, 12, 3), dtype=np.uint8), np.arange(60) % 3
    run = fit_of(tmp_path / "fit", pictures)
    told = []
    for i, (model, data) in enumerate([(small_net(), (x, y)), (small_net(), (x, y, x, y)), (run, None)]):
        view = Heard()
        seedleaf.compress(model, data, max_params=5000, view=view, out=tmp_path / f"out {i}")
        told.append([line for line in view.lines if line.startswith("noticed")])
    assert told == [[f"noticed   {DRAWN}"], [], []]


def test_a_run_on_other_images_than_its_own_may_know_those_that_are_drawn(
    pictures: Path, tested: list[Any], tmp_path: Path
) -> None:
    own = load_images(pictures, seed=3)
    x, y = np.concatenate([own.x_train, own.x_test]), np.concatenate([own.y_train, own.y_test])
    first = fit_of(tmp_path / "fit", pictures, seed=3)

    def told(model: Path, data: Any, name: str) -> list[str]:
        view = Heard()
        seedleaf.compress(model, data, max_params=5000, view=view, out=tmp_path / name)
        return [line for line in view.lines if line.startswith("noticed")]

    def labelled(y: Any) -> list[str]:
        return [own.spec.class_names[k] for k in y]

    assert told(first, None, "own") == told(tmp_path / "own", str(pictures), "twice") == []
    without = labelled(own.y_train)
    assert told(first, (own.x_train, without), "no test part") == [f"noticed   {DRAWN}"]
    assert told(tmp_path / "no test part", (own.x_train, without), "once more") == [f"noticed   {DRAWN}"]
    assert told(first, (x[::-1], labelled(y[::-1])), "another order") == [f"noticed   {DRAWN}"]
    again = own.x_train, without, own.x_test, labelled(own.y_test)
    assert told(first, again, "with its test part") == [], "nothing is drawn"


@pytest.mark.parametrize("data", [None, "digits"])
def test_a_table_s_run_is_refused_before_anything_starts(
    data: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedleaf.compressing.run._workers", lambda *_: pytest.fail("a worker starts"))
    run = fit_of(tmp_path / "run", tmp_path / "some rows.csv", kind="tables")
    said = f"{run} is a run of a table: compress takes networks of images; for a smaller table model: "
    with pytest.raises(RunError) as caught:
        seedleaf.compress(run, data, speedup=2, out=tmp_path / "out")
    assert str(caught.value) == f"{said}seedleaf fit '{tmp_path}/some rows.csv' --max-bytes N"
    done = CliRunner().invoke(app, ["compress", str(run), "--speedup", "2"])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"seedleaf: {said}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", [42, None, {"a": 1}])
def test_what_is_no_model_is_said_before_data_is_asked_for(given: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"its Result, or a torch module, got {type(given).__name__}$"):
        seedleaf.compress(given, speedup=2, out=tmp_path / "out")


def test_a_run_without_data_on_a_disk_asks_for_it(tmp_path: Path) -> None:
    run = fit_of(tmp_path / "run", Path(ARRAYS), kind="none")
    assert own_data(run) is None
    with pytest.raises(RunError, match="give the data that the model was trained for"):
        seedleaf.compress(run, speedup=2, out=tmp_path / "out")


# --- bounds, before anything starts ---


def add_to_front(run: Path, name: str, config: Any = None) -> Path:
    """Its best network once more, of this config."""
    member = shutil.copytree(run / "best", run / "front" / name)
    path = member / "config.json"
    if config is not None:
        path.write_text(json.dumps({**json.loads(path.read_text()), "config": config}))
    return member


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedleaf.compressing.run._workers", lambda *_: pytest.fail("a worker starts"))


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (
            {"max_params": "1M"},
            r"keeps these bounds already \([\d,]+ parameters\): there is nothing to compress",
        ),
        (
            {"max_params": "1M", "max_macs": "1G", "max_bytes": "1M"},
            r"keeps these bounds already .*80,000 bytes\)",
        ),
        (
            {"max_params": 10},
            r"cannot be reached: 10 parameters \(this network can come down to about [\d,]+ ",
        ),
        (
            {"max_macs": 100, "speedup": 2},
            r"cannot be reached: 100 multiply-adds \(this network can come down",
        ),
        (
            {"max_bytes": 200, "max_params": "1M"},
            r"cannot be reached: 200 bytes \(this network can come down to",
        ),
    ],
)
def test_what_the_plan_of_a_run_tells_is_told_before_a_worker_starts(
    bounds: dict[str, Any], said: str, pictures: Path, tmp_path: Path
) -> None:
    run = fit_of(tmp_path / "run", pictures)
    (run / "best" / "model.onnx").write_bytes(bytes(80_000))
    add_to_front(run, "0003")
    for model in (run, run / "best", run / "front" / "0003"):
        with pytest.raises(LimitError, match=said):
            seedleaf.compress(model, **bounds, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(app, ["compress", str(run), "--max-params", "1M"])
    assert done.stderr.startswith("seedleaf: the model keeps these bounds already")


@pytest.mark.usefixtures("nobody")
def test_what_cannot_be_read_of_a_run_is_told_before_a_worker_starts(pictures: Path, tmp_path: Path) -> None:
    run = fit_of(tmp_path / "run", pictures)
    path = run / "best" / "config.json"
    for text in ("{", "[]", "{}", '{"classes": ["a"], "structure": {"plan": []}}'):
        path.write_text(text)
        with pytest.raises(RunError, match=r"config.json cannot be read|not the plan of a network"):
            seedleaf.compress(run, max_params=5000, out=tmp_path / "out")


def test_what_no_plan_tells_is_left_to_the_workers(pictures: Path, tested: list[Any], tmp_path: Path) -> None:
    """Times, and networks by name, whose costs torch counts."""
    run = fit_of(tmp_path / "run", pictures)
    seedleaf.compress(run, max_params="1M", max_latency=0.5, out=tmp_path / "times")
    member = add_to_front(run, "0001", {"backbone": "timm:some"})
    check_bounds(member, CompressJob(str(run), "", 60.0, at_most={"params": 1.0}))
    assert len(tested) == 1


def test_the_bytes_of_what_was_compressed_are_left_to_the_workers(
    pictures: Path, tested: list[Any], tmp_path: Path
) -> None:
    """Its file may be in int8, but it is its network in float that is taken."""
    once = seedleaf.compress(
        fit_of(tmp_path / "fit", pictures), max_params=5000, out=tmp_path / "once"
    ).folder
    for size, bound in ((1000, 2000), (80_000, 200)):
        (once / "best" / "model.onnx").write_bytes(bytes(size))
        check_bounds(once, CompressJob(str(once), "", 60.0, at_most={"bytes": bound}))
    with pytest.raises(LimitError, match=r"^cannot be reached: 10 parameters .*[\d,]+ parameters\)$"):
        check_bounds(once, CompressJob(str(once), "", 60.0, at_most={"bytes": 200.0, "params": 10.0}))


# --- replaying ---


def small_net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()


def test_a_recipe_in_a_run_is_replayed_on_the_images_that_the_run_drew(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[int, int, list[int]]] = []

    def calibration(images: Any, rows: Any, seed: int) -> None:
        drawn.append((seed, int(images.x_train.sum()), sorted(map(int, rows))))

    monkeypatch.setattr("seedleaf.compression.shop.calibration", calibration)
    net, run = small_net(), fit_of(tmp_path / "run", pictures, seed=5)
    start = fingerprint(take_module(net).subject(load_images(pictures), (None, None)).net)
    recipe = json.dumps({"version": 1, "start": start, "passes": []})
    for place in (run / "best", run / "trials" / "0002", tmp_path):
        place.mkdir(parents=True, exist_ok=True)
        (place / "recipe.json").write_text(recipe)
    (run / "front").mkdir()
    shutil.copytree(run / "best", run / "front" / "0002")
    seedleaf.replay(tmp_path / "recipe.json", net, pictures, seed=5)
    [expected] = drawn
    for given in (
        run,
        seedleaf.load(run),
        run / "best",
        run / "front" / "0002",
        run / "best" / "recipe.json",
    ):
        seedleaf.replay(given, net, pictures)
    seedleaf.replay(run / "trials" / "0002" / "recipe.json", net, pictures)
    assert drawn == [expected] * 7
    seedleaf.replay(run, net, pictures, seed=0)
    seedleaf.replay(tmp_path / "recipe.json", net, pictures)
    assert drawn[-1] == drawn[-2] != expected, "as told; and a recipe that lies alone knows no seed"


def test_a_run_without_a_recipe_says_whose_it_would_be(pictures: Path, tmp_path: Path) -> None:
    run = fit_of(tmp_path / "run", pictures)
    said = "is no compression, so it holds no recipe: give the run that compress made of it$"
    for given in (run, seedleaf.load(run), run / "best"):
        with pytest.raises(RunError, match=said):
            seedleaf.replay(given, run)
    CompressJob(str(run), str(pictures), 60.0, speedup=2.0).save(run)
    with pytest.raises(RunError, match="has delivered no recipe yet: seedleaf resume"):
        seedleaf.replay(run, run)


def test_a_compressed_module_is_refused_before_data_is_asked_for(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedleaf.compressing.run._workers", lambda *_: pytest.fail("a worker starts"))
    run = fit_of(tmp_path / "run", Path(ARRAYS), kind="none")
    (run / "best").mkdir()
    path = run / "best" / "config.json"
    path.write_text(json.dumps({"structure": {"module": "Net"}}))
    for data in (None, pictures):
        with pytest.raises(
            RunError, match="holds a compressed module, not a plan: compress the original again"
        ):
            seedleaf.compress(run, data, speedup=2, out=tmp_path / "out")
    for text in ("[]", "{", '{"structure": ["module"]}'):
        path.write_text(text)
        assert own_data(run) is None, "what is damaged is told of where it is read"


# --- going on ---


def test_what_is_finished_says_so_and_is_handed_back_though_its_original_is_gone(
    pictures: Path, tested: list[Any], tmp_path: Path
) -> None:
    shutil.copytree(fit_of(tmp_path / "fit", pictures), tmp_path / "gone")
    run = seedleaf.compress(tmp_path / "gone", max_params=5000, out=tmp_path / "run").folder
    net = seedleaf.compress(
        small_net(), pictures, max_params=5000, mean=[0.5] * 3, seed=3, out=tmp_path / "net"
    ).folder

    def told(folder: Path) -> list[str]:
        view = Heard()
        assert seedleaf.resume(folder, view=view).folder == folder
        return view.lines

    assert told(run) == [f"finished  {run} is done; it goes on with a larger --time"]
    shutil.rmtree(tmp_path / "gone")
    assert told(run) == [f"finished  {run} is done"]
    assert told(net) == [f"finished  {net} is done"]
    with pytest.raises(
        RunError, match=r"run is done, and for more time it needs .* gone, which .*run is a compression"
    ):
        seedleaf.resume(run, time_limit="1h")
    with pytest.raises(RunError, match="net is done, and for more time it needs") as caught:
        seedleaf.resume(net, time_limit="1h")
    call = f"seedleaf.compress(module, {str(pictures)!r}, max_params=5000, time_limit=3600, mean=[0.5, 0.5, 0.5], seed=3)"
    assert str(caught.value).endswith(f"run it again: {call}")
    assert len(tested) == 2


def test_what_a_call_was_is_told_without_what_was_left_out() -> None:
    job = CompressJob(
        "Net", ARRAYS, 90.5, speedup=2.5, at_most={"latency_ms": 0.25, "bytes": 20_000.0}, int8="never"
    )
    call = "seedleaf.compress(module, data, speedup=2.5, max_latency=0.25, max_bytes=20000, time_limit=90.5, int8='never')"
    assert replace(job, command="seedleaf.compress(module, data)").again() == job.again() == call
    old = replace(job, command="seedleaf.compress(…)")
    assert old.again() == f"{call} and the mean and std that it was given", "earlier versions kept neither"
    assert "mean" not in replace(old, model="/runs/it is").again()
    of_run = replace(job, model="/runs/it is", data="digits")
    assert of_run.again().startswith("seedleaf.compress('/runs/it is', 'digits', speedup=2.5,")


@pytest.mark.parametrize(
    ("given", "seconds", "said"),
    [
        ("", 600.0, ""),
        ("", 3600.0, " --time 3600s"),
        (" --time 1m --seed 3", 60.0, " --time 1m --seed 3"),
        (" --time 1m --seed 3", 90.5, " --time 90.5s --seed 3"),
        (" --time ' 1m'", 90.5, " --time 90.5s"),
        (" --seed 3 --time=1m", 3600.0, " --seed 3 --time 3600s"),
    ],
)
def test_a_command_is_told_with_the_time_there_is_now(given: str, seconds: float, said: str) -> None:
    job = CompressJob("/a/run", "digits", seconds, speedup=2.5, command=f"seedleaf compress a/run{given}")
    assert job.again() == f"seedleaf compress a/run{said}"


@pytest.mark.parametrize("mean", [0.5, "half", [None]])
def test_a_mean_that_is_no_list_of_numbers(mean: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mean and std need one number per channel, got"):
        seedleaf.compress(small_net(), "digits", speedup=2, mean=mean, out=tmp_path / "out")


def test_a_compression_whose_original_is_gone_says_where_it_was(tmp_path: Path) -> None:
    gone = tmp_path / "moved away"
    CompressJob(str(gone), "digits", 60.0, speedup=2.0).save(tmp_path)
    with pytest.raises(RunError) as caught:
        seedleaf.resume(tmp_path)
    said = f"the run {gone} is gone, which {tmp_path} is a compression of: put it back, or compress another"
    assert str(caught.value) == said


def test_a_folder_that_is_called_like_a_module_s_class_is_not_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Sequential").mkdir()
    CompressJob("Sequential", "digits", 60.0, speedup=2.0).save(tmp_path)
    with pytest.raises(RunError, match="compression of a module, which nobody has kept"):
        seedleaf.resume(tmp_path)


def test_a_compression_on_arrays_says_so(tmp_path: Path) -> None:
    CompressJob(str(tmp_path), ARRAYS, 60.0, speedup=2.0).save(tmp_path)
    with pytest.raises(RunError, match="compression of arrays, which nobody has kept"):
        seedleaf.resume(tmp_path)

"""`seedleaf compress` end to end, on a run and on somebody's module; and everything that it must refuse."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shutil
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import seedleaf
from runs import Finished
from runs import seedleaf as command
from seedleaf.cli import app
from seedleaf.compressing.given import own_data
from seedleaf.compressing.job import CompressJob
from seedleaf.compressing.model_source import TakenRun, take_module, take_run
from seedleaf.compressing.plan import plan, targets_of
from seedleaf.compression.candidates import firsts, reachable
from seedleaf.compression.plan_json import plan_to_json
from seedleaf.compression.space import compress_space
from seedleaf.data.images import load_images
from seedleaf.errors import BudgetError, DataError, LimitError, RunError, SeedleafError, StudyError
from seedleaf.folder import read_history
from seedleaf.job import ARRAYS
from seedleaf.learners.blocks import build
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.trial import prepare_process
from seedleaf.train import checkpoint
from seedleaf.views.view import SilentView


def digest(folder: Path) -> dict[str, str]:
    """Of every file but the log, whose journal comes and goes with readers."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("study.db"))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="session")
def compressed(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run brought below half of its parameters, by few short trials in time enough for a busy machine."""
    before = digest(finished.folder)
    params = json.loads((finished.folder / "best" / "metrics.json").read_text())["params"]
    out = tmp_path_factory.mktemp("compressed") / "klein é"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seedleaf.timing.MOST_EPOCHS", 4)
        patch.setattr("seedleaf.compressing.run.LOOKING", 0.01)  # of the time: one look for each worker
        # Which recipe wins depends on what this machine is fast at; only pruned networks can be taken again.
        patch.setattr("seedleaf.compression.candidates.ORDERS", ("prune", "drop_prune", "drop"))
        result = seedleaf.compress(
            finished.folder, max_params=params // 2, time_limit="150s", max_trials=3, int8="never", out=out
        )
    assert digest(finished.folder) == before, "the original is never touched"
    assert result.best.metrics["params"] <= params // 2
    return out


def test_the_command_says_in_one_line_what_is_wrong(finished: Finished, tmp_path: Path) -> None:
    asked = command("compress", finished.folder, "--speedup", "0.5", "--out", tmp_path / "out")
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "seedleaf: a speed-up must be more than 1, got 0.5\n"


@pytest.mark.parametrize(
    ("latency", "said"),
    [
        ("0.5ms", "no run is here"),
        ("0.5", "no run is here"),
        ("fast", "'fast' is not a latency; write it in milliseconds, as 0.5 or 0.5ms"),
        ("0ms", "a latency must be positive, got '0ms'"),
    ],
)
def test_a_latency_is_read_as_fit_reads_it(latency: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(model: Any) -> None:
        raise RunError("no run is here")

    monkeypatch.setattr("seedleaf.compressing.run.own_data", nowhere)
    with pytest.raises((RunError, ValueError), match=said):
        seedleaf.compress("nowhere", max_latency=latency)
    done = CliRunner().invoke(app, ["compress", "nowhere", "--max-latency", latency])
    assert done.exit_code == 2
    assert done.stderr == f"seedleaf: {said}\n"


def test_what_is_delivered_is_smaller_and_measured(compressed: Path, finished: Finished) -> None:
    result = seedleaf.load(compressed)
    m = result.best.metrics
    assert m["params"] < m["original"]["params"]
    assert m["bytes"] == (compressed / "best" / "model.onnx").stat().st_size < m["original"]["bytes"]
    assert m["latency_ms"]["median"] > 0
    assert m["speedup"] == pytest.approx(m["original"]["latency_ms"]["median"] / m["latency_ms"]["median"])
    assert m["test"]["low"] <= m["test"]["accuracy"] <= m["test"]["high"]
    assert m["original"]["test"]["accuracy"] == pytest.approx(
        json.loads((finished.folder / "best" / "metrics.json").read_text())["test_accuracy"]
    ), "the original's own test images, not others"
    told = result.history.note("verdict") or {}
    assert m["control"] is not None, told.get("text")
    assert m["control"]["test"]["n"] == m["test"]["n"]
    assert m["layers"]
    assert m["onnx_max_difference"] < 1e-3
    assert result.predict(np.zeros((2, 12, 12, 3), np.uint8))[0] in result.classes


def test_the_recipe_replays_on_the_original(compressed: Path, finished: Finished) -> None:
    """With the weights beside it, it is what was delivered; with all passes undone, the run that it began with."""
    x = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)

    def answers(net: nn.Module) -> Tensor:
        with torch.no_grad():
            out: Tensor = net(torch.from_numpy(x)).softmax(1)
        return out

    small = seedleaf.replay(compressed, finished.folder, tuned=True)
    np.testing.assert_allclose(answers(small), seedleaf.load(compressed).predict_proba(x), atol=1e-4)
    passes = json.loads((compressed / "best" / "recipe.json").read_text())["passes"]
    whole = seedleaf.replay(compressed / "best" / "recipe.json", finished.folder, undo=len(passes))
    np.testing.assert_allclose(answers(whole), seedleaf.load(finished.folder).predict_proba(x), atol=1e-4)
    with pytest.raises(RunError, match="made for another network"):
        seedleaf.replay(compressed, module(), finished.data)


def test_report_card_and_verdict_tell_it(compressed: Path) -> None:
    page = (compressed / "report.html").read_text(encoding="utf-8")
    for said in (
        "What was removed, and what it cost",
        "the same from scratch",
        "What was done, layer by layer",
    ):
        assert said in page
    card = (compressed / "best" / "README.md").read_text(encoding="utf-8")
    assert re.search(r"(times (faster|slower) than|as fast as) the original \(", card)
    assert "from scratch" in card


def test_what_was_compressed_is_taken_again_as_it_was_delivered(compressed: Path) -> None:
    structure = json.loads((compressed / "best" / "config.json").read_text())["structure"]
    if "module" in structure:  # the original's channels go separate ways
        with pytest.raises(RunError, match="compress the original again"):
            take_run(compressed)
        return
    taken = take_run(compressed)
    assert isinstance(taken, TakenRun)
    net = build(taken.plan)
    net.load_state_dict(dict(taken.state))
    metrics = json.loads((compressed / "best" / "metrics.json").read_text())
    assert sum(p.numel() for p in net.parameters()) == metrics["params"]
    assert taken.training["optimizer"], "its control trains as the first original did"


def with_structure(run: Path, structure: dict[str, Any], copy: Path) -> Path:
    """A copy of a run whose delivered network has this structure."""
    shutil.copytree(run, copy)
    path = copy / "best" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "structure": structure}))
    return copy


def test_a_pruned_run_can_be_compressed_again(compressed: Path, finished: Finished, tmp_path: Path) -> None:
    """Whatever the first run found, here it is a plan: that of the default network, whose channels go one way."""
    learner, spec = ConvNet(), load_images(finished.data).spec
    plain = learner.plan(spec, learner.default(spec))
    state = build(plain).state_dict()
    again = with_structure(compressed, {"plan": plan_to_json(plain)}, tmp_path / "again")
    checkpoint.save(again / "best" / "weights.pt", {"model": state})
    taken = take_run(again)
    assert isinstance(taken, TakenRun)
    assert taken.plan == plain
    assert taken.state.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(taken.state[name], tensor)
    assert taken.training["optimizer"], "its control trains as the first original did"


def test_a_decomposed_run_cannot_and_says_what_to_do(compressed: Path, tmp_path: Path) -> None:
    again = with_structure(compressed, {"module": "decomposed"}, tmp_path / "again")
    with pytest.raises(RunError, match="compress the original again, to other bounds"):
        take_run(again)


def test_one_that_was_cut_off_after_its_search_goes_on_to_its_end(compressed: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(compressed, again)
    before = json.loads((again / "best" / "metrics.json").read_text())
    shutil.rmtree(again / "best")
    with sqlite3.connect(again / "study.db") as log:  # as a kill would have left it: without its end
        log.execute("delete from event where seq > (select max(seq) from event where kind = 'measure')")
    log.close()
    said = subprocess.run(
        command("resume", again, "--time", "300s"), capture_output=True, text=True, timeout=280
    )
    assert said.returncode == 0, said.stderr
    metrics = json.loads((again / "best" / "metrics.json").read_text())
    assert metrics["params"] <= json.loads((again / "run.json").read_text())["at_most"]["params"]
    assert metrics["original"]["params"] == before["original"]["params"]
    history = read_history(again)
    assert history.note("final") is not None
    assert len(history.trials) == len(read_history(compressed).trials) == 3, "no trial beyond those asked for"


def test_a_view_is_told_what_time_a_compression_has_that_goes_on(compressed: Path, tmp_path: Path) -> None:
    class Told(SilentView):
        def start(self, info: Any) -> None:
            raise RunError(f"told {info['time_limit']:g}")

    again = Path(shutil.copytree(compressed, tmp_path / "again"))
    with pytest.raises(RunError, match="told 600"):
        seedleaf.resume(again, time_limit="10m", view=Told())


def test_a_compression_of_a_module_is_not_resumed_but_says_so(tmp_path: Path) -> None:
    CompressJob("a module", ARRAYS, 60.0, speedup=2.0, command="seedleaf.compress(net, data)").save(tmp_path)
    with pytest.raises(RunError, match="compression of a module, which nobody has kept"):
        seedleaf.resume(tmp_path)


# --- a network of a front ---


def member_of(run: Path, copy: Path) -> Path:
    """A copy of a run in whose front its best network lies once more, and nothing else: what is found is left to chance."""
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("front"))
    return shutil.copytree(copy / "best", copy / "front" / "0007")


def test_a_network_of_a_front_is_taken_like_the_best(finished: Finished, tmp_path: Path) -> None:
    member = member_of(finished.folder, tmp_path / "run")
    best, other = take_run(finished.folder), take_run(member)
    assert isinstance(best, TakenRun)
    assert isinstance(other, TakenRun)
    assert (other.plan, other.classes, other.read) == (best.plan, best.classes, best.read)
    assert all(torch.equal(tensor, other.state[name]) for name, tensor in best.state.items())
    assert own_data(member) == own_data(finished.folder) == str(finished.data)
    for nowhere in (member.parent, member.parent / "0008", tmp_path):
        with pytest.raises(RunError, match="is not a run's folder"):
            take_run(nowhere)
    (member / "weights.pt").unlink()
    with pytest.raises(RunError, match="weights are gone"):
        take_run(member)


def test_one_is_brought_below_bytes_and_time_in_int8_with_a_front_of_its_own(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedleaf.timing.MOST_EPOCHS", 2)
    monkeypatch.setattr("seedleaf.compressing.run.LOOKING", 0.01)  # of the time: one look for each worker
    member = member_of(finished.folder, tmp_path / "run")
    size = int(0.8 * (member / "model.onnx").stat().st_size)
    out = tmp_path / "out"
    # A latency that any machine keeps: what is so small may be no faster in int8.
    result = seedleaf.compress(
        member,
        max_bytes=size,
        max_latency=1000.0,
        int8="always",
        tradeoff="latency",  # as `fit` is told it
        time_limit="150s",
        max_trials=2,
        out=out,
    )
    assert [o["metric"] for o in result.history.header["objectives"]] == ["error", "latency_ms"]
    assert (out / "best" / "model.onnx").stat().st_size == result.best.metrics["bytes"] <= size
    recipe = json.loads((out / "best" / "recipe.json").read_text())
    assert recipe["passes"][-1]["mode"] in ("static", "dynamic")
    assert (result.history.note("front") or {}).keys() >= {"members", "no_time", "over", "failed"}
    rows = result.front_rows
    assert "best" in [row["folder"] for row in rows]
    assert [b.path for b in result.front] == [out / row["folder"] for row in rows]


# --- somebody's module ---


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + x)


def module(width: int = 48, classes: int = 3, channels: int = 3) -> nn.Module:
    stem = (nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
    return nn.Sequential(
        *stem,
        Residual(width),
        Residual(width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


def test_a_module_is_made_faster(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedleaf.timing.MOST_EPOCHS", 2)
    monkeypatch.setattr("seedleaf.compressing.run.LOOKING", 0.01)  # of the time: one look for each worker
    torch.manual_seed(0)
    net = module()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    out = tmp_path / "out"
    result = seedleaf.compress(
        net, pictures, speedup=1.5, time_limit="150s", max_trials=2, int8="never", out=out
    )
    m = result.best.metrics
    assert m["params"] < m["original"]["params"]
    assert m["macs"] < m["original"]["macs"], "nothing but fewer multiply-adds makes it faster in float32"
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items()), "the module is never touched"
    assert net.training, "nor its mode"
    assert not list(out.rglob("*.pkl"))


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = module()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x)
        return out if float(x.mean()) > 0.5 else -out


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = module()

    def forward(self, x: Tensor) -> Any:
        return {"logits": self.inner(x)}


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (module(classes=5), DataError, "answers 5 classes but .* has 3"),
        (module(channels=1), DataError, "does not run on float images of shape"),
        (Odd(), RunError, r"answers dict .* must give logits"),
        (nn.Sequential(nn.Flatten(), nn.Identity()), RunError, "logits|classes|weights"),
        (Branching(), RunError, "cannot be traced to one graph"),
        ("nowhere", RunError, "MODEL is the folder of a run"),
        (42, RunError, "a run's folder, its Result, or a torch module"),
    ],
    ids=["classes", "channels", "dict", "empty", "branching", "missing", "number"],
)
def test_models_that_cannot_be_used(
    given: Any, kind: type[SeedleafError], said: str, pictures: Path, tmp_path: Path
) -> None:
    kinds = (kind, DataError) if said.startswith("logits") else kind
    with pytest.raises(kinds, match=said):
        seedleaf.compress(given, pictures, speedup=2, time_limit="30s", out=tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing is left behind"


def test_data_that_does_not_fit_a_run(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="takes images of 12×12×3 but digits has 8×8×1"):
        seedleaf.compress(finished.folder, "digits", speedup=2, time_limit="30s", out=tmp_path / "out")
    x = np.random.default_rng(0).integers(0, 256, (60, 12, 12, 3), dtype=np.uint8)
    with pytest.raises(DataError, match="knows 3 classes"):
        seedleaf.compress(
            finished.folder, (x, np.arange(60) % 4), speedup=2, time_limit="30s", out=tmp_path / "out"
        )


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_nothing_in_a_run_is_unpickled(finished: Finished, tmp_path: Path) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    mark = tmp_path / "ran"
    (folder / "best" / "weights.pt").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(RunError, match="weights"):
        take_run(folder)
    torch.save({"version": 1, "tree": Bomb(mark), "flat": {}}, folder / "best" / "weights.pt")
    with pytest.raises(RunError, match="weights"):
        take_run(folder)
    assert not mark.exists()


def test_a_run_from_before_weights_were_kept_gives_its_best_trial(finished: Finished, tmp_path: Path) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (folder / "best" / "weights.pt").unlink()
    assert take_run(folder).state


# --- what is asked for ---

JOB = CompressJob("m", "d", 60.0, speedup=2.0)


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"speedup": None}, LimitError, "say how small"),
        ({"speedup": 0.5}, LimitError, "must be more than 1"),
        ({"speedup": float("nan")}, LimitError, "must be more than 1"),
        ({"at_most": {"latency_ms": -1.0}}, LimitError, "must be positive"),
        ({"max_drop": -0.1}, LimitError, "percent points"),
        ({"int8": "maybe"}, StudyError, "there are: auto, always, never"),
        ({"max_trials": 0}, StudyError, "max_trials must be 1 or more, got 0"),
        ({"max_trials": -3}, StudyError, "max_trials must be 1 or more, got -3"),
        ({"seed": -1}, StudyError, "the seed must be 0 or more, got -1"),
        ({"time_limit": 3.0}, BudgetError, "at least 20s"),
    ],
)
def test_jobs_that_mean_nothing(change: dict[str, Any], kind: type[SeedleafError], said: str) -> None:
    JOB.check()
    with pytest.raises(kind, match=said):
        replace(JOB, **change).check()


FOUND: dict[str, Any] = {
    "costs": {"params": 10_000, "macs": 1_000_000, "bytes": 40_000, "latency_ms": 1.0},
    "floors": {"prune": {"params": 300.0, "macs": 20_000.0, "bytes": 1500.0, "latency_ms": 0.2}},
    "floors8": {"prune": {"params": 300.0, "macs": 20_000.0, "bytes": 500.0, "latency_ms": 0.1}},
    "int8": {"latency_ms": 2.0, "bytes": 3.5},
    "no_int8": "",
    "decomposable": ["a"],
    "refused": {},
    "epoch_seconds": 0.5,
    "on": "cpu",
    "ours": True,
}


def test_impossible_bounds_say_what_could_be_reached() -> None:
    with pytest.raises(LimitError, match=r"10 parameters .*about 300 parameters"):
        reachable(FOUND, {"params": 10.0}, "never")
    with pytest.raises(LimitError, match=r"0.05 ms .*about 0.1 ms, 10 times faster\)"):
        reachable(FOUND, {"latency_ms": 0.05}, "search")
    with pytest.raises(LimitError, match=r"about 0.2 ms, 5 times faster\)"):
        reachable(FOUND, {"latency_ms": 0.15}, "never")
    assert reachable(FOUND, {"latency_ms": 0.15}, "search")[0] == "prune"


def test_the_first_trials_hold_what_one_would_do_by_hand() -> None:
    orders = ("prune", "drop_prune", "drop", "decompose")
    space = compress_space(orders, ("a", "b"), "search", further=2.0)
    first = firsts(orders, "search", further=2.0)
    whole = [space.complete(config) for config in first]
    assert all(map(space.contains, whole))
    passes = [(c["passes"], c.get("passes.allocation"), c.get("passes.kind")) for c in whole]
    assert ("prune", "uniform", None) in passes
    assert ("decompose", None, "tucker") in passes
    assert ("decompose", None, "cp") in passes


def test_what_is_kept_already_is_refused() -> None:
    job = replace(JOB, speedup=None, at_most={"params": 20_000.0})
    with pytest.raises(LimitError, match=r"keeps these bounds already \(10,000 parameters\)"):
        targets_of(job, FOUND["costs"])
    assert targets_of(replace(JOB, at_most={"latency_ms": 0.3}), FOUND["costs"]) == {"latency_ms": 0.3}


def test_a_network_of_which_nothing_can_go_says_why() -> None:
    found = {**FOUND, "floors": {}, "decomposable": [], "refused": {"a.0": "a.0 is a grouped convolution"}}
    with pytest.raises(LimitError, match="is a grouped convolution"):
        reachable(found, {"params": 10.0}, "never")


def test_int8_that_is_not_possible() -> None:
    spec = load_images("digits").spec
    found = {**FOUND, "int8": {}, "no_int8": "the graph cannot be quantised"}
    with pytest.raises(LimitError, match="the graph cannot be quantised"):
        plan(replace(JOB, int8="always"), found, spec, 50.0, 10.0)
    assert plan(JOB, found, spec, 50.0, 10.0).int8 == "never"


@pytest.mark.parametrize(
    ("bounds", "faster", "expected"),
    [
        ({"params": 5000.0}, 2.0, "never"),
        ({"params": 5000.0, "macs": 500_000.0}, 2.0, "never"),
        ({"params": 5000.0, "bytes": 20_000.0}, 2.0, "search"),
        ({"params": 5000.0, "latency_ms": 0.5}, 2.0, "search"),
        ({"params": 5000.0, "latency_ms": 0.5}, 0.8, "never"),
        ({"bytes": 20_000.0, "latency_ms": 0.5}, 0.8, "search"),
    ],
)
def test_int8_is_searched_where_a_bound_gains_by_it(
    bounds: dict[str, float], faster: float, expected: str
) -> None:
    spec, found = load_images("digits").spec, {**FOUND, "int8": {"latency_ms": faster, "bytes": 3.5}}
    job = replace(JOB, speedup=None, at_most=bounds)
    assert plan(job, found, spec, 50.0, 10.0).int8 == expected
    for told in ("always", "never"):
        assert plan(replace(job, int8=told), found, spec, 50.0, 10.0).int8 == told


def test_int8_is_searched_for_a_speed_up_and_for_a_trade_off_that_gains_by_it() -> None:
    spec = load_images("digits").spec
    assert plan(JOB, FOUND, spec, 50.0, 10.0).int8 == "search"
    counted = replace(JOB, speedup=None, at_most={"params": 5000.0})
    assert plan(replace(counted, tradeoff="bytes"), FOUND, spec, 50.0, 10.0).int8 == "search"
    assert plan(replace(counted, tradeoff="macs"), FOUND, spec, 50.0, 10.0).int8 == "never"


def test_too_little_time_for_the_network() -> None:
    with pytest.raises(BudgetError, match="give at least --time"):
        plan(JOB, {**FOUND, "epoch_seconds": 100.0}, load_images("digits").spec, 50.0, 10.0)


def test_tied_weights_survive_the_way_to_a_worker(tmp_path: Path) -> None:
    from seedleaf.compression.original import open_original

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(64, 64), nn.Linear(64, 64)
            self.two.weight = self.one.weight
            self.head = nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.two(torch.relu(self.one(x.flatten(1))))))

    prepare_process()
    net = Tied().eval()
    data = load_images("digits")
    setup = take_module(net).place(tmp_path, data, (None, None))
    x = torch.from_numpy(data.x_test[:4].copy())
    with torch.no_grad():
        expected = net(x.permute(0, 3, 1, 2).float() / 255)
        torch.testing.assert_close(open_original(setup).net(x), expected, rtol=1e-4, atol=1e-4)

"""Trials as workers run them: a config becomes a measured recipe, is fine-tuned, paused and resumed; the original stays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zoo
from onnxruntime import InferenceSession
from torch import nn

from seedleaf.compressing.job import CompressJob
from seedleaf.compressing.model_source import Reading
from seedleaf.compressing.plan import open_study, plan
from seedleaf.compression.allocate import narrowest
from seedleaf.compression.analyse import analyse
from seedleaf.compression.bench import device_of, measured, open_bench
from seedleaf.compression.blocktable import BlockTable
from seedleaf.compression.candidates import reachable
from seedleaf.compression.deploy import graph_of, probabilities
from seedleaf.compression.finishing import deliver, finetune, weigh
from seedleaf.compression.original import DELIVERED, open_original, save_foreign
from seedleaf.compression.quantise import write_int8
from seedleaf.compression.recipe import fingerprint
from seedleaf.compression.resolving import resolve
from seedleaf.compression.shop import placed
from seedleaf.compression.skeleton import Layer
from seedleaf.compression.space import ORDERS, compress_space, part_of, steps_of, stretches
from seedleaf.compression.trial import run
from seedleaf.core import Context
from seedleaf.data.images import load_images
from seedleaf.data.mapped import save_mapped
from seedleaf.errors import LimitError, RunError, TrialError
from seedleaf.learners.blocks import Net
from seedleaf.learners.convnet import ConvNet
from seedleaf.space import Choice
from seedleaf.store import MemoryStore
from seedleaf.train import CHECKPOINT, checkpoint


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("original")
    _, subject, body = zoo.original(folder)
    told = analyse(body, 3.0)
    assert told["mode8"] == "static"
    assert told["costs"]["params"] == sum(p.numel() for p in subject.net.parameters())
    return {**body, "targets": {"params": told["costs"]["params"] // 2}}


def context(setup: Mapping[str, Any], folder: Path, start: int, stop: int) -> Context:
    folder.mkdir(exist_ok=True)
    return Context(0, start, stop, 4, 7, folder, "cpu", dict(setup))


def config(setup: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    groups = open_bench(setup).groups
    return compress_space(ORDERS, groups, "search").complete({"quantise": "off", **changes})


def test_a_trial_keeps_its_targets_and_learns(setup: dict[str, Any], tmp_path: Path) -> None:
    ms = list(run(config(setup, distil="off"), context(setup, tmp_path / "t", 0, 4)))
    assert [m.step for m in ms] == [1, 2, 3, 4]
    assert all(m.metrics["params"] <= setup["targets"]["params"] for m in ms)
    assert ms[-1].metrics["train_loss"] < ms[0].metrics["train_loss"]
    recipe = json.loads((tmp_path / "t" / "recipe.json").read_text())["recipe"]
    assert [p["pass"] for p in recipe["passes"]] == ["prune", "prune", "prune", "distil", "quantise"]


def test_a_paused_trial_goes_on_as_if_it_had_not_been(setup: dict[str, Any], tmp_path: Path) -> None:
    whole = list(run(config(setup), context(setup, tmp_path / "a", 0, 4)))
    first = list(run(config(setup), context(setup, tmp_path / "b", 0, 2)))
    rest = list(run(config(setup), context(setup, tmp_path / "b", 2, 4)))
    assert [m.metrics["loss"] for m in (*first, *rest)] == [m.metrics["loss"] for m in whole]


@pytest.mark.parametrize("passes", ["prune", "decompose_prune"])
def test_other_orders_keep_the_targets_too(setup: dict[str, Any], passes: str, tmp_path: Path) -> None:
    loose = {**setup, "targets": {"params": 1.5 * setup["targets"]["params"]}}
    [m] = run(config(setup, passes=passes), context(loose, tmp_path / "t", 0, 1))
    assert m.metrics["params"] <= loose["targets"]["params"]


def test_int8_alone_trains_a_copy_of_the_original(setup: dict[str, Any], tmp_path: Path) -> None:
    """Where quantising is enough, nothing is pruned; the original must still not be what is trained."""
    before = fingerprint(open_original(setup).net)
    asked = {**setup, "targets": {"bytes": 1e9}}
    ms = list(run(config(setup, quantise="static"), context(asked, tmp_path / "t", 0, 2)))
    assert np.isfinite(ms[-1].metrics["error"])
    recipe = json.loads((tmp_path / "t" / "recipe.json").read_text())["recipe"]
    assert recipe["passes"][0]["keep"] == {}
    finetune(config(setup), recipe, asked, str(tmp_path / "tuned"), 1, float("inf"))
    assert fingerprint(open_original(setup).net) == before
    trained = checkpoint.load(tmp_path / "tuned" / CHECKPOINT)["model"]
    assert any(not torch.equal(v, open_original(setup).net.state_dict()[k]) for k, v in trained.items())


def test_int8_of_linear_layers_takes_its_ranges_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the other mode is not possible, and only there: answers would hang on the batch."""

    def write(source: Path, target: Path, mode: str, images: Any) -> None:
        if mode == "static":
            raise RunError("the graph cannot be quantised (static)")
        write_int8(source, target, mode, images)

    torch.manual_seed(0)
    data = load_images((*zoo.pictures(160), *zoo.pictures(40)))
    save_mapped(data, tmp_path / "cache")
    inputs = zoo.SIDE * zoo.SIDE * zoo.CHANNELS
    wide = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, zoo.CLASSES))
    saved = save_foreign(
        tmp_path, Net(wide, [127.5] * zoo.CHANNELS, [127.5] * zoo.CHANNELS).eval(), data.spec
    )
    training = {**ConvNet().default(data.spec), "lr": 0.01}
    body = {**saved, "data": str(tmp_path / "cache"), "seed": 0, "training": training}
    assert analyse(body, 3.0)["mode8"] == "static"
    monkeypatch.setattr("seedleaf.compression.analyse.write_int8", write)
    told = analyse(body, 3.0)
    assert told["mode8"] == "dynamic"
    assert told["int8"]["bytes"] > 3.5
    job = CompressJob("model", "data", 60.0, at_most={"bytes": told["costs"]["bytes"] / 3.0}, command="")
    store = MemoryStore()
    study = open_study(store, job, told, plan(job, told, data.spec, 60.0, 1.0), data.spec, Reading(0))
    [quantise] = [n.param for n in study.problem.space.nodes if n.key == "quantise"]
    assert quantise == Choice("off", "dynamic", default="dynamic")
    asked = {**body, "targets": {"bytes": told["costs"]["bytes"] / 3.0}}
    space = compress_space(("prune",), open_bench(asked).groups, "always", mode=told["mode8"])
    [*_, last] = run(space.complete({}), context(asked, tmp_path / "t", 0, 2))
    assert last.metrics["error"] < 0.5
    assert last.metrics["bytes"] <= asked["targets"]["bytes"]
    recipe = json.loads((tmp_path / "t" / "recipe.json").read_text())["recipe"]
    assert recipe["passes"][-1] == {"pass": "quantise", "mode": "dynamic"}
    assert recipe["passes"][0]["keep"] == {}, "int8 alone is enough"


def test_an_original_that_does_not_run_in_int8_is_searched_in_float(
    setup: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime's errors are none of ours."""

    def answers(path: Path, images: Any) -> Any:
        if path.name == "original8.onnx":
            InferenceSession(b"nonsense")
        return probabilities(path, images)

    monkeypatch.setattr("seedleaf.compression.analyse.probabilities", answers)
    told = analyse(setup, 3.0)
    assert told["int8"] == {}
    assert told["no_int8"].startswith("the quantised original does not run (static): ")
    assert told["floors"]
    assert told["floors8"] == {}


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_a_device_that_torch_cannot_use_falls_back_to_the_cpu(setup: dict[str, Any], tmp_path: Path) -> None:
    there = replace(context(setup, tmp_path / "there", 0, 1), device="cuda:0")
    here = context(setup, tmp_path / "here", 0, 1)
    one, other = (next(iter(run(config(setup, distil="off"), c))) for c in (there, here))
    assert one.metrics["loss"] == other.metrics["loss"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_fine_tuning_on_a_gpu_leaves_the_original_on_the_cpu(setup: dict[str, Any], tmp_path: Path) -> None:
    asked = replace(context(setup, tmp_path / "t", 0, 4), device="cuda:0")
    ms = list(run(config(setup), asked))
    assert ms[-1].metrics["train_loss"] < ms[0].metrics["train_loss"]
    assert {p.device.type for p in open_original(setup).net.parameters()} == {"cpu"}


def test_a_model_that_only_the_cpu_can_run_is_fine_tuned_there() -> None:
    assert device_of("cuda:0", {"on": "cpu"}) == "cpu"


def test_networks_stay_on_the_cpu_and_are_copied_elsewhere() -> None:
    net = zoo.subject("own_conv").net
    assert placed(net, "cpu") is net
    assert {p.device.type for p in placed(net, "meta").parameters()} == {"meta"}
    assert {p.device.type for p in net.parameters()} == {"cpu"}


@pytest.mark.parametrize("int8", [False, True])
def test_layers_are_measured_once_in_either_arithmetic(int8: bool) -> None:
    table = BlockTable(int8=int8)
    chain = [Layer("", "conv", 8, 8, (1, 1), 1, 1, 4, 4), Layer("", "conv", 8, 16, (3, 3), 1, 1, 4, 4)]
    first = table.ms(chain)
    assert first > 0
    assert table.ms(chain) == first
    assert BlockTable.from_json(table.to_json(), int8).ms(chain) == first


def test_the_teacher_is_in_the_loss(setup: dict[str, Any], tmp_path: Path) -> None:
    one = list(run(config(setup, distil="off"), context(setup, tmp_path / "off", 0, 1)))
    other = list(run(config(setup, **{"distil.weight": 1.0}), context(setup, tmp_path / "on", 0, 1)))
    assert one[0].metrics["train_loss"] != other[0].metrics["train_loss"]


def test_targets_that_a_config_cannot_meet_fail_the_trial(setup: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"^out of reach: .*pruning reaches"):
        list(run(config(setup), context({**setup, "targets": {"params": 20.0}}, tmp_path / "t", 0, 1)))


def test_bytes_that_only_the_narrowest_network_keeps_are_kept(setup: dict[str, Any], tmp_path: Path) -> None:
    """A margin below the bound cannot be reached there: what the file takes decides."""
    bench = open_bench(setup)
    pricer = bench.shop.pricer(bench.original)
    smallest = bench.original.pruned({g: range(n) for g, n in narrowest(pricer).items()})
    size = graph_of(smallest.net, bench.source.data.spec, tmp_path, {}, zoo.pictures(8)[0]).stat().st_size
    chosen = config(setup, **{"passes.rounds": 1})
    for bound in (1.005 * size, size):
        _, recipe, costs = resolve(chosen, {"bytes": bound}, bench, tmp_path)
        assert costs["bytes"] <= bound
        weighed = weigh(recipe.to_json(), setup, str(tmp_path), {})
        assert weighed["bytes"] == costs["bytes"]
    with pytest.raises(TrialError, match=r"^out of reach: .* does not keep the targets when measured: bytes"):
        resolve(chosen, {"bytes": 0.99 * size}, bench, tmp_path)
    with pytest.raises(TrialError, match="pruning reaches"):
        resolve(chosen, {"bytes": 0.5 * size}, bench, tmp_path)


def test_a_recipe_file_that_is_cut_short(setup: dict[str, Any], tmp_path: Path) -> None:
    list(run(config(setup), context(setup, tmp_path / "t", 0, 1)))
    (tmp_path / "t" / "recipe.json").write_text('{"recipe": ')
    with pytest.raises(TrialError, match=r"recipe.json cannot be read"):
        list(run(config(setup), context(setup, tmp_path / "t", 1, 2)))


def test_steps_come_in_the_order_of_the_name() -> None:
    space = compress_space(ORDERS, ["a", "b"], "search")
    for order in ORDERS:
        chosen = space.complete({"passes": order})
        kinds = [kind for kind, _, _ in steps_of(chosen, ["a", "b"])]
        once = [k for i, k in enumerate(kinds) if i == 0 or kinds[i - 1] != k]
        assert once == [*order.split("_"), "distil", "quantise"]
        shares = [share for _, _, share in steps_of(chosen, ["a", "b"])]
        assert shares[-3] == pytest.approx(1.0)


@pytest.mark.parametrize("way", [0.4, 1.0])
def test_rounds_of_pruning_go_the_same_way_together(way: float) -> None:
    left = 1.0  # of the way, on a log scale
    for k in range(3):
        left *= 1.0 - part_of(way, k, 3)
    assert left == pytest.approx(1.0 - way)


def test_preferences_reach_their_groups() -> None:
    space = compress_space(("prune",), ["a", "b"], "never")
    chosen = space.complete(
        {"passes.allocation": "tilted", "passes.allocation.tilt 1": 0.5, "passes.rounds": 1}
    )
    [(_, options, _), *_] = steps_of(chosen, ["a", "b"])
    assert options["tilt.b"] == 0.5


def test_preferences_reach_their_layers() -> None:
    space = compress_space(("decompose",), [], "never", layers=["a", "b", "c"])
    tilted = space.complete({"passes.ranks": "tilted", "passes.ranks.tilt 1": -0.5})
    [(_, options, _), *_] = steps_of(tilted, [], ["a", "b", "c"])
    assert {k: v for k, v in options.items() if "." in k} == {"tilt.a": 0.0, "tilt.b": -0.5, "tilt.c": 0.0}
    ways = {"passes.ranks.way 0": "whole", "passes.ranks.way 2": "cp"}
    chosen = space.complete({"passes.ranks": "chosen", **ways})
    [(_, options, _), *_] = steps_of(chosen, [], ["a", "b", "c"])
    assert {k: v for k, v in options.items() if "." in k} == {"as.a": "whole", "as.c": "cp"}
    [(_, options, _), *_] = steps_of(space.complete({}), [], ["a", "b", "c"])
    assert not [k for k in options if "." in k]
    assert [n.key for n in compress_space(("decompose",), [], "never").nodes if "ranks" in n.key] == []


@pytest.mark.parametrize("order", ["prune", "decompose"])
def test_a_deep_network_has_a_preference_for_each_stretch(order: str) -> None:
    names = [f"layer.{i}" for i in range(53)]
    where = "passes.allocation" if order == "prune" else "passes.ranks"
    space = compress_space((order,), names, "never", layers=names)
    chosen = space.complete({where: "tilted", f"{where}.tilt 0": 1.0, f"{where}.tilt 15": -1.0})
    assert sum("tilt" in key for key in chosen) == 16
    options = steps_of(chosen, names, names)[0][1]
    tilts = [options[f"tilt.{name}"] for name in names]
    assert set(tilts[:3]) == {1.0}
    assert set(tilts[-3:]) == {-1.0}
    assert set(tilts[4:-4]) == {0.0}


@pytest.mark.parametrize("n", [0, 1, 16, 17, 31, 32, 200])
def test_stretches_hold_every_name_once_and_are_even(n: int) -> None:
    names = [str(i) for i in range(n)]
    found = stretches(names)
    assert [name for stretch in found for name in stretch] == names
    assert len(found) == min(n, 16)
    assert not found or max(map(len, found)) - min(map(len, found)) <= 1


def test_the_control_trains_the_same_network_from_nothing(setup: dict[str, Any], tmp_path: Path) -> None:
    list(run(config(setup), context(setup, tmp_path / "t", 0, 1)))
    recipe = json.loads((tmp_path / "t" / "recipe.json").read_text())["recipe"]
    tuned = finetune(config(setup), recipe, setup, str(tmp_path / "tuned"), 1, float("inf"))
    control = finetune(config(setup), recipe, setup, str(tmp_path / "control"), 2, float("inf"), fresh=True)
    assert tuned["steps"] == 1
    assert control["steps"] == 2
    one, other = (checkpoint.load(tmp_path / n / CHECKPOINT)["model"] for n in ("tuned", "control"))
    assert {k: v.shape for k, v in one.items()} == {k: v.shape for k, v in other.items()}
    assert not all(torch.equal(v, other[k]) for k, v in one.items())


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Somebody's network, which one exporter sketches and another delivers."""
    folder = tmp_path_factory.mktemp("foreign")
    data = load_images((*zoo.pictures(160), *zoo.pictures(40)))
    save_mapped(data, folder / "cache")
    saved = save_foreign(folder, zoo.subject("resnet").net, data.spec)
    return {**saved, "data": str(folder / "cache"), "seed": 0, "training": ConvNet().default(data.spec)}


def test_bytes_are_priced_as_they_will_be_delivered(foreign: dict[str, Any], tmp_path: Path) -> None:
    told = analyse(foreign, 3.0)
    sizes = {name: (Path(foreign["original"]) / name).stat().st_size for name in ("original.onnx", DELIVERED)}
    assert told["costs"]["bytes"] == sizes[DELIVERED] != sizes["original.onnx"]
    asked = {**foreign, "targets": {"bytes": told["costs"]["bytes"] / 2}}
    for quantise, bound in (("off", told["costs"]["bytes"] / 2), ("static", told["costs"]["bytes"] / 3)):
        asked["targets"] = {"bytes": bound}
        chosen = config(asked, passes="prune", quantise=quantise, distil="off")
        folder = tmp_path / quantise
        [m] = run(chosen, context(asked, folder, 0, 1))
        recipe = json.loads((folder / "recipe.json").read_text())["recipe"]
        weighed = weigh(recipe, asked, str(folder), {})
        assert weighed["bytes"] <= bound
        assert weighed["bytes"] == pytest.approx(m.metrics["bytes"], rel=0.02)
        out = tmp_path / f"{quantise} delivered"
        done = deliver(recipe, asked, str(folder), None, str(out), chosen)
        assert done["bytes"] == (out / "model.onnx").stat().st_size == weighed["bytes"]
        assert done["params"] == weighed["params"] == m.metrics["params"]
        for path in out.iterdir():
            for place in (str(Path(zoo.__file__).parent), str(Path(torch.__file__).parent), str(Path.cwd())):
                assert place.encode() not in path.read_bytes(), path.name


def test_bytes_that_the_sketch_has_too_many_of_are_those_of_the_file(
    foreign: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = analyse(foreign, 3.0)
    bound, bench = told["costs"]["bytes"] / 2, open_bench(foreign)
    chosen = config(foreign, passes="prune", **{"passes.rounds": 1})

    def off(factor: float) -> Any:
        return lambda *given: {**measured(*given), "bytes": factor * bound}

    monkeypatch.setattr("seedleaf.compression.resolving.measured", off(1.04))
    _, recipe, costs = resolve(chosen, {"bytes": bound}, bench, tmp_path)
    assert costs["bytes"] == weigh(recipe.to_json(), foreign, str(tmp_path), {})["bytes"] <= bound
    assert [p.name for p in tmp_path.iterdir()] == []
    monkeypatch.setattr("seedleaf.compression.resolving.measured", off(1.5))
    with pytest.raises(TrialError, match="does not keep the targets when measured"):
        resolve(chosen, {"bytes": bound}, bench, tmp_path)


@pytest.mark.parametrize("int8", [False, True])
def test_what_bytes_can_come_down_to_counts_nodes_and_names(
    setup: dict[str, Any], int8: bool, tmp_path: Path
) -> None:
    """They stay when the channels go."""
    told, bench = analyse(setup, 3.0), open_bench(setup)
    shop = bench.shop8 if int8 else bench.shop
    pricer = shop.pricer(bench.original)
    smallest = bench.original.pruned({g: range(n) for g, n in narrowest(pricer).items()})
    graph = graph_of(
        smallest.net,
        bench.source.data.spec,
        tmp_path,
        {"mode": "static"} if int8 else {},
        zoo.pictures(64)[0],
    )
    floors = told["floors8" if int8 else "floors"]
    assert floors["prune"]["bytes"] == pytest.approx(graph.stat().st_size, rel=0.3)
    with pytest.raises(
        LimitError, match=r"200 bytes \(this network can come down to about [1-9],\d{3} bytes\)"
    ):
        reachable(told, {"bytes": 200.0}, "search")

"""What follows the search of a compression, in this process: the winner, the front, and what is left where time ran out."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import zoo
from opened import EVEN, Opened, delivered, looks, trained, verdict_of
from torch import Tensor

import seedleaf
from seedleaf.compressing.card import METRICS, kept_metrics, said_of, verdict
from seedleaf.compressing.finish import finish
from seedleaf.compressing.front import beside, deliver_front
from seedleaf.compressing.given import DRAWN
from seedleaf.compressing.job import CompressJob
from seedleaf.compressing.limits import broken_bounds
from seedleaf.compressing.model_source import Reading
from seedleaf.compression.own import OwnNet
from seedleaf.compression.registry import PASSES
from seedleaf.core import Measurement, State, Trial
from seedleaf.data.images import load_images
from seedleaf.data.spec import ImageData
from seedleaf.errors import RunError, Unfinished
from seedleaf.folder import beginning, new_folder
from seedleaf.predicting.images import Predictor
from seedleaf.summary import as_body, as_lines

# --- time ran out ---


@pytest.mark.usefixtures("late")
def test_where_no_trial_finished_the_least_harmful_recipe_is_delivered_as_it_is(opened: Opened) -> None:
    run = opened({"params": 0.5})
    harms = looks(run, {}, EVEN)
    finish(run, 0.0, 0.0)
    m, final = delivered(run), run.study.history.note("final") or {}
    assert m["params"] <= 0.5 * m["original"]["params"]
    assert (m["refit_steps"], final["trained_on"]) == (0, "nothing")
    assert final["trial"] == int(np.argmin(harms))
    said = verdict_of(run)
    assert "no trial was finished in the time given" in said
    assert said.count("it was not fine-tuned") == 1
    assert "it was not fine-tuned" in (run.folder / "best" / "README.md").read_text(encoding="utf-8")
    right = Predictor.open(run.folder).probabilities(zoo.pictures(40)[0]).argmax(1) == zoo.pictures(40)[1]
    assert m["test_accuracy"] == pytest.approx(right.mean()), "its own accuracy, not that of the original"
    assert said in as_lines(seedleaf.load(run.folder))
    body = as_body(seedleaf.load(run.folder))
    told = "which is more than the 0.5 allowed" in said
    assert m["kept_drop"] is body["metrics"]["kept_drop"] is not told
    assert said[:20] in (run.folder / "report.html").read_text(encoding="utf-8")
    assert m["control"] is None, "it would have been trained longer"
    assert "from scratch" not in said


def test_the_time_that_is_left_is_spent_on_that_recipe(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedleaf.compressing.finish.refit_steps", lambda *_: 2)
    run = opened({"params": 0.5})
    looks(run, {})
    finish(run, 0.0, time.time() + 200.0)
    assert delivered(run)["refit_steps"] == 2
    assert (run.study.history.note("final") or {})["trained_on"] == "train+valid"
    said = verdict_of(run)
    assert "the least harmful of the recipes that were looked at, fine-tuned for" in said
    assert "not fine-tuned" not in said


def test_a_recipe_that_a_trial_began_with_will_do_but_not_one_that_failed(opened: Opened) -> None:
    run = opened({"params": 0.5})
    looks(run, {})
    first = run.study.ask()
    assert first is not None
    run.study.fail(first.trial, "it trains to no numbers")
    with pytest.raises(RunError, match="no recipe was trained in the time given: it trains to no numbers"):
        finish(run, 0.0, 0.0)


@pytest.mark.usefixtures("late")
def test_a_trial_that_cannot_be_fine_tuned_any_more_is_delivered_as_it_stands(opened: Opened) -> None:
    run = opened({"params": 0.5})
    trial = trained(run, 0.1)
    finish(run, 0.0, 0.0)
    assert delivered(run)["refit_steps"] == 0
    said = verdict_of(run)
    assert "there was no time to fine-tune it longer than its trial" in said
    from seedleaf.train import checkpoint

    body = checkpoint.load(run.folder / "trials" / f"{trial.id:04d}" / "checkpoint.pt")
    weights = checkpoint.load(run.folder / "best" / "weights.pt")["model"]
    learned = body["judged"] or body["model"]
    assert all(torch.equal(v, learned[k]) for k, v in weights.items())


def test_where_there_is_nothing_the_folder_stays_and_can_go_on(opened: Opened) -> None:
    run = opened({"params": 0.5})
    run.study.note("looks", configs=[run.study.problem.space.complete({})], harms=[None])
    run.study.enqueue({})
    with pytest.raises(Unfinished, match="before a recipe had been found") as caught:
        finish(run, 0.0, 0.0)
    assert caught.value.__notes__ == [f"go on with: seedleaf resume '{run.folder}' --time 2m"] or (
        caught.value.__notes__ == [f"go on with: seedleaf resume {run.folder} --time 2m"]
    )


@pytest.mark.parametrize(("error", "stays"), [(Unfinished("no time"), True), (RunError("no way"), False)])
def test_what_is_unfinished_keeps_its_folder(error: RunError, stays: bool, tmp_path: Path) -> None:
    job = CompressJob("model", "data", 60.0, speedup=2.0)
    with pytest.raises(RunError), beginning(new_folder("data", tmp_path / "run"), job):
        raise error
    assert (tmp_path / "run" / "run.json").exists() is stays


@pytest.mark.usefixtures("late")
def test_a_control_that_learned_nothing_says_nothing_of_the_weights(opened: Opened) -> None:
    """Some networks learn nothing in the time there is, at whatever rate."""
    run = opened({"params": 0.5})
    trained(run, 0.1)
    finish(run, 0.0, 0.0)
    final = dict(run.study.history.note("final") or {})
    gain = {"mean": 0.5, "se": 0.01}
    run.study.note("baseline", error=0.6)
    for error, said in ((0.6, "learned nothing, so what"), (0.5, "50.00 ± 1.00 points worse")):
        control = {"test": {"error": error}, "gain": gain, "kept": []}
        assert said in verdict(run, {**final, "control": control})["text"]


def test_a_loss_is_held_against_what_was_allowed_and_told_where_it_is_more() -> None:
    run: Any = SimpleNamespace(job=CompressJob("m", "d", 60.0, speedup=2.0, max_drop=1.5), of_test="")
    part = {"mean": 0.0, "se": 0.0, "median": 1.0, "accuracy": 0.9}
    final = {**dict.fromkeys(METRICS.split()), "test": part, "latency_ms": part, "speedup": 1.0}
    final |= {"original": {"latency_ms": part}, "remark": "", "no_control": "", "refit_steps": 0}
    for drop, kept in ((0.015, True), (0.016, False), (-0.2, True)):
        found = {**final, "drop": {"mean": drop, "se": 0.0}}
        assert kept_metrics(run, found)["kept_drop"] is kept
        assert verdict(run, found)["kept_drop"] is kept
        assert ("which is more than the 1.5 allowed" in verdict(run, found)["text"]) is not kept


@pytest.mark.parametrize(
    ("speedup", "said"),
    [
        (2.5, "2.50 times faster than the original (2.500 to 1.000 ms) at"),
        (0.8, "1.25 times slower than the original (0.800 to 1.000 ms) at"),
        (0.999, "as fast as the original (0.999 to 1.000 ms) at"),
    ],
)
def test_what_takes_longer_is_called_slower(speedup: float, said: str) -> None:
    final: dict[str, Any] = {
        "speedup": speedup,
        "latency_ms": {"median": 1.0},
        "drop": {"mean": 0.0, "se": 0.0},
    }
    assert said_of({**final, "original": {"latency_ms": {"median": speedup}}}).startswith(said)


def test_channels_that_carry_nothing_carry_no_less() -> None:
    body = {"criterion": "taylor", "keep": {"a": [0]}, "of": {"a": 2}, "lost": {"a": -1e-17}}
    [row] = PASSES["prune"].told(body)
    assert row["why"] == "the others carry 0.0 % of its taylor importance"


@pytest.mark.usefixtures("late")
def test_a_test_part_that_was_drawn_from_what_a_module_may_know_is_called_so(opened: Opened) -> None:
    run = opened({"params": 0.9}, "params")
    best, other = trained(run, 0.1), trained(run, 0.3, further=1.4)
    other.measurements[-1] = Measurement(1, {**other.metrics, "params": 0.5 * best.metrics["params"]}, 0.1)
    run = replace(run, spec=replace(run.spec, held_out=True), of_test=DRAWN)
    finish(run, 0.0, 0.0)
    card = (run.folder / "best" / "README.md").read_text(encoding="utf-8")
    member = (run.folder / "front" / f"{other.id:04d}" / "README.md").read_text(encoding="utf-8")
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert [text.count(DRAWN) for text in (card, member, page, verdict_of(run))] == [1, 1, 1, 1]
    assert "right on the test images" in page
    known = replace(run, of_test="")
    assert DRAWN not in verdict(known, run.study.history.note("final") or {})["text"]


# --- the bounds and the front ---


def test_a_network_in_int8_keeps_bytes_work_and_time(opened: Opened) -> None:
    run = opened({"bytes": 0.6, "macs": 0.7, "latency_ms": 100.0}, int8="always")
    trained(run, 0.1)
    finish(run, 0.0, 0.0)
    m, at_most = delivered(run), run.job.at_most
    assert m["bytes"] == (run.folder / "best" / "model.onnx").stat().st_size <= at_most["bytes"]
    assert m["macs"] <= at_most["macs"]
    assert m["latency_ms"]["median"] <= at_most["latency_ms"]
    assert broken_bounds(run.job, m) == ""
    recipe = json.loads((run.folder / "best" / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["passes"][-1] == {"pass": "quantise", "mode": "static"}


@pytest.mark.parametrize("tradeoff", ["params", "latency_ms"])
def test_the_front_holds_what_stands_between(opened: Opened, tradeoff: str) -> None:
    # A latency that any machine keeps: of networks as small as these it says little which is the quicker one.
    run = opened({"params": 0.9, "latency_ms": 100.0}, tradeoff)
    assert [o.metric for o in run.study.problem.objectives] == ["error", tradeoff]
    best, other = trained(run, 0.1), trained(run, 0.3, further=1.4)
    other.measurements[-1] = Measurement(1, {**other.metrics, tradeoff: 0.5 * best.metrics[tradeoff]}, 0.1)
    finish(run, 0.0, 0.0)
    result = seedleaf.load(run.folder)
    rows = {row["folder"]: row for row in result.front_rows}
    assert set(rows) == {"best", f"front/{other.id:04d}"}
    assert rows["best"]["trial"] == best.id
    member = run.folder / "front" / f"{other.id:04d}"
    assert {p.name for p in member.iterdir()} >= {"model.onnx", "config.json", "metrics.json", "recipe.json"}
    measured = json.loads((member / "metrics.json").read_text(encoding="utf-8"))
    assert measured["params"] == rows[f"front/{other.id:04d}"]["params"]
    assert tradeoff != "params" or measured["params"] < rows["best"]["params"]
    costs = [
        r["latency_ms"]["median"] if tradeoff == "latency_ms" else r[tradeoff] for r in result.front_rows
    ]
    assert costs == sorted(costs)
    assert rows[f"front/{other.id:04d}"]["trained_on"] == "train", "as its trial left it: no time was left"
    assert (rows["best"]["full"], rows["best"]["trained_on"]) == (run.study.problem.full, "train+valid")
    assert (member / "model.onnx").stat().st_size == measured["bytes"]
    card = (member / "README.md").read_text(encoding="utf-8")
    assert "; the same network from scratch is trained beside best/ alone: that takes as long as" in card
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "from scratch was trained for best alone" in page
    assert "at that percentage of its widths" not in page


@pytest.mark.usefixtures("late")
def test_the_front_tells_how_a_best_without_a_last_training_was_trained(opened: Opened) -> None:
    run = opened({"params": 0.9}, "params")
    best, other = trained(run, 0.1), trained(run, 0.3, further=1.4)
    other.measurements[-1] = Measurement(1, {**other.metrics, "params": 0.5 * best.metrics["params"]}, 0.1)
    finish(run, 0.0, 0.0)
    [row] = [row for row in seedleaf.load(run.folder).front_rows if row["folder"] == "best"]
    assert (row["steps"], row["trained_on"]) == (1, "train")
    assert "to the end" not in (run.folder / "report.html").read_text(encoding="utf-8")


def test_members_of_the_front_that_break_a_bound_or_fail_are_counted_apart(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened({"params": 0.9}, "params")
    best, other = trained(run, 0.1), trained(run, 0.3, further=1.4)
    other.measurements[-1] = Measurement(1, {**other.metrics, "params": 0.5 * best.metrics["params"]}, 0.1)
    final = {"trial": best.id}
    whole = {"no_time": 0, "over": 0, "failed": 0}

    def counted() -> dict[str, int]:
        deliver_front(run, final, 0.0)
        note = run.study.history.note("front") or {}
        return {k: note[k] for k in whole}

    monkeypatch.setattr("seedleaf.compressing.front.broken_bounds", lambda *_: "too large")
    assert counted() == {**whole, "over": 1}
    monkeypatch.setattr("seedleaf.compression.finishing.deliver", None)  # a call that raises
    assert counted() == {**whole, "failed": 1}
    (run.folder / "trials" / f"{other.id:04d}" / "checkpoint.pt").unlink()
    assert counted() == {**whole, "no_time": 1}


def point(number: int, error: float, cost: float, state: State = State.PAUSED) -> Trial:
    return Trial(number, {}, state, measurements=[Measurement(1, {"error": error, "latency_ms": cost}, 0.1)])


def test_beside_the_best_stand_those_that_no_other_beats_and_that_save_enough() -> None:
    best = point(0, 0.1, 1.0)
    others = [
        point(1, 0.2, 0.95),  # saves too little
        point(2, 0.2, 0.5),
        point(3, 0.3, 0.6),  # beaten by 2
        point(4, 0.4, 0.2),
        point(5, 0.15, 0.1, State.FAILED),
        Trial(6, {}),  # never measured
    ]
    assert sorted(t.id for t in beside([best, *others], best, "latency_ms")) == [2, 4]
    assert beside([best], best, "latency_ms") == []
    assert beside(others, best, "latency_ms") == []


# --- recipes from their files ---


def original_net(looked: Any) -> Any:
    subject = zoo.subject("own_conv")
    assert isinstance(subject, OwnNet)
    return subject.net


@pytest.mark.usefixtures("late")
def test_a_recipe_is_replayed_and_undone(
    opened: Opened, looked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened({"params": 0.5})
    looks(run, {})
    finish(run, 0.0, 0.0)
    path = run.folder / "best" / "recipe.json"
    passes = len(json.loads(path.read_text(encoding="utf-8"))["passes"])
    data = (*zoo.pictures(160), *zoo.pictures(40))
    x = torch.from_numpy(zoo.pictures(40)[0])

    class Taken:
        """The zoo's network, as one of a run."""

        read = Reading(0)

        def subject(self, data: ImageData, scaling: Any) -> OwnNet:
            found = zoo.subject("own_conv")
            assert isinstance(found, OwnNet)
            return found

    monkeypatch.setattr("seedleaf.compressing.model_source.take_module", lambda module: Taken())
    net = original_net(looked)

    def answers(found: Any) -> Tensor:
        with torch.no_grad():
            out: Tensor = found(x).softmax(1)
        return out

    for given in (path, run.folder, run.folder / "best"):
        for tuned in (False, True):
            small = seedleaf.replay(given, net, data, tuned=tuned)
            expected = Predictor.open(run.folder).probabilities(zoo.pictures(40)[0])
            np.testing.assert_allclose(answers(small), expected, atol=1e-4)
    numbers = [
        sum(p.numel() for p in seedleaf.replay(path, net, data, undo=undo).parameters()) for undo in range(4)
    ]
    assert numbers[0] == numbers[2] < numbers[3], "what is not there in a float module, and what was removed"
    whole = seedleaf.replay(path, net, data, undo=passes)
    torch.testing.assert_close(whole.state_dict(), net.state_dict(), rtol=0, atol=0)
    with pytest.raises(ValueError, match=f"from 0 to the recipe's {passes} passes"):
        seedleaf.replay(path, net, data, undo=passes + 1)
    with pytest.raises(ValueError, match="tuned goes with undo=0"):
        seedleaf.replay(path, net, data, undo=1, tuned=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "this is not a recipe"),
        ('{"version": 9}', "a recipe of version 9"),
        ('{"version": 1, "start": "0", "passes": []}', "was made for another network"),
        ('{"version": 1, "start": "START", "passes": [{"pass": "melt it"}]}', "no pass is called"),
        ('{"version": 1, "start": "START", "passes": [{"pass": "prune"}]}', "damaged"),
        ('{"version": 1, "start": "START", "passes": [{"pass": "prune", "keep": {"a": [-9]}}]}', "damaged"),
    ],
)
def test_recipes_that_are_none(text: str, said: str, tmp_path: Path) -> None:
    from seedleaf.compressing.model_source import take_module
    from seedleaf.compression.recipe import fingerprint

    data = load_images((*zoo.pictures(160), *zoo.pictures(40)))
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(zoo.CHANNELS, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(8, zoo.CLASSES),
    )  # fmt: skip
    start = fingerprint(take_module(net).subject(data, (None, None)).net)
    path = tmp_path / "recipe.json"
    path.write_text(text.replace("START", start), encoding="utf-8")
    with pytest.raises(RunError, match=said):
        seedleaf.replay(path, net, (*zoo.pictures(160), *zoo.pictures(40)))
    with pytest.raises(RunError, match="give the data"):
        seedleaf.replay(path, net) if "START" in text else seedleaf.replay(_empty(path, start), net)


def _empty(path: Path, start: str) -> Path:
    path.write_text(json.dumps({"version": 1, "start": start, "passes": []}), encoding="utf-8")
    return path

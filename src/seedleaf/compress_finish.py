"""What follows the search of a compression: the winner is fine-tuned beside its control, delivered, judged and reported."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.compress_late import least_harmful, remark
from seedleaf.compress_limits import broken_bounds, times_asked, trial_folder, winner_within
from seedleaf.core import Trial
from seedleaf.data.spec import ImageSpec
from seedleaf.executors.base import OWN_DEVICE
from seedleaf.executors.local import LocalExecutor
from seedleaf.finish import call_all, swap
from seedleaf.report import write_board, write_report
from seedleaf.study import Study
from seedleaf.timing import refit_step_seconds, refit_steps
from seedleaf.train import CHECKPOINT
from seedleaf.view import View

if TYPE_CHECKING:
    from seedleaf.compress_job import CompressJob

LEFT_TO_REFIT = 2.0  # seconds that even a late run spends on it
NAMED = 3  # parameters in a sentence


@dataclass(frozen=True)
class Compressing:
    """What the stages after the search share; `found` is what the probe found out about the original."""

    folder: Path
    job: CompressJob
    setup: Mapping[str, Any]
    spec: ImageSpec
    study: Study
    executor: LocalExecutor
    view: View
    found: Mapping[str, Any]
    began: float


def finish(run: Compressing, refit_end: float, front_end: float) -> None:
    """Fine-tune until `refit_end`, deliver to best/, say what it was worth; then, where asked for, front/ by `front_end`."""
    from seedleaf.compress_front import deliver_front

    over: dict[int, str] = {}  # trials -> the bounds that they break
    winner = winner_within(run, over) or least_harmful(run)
    if not winner.measurements:
        refit_end = front_end  # no trial was finished: there is no front, and this is all its training
    begun = time.time()
    tuned, control, fitted = _refit(run, winner, refit_end)
    refit_seconds = time.time() - begun
    staged = run.folder / ".best.part"
    delivered = _deliver(run, winner, tuned, control, staged)
    while missed := broken_bounds(run.job, delivered):
        over[winner.id] = missed
        winner = _instead(run, over)
        tuned, control = str(trial_folder(run, winner).resolve()), None
        fitted = {"steps": float(winner.step), "train_seconds": 0.0}
        delivered = _deliver(run, winner, tuned, control, staged)
    final = {
        "trial": winner.id,
        "config": dict(winner.config),
        **delivered,
        "refit_steps": int(fitted["steps"]),
        "refit_seconds": refit_seconds,
        "remark": remark(winner, fitted),
        "predict": f"seedleaf predict {run.folder} IMAGE",
    }
    run.study.note("verdict", **verdict(run, final))
    run.study.note("shares", **_shares(run, fitted["train_seconds"], refit_seconds))
    _write(run, final, staged)
    swap(staged, run.folder / "best")
    run.study.note("final", **final)
    if run.job.tradeoff:
        deliver_front(run, final, front_end)
    run.study.note("took", seconds=time.time() - run.began)
    write_board(run.study.history, run.folder / "leaderboard.csv")
    write_report(run.study.history, run.folder / "report.html")


def _deliver(
    run: Compressing, winner: Trial, tuned: str, control: str | None, staged: Path
) -> dict[str, Any]:
    """The network in the folder `tuned`, exported to `staged` and measured."""
    shutil.rmtree(staged, ignore_errors=True)
    arguments = {
        "recipe": stored_recipe(run, winner),
        "setup": dict(run.setup),
        "tuned": tuned,
        "control": control,
        "out": str(staged.resolve()),
        "config": dict(winner.config),
        "bounds": times_asked(run.job),
    }
    calls = {"deliver": ("seedleaf.compression.finishing:deliver", arguments)}
    delivered: dict[str, Any] = call_all(run, calls, "export", needed={"deliver"}, go_on="")["deliver"].value
    return delivered


def _instead(run: Compressing, over: dict[int, str]) -> Trial:
    """The next best that keeps the bounds, as its trial left it: the time of the last training is spent."""
    first, why = next(reversed(over.items()))
    winner = winner_within(run, over, trained=True)
    assert winner is not None  # else LimitError: `over` is not empty
    run.view.message(f"trial {first} is not delivered: {why}; trial {winner.id} is, as the search left it")
    run.study.note("refit", trial=winner.id, steps=float(winner.step), train_seconds=0.0)
    run.study.note("control", error=f"it was that of trial {first}, which broke a bound")
    return winner


def stored_recipe(run: Compressing, winner: Trial) -> dict[str, Any]:
    """The resolved recipe of a trial, from its folder."""
    path = run.folder / "trials" / f"{winner.id:04d}" / "recipe.json"
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["recipe"]
    return body


def _refit(run: Compressing, winner: Trial, end: float) -> tuple[str, str | None, dict[str, float]]:
    """The winner fine-tuned on train+valid and, for the same time, its control from nothing; their folders."""
    beside = run.job.workers > 1
    left = max(end - time.time(), LEFT_TO_REFIT)
    each = left if beside else left / 2
    # Where no step was measured, the probe's: the original as student and teacher.
    step = refit_step_seconds(winner) if winner.measurements else 1.25 * float(run.found["epoch_seconds"])
    steps = refit_steps(each / step, run.study.problem.full)
    base = {"config": dict(winner.config), "recipe": stored_recipe(run, winner), "setup": dict(run.setup)}
    place = run.folder / "refit"
    calls: dict[str, tuple[str, Mapping[str, Any]]] = {}
    name, begun = "seedleaf.compression.finishing:finetune", time.time()
    for i, kind in enumerate(("tuned", "control")):
        # The control pays for no teacher, so its epochs are shorter: its time is what is equal, not its steps.
        many = steps if kind == "tuned" else 4 * steps
        deadline = begun + each * (1 if beside else i + 1)
        more = {
            "folder": str((place / kind).resolve()),
            "steps": many,
            "deadline": deadline,
            "fresh": kind == "control",
            "device": OWN_DEVICE,
        }
        calls[kind] = name, {**base, **more}
    answers = call_all(run, calls, "refit", needed={"tuned"}, go_on="")
    fitted = dict(answers["tuned"].value)
    run.study.note("refit", trial=winner.id, **fitted)
    own = run.folder / "trials" / f"{winner.id:04d}"
    tuned = own if not fitted["steps"] and (own / CHECKPOINT).exists() else place / "tuned"
    control = (
        answers.get("control") if fitted["steps"] else None
    )  # else it has had more than what it is held against
    if control is None or control.error is not None:
        run.study.note("control", error=control.error if control else "there was no time for it")
        return str(tuned.resolve()), None, fitted
    return str(tuned.resolve()), str((place / "control").resolve()), fitted


def verdict(run: Compressing, final: Mapping[str, Any]) -> dict[str, Any]:
    """One honest sentence: what was gained in speed, what it cost in accuracy, and whether inheriting weights paid."""
    drop, se = 100 * final["drop"]["mean"], 100 * final["drop"]["se"]
    text = said_of(final)
    if drop > run.job.max_drop:
        text += f", which is more than the {run.job.max_drop:g} allowed"
    text += f"; {final['remark']}" if final["remark"] else ""
    control = final.get("control")
    if control:
        gain, error = 100 * control["gain"]["mean"], 100 * control["gain"]["se"]
        text += f"; the same network from scratch, trained as long, is {abs(gain):.2f} ± {error:.2f} points "
        text += "worse" if gain >= 0 else "better"
        text += " (within the noise)" if abs(gain) < 2 * error else ""
        text += kept_by_control(control.get("kept") or ())
    elif final["refit_steps"]:
        text += f"; the control from scratch failed: {(run.study.history.note('control') or {}).get('error')}"
    return {"text": text, "drop": drop, "se": se, "kept_drop": drop <= run.job.max_drop}


def kept_by_control(names: Sequence[str]) -> str:
    """What of the control is not from scratch, as the end of a sentence; empty where all of it is."""
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f", though it keeps the trained {', '.join(names[:NAMED])}{more}: nothing says how they start"


def said_of(final: Mapping[str, Any]) -> str:
    """What a delivered network gained in speed and what that cost."""
    was, now = final["original"]["latency_ms"]["median"], final["latency_ms"]["median"]
    text = f"{final['speedup']:.2f} times faster than the original ({was:.3f} to {now:.3f} ms)"
    change = round(-100 * final["drop"]["mean"], 2) + 0.0  # not "-0.00"
    return f"{text} at {change:+.2f} ± {100 * final['drop']['se']:.2f} points of test accuracy"


def _shares(run: Compressing, train_seconds: float, refit_seconds: float) -> dict[str, float]:
    searched = sum(float(n["seconds"]) for n in run.study.history.notes if n.get("name") == "search")
    trained = sum(m.metrics.get("train_seconds", m.seconds) for t in run.study.trials for m in t.measurements)
    total = run.job.workers * (searched + refit_seconds)
    return {"training": (trained + 2 * train_seconds) / max(total, 1e-9), "wall": time.time() - run.began}


def _write(run: Compressing, final: Mapping[str, Any], folder: Path) -> None:
    """metrics.json and the model card beside the graph."""
    text = (run.study.history.note("verdict") or {}).get("text", "")
    (folder / "metrics.json").write_text(json.dumps(kept_metrics(final), indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(run, final, text), encoding="utf-8")


def kept_metrics(final: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics.json holds of a delivered network."""
    keep = "test params macs bytes latency_ms speedup drop original control onnx_max_difference refit_steps layers"
    return {"test_accuracy": final["test"]["accuracy"], **{k: final[k] for k in keep.split()}}


def card(run: Compressing, final: Mapping[str, Any], text: str) -> str:
    """The model card: the compressed network beside the original and its control; `text` is the verdict on it."""
    old, test, was = final["original"], final["test"], final["original"]["test"]
    control = final["control"]
    scratch = f"{control['test']['accuracy']:.4f}" if control else "not measured"
    done = "\n".join(f"* {r['pass']}, {r['layer']}: {r['what']} ({r['why']})" for r in final["layers"])
    rows = (
        ("test accuracy (95 % interval)", _accuracy(test), _accuracy(was)),
        ("parameters", f"{final['params']:,}", f"{old['params']:,}"),
        ("multiply-adds an image", f"{final['macs']:,}", f"{old['macs']:,}"),
        ("file", f"{final['bytes']:,} bytes", f"{old['bytes']:,} bytes"),
        ("one image, one thread: median (p90)", _ms(final["latency_ms"]), _ms(old["latency_ms"])),
        ("the same network from scratch", scratch, ""),
    )
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""# {run.spec.name}: a compressed network

| | this network | the original |
|---|---|---|
{table}

{text[:1].upper() + text[1:]}.

`model.onnx` takes uint8 images (N, {run.spec.height}, {run.spec.width}, {run.spec.channels}) and gives probabilities;
`config.json` names the classes; `recipe.json` holds the passes, to be replayed on the original.

{done}
"""


def _accuracy(test: Mapping[str, float]) -> str:
    return f"{test['accuracy']:.4f} ({test['low']:.4f} to {test['high']:.4f})"


def _ms(latency: Mapping[str, float]) -> str:
    return f"{latency['median']:.3f} ms ({latency['p90']:.3f})"

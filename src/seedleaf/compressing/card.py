"""What is said of a compressed network: the verdict, metrics.json, the model card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seedleaf.amounts import format_seconds
from seedleaf.compressing.limits import told
from seedleaf.compression.candidates import speed
from seedleaf.core import Trial

if TYPE_CHECKING:
    from seedleaf.compressing.finish import Compressing, Fitted

NAMED = 3  # parameters in a sentence
SHOWN = 2  # trials that break a bound, in one
METRICS = (
    "test params macs bytes latency_ms speedup drop original control onnx_max_difference refit_steps layers"
)
UNTUNED = "it was not fine-tuned"
NONE_FINISHED = "no trial was finished in the time given"
CONTROL_OF_BEST = "the same network from scratch is trained beside best/ alone: that takes as long as the fine-tuning itself"
NO_LONGER = "there was no time to fine-tune it longer than its trial"


def verdict(run: Compressing, final: Mapping[str, Any]) -> dict[str, Any]:
    """One honest sentence: what was gained in speed, what it cost in accuracy, and whether inheriting weights paid."""
    drop, se = 100 * final["drop"]["mean"], 100 * final["drop"]["se"]
    text = said_of(final)
    kept = keeps_drop(run, final)
    if not kept:
        text += f", which is more than the {run.job.max_drop:g} allowed"
    text += f"; {final['remark']}" if final["remark"] else ""
    control = final.get("control")
    if control and control["test"]["error"] >= _trivial(run):
        text += "; the same network from scratch learned nothing, so what the inherited weights are worth is not known"
    elif control:
        gain, error = 100 * control["gain"]["mean"], 100 * control["gain"]["se"]
        text += f"; the same network from scratch, trained as long, is {abs(gain):.2f} ± {error:.2f} points "
        text += "worse" if gain >= 0 else "better"
        text += " (within the noise)" if abs(gain) < 2 * error else ""
        text += kept_by_control(control.get("kept") or ())
    elif final["no_control"] and final["refit_steps"]:
        text += f"; it was not compared with the same network from scratch: {final['no_control']}"
    text += of_test(run)
    return {"text": text, "drop": drop, "se": se, "kept_drop": kept}


def of_test(run: Compressing) -> str:
    """What has to be said of the test part, as the end of a sentence; empty where nothing has."""
    return f"; {run.of_test}" if run.of_test else ""


def keeps_drop(run: Compressing, final: Mapping[str, Any]) -> bool:
    """Whether no more accuracy was lost than `max_drop`. What loses more is delivered, and told."""
    return bool(100 * final["drop"]["mean"] <= run.job.max_drop)


def _trivial(run: Compressing) -> float:
    """The error of always answering the most frequent class."""
    return float((run.study.history.note("baseline") or {}).get("error", math.inf))


def remark(
    run: Compressing, winner: Trial, fitted: Fitted, over: Mapping[int, str], last: Trial | None
) -> str:
    """How the delivered network came to be, where it is not the best of a search that was then fine-tuned; else empty.

    `over` says of the trials that came before it what they break; `last` had the last training, None where none had.
    """
    parts = [_stands_in(over)] if over else []
    if not winner.measurements:
        trained = any(run.study.history.trials[i].measurements for i in over)
        none = "no recipe that was trained keeps the bounds" if trained else NONE_FINISHED
        parts.append(f"{none}, so this is the least harmful of the recipes that were looked at")
    if last is None:
        parts.append(NO_LONGER if winner.measurements else UNTUNED)
    elif winner is not last:
        left = "it is as the search left it" if winner.measurements else UNTUNED
        parts.append(f"{left}, as the time of the last training went to trial {last.id}")
    elif not winner.measurements:
        parts[-1] += f", fine-tuned for {format_seconds(max(fitted.train_seconds, 1.0))}"
    return "; ".join(parts)


def _stands_in(over: Mapping[int, str]) -> str:
    if len(over) == 1:
        [(trial, missed)] = over.items()
        return f"it stands in for trial {trial}, which is not delivered: {missed}"
    more = f"; and {len(over) - SHOWN} more" if len(over) > SHOWN else ""
    return f"it stands in for {len(over)} trials that are not delivered ({told(over, SHOWN)}{more})"


def kept_by_control(names: Sequence[str]) -> str:
    """What of the control is not from scratch, as the end of a sentence; empty where all of it is."""
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f", though it keeps the trained {', '.join(names[:NAMED])}{more}: nothing says how they start"


def said_of(final: Mapping[str, Any]) -> str:
    """What a delivered network gained or lost in speed, and in accuracy."""
    was, now = final["original"]["latency_ms"]["median"], final["latency_ms"]["median"]
    text = f"{speed(final['speedup'], other='the original')} ({was:.3f} to {now:.3f} ms)"
    change = round(-100 * final["drop"]["mean"], 2) + 0.0  # not "-0.00"
    return f"{text} at {change:+.2f} ± {100 * final['drop']['se']:.2f} points of test accuracy"


def kept_metrics(run: Compressing, final: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics.json holds of a delivered network."""
    kept = {k: final[k] for k in METRICS.split()}
    return {"test_accuracy": final["test"]["accuracy"], **kept, "kept_drop": keeps_drop(run, final)}


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

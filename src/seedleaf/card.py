"""What is said of a delivered model: the verdict on the search, how the time was spent, the model card."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedleaf.core import State, Trial
from seedleaf.executors.base import Returned
from seedleaf.folder import searched_seconds
from seedleaf.horizon import leads_by_chance

if TYPE_CHECKING:
    from seedleaf.data.spec import ImageSpec
    from seedleaf.finish import Run


def verdict(run: Run, winner: Trial, compared: Returned | None) -> dict[str, Any]:
    """One honest sentence on what the search was good for; `compared` is what came of the comparison, if there was one."""
    if winner.id == run.default.id:
        text = "the default config was not beaten: tuning gained nothing here"
        best = run.study.best
        if best is not None and best.metrics["error"] < winner.metrics.get("error", math.inf):
            text = (
                f"the default config is delivered: trial {best.id} was better on the validation part, but "
                f"{_passed_over(run, best)}; tuning gained nothing here"
            )
        return {"text": text, "gain": 0.0, "se": 0.0}
    if compared is None:
        trial = winner if run.default.measurements else run.default
        which = "default" if trial is run.default else "best"
        why = f": {trial.reason}" if trial.reason else ""
        return {"text": f"what tuning gained is not known: the {which} config was not measured{why}"}
    if compared.error is not None:
        return {
            "text": f"what tuning gained is not known: the comparison with the default failed: {compared.error}"
        }
    g, se = compared.value["gain"], compared.value["se"]
    text = f"tuning gained {g:+.3f} ± {se:.3f} in test accuracy over the default"
    if run.default.state is not State.DONE:
        text += f" (which had been trained for {run.default.step} of {run.study.problem.full} steps)"
    if g == se == 0:  # each image counted for both or against both
        text += ": both were right on the same images"
    elif abs(g) < 2 * se or g <= 0:
        text += ": within the noise" if g > -2 * se else ": the default was better"
    return {"text": text, "gain": g, "se": se}


def _passed_over(run: Run, best: Trial) -> str:
    """Why the best trial of the search was not taken for the last training (limits.winner_within, image_finish.make)."""
    if any(x.metric == "latency_ms" for x in run.study.problem.limits):
        return "takes longer than the limit, would have fewer epochs in the last training or leads by chance"
    if not (run.study.history.note("refit") or {}).get("folder", True):
        return "its network cannot be delivered as the search left it"
    if (images := leads_by_chance(run.study, run.default, best)) is not None:
        return f"its lead is no more than chance gives on {images:,} images"
    return "takes longer to train and would have fewer epochs in the last training"


def shares(run: Run, refit_train_seconds: float, refit_seconds: float) -> dict[str, float]:
    """How much of the workers' time, from the first trial to the end of the refit, went into training steps.

    The refit trains on as many threads as there are workers, so its seconds count for each of them.
    """
    searched = searched_seconds(run.study.history)
    trained = sum(m.metrics.get("train_seconds", m.seconds) for t in run.study.trials for m in t.measurements)
    measured = sum(m.seconds for t in run.study.trials for m in t.measurements)
    total = run.workers * searched + run.threads * refit_seconds
    return {
        "training": (trained + run.threads * refit_train_seconds) / max(total, 1e-9),
        "measuring": (measured - trained) / max(total, 1e-9),
        "wall": time.time() - run.clock_started,
    }


def image_metrics(final: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics.json says of a delivered classifier of images."""
    keep = (
        "test",
        "params",
        "macs",
        "bytes",
        "latency_ms",
        "onnx_max_difference",
        "refit_steps",
        "per_class",
    )
    return {"test_accuracy": final["test"]["accuracy"], **{k: final[k] for k in keep}}


def model_card(spec: ImageSpec, final: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """The model card of a classifier of images; `told` is the verdict."""
    said = f"{str(told.get('text', '')).capitalize()}."
    if final.get("trained_on") == "train":
        said += f" This is the network of trial {final['trial']} as the search left it: no last training was better."
    return _card(spec, final, said)


def member_card(spec: ImageSpec, row: Mapping[str, Any], given_for: str = "size") -> str:
    """The card of a member of the front: how it was trained stands where the winner's has the verdict."""
    steps, full = int(row["steps"]), int(row["full"])
    how = f"Trained for {steps} of {full} steps"
    if steps > full:
        how = f"Trained for {steps} steps, where the search trained for {full} at most"
    if row["share_of_widths"] < 1:
        how = f"The widths of the best network, cut to {row['share_of_widths']:.0%}. {how}"
    whole = "all that is not the test part" if row["trained_on"] == "train+valid" else "the training part"
    return _card(
        spec, row, f"{how}, on {whole}: one of several networks that give away accuracy for {given_for}."
    )


def _card(spec: ImageSpec, measured: Mapping[str, Any], said: str) -> str:
    test, latency = measured["test"], measured["latency_ms"]
    return f"""# {spec.name}: {spec.n_classes} classes, {spec.height}×{spec.width}×{spec.channels}

| | |
|---|---|
| test accuracy | {test["accuracy"]:.4f} (95 % interval {test["low"]:.4f} to {test["high"]:.4f}, {test["n"]} images) |
| parameters | {measured["params"]:,} |
| multiply-adds an image | {measured["macs"]:,} |
| file | {measured["bytes"]:,} bytes |
| latency, one image, one thread | {latency["median"]:.3f} ms (p90 {latency["p90"]:.3f}) |

{said}

`model.onnx` takes uint8 images (N, {spec.height}, {spec.width}, {spec.channels}) and gives probabilities;
`config.json` names the classes and, under `scale`, the value that was white in training where that is not 255 of uint8.

```python
import onnxruntime, numpy
session = onnxruntime.InferenceSession("model.onnx")
probabilities = session.run(None, {{"images": images}})[0]  # images: numpy.uint8
```
"""


def in_digits(value: float, digits: int = 2) -> str:
    """To so many digits, and not as a power of ten where it is large: 150, not 1.5e+02."""
    near = float(f"{value:.{digits}g}")
    return f"{near:,.0f}" if abs(near) >= 100 else f"{near:g}"

"""What is given to be compressed: a run, by its folder or its Result, or a torch module. Seen before anything starts."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.errors import RunError
from seedleaf.folder import delivered_in, read_history
from seedleaf.job import ARRAYS
from seedleaf.result import Result

if TYPE_CHECKING:
    from seedleaf.compressing.job import CompressJob
    from seedleaf.data.spec import ImageSpec

DRAWN = "the test images were drawn from what was given: if the model was trained on them, accuracies flatter"


def folder_of(model: Any) -> Any:
    """The folder of a Result; whatever else was given, as it is."""
    return model.folder if isinstance(model, Result) else model


def own_data(model: Any) -> str | None:
    """The data that a run was fitted on, if it lies on a disk. RunError where `model` is none that could be compressed."""
    if not isinstance(model, str | Path):
        check_module(model)
        return None
    try:
        run, delivered = delivered_in(Path(model))
        note = read_history(run).note("run") or {}
    except RunError as error:
        raise RunError(f"{error}; MODEL is the folder of a run (a torch module: seedleaf.compress)") from None
    data = note.get("data")
    found = None if data in (None, ARRAYS) else str(data)
    if note.get("kind") == "tables":
        again = "DATA" if found is None else shlex.quote(found)
        raise RunError(
            f"{model} is a run of a table: compress takes networks of images; for a smaller table model: "
            f"seedleaf fit {again} --max-bytes N"
        )
    if "module" in structure_in(delivered):
        raise no_plan(run)
    return found


def structure_in(delivered: Path) -> Mapping[str, Any]:
    """How the network in such a folder is described; empty where it is by its config, or cannot be read."""
    try:
        body = json.loads((delivered / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    structure = body.get("structure") if isinstance(body, dict) else None
    return structure if isinstance(structure, dict) else {}


def no_plan(run: Path) -> RunError:
    """That a run holds a network which cannot be compressed once more."""
    return RunError(
        f"{run} holds a compressed module, not a plan: compress the original again, to other bounds"
    )


def check_module(model: Any) -> None:
    """RunError where `model` is no torch module that could be taken apart. Where nobody has imported torch there is none,
    and it stays so."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise RunError(
            f"a model is a run's folder, its Result, or a torch module, got {type(model).__name__}"
        )
    if any(isinstance(part, torch.jit.ScriptModule) for part in model.modules()):
        raise RunError(
            "the model was compiled by torch.jit, which cannot be taken apart: give the nn.Module itself"
        )
    if any(map(torch.nn.parameter.is_lazy, (*model.parameters(), *model.buffers()))):
        raise RunError(
            "the model has lazy layers that have seen no input yet, and so no weights: run it once on images, and train it"
        )


def uncompiled(module: Any) -> Any:
    """What `torch.compile` was given, in place of each module that it gave back: the same weights, which can be followed."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    if dynamo is None:  # nobody has compiled anything
        return module
    while isinstance(module, dynamo.OptimizedModule):
        module = module._orig_mod
    for part in list(module.modules()):
        for name, inner in part._modules.items():
            while isinstance(inner, dynamo.OptimizedModule):
                part._modules[name] = inner = inner._orig_mod
    return module


def told_of_test(job: CompressJob, spec: ImageSpec) -> str:
    """What is to be known of a test part that was drawn here; empty where the model was not trained on it.

    A run drew the same one of the same images before it trained. What it was trained on of other images, or in another
    order, nobody knows, nor what somebody's module was trained on.
    """
    return DRAWN if spec.held_out and not (job.of_run and _drew_the_same(Path(job.model), spec)) else ""


def _drew_the_same(model: Path, spec: ImageSpec) -> bool:
    """Whether a run was trained and tested on exactly these images. What was said of a compression's holds of the next."""
    history = read_history(delivered_in(model)[0])
    noted = (history.note("data") or {}).get("spec") or {}
    drawn = (history.note("final") or {}).get("test_drawn", False)
    return bool(noted.get("fingerprint") == spec.fingerprint and not drawn)


__all__ = ["check_module", "folder_of", "no_plan", "own_data", "structure_in", "told_of_test", "uncompiled"]

"""What a run says of a network that it delivered: structure, config, images. Read from its folder without torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedleaf.compressing.given import no_plan
from seedleaf.compression.plan_json import plan_from_json
from seedleaf.core import History
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import RunError, SeedleafError
from seedleaf.folder import delivered_in, read_history
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.ops import NetPlan


@dataclass(frozen=True)
class Described:
    """The network in `delivered`, which is best/ of the run `folder` or one of its front; `plan` is None of one by name."""

    folder: Path
    delivered: Path
    history: History
    spec: ImageSpec
    classes: tuple[str, ...]
    config: Mapping[str, Any]
    training: Mapping[str, Any]
    plan: NetPlan | None
    compressed: bool
    trial: int


def described(folder: Path) -> Described:
    """RunError where `folder` is no run, has delivered nothing, or holds a network that cannot be compressed once more."""
    run, delivered = delivered_in(folder)
    history = read_history(run)
    final = history.note("final")
    if final is None:
        raise RunError(f"{run} has delivered no model yet: seedleaf resume {shlex.quote(str(run))}")
    path = delivered / "config.json"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        classes = tuple(str(c) for c in body["classes"])
        config = final["config"] if delivered.name == "best" else dict(body["config"])
        spec = ImageSpec.from_json((history.note("data") or {})["spec"])
        structure = body.get("structure") or {}
        if "module" in structure:
            raise no_plan(run)
        plan = plan_from_json(structure["plan"]) if structure else None
        if plan is None and "backbone" not in config:
            plan = ConvNet().plan(spec, config)
        training, trial = body.get("training") or config, int(final["trial"])
    except RunError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SeedleafError) as error:
        raise RunError(f"{path} cannot be read: {error!r}") from None
    return Described(run, delivered, history, spec, classes, config, training, plan, bool(structure), trial)

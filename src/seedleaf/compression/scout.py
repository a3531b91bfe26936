"""A first look at a recipe, in seconds: what it costs when measured, and how far it leaves the network from the original.

Before any fine-tuning the loss of a network says little of what it will come to: a decomposition looks harmless and a block
that was left out looks fatal. So the look takes a few steps of imitation first, on the calibration images.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from seedleaf.compression.bench import Bench, device_of, open_bench
from seedleaf.compression.importance import Batches
from seedleaf.compression.resolving import RECIPE, resolve, targets_of
from seedleaf.compression.shop import calibration, placed, recalibrate
from seedleaf.core import Config
from seedleaf.learners.trial import memory_errors, prepare_process
from seedleaf.space import fingerprint

STEPS, LR, HEAT = 24, 0.02, 2.0  # of imitation


def look(config: Config, setup: Mapping[str, Any], device: str, until: float = math.inf) -> dict[str, Any]:
    """Resolve and measure the recipe of `config`, keep it for its trial, and say what it costs and how much it harms.

    From `until` (seconds since the epoch) on the first recipe that keeps the targets will do. TrialError where it cannot
    meet the targets.
    """
    prepare_process()
    torch.manual_seed(0)
    on = device_of(device, setup)
    bench = open_bench(setup, on)
    folder = looked_at(setup, config)
    folder.mkdir(parents=True, exist_ok=True)
    with memory_errors():
        work, recipe, costs = resolve(config, targets_of(config, setup), bench, folder, until)
        found = harm(work.subject.net, bench.original.net, bench.shop.batches, judging(bench), on)
    body = {"recipe": recipe.to_json(), "costs": costs}
    (folder / RECIPE).write_text(json.dumps(body), encoding="utf-8")
    return {"harm": found, "costs": costs}


def looked_at(setup: Mapping[str, Any], config: Config) -> Path:
    """Where the recipe of a look lies."""
    return Path(setup["original"]) / "looks" / fingerprint(dict(config))


def harm(
    net: nn.Module, original: nn.Module, batches: Batches, judge: Batches, device: str, steps: int = STEPS
) -> float:
    """Mean divergence (nats) of the answers of `net` from the original's on `judge`, after `steps` steps on `batches`.

    Neither network is changed.
    """
    teacher, pupil = placed(original, device).eval(), copy.deepcopy(net).to(device)
    if steps:
        optimizer = torch.optim.SGD(pupil.parameters(), lr=LR, momentum=0.9, nesterov=True)
        pupil.train()
        for x, _ in itertools.islice(itertools.chain.from_iterable(batches() for _ in range(steps)), steps):
            loss = divergence(teacher, pupil, x.to(device), HEAT) * HEAT**2
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(pupil.parameters(), 2.0)
            optimizer.step()
        recalibrate(pupil.cpu(), batches, device)
        pupil.to(device)
    pupil.eval()
    with torch.no_grad():
        rows = [(len(x), float(divergence(teacher, pupil, x.to(device)))) for x, _ in judge()]
    return sum(n * d for n, d in rows) / max(sum(n for n, _ in rows), 1)


def divergence(teacher: nn.Module, pupil: nn.Module, x: torch.Tensor, heat: float = 1.0) -> torch.Tensor:
    """KL(teacher ‖ pupil) of the answers to images `x`, softened by `heat`, a mean over the images."""
    with torch.no_grad():
        wanted = F.log_softmax(teacher(x) / heat, 1)
    return F.kl_div(F.log_softmax(pupil(x) / heat, 1), wanted, reduction="batchmean", log_target=True)


def judging(bench: Bench) -> Batches:
    """Images of the validation part, on which a look is judged."""
    return calibration(bench.source.data, bench.source.valid, bench.shop.seed)

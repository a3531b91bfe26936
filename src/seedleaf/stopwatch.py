"""The pace of this machine: random networks are timed in ONNX Runtime, and what one of each quantity takes is solved for.

It takes seconds, once: what was found is kept by processor and by version of ONNX Runtime in the user's cache folder
($XDG_CACHE_HOME/seedleaf, else ~/.cache/seedleaf).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from seedleaf.core import Limit
from seedleaf.data.spec import ImageSpec
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.ops import NetPlan
from seedleaf.learners.pace import Pace, quantities
from seedleaf.predicting.images import session_of
from seedleaf.seeds import rng_for
from seedleaf.writing import replacing

VERSION = 1  # of the quantities: what was measured by other ones is measured anew
NETWORKS = 180
FEWEST, PATIENCE = 60, 15.0  # networks that must be measured; seconds after which these are enough
SHARE = 0.1  # of a run's time that it may take
RUNS, WARM = 24, 4  # of each network; the first ones are slower
QUIET = 0.2  # this quantile of the runs is taken: what disturbs a run only makes it longer
BLOCKS = (8, 16)  # channels per vector register: AVX2 and NEON, AVX-512
ROUNDS, FAR = 5, 0.1  # of reweighting: a network that is off by more than this share weighs less
SHAPES = ((8, 8, 1), (28, 28, 1), (32, 32, 3), (12, 12, 3), (64, 64, 3), (48, 48, 1))
SIZES = (10_000, 50_000, 200_000)  # parameters of the networks, at most
MOST_MACS = 4e7
Floats = npt.NDArray[np.float64]


def machine_pace(networks: int = NETWORKS, seconds: float = PATIENCE) -> Pace:
    """The pace of this machine, from the cache or measured now, by fewer networks after `seconds`."""
    name = machine_name()
    path = cache_folder() / f"pace-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"
    # A pace by fewer networks is good enough for runs that have no time for more.
    known = read_pace(path, name, networks if seconds >= PATIENCE else FEWEST)
    if known is not None:
        return known
    plans, times = measure_networks(networks, seconds=seconds)
    pace = solve(plans, times, name)
    _write(path, pace, len(plans))
    return pace


def pace_as_json(time_limit: float) -> dict[str, Any]:
    """For a worker: the same as plain JSON, for a run of `time_limit` seconds."""
    return machine_pace(seconds=min(PATIENCE, SHARE * time_limit)).to_json()


def machine_name() -> str:
    """What the pace depends on: processor, ONNX Runtime, and how quantities are counted."""
    import onnxruntime

    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            model = next(
                (line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), model
            )
    except OSError:
        pass
    return f"{model}, ONNX Runtime {onnxruntime.__version__}, quantities {VERSION}"


def cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "seedleaf"


def read_pace(path: Path, machine: str, networks: int) -> Pace | None:
    """The pace that `path` keeps for `machine`; None where there is none by as many networks, or it is not what was written
    there."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        pace = Pace.from_json(body)
        enough = int(body.get("networks", NETWORKS)) >= networks  # earlier versions kept none by fewer
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return pace if pace.machine == machine and enough else None


def _write(path: Path, pace: Pace, networks: int) -> None:
    """Keep it; a cache that cannot be written is done without."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            body = {**pace.to_json(), "networks": networks}
            file.write((json.dumps(body, indent=2) + "\n").encode())


# --- measuring ---


def measure_networks(n: int, stream: str = "pace", seconds: float = math.inf) -> tuple[list[NetPlan], Floats]:
    """`n` random networks of different sizes and images, and the milliseconds of each for one image on one thread.

    After `seconds` no more are measured than FEWEST: a busy machine must not eat the time of a run.
    """
    rng, learner = rng_for(0, stream), ConvNet()
    kinds = [(made(*shape), Limit("params", SIZES[i % len(SIZES)])) for i, shape in enumerate(SHAPES)]
    spaces = [learner.space(spec, [limit]) for spec, limit in kinds]
    plans: list[NetPlan] = []
    times: list[float] = []
    begun = time.monotonic()
    while len(plans) < n and (len(plans) < FEWEST or time.monotonic() - begun < seconds):
        kind = len(plans) % len(kinds)
        (spec, limit), config = kinds[kind], spaces[kind].sample(rng)
        if learner.keeps(spec, config, [limit, Limit("macs", MOST_MACS)]):
            plans.append(learner.plan(spec, config))
            times.append(milliseconds(plans[-1]))
    return plans, np.array(times)


def made(height: int, width: int, channels: int, n_classes: int = 10) -> ImageSpec:
    """Images that there are not, of that shape."""
    names = tuple(map(str, range(n_classes)))
    return ImageSpec("made", height, width, channels, n_classes, names, 0, 0, (0,) * n_classes, (), "0" * 32)


def milliseconds(plan: NetPlan, runs: int = RUNS) -> float:
    """How long the network of `plan` takes for one image in ONNX Runtime, on one thread, undisturbed."""
    session = _opened(plan)
    feed = {"images": np.full((1, plan.height, plan.width, plan.channels), 100, np.uint8)}
    times = []
    for _ in range(WARM + runs):
        begun = time.perf_counter()
        session.run(None, feed)
        times.append(1000 * (time.perf_counter() - begun))
    return float(np.quantile(times[WARM:], QUIET))


def _opened(plan: NetPlan) -> Any:
    """ONNX Runtime with the network of `plan`, untrained: its weights are never drawn, which takes longer than the rest."""
    import torch

    from seedleaf.learners.blocks import build
    from seedleaf.learners.graph import write

    with torch.device("meta"):
        net = build(plan).eval()
    net = net.to_empty(device="cpu")
    with torch.no_grad():
        for values in (*net.parameters(), *net.buffers()):
            values.fill_(0.01 if values.is_floating_point() else 0)
    spec = made(plan.height, plan.width, plan.channels, plan.n_classes)
    model = write(net, spec)
    assert model is not None, "every network of ours can be written"
    return session_of(model.SerializeToString(), "a network to be timed")


# --- solving ---


def solve(plans: Sequence[NetPlan], times: Floats, machine: str) -> Pace:
    """The pace that explains `times` (milliseconds) best in relative terms, for the block that does so better."""
    fits = [(_fit(plans, times, block), block) for block in BLOCKS]
    (weights, _), block = min(fits, key=lambda fit: fit[0][1])
    return Pace({k: v for k, v in weights.items() if v > 0}, block, machine)


def _fit(plans: Sequence[NetPlan], times: Floats, block: int) -> tuple[dict[str, float], float]:
    """Milliseconds per unit by non-negative least squares (Lawson and Hanson 1974) on relative errors, networks that are far
    off weighed down (Huber 1964); and the median of the relative errors."""
    found = [quantities(plan, block) for plan in plans]
    names = sorted({name for row in found for name in row})
    table = np.array([[row.get(name, 0.0) for name in names] for row in found]) / times[:, None]
    trust = np.ones(len(times))
    for _ in range(ROUNDS + 1):
        root = np.sqrt(trust)
        weights, _ = nnls(table * root[:, None], root)
        off = np.abs(table @ weights - 1)
        trust = np.minimum(1.0, FAR / np.maximum(off, 1e-9))
    median = float(np.median(off))
    return dict(zip(names, map(float, weights), strict=True)), median if math.isfinite(median) else math.inf

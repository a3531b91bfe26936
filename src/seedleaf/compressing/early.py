"""Bounds held against what the plan of a run's network tells, before a worker starts: its numbers, its multiply-adds and,
with the file that was delivered, its bytes. No torch.

What is told here is what pruning and leaving blocks out do not go below. Where a chain of smaller layers would, as a layer
stays wide, nothing is told; and whatever is less far out of reach a worker finds out, by measuring.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seedleaf.compressing.described import described
from seedleaf.compressing.plan import refuse_kept
from seedleaf.compression.candidates import refuse_unreachable
from seedleaf.compression.plan_skeleton import skeleton_of
from seedleaf.compression.skeleton import DROPPED, FLOAT_BYTES, LEAST, NARROW, Layer, Skeleton, costs
from seedleaf.errors import RunError
from seedleaf.learners import cost

if TYPE_CHECKING:
    from seedleaf.compressing.job import CompressJob

NODES = 0.95  # of what a file holds beside weights (nodes, names), at least: a few constants may go


def check_bounds(folder: Path, job: CompressJob) -> None:
    """LimitError where the network keeps all bounds already, or no recipe can keep one; RunError by `described`."""
    told = described(folder)
    if told.plan is None:  # of a network by name nothing is known without torch
        return
    file = told.delivered / "model.onnx"
    # What was compressed may be in int8, and is compressed in float.
    size = file.stat().st_size if file.exists() and not told.compressed else 0
    now: dict[str, float] = {**cost.costs(told.plan), "bytes": float(size)}
    known = {m: v for m, v in job.at_most.items() if now.get(m)}
    if job.speedup is None and known.keys() == job.at_most.keys():
        refuse_kept(known, now)
    try:
        skeleton = skeleton_of(told.plan)
    except RunError:  # its channels go separate ways
        return
    if not skeleton.free and not skeleton.blocks:  # decomposing may still do, which nobody foresees
        return
    if chains_go_further(skeleton):
        return
    least = floor(skeleton, size, int8=job.int8 != "never")
    if any(least[m] > v for m, v in known.items()):
        refuse_unreachable([{"any": least}], known, now)


def chains_go_further(skeleton: Skeleton) -> bool:
    """Whether a layer that may be decomposed stays wide however far is pruned, as between two grouped convolutions.

    Of a layer of one pixel one narrow end is enough: no chain costs less. Of others a chain sees the pixels after the wide
    end has been narrowed.
    """
    free = {(m.layer, m.axis) for g in skeleton.free for m in g.members}
    for x in skeleton.layers:
        narrowed = ((x.name, "in") in free) + ((x.name, "out") in free)
        if x.separable and min(x.cin, x.cout) >= NARROW and narrowed < (1 if x.kernel == (1, 1) else 2):
            return True
    return False


def floor(skeleton: Skeleton, size: float, int8: bool) -> dict[str, float]:
    """What pruning to the last channels and leaving blocks out bring params, macs and bytes down to, each by itself.

    `size` is that of the file, of which nodes and names stay as long as their layer is there; what int8 adds to them is
    left out.
    """
    numbers = 1 / FLOAT_BYTES if int8 else 1.0
    rest = NODES * max(size - skeleton.costs()["bytes"], 0.0)
    wrapped = rest / sum(x.kind != "norm" for x in skeleton.layers)

    def priced(layers: list[Layer]) -> Mapping[str, float]:
        found = costs(layers) if layers else dict.fromkeys(("params", "macs", "bytes"), 0)
        nodes = wrapped * sum(x.kind != "norm" for x in layers)
        return {**found, "bytes": numbers * found["bytes"] + nodes}

    layers = skeleton.narrowed({g.id: min(LEAST, g.channels) for g in skeleton.free})
    whole = priced(layers)
    blocks = [priced([x for x in layers if x.name in block.layers]) for block in skeleton.blocks]
    gone = int(DROPPED * len(blocks))
    return {m: v - sum(sorted((b[m] for b in blocks), reverse=True)[:gone]) for m, v in whole.items()}

"""How long a planned network takes for one image on this machine, told from its plan alone in well under a millisecond.

ONNX Runtime's time is close to additive over operations once what it does with them is counted. It keeps maps in blocks of
as many channels as a vector register holds. Convolutions work on them so: 20 channels cost what 24 do. What cannot be done
so (a depthwise or grouped convolution whose channels do not fill blocks, a slice, a shuffle) takes the map out of that
order, works slowly, and the next convolution puts it back. `quantities` counts all this; `seedleaf.stopwatch` measures what
one of each takes. No torch here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seedleaf.learners.ops import (
    Chain,
    Conv,
    Head,
    Join,
    NetPlan,
    Op,
    Residual,
    Resize,
    Shape,
    SqueezeExcite,
    shape_after,
)

ALIGNED = 4  # channels: a convolution that reads any other number of them is not worked on in blocks
FUSED = ("", "relu", "leaky_relu")  # activations that a convolution applies while it writes


@dataclass(frozen=True)
class Pace:
    """Milliseconds per unit of each quantity; `block` is the number of channels that convolutions work on at once."""

    weights: Mapping[str, float]
    block: int = 8
    machine: str = ""

    def __call__(self, plan: NetPlan) -> float:
        """The median latency of `plan` for one image on one thread, in milliseconds."""
        found = quantities(plan, self.block)
        return sum(self.weights.get(name, 0.0) * amount for name, amount in found.items())

    def to_json(self) -> dict[str, Any]:
        return {"machine": self.machine, "block": self.block, "weights": dict(self.weights)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Pace:
        """ValueError, KeyError or TypeError where `body` is not what `to_json` gave."""
        weights = {str(k): float(v) for k, v in body["weights"].items()}
        block = int(body["block"])
        if block < 1 or not weights or not all(0 <= v < math.inf for v in weights.values()):
            raise ValueError("not a pace")
        return cls(weights, block, str(body["machine"]))


def quantities(plan: NetPlan, block: int) -> dict[str, float]:
    """What is to be done for one image: counts of operations, multiply-adds (in thousands) and elements moved (likewise)."""
    tally = _Tally(block)
    tally.add("call", 1.0)
    tally.add("pixels", plan.height * plan.width * plan.channels / 1e3)
    tally.ops(plan.ops, Shape(plan.channels, plan.height, plan.width))
    return tally.found


class _Tally:
    """Adds up what the operations of a plan take. `blocked`: in which order the map lies as it comes in."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.blocked = False
        self.found: dict[str, float] = {}

    def add(self, name: str, amount: float) -> None:
        self.found[name] = self.found.get(name, 0.0) + amount

    def once(self, kind: str, elements: float) -> None:
        """An operation that goes over a map once."""
        self.add(kind, 1.0)
        self.add(f"{kind}_map", elements)

    def ops(self, ops: Iterable[Op], s: Shape) -> None:
        for op in ops:
            WAYS[type(op)](self, op, s)
            s = shape_after(op, s)

    def elements(self, s: Shape) -> float:
        channels = -(-s.channels // self.block) * self.block if self.blocked else s.channels
        return channels * s.height * s.width / 1e3

    def order(self, blocked: bool, s: Shape) -> None:
        """Have the map in that order."""
        if blocked != self.blocked:
            self.blocked = blocked
            self.once("reorder", self.elements(s))

    def fills(self, channels: int) -> bool:
        return channels % self.block == 0

    def conv(self, op: Conv, s: Shape) -> None:
        kind, blocked = self.kind(op)
        if kind != "first":  # which reads the images as they come
            self.order(blocked, s)
        self.add(f"{kind}_in", self.elements(s))
        self.blocked = blocked
        out = Shape(op.cout, op.height, op.width)
        whole = op.kernel * op.kernel * op.height * op.width / 1e3
        cin, cout = (-(-c // self.block) * self.block if blocked else c for c in (op.cin, op.cout))
        macs = (op.cin if kind == "first" else cin) // op.groups * cout * whole
        self.add(kind, 1.0)
        self.add(f"{kind}_macs", macs if op.groups < op.cin or op.cin == 1 else cout * whole)
        self.add(f"{kind}_out", self.elements(out))
        if kind == "grouped":  # laid out anew for a matrix product
            self.add("grouped_taps", op.cin * whole)
        self.add(f"{kind}_rows", op.height * cout * (cin if op.groups == 1 else 1) / self.block**2 / 1e3)
        self.activation(op.act, out, fused=blocked)

    def kind(self, op: Conv) -> tuple[str, bool]:
        """Which of the ways to convolve it takes, and whether that leaves the map in blocks."""
        if op.groups == 1 and op.cin > self.block and op.cin % ALIGNED:
            return "odd", False
        if op.groups == 1:
            return ("first" if op.cin < self.block else "point" if op.kernel == 1 else "dense"), True
        if op.groups == op.cin == op.cout:
            return ("depth", True) if self.fills(op.cout) else ("loose", False)
        fills = self.fills(op.cin // op.groups) and self.fills(op.cout // op.groups)
        return ("dense", True) if fills else ("grouped", False)

    def activation(self, act: str, s: Shape, fused: bool) -> None:
        if act and not (fused and act in FUSED):
            self.add("act", 1.0)
            self.add(f"act_{act}", self.elements(s))

    def residual(self, op: Residual, s: Shape) -> None:
        came = self.blocked
        self.ops(op.body, s)
        if came != self.blocked:
            self.once("reorder", self.elements(s))
        self.add("sum_map", self.elements(s))
        self.activation(op.act, s, fused=self.blocked)

    def gate(self, op: SqueezeExcite, s: Shape) -> None:
        self.once("gate", self.elements(s))
        self.add("linear", 2 * op.channels * op.hidden / 1e3)

    def join(self, op: Join, s: Shape) -> None:
        came, parts = self.blocked, []
        for branch in op.branches:
            self.blocked = came
            part = Shape(branch.stop - branch.first, s.height, s.width)
            if part.channels != s.channels:
                self.order(False, s)
                self.once("slice", self.elements(part))
            self.ops(branch.body, part)
            out = part
            for inner in branch.body:
                out = shape_after(inner, out)
            parts.append((out, self.blocked))
        together = all(blocked and self.fills(out.channels) for out, blocked in parts)
        for out, blocked in parts:
            self.blocked = blocked
            self.order(together, out)
        self.once("concat", self.elements(shape_after(op, s)))
        if op.shuffle > 1:
            self.order(False, shape_after(op, s))
            self.once("shuffle", self.elements(shape_after(op, s)))

    def chain(self, op: Chain, s: Shape) -> None:
        self.ops(op.ops, s)

    def resize(self, op: Resize, s: Shape) -> None:
        self.once("resize", op.height * op.width * s.channels / 1e3)

    def head(self, op: Head, s: Shape) -> None:
        self.add("pool_map", self.elements(s))
        self.add("linear", op.cin * op.n_classes / 1e3)


WAYS: Mapping[type, Any] = {
    Conv: _Tally.conv,
    Residual: _Tally.residual,
    SqueezeExcite: _Tally.gate,
    Join: _Tally.join,
    Chain: _Tally.chain,
    Resize: _Tally.resize,
    Head: _Tally.head,
}

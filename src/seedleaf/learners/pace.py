"""How long a planned network takes for one image on this machine, told from its plan alone in well under a millisecond.

ONNX Runtime's time is close to additive over operations once what it does with them is counted: convolutions work on channels
in blocks of the vector width (`pad`), so 20 channels cost what 24 do; ReLU costs nothing after a convolution and GELU a
pass over the map; a grouped convolution, a slice or a shuffle takes the map out of its blocked order and back. `quantities`
counts these; `learners.stopwatch` measures what one of each takes. No torch here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seedleaf.learners.ops import (
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

FUSED = ("", "relu", "leaky_relu")  # activations that a convolution applies while it writes
FEW = 4  # input channels up to which a convolution reads them as they are: the first one of a network


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


def quantities(plan: NetPlan, block: int) -> dict[str, float]:
    """What is to be done for one image: counts of operations, multiply-adds (in thousands) and elements moved (likewise)."""
    tally = _Tally(block)
    tally.add("call", 1.0)
    tally.add("pixels", plan.height * plan.width * plan.channels / 1e3)
    tally.ops(plan.ops, Shape(plan.channels, plan.height, plan.width))
    return tally.found


class _Tally:
    """Adds up what the operations of a plan take."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.found: dict[str, float] = {}

    def add(self, name: str, amount: float) -> None:
        self.found[name] = self.found.get(name, 0.0) + amount

    def pad(self, channels: int) -> int:
        return -(-channels // self.block) * self.block

    def ops(self, ops: Iterable[Op], s: Shape) -> Shape:
        for op in ops:
            self.op(op, s)
            s = shape_after(op, s)
        return s

    def op(self, op: Op, s: Shape) -> None:
        if isinstance(op, Conv):
            self.conv(op, s)
        elif isinstance(op, Residual):
            self.ops(op.body, s)
            self.add("sum", self.elements(s))
            self.activation(op.act, s, fused=True)
        elif isinstance(op, SqueezeExcite):
            self.add("gate", 1.0)
            self.add("gate_map", self.elements(s))
            self.add("linear", 2 * op.channels * op.hidden / 1e3)
        elif isinstance(op, Join):
            self.join(op, s)
        elif isinstance(op, Resize):
            self.add("resize", op.height * op.width * s.channels / 1e3)
        elif isinstance(op, Head):
            self.add("pool", self.elements(s))
            self.add("linear", op.cin * op.n_classes / 1e3)

    def conv(self, op: Conv, s: Shape) -> None:
        out, area = Shape(op.cout, op.height, op.width), op.height * op.width / 1e3
        taps = op.kernel * op.kernel
        if op.groups == 1 and op.cin <= FEW:
            kind, macs = "first", op.cin * self.pad(op.cout) * taps * area
        elif op.groups == 1:
            kind = "point" if op.kernel == 1 else "dense"
            macs = self.pad(op.cin) * self.pad(op.cout) * taps * area
        elif op.groups == op.cin == op.cout:
            kind, macs = "depth", self.pad(op.cout) * taps * area
        else:
            kind, macs = "grouped", op.cin // op.groups * op.cout * taps * area
        self.add(kind, 1.0)
        self.add(f"{kind}_macs", macs)
        self.add(f"{kind}_in", self.elements(s))
        self.add(f"{kind}_out", self.elements(out))
        self.activation(op.act, out, fused=kind != "grouped")

    def activation(self, act: str, s: Shape, fused: bool) -> None:
        if act not in FUSED or (act and not fused):
            self.add("act", 1.0)
            self.add(f"act_{act}", self.elements(s))

    def join(self, op: Join, s: Shape) -> None:
        for branch in op.branches:
            part = Shape(branch.stop - branch.first, s.height, s.width)
            if (branch.first, branch.stop) != (0, s.channels):
                self.add("slice", 1.0)
                self.add("slice_map", self.elements(part))
            self.ops(branch.body, part)
        out = shape_after(op, s)
        self.add("concat", 1.0)
        self.add("concat_map", self.elements(out))
        if op.shuffle > 1:
            self.add("shuffle", 1.0)
            self.add("shuffle_map", self.elements(out))

    def elements(self, s: Shape) -> float:
        return self.pad(s.channels) * s.height * s.width / 1e3

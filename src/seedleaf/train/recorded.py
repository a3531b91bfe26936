"""On a GPU: an optimiser step recorded once and replayed, as small networks wait for launches and not for arithmetic.

A step of such a network is some 150 kernels of a few microseconds each, which Python launches one by one in several
times that. A CUDA graph launches them together: steps were 2.4 to 5.5 times faster on an H100, and the weights after 30 of
them as far from those of plain steps as two plain trainings were from each other. No CUDA is touched on a machine without.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from seedleaf.train.augment import Mixed

WARM_UP = 3  # steps that a batch of a new shape is trained on before it is recorded: libraries choose kernels in them
# Optimisers that keep their count of steps on the GPU when asked to, without which a graph would not see it grow:
COUNTING = ("capturable",)

Learn = Callable[[Mixed, Tensor], Tensor]


def may_record(device: str) -> bool:
    """Are steps on `device` worth recording?"""
    return torch.device(device).type == "cuda"


class Recorded:
    """`learn` (forward, backward, optimiser step; returns the loss) for batches of one shape after another.

    The learning rate and the share of a mixed batch live on the device, where a replay finds their new values. Where
    recording fails, as custom operations can make it, steps go on one kernel at a time.
    """

    def __init__(self, learn: Learn, optimizer: torch.optim.Optimizer, device: str) -> None:
        self.learn, self.optimizer = learn, optimizer
        # Shapes stay for thousands of steps: kernels that are tried out first made some of the networks 1.7 times faster.
        torch.backends.cudnn.benchmark = True
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.rate = torch.zeros((), device=device)
        self.share = torch.ones((), device=device)
        self.shape: tuple[object, ...] = ()
        self.seen = 0
        self.works = True
        self.graph: torch.cuda.CUDAGraph | None = None
        self.held: tuple[Tensor, Tensor, Tensor | None, Tensor] | None = None

    def __call__(self, mixed: Mixed, y: Tensor, lr: float) -> Tensor:
        """One step at the learning rate `lr`. The loss is overwritten by the next step."""
        self.rate.fill_(lr)
        for group in self.optimizer.param_groups:  # anew each time: a checkpoint brings its own
            group["lr"] = self.rate
            group.update({key: True for key in COUNTING if key in group})
        self.share.fill_(mixed.share)
        shape = (*mixed.x.shape, mixed.x.dtype, mixed.partner is None)
        if shape != self.shape:
            self.shape, self.seen, self.graph, self.held = shape, 0, None, None
        if self.graph is None:
            self.seen += 1
            if not self.works or self.seen <= WARM_UP:
                return self._aside(mixed, y)
            try:
                self._record(mixed, y)
            except RuntimeError as error:
                print(f"steps are not recorded: {error}")
                self.works, self.graph = False, None
                return self._aside(mixed, y)
        return self._replay(mixed, y)

    def _aside(self, mixed: Mixed, y: Tensor) -> Tensor:
        """A plain step on the stream that is recorded later: gradients remember the stream that they were made on."""
        now = torch.cuda.current_stream()
        self.stream.wait_stream(now)
        with torch.cuda.stream(self.stream):
            loss = self.learn(Mixed(mixed.x, mixed.partner, self.share), y)
        now.wait_stream(self.stream)
        return loss

    def _record(self, mixed: Mixed, y: Tensor) -> None:
        x, labels = mixed.x.clone(), y.clone()
        partner = None if mixed.partner is None else mixed.partner.clone()
        self.optimizer.zero_grad(set_to_none=True)  # gradients get their place within the graph
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
            loss = self.learn(Mixed(x, partner, self.share), labels)
        self.graph, self.held = graph, (x, labels, partner, loss)

    def _replay(self, mixed: Mixed, y: Tensor) -> Tensor:
        assert self.graph is not None
        assert self.held is not None
        x, labels, partner, loss = self.held
        x.copy_(mixed.x)
        labels.copy_(y)
        if partner is not None and mixed.partner is not None:
            partner.copy_(mixed.partner)
        self.graph.replay()
        return loss

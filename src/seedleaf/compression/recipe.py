"""A Recipe is a fold of passes over a network: JSON, replayable from the original, reversible to it.

The original is never changed: every pass gives another network. So undoing the last pass is replaying all but the last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from torch import nn

from seedleaf.compression.shop import Shop
from seedleaf.compression.subject import Subject
from seedleaf.errors import RunError

Body = Mapping[str, Any]
VERSION = 1


@dataclass(frozen=True)
class Step:
    """One pass, resolved: `body` is plain JSON and holds all that `Pass.apply` needs (which channels, which ranks)."""

    kind: str
    body: Body


@dataclass(frozen=True, eq=False)
class Work:
    """What the passes fold over: the network, and how it is to be fine-tuned and written."""

    subject: Subject
    distil: Body = field(default_factory=dict)
    quantise: Body = field(default_factory=dict)


class Pass(Protocol):
    """One kind of compression. A new one is one file and one row in `registry.PASSES`."""

    @property
    def name(self) -> str: ...

    @property
    def cites(self) -> str: ...

    def resolve(
        self, work: Work, shop: Shop, options: Mapping[str, Any], targets: Mapping[str, float]
    ) -> Body:
        """Decide what exactly is done so that `targets` are met; plain JSON. LimitError where they cannot be."""

    def apply(self, work: Work, body: Body) -> Work:
        """Do it. Exact and without data, so that a recipe can be replayed anywhere."""

    def told(self, body: Body) -> list[dict[str, Any]]:
        """Rows for the report: {"layer", "what", "why"} each."""


@dataclass(frozen=True)
class Recipe:
    """Resolved passes in their order. `start` is the fingerprint of the network that they were resolved for."""

    start: str
    steps: tuple[Step, ...] = ()

    def then(self, step: Step) -> Recipe:
        return replace(self, steps=(*self.steps, step))

    def undone(self) -> Recipe:
        """Without the last pass; the empty recipe gives the original itself."""
        return replace(self, steps=self.steps[:-1])

    def apply(self, subject: Subject, passes: Mapping[str, Pass], shop: Shop | None = None) -> Work:
        """Fold the passes over `subject`, which must be the one that they were resolved for.

        With a `shop` BatchNorm is recalibrated after every pass; without one only the structure counts, for weights that are
        loaded afterwards. RunError where the network is another one.
        """
        if fingerprint(subject.net) != self.start:
            raise RunError("the recipe was made for another network: its weights do not match")
        work = Work(subject)
        for step in self.steps:
            work = applied(work, step, passes, shop)
        return work

    def to_json(self) -> dict[str, Any]:
        steps = [{"pass": s.kind, **s.body} for s in self.steps]
        return {"version": VERSION, "start": self.start, "passes": steps}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Recipe:
        """What `to_json` wrote. RunError where it is no recipe."""
        try:
            if body["version"] != VERSION:
                raise RunError(
                    f"a recipe of version {body['version']} cannot be read; this is version {VERSION}"
                )
            steps = [Step(s["pass"], {k: v for k, v in s.items() if k != "pass"}) for s in body["passes"]]
            return cls(str(body["start"]), tuple(steps))
        except (KeyError, TypeError) as error:
            raise RunError(f"this is not a recipe: {error!r}") from None

    def dumps(self) -> str:
        return json.dumps(self.to_json(), indent=1) + "\n"


def applied(work: Work, step: Step, passes: Mapping[str, Pass], shop: Shop | None) -> Work:
    """One more pass. RunError where no pass has that name."""
    if step.kind not in passes:
        raise RunError(f"no pass is called {step.kind!r}; there are: {', '.join(passes)}")
    after = passes[step.kind].apply(work, step.body)
    if shop is not None and after.subject is not work.subject:
        shop.recalibrate(after.subject.net)
    return after


def fingerprint(net: nn.Module) -> str:
    """32 hexadecimal digits that change with any weight, buffer or name."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in net.state_dict().items():
        flat = tensor.detach().cpu().contiguous()
        digest.update(f"|{name}{flat.dtype}{tuple(flat.shape)}|".encode())
        digest.update(flat.numpy().tobytes())
    return digest.hexdigest()

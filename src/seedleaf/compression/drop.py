"""Leave whole residual blocks out, so that only their shortcuts remain: `drop`.

Narrow networks have a floor: a layer of 16 channels takes as long with 8, where a vector register holds 16 numbers. Below it
only fewer layers help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedleaf.compression.pricing import broken
from seedleaf.compression.recipe import Body, Work
from seedleaf.compression.shop import Shop, recalibrated
from seedleaf.errors import LimitError


@dataclass(frozen=True)
class Drop:
    """Body: {"blocks": [names], "harm": {name: loss without it}}."""

    name: str = "drop"
    cites: str = "Huang et al. 2016 (stochastic depth); Wang et al. 2019 (DBP)"

    def resolve(
        self, work: Work, shop: Shop, options: Mapping[str, Any], targets: Mapping[str, float]
    ) -> Body:
        """Drop the block that harms least for what it saves, then look again, until the targets are met or none is left.

        Harm is the rise of the loss on the calibration images, BatchNorm recalibrated. Options: `most`, the share of
        all blocks that may go.
        """
        subject = work.subject
        pricer = shop.pricer(subject)
        blocks = [b.name for b in subject.skeleton.blocks]
        if not blocks:
            raise LimitError("the network has no residual block that could be left out")
        most = int(float(options.get("most", 0.75)) * len(blocks))
        chosen: list[str] = []
        harm: dict[str, float] = {}
        before = shop.loss(subject.net)
        while len(chosen) < most and (over := broken(pricer.price(None, chosen), targets)):
            now = pricer.price(None, chosen)
            rows = []
            for name in (b for b in blocks if b not in chosen):
                saved = pricer.price(None, [*chosen, name])
                gain = sum((now[m] - saved[m]) / targets[m] for m in over)
                trial = recalibrated(subject.dropped([*chosen, name]), shop.batches, shop.device)
                loss = shop.loss(trial.net)
                rows.append(((loss - before) / max(gain, 1e-9), loss, name))
            _, before, best = min(rows)
            chosen.append(best)
            harm[best] = before
        return {"blocks": chosen, "harm": harm}

    def apply(self, work: Work, body: Body) -> Work:
        return replace(work, subject=work.subject.dropped(body["blocks"])) if body["blocks"] else work

    def told(self, body: Body) -> list[dict[str, Any]]:
        return [
            {
                "layer": name,
                "what": "left out, its shortcut stays",
                "why": f"of the blocks it harmed least for its time (loss {body['harm'][name]:.3f} without it)",
            }
            for name in body["blocks"]
        ]

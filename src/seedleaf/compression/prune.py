"""Remove channels, group by group: `prune`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedleaf.compression.allocate import Taste, greedy, keep_best, tilted, uniform
from seedleaf.compression.importance import CRITERIA
from seedleaf.compression.recipe import Body, Work
from seedleaf.compression.shop import Shop
from seedleaf.train.regime import under


@dataclass(frozen=True)
class Prune:
    """Body: {"criterion", "allocation", "keep": {group: [channels that stay]}, "of": {group: channels}, "lost" {group: share
    of its importance}, "tilt" {group: how much dearer the search counted it}}."""

    name: str = "prune"
    cites: str = (
        "Fang et al. 2023 (DepGraph); Molchanov et al. 2019 (Taylor); Shen et al. 2022 (latency-aware)"
    )

    def resolve(
        self, work: Work, shop: Shop, options: Mapping[str, Any], targets: Mapping[str, float]
    ) -> Body:
        """Options: criterion, allocation ("greedy" or "uniform"), caution, slope, tilt.<group>."""
        subject, criterion = work.subject, str(options.get("criterion", "taylor"))
        pricer = shop.pricer(subject)
        allocation = str(options.get("allocation", "greedy"))
        signals = shop.signals(subject) if criterion == "taylor" else None
        scores = CRITERIA[criterion](subject, signals, shop.seed)
        tilt = under(options, "tilt")
        if allocation == "uniform":
            widths = uniform(pricer, targets)
        else:
            taste = Taste(float(options.get("caution", 1.0)), float(options.get("slope", 0.0)), tilt)
            widths = greedy(pricer, targets, scores, taste)
        cut = {g: n for g, n in widths.items() if n < subject.skeleton.by_id[g].channels}
        keep = keep_best(scores, cut)
        lost = {
            g: float(scores[g].sum() - scores[g][kept].sum()) / max(float(scores[g].sum()), 1e-30)
            for g, kept in keep.items()
        }
        return {
            "criterion": criterion,
            "allocation": allocation,
            "keep": keep,
            "of": {g: subject.skeleton.by_id[g].channels for g in keep},
            "lost": lost,
            "tilt": {g: t for g, t in tilt.items() if g in keep and t},
        }

    def apply(self, work: Work, body: Body) -> Work:
        return replace(work, subject=work.subject.pruned(body["keep"])) if body["keep"] else work

    def told(self, body: Body) -> list[dict[str, Any]]:
        return [
            {
                "layer": group,
                "what": f"{len(kept)} of {body['of'][group]} channels stay",
                "why": f"the others carry {_percent(body['lost'][group])} % of its {body['criterion']} importance"
                + tilted(body.get("tilt", {}).get(group, 0.0)),
            }
            for group, kept in body["keep"].items()
        ]


def _percent(share: float) -> str:
    """To one digit; never "-0.0", which the difference of two sums may come to."""
    return f"{round(100 * share, 1) + 0.0:.1f}"

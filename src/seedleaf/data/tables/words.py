"""Counts and shares, as findings say them."""

from __future__ import annotations

from collections.abc import Mapping


def plural(count: int, what: str, many: str = "") -> str:
    """ "1 row", "2 rows"."""
    return f"{count:,} {what if count == 1 else many or what + 's'}"


def share(part: float) -> str:
    """A share in per cent, without a false 0 or 100."""
    percent = 100 * part
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if 99.9 < percent < 100:
        return "over 99.9 %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def part_of_folds(folds: Mapping[str, int] | None) -> str:
    """ "after 1 of 5 folds" where {"judged", "of"} are not the same: what was reached says less than it seems to then."""
    if not folds or folds["judged"] >= folds["of"]:
        return ""
    return f"after {folds['judged']} of {plural(folds['of'], 'fold')}"

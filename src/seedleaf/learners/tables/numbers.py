"""Numbers made ready: dates to parts, missing values filled and marked, scaled in one of several ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.graph import Graph

Floats = npt.NDArray[np.float64]
YEAR = 365.2425  # days of a mean year
KNOTS = 33  # of the quantile transform
FAR = 8.0  # spreads beyond which a value is cut off: one typing error must not carry a linear model away
BENT = 0.225  # of a parabola's square, which makes it a sine
CLIP = 3.0  # where the smooth clip begins to bend; no value leaves (-3, 3)


def expand_dates(x: Floats, dates: tuple[int, ...]) -> Floats:
    """`x` (N, d) with four columns more for each date: weekday, share of the day, sine and cosine of the season."""
    if not dates:
        return x
    day = x[:, list(dates)]
    year = day / YEAR
    weekday = np.floor(day) + 3.0
    weekday = weekday - np.floor(weekday / 7.0) * 7.0
    return np.concatenate([x, weekday, day - np.floor(day), _sine(year), _sine(year + 0.25)], axis=1)


def _sine(turns: Floats) -> Floats:
    """The sine of an angle in turns, off by 0.0011 at most: two parabolas, one bent into the other.

    Trees split at values that rows have, so Python and the graph have to come to the same last bit. These operations are
    exact to the rounding; no two libraries' sines are, and ONNX Runtime has none in double precision.
    """
    u = 2.0 * (turns - np.floor(turns)) - 1.0
    s = 4.0 * (u * (np.abs(u) - 1.0))
    return np.asarray(s + BENT * (s * np.abs(s) - s))


def _sine_graph(g: Graph, turns: str) -> str:
    share = g.add("Sub", turns, g.add("Floor", turns))
    u = g.add("Sub", g.add("Mul", g.constant(2.0), share), g.constant(1.0))
    s = g.add("Mul", g.constant(4.0), g.add("Mul", u, g.add("Sub", g.add("Abs", u), g.constant(1.0))))
    bend = g.add("Sub", g.add("Mul", s, g.add("Abs", s)), s)
    return g.add("Add", s, g.add("Mul", g.constant(BENT), bend))


def expand_dates_graph(g: Graph, x: str, dates: tuple[int, ...]) -> str:
    """The same in the graph."""
    if not dates:
        return x
    day = g.gather(x, dates)
    year = g.add("Div", day, g.constant(YEAR))
    weekday = g.add("Add", g.add("Floor", day), g.constant(3.0))
    weeks = g.add("Mul", g.add("Floor", g.add("Div", weekday, g.constant(7.0))), g.constant(7.0))
    parts = [g.add("Sub", weekday, weeks), g.add("Sub", day, g.add("Floor", day))]
    parts += [_sine_graph(g, year), _sine_graph(g, g.add("Add", year, g.constant(0.25)))]
    return g.concat([x, *parts])


@dataclass(frozen=True, eq=False)
class Numbers:
    """How a matrix of numbers is treated: (N, d) with NaN -> (N, d + marked columns).

    `fill` (d) stands in for what is missing, None leaves it missing (trees have a branch for it); `marks` are columns whose
    being missing becomes a column of its own. `shift`, `scale` (d) and the smooth clip, or `knots` (KNOTS, d) of quantiles.
    """

    dates: tuple[int, ...]
    keep: tuple[int, ...]
    fill: Floats | None
    marks: tuple[int, ...]
    shift: Floats | None = None
    scale: Floats | None = None
    clip: bool = False
    knots: Floats | None = None

    @property
    def width(self) -> int:
        return len(self.keep) + len(self.marks)

    @classmethod
    def fit(cls, raw: Floats, dates: tuple[int, ...], how: str, impute: str) -> Numbers:
        """`how`: plain, standard, robust, quantile. `impute`: native, median, mean. Constant columns are left out."""
        whole = expand_dates(raw, dates)
        with np.errstate(all="ignore"):
            known = ~np.isnan(whole)
            least = np.where(known, whole, np.inf).min(0, initial=np.inf)
            most = np.where(known, whole, -np.inf).max(0, initial=-np.inf)
        gone = ~known
        # A column whose value never changes can still say something by being missing.
        keep = tuple(int(j) for j in np.flatnonzero((most > least) | (gone.any(0) & known.any(0))))
        x = whole[:, list(keep)]
        if impute == "native":
            return cls(dates, keep, None, ())
        marks = tuple(int(j) for j in np.flatnonzero(np.isnan(x).any(0)))
        fill = np.array([_middle(x[:, j], impute) for j in range(x.shape[1])], np.float64)
        full = np.where(np.isnan(x), fill, x)
        if how == "quantile":
            return cls(dates, keep, fill, marks, knots=np.quantile(full, np.linspace(0, 1, KNOTS), axis=0))
        if how == "robust":
            return cls(dates, keep, fill, marks, *_robust(full), clip=True)
        if how == "standard":
            spread = full.std(0)
            scale = 1.0 / np.where(spread > 1e-12 * (1 + np.abs(full).max(0, initial=0)), spread, 1.0)
            return cls(dates, keep, fill, marks, full.mean(0), scale)
        return cls(dates, keep, fill, marks)

    def apply(self, raw: Floats) -> Floats:
        x = expand_dates(raw, self.dates)[:, list(self.keep)]
        marked = np.isnan(x[:, list(self.marks)]).astype(np.float64)
        if self.fill is not None:
            x = np.where(np.isnan(x), self.fill, x)
        if self.shift is not None and self.scale is not None:
            x = (x - self.shift) * self.scale
            x = x / np.sqrt(1.0 + np.square(x * (1 / CLIP))) if self.clip else np.clip(x, -FAR, FAR)
        if self.knots is not None:
            low, inverse = self._segments()
            part = np.clip((x[:, None, :] - low) * inverse, 0.0, 1.0)
            x = (part.mean(1) - 0.5) * np.sqrt(12.0)
        return np.concatenate([x, marked], axis=1) if self.marks else x

    def graph(self, g: Graph) -> str:
        x = g.gather(expand_dates_graph(g, g.numbers, self.dates), self.keep)
        missing = g.add("IsNaN", x) if self.marks or self.fill is not None else ""
        marked = g.gather(g.cast(missing, "float64"), self.marks) if self.marks else ""
        if self.fill is not None:
            x = g.add("Where", missing, g.constant(self.fill), x)
        if self.shift is not None and self.scale is not None:
            x = g.affine(x, self.shift, self.scale)
            if self.clip:
                bent = g.add("Mul", x, g.constant(1 / CLIP))
                root = g.add("Sqrt", g.add("Add", g.add("Mul", bent, bent), g.constant(1.0)))
                x = g.add("Div", x, root)
            else:
                x = g.add("Clip", x, g.constant(-FAR), g.constant(FAR))
        if self.knots is not None:
            low, inverse = self._segments()
            wide = g.add("Unsqueeze", x, g.constant([1], "int64"))
            part = g.add("Clip", g.affine(wide, low, inverse), g.constant(0.0), g.constant(1.0))
            centred = g.add("Sub", g.mean(part, 1), g.constant(0.5))
            x = g.add("Mul", centred, g.constant(np.sqrt(12.0)))
        return g.concat([x, marked]) if self.marks else x

    def _segments(self) -> tuple[Floats, Floats]:
        """The start and the inverse width of every segment between two knots; one of no width is a step."""
        assert self.knots is not None
        low, high = self.knots[:-1], self.knots[1:]
        return low, 1.0 / np.maximum(high - low, 1e-12 * (1.0 + np.abs(low)))


def _middle(x: npt.NDArray[Any], impute: str) -> float:
    known = x[~np.isnan(x)]
    if not len(known):
        return 0.0
    return float(known.mean() if impute == "mean" else np.median(known))


def _robust(x: Floats) -> tuple[Floats, Floats]:
    """Median and one over the range between the quartiles; half the whole range where the quartiles are one value."""
    quarter, middle, three = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    span = three - quarter
    whole = (x.max(0, initial=-np.inf) - x.min(0, initial=np.inf)) / 2 if len(x) else span
    span = np.where(span > 0, span, whole)
    return middle, np.where(span > 0, 1.0 / np.where(span > 0, span, 1.0), 0.0)

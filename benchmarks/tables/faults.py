"""Faults to plant in clean tables, one of each kind that the audit looks for, each in a random form."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

Rng = np.random.Generator
NAMES = ("amount", "signed_on", "client", "region", "again", "town", "notes", "outcome")  # of planted columns
WORDS = re.findall(
    r"\w+",
    "the customer called about late delivery and asked for money back we sent new part again after long wait on phone not "
    "happy with price good service friendly staff broken box missing manual will order never more fine thanks",
)


@dataclass(frozen=True)
class Table:
    """Training and test rows; the target is the last column."""

    train: pd.DataFrame
    test: pd.DataFrame
    regression: bool

    @property
    def target(self) -> str:
        return str(self.train.columns[-1])

    @property
    def own(self) -> list[str]:
        """The columns that were not planted, without the target."""
        return [c for c in self.train.columns[:-1] if c not in NAMES]

    def numbers(self, distinct: int = 10) -> list[str]:
        return [
            c for c in self.own if self.train[c].dtype.kind in "if" and self.train[c].nunique() > distinct
        ]

    def put(self, name: str, make: Callable[[pd.DataFrame], object]) -> Table:
        """With a column before the target, or in place of the one of that name; made for each part."""
        parts = []
        for part in (self.train, self.test):
            part, column = part.copy(), make(part)
            if name in part:
                part[name] = column
            else:
                part.insert(len(part.columns) - 1, name, column)
            parts.append(part)
        return Table(*parts, self.regression)


Planted = tuple[Table, str]  # the table with its fault, the column a finding must name ("" = none)


def _pick(rng: Rng, names: list[str]) -> str:
    return str(names[rng.integers(len(names))])


def number_as_text(t: Table, rng: Rng) -> Planted:
    style = rng.integers(4)
    write: Callable[[float], str] = [
        lambda v: f"{v:,.2f}",
        lambda v: f"{v:,.2f}".translate(str.maketrans(",.", ".,")),
        lambda v: f"€ {v:,.2f}",
        lambda v: f"{v:.3f} kg",
    ][style]
    name = "amount"
    return t.put(name, lambda p: [write(v) for v in rng.lognormal(7, 1, len(p))]), name


def date_as_text(t: Table, rng: Rng) -> Planted:
    form = ["%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d %H:%M", "%d %b %Y"][rng.integers(4)]
    start = pd.Timestamp("2015-01-01")
    days = pd.to_timedelta(0, "D")
    return t.put(
        "signed_on",
        lambda p: [
            (start + days + pd.Timedelta(hours=int(h))).strftime(form)
            for h in rng.integers(0, 80_000, len(p))
        ],
    ), "signed_on"


def missing(t: Table, rng: Rng) -> Planted:
    name, token = _pick(rng, t.own), ["?", "N/A", "", "null"][rng.integers(4)]
    return t.put(name, lambda p: p[name].astype(object).where(rng.random(len(p)) > 0.1, token)), name


def identifier(t: Table, rng: Rng) -> Planted:
    n, style = len(t.train) + len(t.test), rng.integers(3)
    order = rng.permutation(n)
    names = [
        order + 1,
        np.asarray([f"{v:016x}" for v in rng.integers(0, 2**62, n)]),
        np.asarray([f"C-{v:06d}" for v in order]),
    ][style]
    parts = iter((names[: len(t.train)], names[len(t.train) :]))
    return t.put("client", lambda p: next(parts)), "client"


def constant(t: Table, rng: Rng) -> Planted:
    value = ["GB", 7, 0.5][rng.integers(3)]
    return t.put("region", lambda p: value), "region"


def twin(t: Table, rng: Rng) -> Planted:
    numbers = t.numbers()
    if not numbers:
        return twin_levels(t, rng)
    name, noise = _pick(rng, numbers), [0.0, 1e-3][rng.integers(2)]
    spread = float(t.train[name].std())
    return t.put("again", lambda p: p[name] * 2.54 + 3 + noise * spread * rng.normal(size=len(p))), "again"


def twin_levels(t: Table, rng: Rng) -> Planted:
    few = [c for c in t.own if 2 < t.train[c].nunique() <= 30] or t.own[:1]
    name = _pick(rng, few)
    levels = {
        v: f"level {chr(97 + k)}"
        for k, v in enumerate(sorted(set(t.train[name]) | set(t.test[name]), key=str))
    }
    return t.put("again", lambda p: p[name].map(levels)), "again"


def duplicate_rows(t: Table, rng: Rng) -> Planted:
    copies = t.train.iloc[rng.choice(len(t.train), max(10, len(t.train) // 33), replace=False)]
    train = pd.concat([t.train, copies]).iloc[rng.permutation(len(t.train) + len(copies))]
    return Table(train, t.test, t.regression), ""


def many_levels(t: Table, rng: Rng) -> Planted:
    size = max(60, len(t.train) // 12)
    share = rng.dirichlet(np.full(size, 3.0))
    return t.put("town", lambda p: [f"town_{k}" for k in rng.choice(size, len(p), p=share)]), "town"


def free_text(t: Table, rng: Rng) -> Planted:
    return t.put(
        "notes", lambda p: [" ".join(rng.choice(WORDS, rng.integers(5, 15))) for _ in range(len(p))]
    ), "notes"


def rare_class(t: Table, rng: Rng) -> Planted:
    y = t.train[t.target].astype(object).copy()
    y.iloc[rng.choice(len(y), 3, replace=False)] = (
        "new" if y.dtype == object and isinstance(y.iloc[0], str) else 99
    )
    return Table(t.train.assign(**{t.target: y}), t.test, t.regression), t.target


def leak(t: Table, rng: Rng) -> Planted:
    name = "outcome"
    if t.regression:
        spread = float(t.train[t.target].std())
        return t.put(name, lambda p: p[t.target] * 1.21 + 0.01 * spread * rng.normal(size=len(p))), name
    classes = sorted(set(t.train[t.target]) | set(t.test[t.target]), key=str)
    place = {c: k for k, c in enumerate(classes)}
    said = [f"{chr(97 + k % 26)}{chr(97 + k // 26)}x" for k in range(len(classes))]
    style = rng.integers(3)

    def make(p: pd.DataFrame) -> object:
        code = p[t.target].map(place).to_numpy()
        if style == 0:
            return code + 0.05 * rng.normal(size=len(p))
        if style == 1:
            return [said[k] for k in code]
        return [
            f"closed as {said[k]} on day {rng.integers(1000)} by clerk {rng.integers(1000)}" for k in code
        ]

    return t.put(name, make), name


def shift(t: Table, rng: Rng) -> Planted:
    numbers = t.numbers()
    if numbers:
        name = _pick(rng, numbers)
        moved = t.test.assign(**{name: t.test[name] + t.train[name].std()})
    else:
        name = _pick(rng, t.own)
        levels = t.train[name].value_counts()
        column = t.test[name].where(rng.random(len(t.test)) > 0.4, levels.index[-1])
        moved = t.test.assign(**{name: column})
    return Table(t.train, moved, t.regression), name


def wrong_labels(t: Table, rng: Rng) -> Planted:
    y = t.train[t.target].copy()
    if t.regression:  # a slip of the decimal point
        y = y.where(rng.random(len(y)) > 0.02, y * 10)
        return Table(t.train.assign(**{t.target: y}), t.test, t.regression), t.target
    rows = rng.random(len(y)) < 0.05
    other = {c: [d for d in sorted(set(y), key=str) if d != c] for c in set(y)}
    y[rows] = [other[c][rng.integers(len(other[c]))] for c in y[rows]]
    return Table(t.train.assign(**{t.target: y}), t.test, t.regression), t.target


# kind of finding that must come -> how its fault is planted, in the order in which they can be planted together
FAULTS: dict[str, Callable[[Table, Rng], Planted]] = {
    "label": wrong_labels,
    "rare-class": rare_class,
    "number-as-text": number_as_text,
    "date-as-text": date_as_text,
    "missing": missing,
    "id": identifier,
    "constant": constant,
    "twin": twin,
    "duplicate-rows": duplicate_rows,
    "many-levels": many_levels,
    "free-text": free_text,
    "leak": leak,
    "shift": shift,
}
OF_CLASSES = ("rare-class",)

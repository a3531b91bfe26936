"""Which of two classes is the one that is looked for: recall, precision and F1 are of it, and it stands second."""

from __future__ import annotations

import math
from dataclasses import replace

from seedleaf.data.tables.cells import RawColumn
from seedleaf.data.tables.numbers import read_plain
from seedleaf.data.tables.schema import Target
from seedleaf.errors import DataError

# Words that say that nothing is there, compared without case; single letters only beside their opposites.
NO = {
    "no", "not", "none", "false", "negative", "neg", "off", "absent", "normal", "healthy", "benign",
    "ok", "okay", "good", "pass", "passed", "genuine", "legit", "legitimate", "valid",
    "ham", "stayed", "retained", "alive", "survived", "nein", "non", "não", "nao", "nee", "nej", "нет", "否",
}  # fmt: skip
OPPOSITES = (("n", "y"), ("f", "t"), ("-", "+"))
RARER = 0.4  # of the rows, below which a class is the rarer one, and not by chance


def with_positive(
    goal: Target, raw: RawColumn, asked: str | None = None, source: str = "the table"
) -> tuple[Target, str]:
    """The target with the positive one of two classes second, and how that was chosen ("" where there are not two).

    As asked; else of two numbers the larger; else the one whose opposite says no; else the rarer; else the second by name.
    Raises DataError where `asked` is no class, or where there are not two.
    """
    if goal.task != "binary":
        if asked is None:
            return goal, ""
        what = f"{len(goal.classes)} classes" if goal.classes else "numbers"
        raise DataError(f"{source}: a positive class is one of two; {goal.name} has {what}")
    positive, how = _chosen(goal.classes, raw) if asked is None else (_named(asked, goal, source), "as asked")
    classes = (next(c for c in goal.classes if c != positive), positive)
    return replace(goal, classes=classes, column=replace(goal.column, levels=classes)), how


def _named(asked: str, goal: Target, source: str) -> str:
    """The class that is called so, or is the same number, as 1.0 is for 1."""
    if asked in goal.classes:
        return asked
    for name in goal.classes:
        if read_plain(name) == read_plain(asked):
            return name
    raise DataError(
        f"{source}: {goal.name} has no class {asked!r}; there are: {', '.join(map(repr, goal.classes))}"
    )


def _chosen(classes: tuple[str, ...], raw: RawColumn) -> tuple[str, str]:
    if not any(math.isnan(read_plain(c)) for c in classes):
        return classes[1], "the larger number"
    for one, other in (classes, classes[::-1]):
        if _says_no(one.lower(), other.lower()) and not _says_no(other.lower(), one.lower()):
            return other, f"the opposite of {one!r}"
    rows = {c: int(raw.counts[raw.values.index(c)]) for c in classes}
    rarer = min(classes, key=rows.__getitem__)
    if rows[rarer] < RARER * sum(rows.values()):
        return rarer, "the rarer"
    return classes[1], "the second by name"


def _says_no(one: str, other: str) -> bool:
    """Does it say that nothing is there, by itself or as the opposite of the other?"""
    negated = any(one == f"{word}{joint}{other}" for word in ("no", "not", "non") for joint in " -_")
    return one in NO or (one, other) in OPPOSITES or negated

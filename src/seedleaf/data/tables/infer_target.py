"""What is to be predicted: a number or classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.cells import SURE, RawColumn
from seedleaf.data.tables.infer import as_numbers, coded, number_style, with_counts
from seedleaf.data.tables.numbers import NumberStyle, read_plain
from seedleaf.data.tables.schema import Column, Target, Task
from seedleaf.data.tables.words import plural
from seedleaf.errors import DataError

MOST_CLASSES = 30  # whole numbers with more distinct values are not classes
MOSTLY = 0.5  # of the cells must be numbers where a regression is asked for
SURELY = 0.8  # where nothing is asked for; between the two it may be either


def infer_target(name: str, raw: RawColumn, task: str | None, source: str) -> Target:
    """What is to be predicted. Text is classes; whole numbers with few distinct values, written without a point, too; and
    digits that are names, as postcodes are, unless a regression is asked for."""
    known = [v for v in raw.values if v.lower() not in SURE]
    if not known:
        raise DataError(f"{source}: the target column {name} has no known value")
    style = number_style(known, asked=task == "regression")
    if task not in (None, "classification", "binary", "multiclass", "regression"):
        raise DataError(f"no task {task!r}: classification or regression")
    if style is None and task in (None, "regression"):
        style = _of_most(name, raw, task, source)
    numeric = style is not None and (task == "regression" or not coded(known))
    if task == "regression" and not numeric:
        text = next((v for v in known if math.isnan(read_plain(v))), known[0])
        raise DataError(
            f"{source}: the target column {name} holds text ({text!r}), so it cannot be regression"
        )
    if task == "regression" or (task is None and numeric and not _classes(known, style, len(raw))):
        assert style is not None
        return Target(name, "regression", (), with_counts(as_numbers(name, style, SURE), raw))
    classes = tuple(sorted(known, key=_by_number))
    _many_rows_each(name, raw, classes, source)
    kind: Task = "binary" if len(classes) == 2 else "multiclass"
    return Target(name, kind, classes, Column(name, "category", SURE, levels=classes, n_values=len(classes)))


def _of_most(name: str, raw: RawColumn, task: str | None, source: str) -> NumberStyle | None:
    """The style of a target most of whose cells are numbers, and many different ones; None where it is classes. Raises
    DataError where it may be either."""
    rows = {v: int(c) for v, c in zip(raw.values, raw.counts, strict=True) if v.lower() not in SURE}
    style = number_style(list(rows), need=MOSTLY)
    if style is None or style.clock:
        return None
    odd = [v for v in rows if math.isnan(style.read(v))]
    n, lost = sum(rows.values()), sum(rows[v] for v in odd)
    if task == "regression":
        return style if n - lost >= MOSTLY * n else None
    values: Array = np.asarray([style.read(v) for v in rows if v not in odd])
    whole = bool((values == np.floor(values)).all())
    if len(np.unique(values)) <= MOST_CLASSES or (whole and n >= 5 * len(rows)):
        return None  # codes, some of them with letters
    if n - lost >= SURELY * n:
        return style
    classes = ", or --task classification" if _possible(name, raw, "classification", source) else ""
    raise DataError(
        f"{source}: {n - lost:,} of {plural(n, 'cell')} of the target {name} are numbers, the others are not "
        f"({', '.join(repr(v[:20]) for v in odd[:3])}): say --task regression, which leaves those rows out{classes}"
    )


def _possible(name: str, raw: RawColumn, task: str, source: str) -> bool:
    """Whether this could be asked for: no error advises what ends in another."""
    try:
        infer_target(name, raw, task, source)
    except DataError:
        return False
    return True


def _many_rows_each(name: str, raw: RawColumn, classes: Sequence[str], source: str) -> None:
    """Raises DataError where most rows are a class of their own: no row to be judged by would be left."""
    rows = dict(zip(raw.values, raw.counts.tolist(), strict=True))
    lone = [c for c in classes if rows[c] == 1]
    n = sum(rows[c] for c in classes)
    if len(classes) > MOST_CLASSES and 2 * len(lone) > n:
        can = _possible(name, raw, "regression", source)
        number = "say --task regression" if can else "write its cells as numbers"
        raise DataError(
            f"{source}: {len(lone):,} of {plural(n, 'row')} are each a class of their own in the target {name} (such as "
            f"{lone[0][:20]!r}): if it is a number, {number}; if it names the rows, choose another --target; else join "
            "its rare classes"
        )


def _by_number(text: str) -> tuple[bool, float, str]:
    value = read_plain(text)
    return (True, 0.0, text) if math.isnan(value) else (False, value, text)


def _classes(known: list[str], style: NumberStyle | None, n: int) -> bool:
    """Whether numbers are classes."""
    if style is None or len(known) <= 2:
        return True
    if style.clock:  # shifts, say, whatever their minutes
        return len(known) <= MOST_CLASSES and n >= 5 * len(known)
    values: Array = np.asarray([style.read(v) for v in known])
    whole = np.isfinite(values).all() and bool((values == np.floor(values)).all())
    if not whole or any("." in v for v in known) or len(known) > MOST_CLASSES or n < 5 * len(known):
        return False
    return len(known) <= 10 or len(known) >= 0.8 * (values.max() - values.min() + 1)

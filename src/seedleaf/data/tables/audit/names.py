"""Texts that nearly all differ: names of rows, or numbers and words in no one notation that say something."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.audit.alone import NUMBER, WORD, WORDS, foretold
from seedleaf.data.tables.audit.sheet import Sheet
from seedleaf.data.tables.column import Column
from seedleaf.data.tables.infer import number_column
from seedleaf.data.tables.words import share

MOST = 0.8  # of the cells that are fractions: no names are
MOSTLY = 0.5  # that are numbers, where these say something
LEAST, LEAST_ROWS = 0.02, 10.0  # of the variance that is no chance, and in so many rows all of it
SURE = 0.9  # of the variance that words foretell: the target stands in them, as in "yes-0012"
OFTEN = 0.05  # of the rows have a word that may say something


def read_otherwise(sheet: Sheet, column: Column, called: bool) -> tuple[Column, str] | None:
    """How a column of texts that nearly all differ is read instead, and why; None where it says nothing but which row it is.
    `called` says that its name is that of a number of the row."""
    if called:
        return None
    raw = sheet.raw(column.name)
    found = number_column(column.name, raw, MOSTLY)
    if found is not None:
        values = found.read(raw)
        read = float((~np.isnan(values)).mean())
        if (not found.whole and read >= MOST) or (not counted(values) and _says(sheet, values)):
            return found, f"{share(read)} of the cells are numbers; the others are missing"
    texts = np.asarray(raw.values, dtype=object)
    first = raw.spread(np.asarray([_first(text) for text in raw.values]))
    words = foretold(sheet, _words(texts[raw.codes[sheet.sample]]))
    if words >= SURE:
        return None
    if words > _chance(sheet) or (not counted(first) and _says(sheet, first)):
        what = "its words say" if words > _chance(sheet) else "the first number in it says"
        text = Column(column.name, "text", n_values=len(column.levels))
        return text, f"{what} something about the target; cells written in one way would say more"
    return None


def counted(values: Array) -> bool:
    """Whether whole numbers count the rows."""
    values = values[~np.isnan(values)]
    if not len(values) or (values != np.floor(values)).any():
        return False
    return len(np.unique(values)) >= 0.999 * len(values) and np.ptp(values) + 1 <= 1.5 * len(values)


def _says(sheet: Sheet, values: Array) -> bool:
    return foretold(sheet, values[sheet.sample].reshape(-1, 1)) > _chance(sheet)


def _chance(sheet: Sheet) -> float:
    return LEAST + LEAST_ROWS / len(sheet.sample)


def _first(text: str) -> float:
    found = NUMBER.search(text)
    return min(max(float(found[0]), -1e30), 1e30) if found else math.nan


def _words(texts: Array) -> Array:
    """Which of the words that many have each text has: float (N, words), a column at least."""
    sets = [{word.lower() for word in WORD.findall(text)} for text in texts]
    counts = Counter(word for words in sets for word in words).most_common(WORDS)
    often = [word for word, count in counts if OFTEN * len(texts) <= count < len(texts)]
    return np.asarray([[float(word in words) for word in [*often, ""]] for words in sets])

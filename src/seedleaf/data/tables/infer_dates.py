"""In which format, or formats, the cells of a column are dates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from seedleaf.data.tables.dates import FORMATS, MERE_MONTHS, OR, read_date
from seedleaf.data.tables.numbers import NumberStyle, read_all

ENOUGH = 0.95  # of the distinct known values must read as numbers or dates
# Formats that a column has alone or not at all: too little marks them as dates.
ALONE = ("%Y%m%d", *MERE_MONTHS)
MOST_FORMATS, LEAST_SHARE = 3, 0.05  # of a column of dates; of its cells in each of them
MOST, FEWEST = 0.8, 20  # of so many different cells must be dates where no other kind fits
FEW = 60  # cells that are looked at first


def date_format(known: list[str], share: float = ENOUGH) -> str:
    """The first format in which so large a share of these are dates; "" where there is none."""
    need = share * len(known)
    few = drawn(known, FEW)
    best, best_count = "", 0
    if not (np.isnan(read_all(few, NumberStyle())).any() or all(len(v) == 8 for v in few)):
        return ""  # numbers: of all formats only %Y%m%d reads as one
    for form in FORMATS:
        if sum(not math.isnan(read_date(v, form)) for v in few) < 0.8 * len(few):
            continue
        if form == "%Y%m%d" and (len(known) < 10 or not _of_late(known, form)):
            continue
        read = [v for v in known if not math.isnan(read_date(v, form))]
        if form in MERE_MONTHS and not _of_late(read, form):
            continue
        if len(read) >= need and len(read) > best_count:
            best, best_count = form, len(read)
    return best or _several(known, few, need)


def mostly_dates(known: list[str]) -> str:
    """The format in which most of many cells are dates; "" where there is none, or where in the others day and month change
    places: which of the two a "03/04" has would be a guess."""
    if len(known) < FEWEST:
        return ""
    form = date_format(known, MOST)
    others = [other for one in form.split(OR) if (other := turned(one))]
    rest = [text for text in known if math.isnan(read_date(text, form))]
    return "" if any(not math.isnan(read_date(text, one)) for one in others for text in rest) else form


def _several(known: list[str], few: list[str], need: float) -> str:
    """Up to three formats that together make dates of almost all of these, as in tables put together from several; "" where
    there are none, or where they leave open what is the day and what the month."""
    forms: list[str] = []
    rest = few
    while rest and len(forms) < MOST_FORMATS:
        hits = {f: sum(not math.isnan(read_date(v, f)) for v in rest) for f in FORMATS if f not in ALONE}
        form = max(hits, key=hits.__getitem__)
        if hits[form] < LEAST_SHARE * len(few):
            break
        forms.append(form)
        rest = [v for v in rest if math.isnan(read_date(v, form))]
    orders = {
        form.index("%d") < form.index("%m") for form in forms if "%m" in form and not form.startswith("%Y")
    }
    if len(forms) < 2 or len(orders) > 1:
        return ""
    if any("%b %d" in form for form in forms):  # as months stand first elsewhere in the column
        forms = [exchanged(form, known) or form for form in forms]
    form = OR.join(sorted(forms, key=FORMATS.index))
    return form if sum(not math.isnan(read_date(v, form)) for v in known) >= need else ""


def exchanged(form: str, values: Sequence[str]) -> str:
    """The format with day and month exchanged, where all values that fit `form` fit it too; "" where there is none."""
    other = turned(form)
    own = [v for v in values if not math.isnan(read_date(v, form))]
    return other if other and own and not any(math.isnan(read_date(v, other)) for v in own) else ""


def turned(form: str) -> str:
    """The format with day and month exchanged, "" where there is none."""
    other = form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    return other if other != form and other in FORMATS else ""


def drawn(known: list[str], n: int) -> list[str]:
    """So many of them, drawn and not counted off, as ways of writing may take turns from row to row."""
    if len(known) <= n:
        return known
    return [known[k] for k in np.sort(np.random.default_rng(0).permutation(len(known))[:n])]


def _of_late(dates: list[str], form: str) -> bool:
    """Whether their years are 1900 to 2099: what has few other marks of a date, as the dilution 1/4000, is none else."""
    years = [v[:4] if form.startswith("%Y") else v[-4:] for v in dates]
    return all(year[:2] in ("19", "20") for year in years)

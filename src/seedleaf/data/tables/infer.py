"""What a column holds: numbers, dates, categories or text, judged by its distinct values in the training rows."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import asdict, replace

import numpy as np

from seedleaf.data.tables.cells import TOKEN_SET, TOKENS, RawColumn, RawTable
from seedleaf.data.tables.clock import is_brief, read_clock
from seedleaf.data.tables.infer_dates import ENOUGH, date_format, drawn, mostly_dates
from seedleaf.data.tables.loose import FEWEST, loose_style
from seedleaf.data.tables.multiples import multiplied_style
from seedleaf.data.tables.numbers import (
    AFFIXED,
    MARKS,
    MINUS,
    NEGATIVE,
    SPECIAL,
    NumberStyle,
    read_all,
)
from seedleaf.data.tables.schema import Column
from seedleaf.data.tables.units import measures

SAMPLE = 2000  # distinct values on which styles and formats are chosen
COMMA = NumberStyle(",", ".")
SIGNED = re.compile(r"([+-])([^\d+\-.,]+)(\d.*)", re.ASCII)  # "-$ 5"
# "($5)", "$(5)", "\u2212$5", "5 $-": what is left in the groups has the unit alone. "5.-" is a price.
BESIDE = re.compile(r"([^()]*)\(([\d.,][^()]*)\)([^()]*)", re.ASCII)
CURRENCY = re.compile(r"[$\u00a2-\u00a5\u20a0-\u20cf]|[A-Z]{3}|Rs|[Kk]r|Fr")
NEGATED = [
    re.compile(form, re.ASCII)
    for form in (
        r"\((.*)\)",
        BESIDE.pattern,
        rf"(.*){MINUS}(.*\d.*)",
        f"(.*[^.,])[{MINUS}-]",
    )
]
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", re.ASCII)
# What may stand before a number: signs, or a currency set off by a blank. "p12" and "town 12" are names.
MONEY = re.compile(r"[^A-Za-z]*|(?:[A-Z]{3}|Rs\.?|[Kk]r\.?|Fr\.?)\s+|[A-Z]{1,3}\W\s*")


def is_comma_file(table: RawTable) -> bool:
    """Whether some column writes its numbers with a decimal comma and no column with a point, which settles a "1,234"."""
    commas = points = 0
    looks = [[v for v in raw.values[:SAMPLE] if v.lower() not in TOKEN_SET] for raw in table.columns.values()]
    if not any("," in v for known in looks for v in known):
        return False
    for known in looks:
        if not known or not any("," in v for v in known):
            points += bool(known) and any("." in v for v in known) and _share(known, NumberStyle()) >= ENOUGH
            continue
        commas += any(re.search(r",(\d{1,2}|\d{4,})$", v) for v in known) and _share(known, COMMA) >= ENOUGH
    return commas > 0 and points == 0


def _share(known: list[str], style: NumberStyle) -> float:
    return 1 - float(np.isnan(read_all(known, style)).mean())


def infer_column(name: str, raw: RawColumn, comma: bool = False) -> Column:
    """How `raw` is read. `comma`: elsewhere in the file the comma is the decimal mark, which settles a "1,234"."""
    known = [v for v in raw.values if v.lower() not in TOKEN_SET]
    if not known:
        return Column(name, "category", dropped="every cell is missing")
    look = drawn(known, SAMPLE)
    form = date_format(look)
    if form:
        return with_counts(Column(name, "date", date_format=form), raw)
    style = number_style(look, comma)
    if style is not None and not coded(known):
        return with_counts(as_numbers(name, style, TOKENS), raw)
    if form := mostly_dates(look):
        return with_counts(Column(name, "date", date_format=form), raw)
    if is_text(known, len(raw)):
        return Column(name, "text", n_values=len(known))
    return Column(name, "category", levels=tuple(sorted(known)), n_values=len(known))


def number_column(name: str, raw: RawColumn, need: float) -> Column | None:
    """A column of numbers of which so large a share of the cells are; None where they are not."""
    known = [v for v in raw.values if v.lower() not in TOKEN_SET]
    style = number_style(drawn(known, SAMPLE), need=need) if known and not coded(known) else None
    return None if style is None else with_counts(as_numbers(name, style, TOKENS), raw)


def as_numbers(name: str, style: NumberStyle, missing: tuple[str, ...]) -> Column:
    return Column(name, "number", missing, **asdict(style))


def with_counts(column: Column, raw: RawColumn) -> Column:
    """The column with what its training values are like."""
    values = column.read_values(raw.values)
    values = values[~np.isnan(values)]
    whole = column.kind == "number" and bool((values == np.floor(values)).all())
    return replace(column, whole=whole, n_values=len(np.unique(values)))


def number_style(
    known: list[str], comma: bool = False, need: float = ENOUGH, asked: bool = False
) -> NumberStyle | None:
    """The style in which most of these read as numbers, the plain one where it does as well; None where `need` of them do
    not in any. Where numbers were `asked` for, a few cells with units, marks or ranges are no categories."""
    plain = int((~np.isnan(read_all(known, NumberStyle()))).sum())
    thousands_only = comma and all(GROUPED.fullmatch(v) for v in known if "." in v)
    if plain == len(known) and not (thousands_only and any("." in v for v in known)):
        return NumberStyle()
    prefix, suffix = unit(known)
    marks = sorted(MARKS, key=lambda m: m[0] != ",") if comma else MARKS
    styles = [NumberStyle(*mark, prefix, suffix) for mark in marks]
    styles = [*styles, NumberStyle()] if thousands_only else [NumberStyle(), *styles]
    signs = [s for s in sorted(NEGATIVE) if any(v.startswith(s[0]) and v.endswith(s[1]) for v in known)]
    styles += [NumberStyle(*mark, *sign) for sign in signs for mark in marks]
    styles += [NumberStyle(":")] if any(":" in v for v in known) else []
    counts = [int((~np.isnan(read_all(known, style))).sum()) for style in styles]
    best = max(counts)
    fewest = 2 if asked else FEWEST
    short = multiplied_style(known, [unsigned(v) for v in known], need, comma, fewest)
    if short is not None and (~np.isnan(read_all(known, short))).sum() >= best:
        return short
    style = styles[counts.index(best)]
    loose = loose_style(known, need, fewest) if best < len(known) and not style.clock else None
    if loose is not None and (~np.isnan(read_all(known, loose))).sum() > best:
        return loose
    if best < need * len(known):
        return None
    return _clock(known) if style.clock else style


def _clock(known: list[str]) -> NumberStyle | None:
    brief = is_brief([v for v in known if not math.isnan(read_clock(v))])
    return None if brief is None else NumberStyle(":", ":" if brief else "")


def unit(known: list[str]) -> tuple[str, str]:
    """The text before and behind the number that almost all values share, "" and "" where there is none. What makes a
    number negative is no part of it."""
    pairs: Counter[tuple[str, str]] = Counter()
    for value in known if all(map(_bracketed, known)) else map(unsigned, known):
        found = AFFIXED.fullmatch(value)
        if found and value.lower() not in SPECIAL and _stands_before(found[1], found[2], found[3].strip()):
            pairs[(found[1].strip(), found[3].strip())] += 1
    if not pairs:
        return "", ""
    (prefix, suffix), count = pairs.most_common(1)[0]
    if count < ENOUGH * len(known) or len(prefix) + len(suffix) > 12:
        return "", ""
    return ("", "") if "(" in prefix and suffix.endswith(")") else (prefix, suffix)


def _stands_before(front: str, number: str, back: str) -> bool:
    """Whether this may stand before a number: words only where a unit behind shows that it is one, as in "CO2 5.2 g"."""
    return MONEY.fullmatch(front) is not None or ("." in number and back != "") or measures(back) != ""


def _bracketed(value: str) -> bool:
    """Whether a number has brackets and, outside, a unit that is no currency, as in "(5) A". Where all have them they tell
    nothing, least of all that each is negative."""
    found = BESIDE.fullmatch(value)
    around = (found[1] + found[3]).strip() if found else ""
    return around != "" and not CURRENCY.search(around)


def unsigned(value: str) -> str:
    """A number without the mark that makes it negative, or with its sign behind the unit."""
    if signed := SIGNED.fullmatch(value):
        return signed[2] + signed[1] + signed[3]
    found = next(filter(None, (form.fullmatch(value) for form in NEGATED)), None)
    return "".join(found.groups()) if found else value


def coded(known: list[str]) -> bool:
    """Digits that are names: with leading zeros and all of one length, as postcodes are."""
    if len({len(v) for v in known}) > 1 or len(known[0]) < 2:
        return False
    zeros = sum(re.fullmatch(r"0\d+", v) is not None for v in known)
    return zeros > 0 and all(v.isdecimal() for v in known)


def is_text(known: list[str], n: int) -> bool:
    """Whether these are sentences and not names: several words each, and hardly ever the same ones."""
    words = float(np.mean([len(v.split()) for v in known]))
    length = float(np.mean([len(v) for v in known]))
    often = len(known) / max(1, n)
    return len(known) >= 10 and (
        (words >= 4 and often > 0.2) or (words >= 2.5 and length > 40 and often > 0.05)
    )

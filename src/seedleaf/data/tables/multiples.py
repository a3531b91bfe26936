"""Money and counts that are written short: "€1.4M", "€898K", "3.5 mn", "12k", "2,5 Mio. €", "₹ 45 Lakh".

A letter behind a number may as well be a unit: "12m" is metres, minutes or months, "300 K" a temperature, "18k" gold. So it
is believed only where something else in the column says that it is a multiple: a currency, a word that means nothing else,
letters of two sizes, or the numbers without one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.numbers import APART, BLANK, MARKS, NumberStyle, read_all
from seedleaf.data.tables.units import CODES, measures

# Of these the currency or the other cells must tell; a "T" is rather a tonne, and "MM" millimetres.
LETTERS = {"k": 1e3, "m": 1e6, "mn": 1e6, "b": 1e9, "cr": 1e7}
WORDS = {
    1e3: "thousand tsd",
    1e5: "lakh lakhs lac lacs",
    1e6: "million millions mio mln",
    1e7: "crore crores",
    1e9: "billion billions bn bln mrd",
    1e12: "trillion trillions tn trn",
}
MEANING = {word: size for size, words in WORDS.items() for word in words.split()}
SAYS = {size: words.split()[0] for size, words in WORDS.items()}
# Nothing in it is tried twice, however many blanks or letters a text has: what ends a part cannot stand in it.
SHORT = re.compile(
    rf"(?P<mark>(?:[~≈<>≤≥]=?)?)(?P<front>[^\d+\-.,~≈<>≤≥=]*+)"
    rf"(?P<number>[+-]?(?>[\d.,](?:[\d.,' \u00a0\u202f]*[\d.,])?)){BLANK}*+"
    rf"(?P<back>(?P<word>[A-Za-z]*+)\.?(?P<behind>[^\d.,(]*+)(?P<remark>(?>(?:\([^()\d]*+\))?))\.?)",
    re.ASCII,
)
COUNTING = re.compile(
    r"per|an?|each|hourly|daily|weekly|monthly|quarterly|yearly|annual(?:ly)?|loss(?:es)?|minus|negative"
)
ANY = re.compile(
    rf"\d{BLANK}{{0,2}}(?:[kKmMbB]|cr|Cr|CR|[lL]a|[tT][rshn])", re.ASCII
)  # for the many columns without
FEWEST = 20  # different cells, where no currency or word tells, or where some are ranges or have marks
RARE = 0.01  # of them have a letter that may be a slip
MOST = 8  # endings; each costs the delivered graph a few operators


@dataclass(frozen=True, slots=True)
class Short:
    """The parts of a number; `size` is what `word` multiplies it by, 1 where there is none. `back` is all behind it."""

    mark: str
    currency: str
    front: str
    number: str
    back: str
    word: str
    size: float

    @property
    def value(self) -> float:
        """The number alone, by whichever mark it has: near enough to compare sizes."""
        text = re.sub("[' \u00a0\u202f]", "", self.number)
        comma = re.fullmatch(r"[^,]*,(\d{1,2}|\d{4,})", text, re.ASCII) is not None
        return NumberStyle(*((",", ".") if comma else (".", ","))).read(text)

    @property
    def fraction(self) -> bool:
        return re.search(r"[.,]\d{1,2}$", self.number, re.ASCII) is not None


def is_multiple(back: str, factor: float) -> bool:
    """Whether it is as such a letter or word that what stands behind a number multiplies it, and not as a unit."""
    return (short := _short(f"1{back}")) is not None and short.size == factor != 1


def shorts(text: str) -> list[Short]:
    """The one number of a cell, or the two of a range, without a sign; none where it says something else."""
    if whole := _short(text):
        return [whole]
    ends = APART.split(text)
    found = [one for end in ends if (one := _short(end.strip()))]
    return found if len(ends) == len(found) == 2 else []


def _short(text: str) -> Short | None:
    found = SHORT.fullmatch(text)
    if found is None:
        return None
    word, behind = found["word"], found["behind"].strip()
    if any(_measuring(said) for said in found["remark"].lower().strip("()").split()):
        return None
    size = MEANING.get(word.lower()) or LETTERS.get(word.lower(), 0.0)
    if not size and word[:1] in ("k", "K", "M", "m") and _joined(word[1:]):  # "MEUR"
        word, behind, size = word[0], word[1:] + behind, LETTERS[word[0].lower()]
    elif not size:
        word, behind, size = "", f"{word}{behind}", 1.0
    beside = [mark for mark in (found["front"].strip(), behind) if mark]
    if len(beside) > 1 or any(measures(mark) != "money" for mark in beside):
        return None
    currency = beside[0] if beside else ""
    return Short(found["mark"], currency, found["front"].strip(), found["number"], found["back"], word, size)


def _measuring(word: str) -> bool:
    """Whether a word of a remark may say in what the number counts: "(million)", "(per hour)", "(loss)"."""
    known = word in MEANING or word in LETTERS or COUNTING.fullmatch(word) is not None
    return known or measures(word.strip(".")) != ""


def _joined(mark: str) -> bool:
    """Whether this is money right behind a letter. No code in small letters is: "mils" are lengths, "msek" times."""
    return measures(mark) == "money" and (mark.upper() not in CODES.split() or mark.isupper())


def multiplied_style(
    known: Sequence[str], unsigned: Sequence[str], need: float, comma: bool, fewest: int = FEWEST
) -> NumberStyle | None:
    """The style with multiples in which at least so large a share of these distinct cells are numbers; None where there is
    none or it is not sure that they are multiples. `unsigned` are the same cells without what makes them negative; of
    fewer than `fewest` cells ranges and marks are categories."""
    if not any(ANY.search(text) for text in known):
        return None
    found = [cell for text in unsigned if (cell := shorts(text))]
    cells = [one for cell in found for one in cell]
    if len(found) < need * len(known) or not _believed(cells, len(known)):
        return None
    if len(known) < fewest and any(len(cell) > 1 or cell[0].mark for cell in found):
        return None  # "<$50K" and ">$50K": of a few, each is a category
    fronts = [front for front, _ in Counter(c.front for c in cells if c.front).most_common(MOST)]
    sizes = {c.back: c.size for c in cells}
    backs = [back for back, _ in Counter(c.back for c in cells if c.back).most_common(MOST)]
    marks = [mark for mark, _ in Counter(c.mark for c in cells if c.mark).most_common(MOST)]
    first, ranges = (fronts or [""])[0], any(len(cell) > 1 for cell in found)
    scales = tuple((back, sizes[back]) for back in backs if sizes[back] != 1)
    style = NumberStyle(".", "", first, backs[0], (*fronts[1:], *marks), tuple(backs[1:]), ranges, scales)
    written = sorted(MARKS, key=lambda m: m[0] != ",") if comma else MARKS
    styles = [replace(style, decimal=mark, thousands=thousands) for mark, thousands in written]
    counts = [int((~np.isnan(read_all(known, one))).sum()) for one in styles]
    return styles[counts.index(max(counts))] if max(counts) >= need * len(known) else None


def _believed(cells: Sequence[Short], n: int) -> bool:
    """Whether what stands behind these numbers, of `n` different cells, multiplies them."""
    short, bare = [c for c in cells if c.size != 1], [c for c in cells if c.size == 1]
    if len(short) <= RARE * n:
        return False
    if 2 * sum(c.currency != "" or c.word.lower() in MEANING for c in short) >= len(short):
        return True
    if n < FEWEST or _bytes(short):
        return False
    return _two_sizes(short, RARE * n) or _goes_on(short, bare)


def _bytes(short: Sequence[Short]) -> bool:
    """Whether a "B" counts bytes, as sizes of files are written ("512B", "4.0K", "1.2M"): whole numbers up to a thousand."""
    plain = [c for c in short if c.word in ("B", "b")]
    return len(plain) > 1 and not any(c.fraction for c in plain) and max(c.value for c in plain) >= 100


def _two_sizes(short: Sequence[Short], least: float) -> bool:
    """Whether letters say two sizes, and some numbers are fractions, which no names are; an "m" beside them may be metres
    but for fractions of its own."""
    sizes: dict[float, list[Short]] = {}
    for one in short:
        sizes.setdefault(one.size, []).append(one)
    often = [alike for alike in sizes.values() if len(alike) > least]
    metres = [alike for alike in often if all(c.word == "m" for c in alike)]
    sure = [alike for alike in often if alike not in metres or any(c.fraction for c in alike)]
    return len(sure) > 1 and any(c.fraction for alike in sure for c in alike)


def _goes_on(short: Sequence[Short], bare: Sequence[Short]) -> bool:
    """Whether numbers with a letter, multiplied, lie nearer to the others than as they stand, as "12k" does to "9,500"; or
    go on where those end, at a thousand: "950", "1.2K"."""
    large, small = _sizes(short), _sizes(bare)
    if not len(large) or not len(small):
        return False
    usual = float(np.median(small))
    apart = abs(math.log(np.median(large) / usual))
    multiplied = abs(math.log(np.median(_sizes(short, multiplied=True)) / usual))
    if all(c.word == "m" for c in short):
        multiplied *= 2  # "1.7m" beside "2500" are metres and millimetres
    thousands = {c.size for c in short} == {1e3} and any(c.fraction for c in short)
    ends = 100 <= small.max() < 1000 and not any(c.fraction for c in bare) and large.max() < 1000
    return multiplied < apart or (thousands and ends and usual >= 3 * float(np.median(large)))


def _sizes(cells: Sequence[Short], multiplied: bool = False) -> Array:
    """How large these numbers are; zeros say nothing of it."""
    values = [abs(c.value) * (c.size if multiplied else 1.0) for c in cells]
    return np.array([v for v in values if 0 < v < math.inf])

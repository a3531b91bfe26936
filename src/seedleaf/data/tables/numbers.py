"""Numbers as people write them: "1,234.50", "1.234,50", "1'234", "€ 12", "45 %". One style per column."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seedleaf.data.spec import Array

SPECIAL = {"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}
AFFIXED = re.compile(r"([^\d+\-.,]*)([+-]?[\d.,][\d.,' \u00a0\u202f]*?(?:[eE][+-]?\d+)?)([^\d.,]*)", re.ASCII)
MARKS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", "'"), (".", " "), (",", " "))


# Marks that make a number negative, in the places of a unit: "(5)", "5-", and a minus that is no hyphen.
NEGATIVE = {("(", ")"), ("", "-"), ("\u2212", "")}


@dataclass(frozen=True)
class NumberStyle:
    """How a column writes numbers. `prefix` and `suffix` are a unit that may stand beside them, or one of NEGATIVE."""

    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""

    @property
    def plain(self) -> bool:
        return self == NumberStyle()

    @property
    def negative(self) -> bool:
        """Whether prefix and suffix are no unit but a sign."""
        return (self.prefix, self.suffix) in NEGATIVE

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        mark = re.escape(self.decimal)
        whole = r"\d+"
        if self.thousands:
            gap = r"[ \u00a0\u202f]" if self.thousands == " " else re.escape(self.thousands)
            indian = rf"|[1-9]\d?(?:{gap}\d{{2}})+{gap}\d{{3}}" if self.thousands == "," else ""
            whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{gap}\d{{3}})+{indian})"
        return re.compile(rf"[+-]?(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?", re.ASCII)

    def read(self, text: str) -> float:
        """The number that `text` says in this style; NaN where it says none. An infinity is read as such."""
        if self.negative:
            return self._read_signed(text)
        if self.prefix and text.startswith(self.prefix):
            text = text[len(self.prefix) :].strip()
        elif self.prefix and text[:1] in ("-", "+") and text.startswith(self.prefix, 1):
            text = text[0] + text[1 + len(self.prefix) :].strip()
        if self.suffix and text.endswith(self.suffix):
            text = text[: -len(self.suffix)].strip()
        if self.decimal == "." and not self.thousands:
            return read_plain(text)
        if self.pattern.fullmatch(text) is None:
            return float(text) if text.lower() in SPECIAL else math.nan
        if self.thousands:
            text = (
                re.sub(r"[ \u00a0\u202f]", "", text)
                if self.thousands == " "
                else text.replace(self.thousands, "")
            )
        return float(text.replace(self.decimal, "."))

    def _read_signed(self, text: str) -> float:
        inner = text[len(self.prefix) : len(text) - len(self.suffix)]
        plain = NumberStyle(self.decimal, self.thousands)
        if not (inner and text.startswith(self.prefix) and text.endswith(self.suffix)):
            return plain.read(text)
        twice = set(inner) & set("+-eE ") or inner.lower() in SPECIAL
        return math.nan if twice else -plain.read(inner)


def read_all(texts: Sequence[str], style: NumberStyle) -> Array:
    """The same for many texts (N): float64 (N), NaN where a text says no number, infinities as such."""
    if style.decimal == "." and not (style.thousands or style.prefix or style.suffix):
        try:
            read = list(map(float, texts))  # nearly always all of them, in a tenth of the time
        except ValueError:
            read = [read_plain(text) for text in texts]
        else:
            if "_" in (whole := "".join(texts)) or not whole.isascii():
                read = [read_plain(text) for text in texts]
        return np.asarray(read, dtype=np.float64)
    return np.asarray([style.read(text) for text in texts], dtype=np.float64)


def read_plain(text: str) -> float:
    """A number as programs write it, else NaN. No underscores, no digits of other scripts, no hexadecimal."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if text.isascii() and "_" not in text else math.nan

"""Numbers as people write them: "1,234.50", "1.234,50", "1'234", "€ 12", "45 %", "($5)". One style per column."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.clock import read_clock

SPECIAL = {"inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"}
# Digits are part of a unit right behind a letter, as in "m2", "kg/m^3" and "s-1", and before a number where a blank follows
# that, as in "CO2 5".
AFFIXED = re.compile(
    r"((?:[^\d+\-.,]|(?<=[A-Za-z])\d(?=[ :=]))*)"
    r"([+-]?[\d.,][\d.,' \u00a0\u202f]*?(?:[eE][+-]?\d+)?)"
    r"((?:[^\d.,]|(?<=[A-Za-z^])\d(?!\d)|(?<=[A-Za-z^]-)\d(?!\d))*)",
    re.ASCII,
)
MARKS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", "'"), (".", " "), (",", " "))
BLANK = "[ \u00a0\u202f]"  # between groups of digits, and beside a unit
BLANKS = BLANK + "{0,2}"
GROUPS = 6  # of three digits behind thousands marks
POWER = r"(?:[eE][+-]?\d+)?"
ENDLESS = "(?i:inf(?:inity)?)"

MINUS = "\u2212"  # that is no hyphen
# Marks that make a number negative, in the places of a unit: "(5)", "5-", and such a minus.
NEGATIVE = {("(", ")"), ("", "-"), (MINUS, "")}
SIGNS = "()-" + MINUS  # the same beside a unit: "($5)", "$(5)", "\u2212$5", "5 $-"
EITHER = ".,"  # as a decimal mark: a comma stands for a point, but for one before three digits, which may be thousands
BETWEEN = (" - ", " \u2013 ", " to ", "\u2013", "-")  # from the least to the most
APART = re.compile("|".join(BETWEEN))


@dataclass(frozen=True)
class NumberStyle:
    """How a column writes numbers. `prefix` and `suffix` are a unit that may stand beside them, or one of NEGATIVE. With
    `decimal` ":" they are times of a day or durations, read as hours (clock.py); with `thousands` ":" as well, brief ones.

    What else may stand there in some cells is in `before` (other units, and marks such as "~" and "<", which a unit may
    follow) and in `behind`. None of it changes the number, but for what `scales` has: ("K", 1000.0) says that a number with
    "K" behind it is a thousand times as large. With `ranges` "70-80" is a number, too: the middle. "10-20K" is in "K".

    `usual`, `negated`, `between`, `scaled` and `ended` say it as patterns, which Python and the delivered graph share.
    """

    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""
    before: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    ranges: bool = False
    scales: tuple[tuple[str, float], ...] = ()

    @property
    def plain(self) -> bool:
        return self == NumberStyle()

    @property
    def clock(self) -> bool:
        return self.decimal == ":"

    @property
    def brief(self) -> bool:
        """Whether times of two parts are minutes and seconds."""
        return self.thousands == ":"

    @property
    def powers(self) -> bool:
        """Whether numbers may have one: beside such a unit, as "2e" or "5+", it would not be told from it."""
        return not set("".join(self.fronts + self.backs)) & set("+eE")

    @property
    def negative(self) -> bool:
        """Whether prefix and suffix are no unit but a sign."""
        return (self.prefix, self.suffix) in NEGATIVE

    @property
    def fronts(self) -> tuple[str, ...]:
        """All that may stand before the number, the longest first."""
        return _longest(self.prefix, *self.before)

    @property
    def backs(self) -> tuple[str, ...]:
        return _longest(self.suffix, *self.behind)

    def digits(self, behind: int = 0) -> str:
        """A number without sign and power, with so many digits at least behind its decimal mark."""
        mark = re.escape(self.decimal)
        whole = r"\d{1,100}"
        if self.decimal == EITHER:
            return rf"(?:{whole}(?:\.\d{{{behind},100}}|,(?:\d{{1,2}}|\d{{4,100}}))?|[.,]\d{{1,100}})"
        if self.thousands:
            gap = BLANK if self.thousands == " " else re.escape(self.thousands)
            indian = (
                rf"|[1-9]\d?(?:{gap}\d{{2}}){{1,{GROUPS - 1}}}{gap}\d{{3}}" if self.thousands == "," else ""
            )
            whole = rf"(?:{whole}|[1-9]\d{{0,2}}(?:{gap}\d{{3}}){{1,{GROUPS}}}{indian})"
        return rf"(?:{whole}(?:{mark}\d{{{behind},100}})?|{mark}\d{{1,100}})"

    @property
    def _unit(self) -> tuple[str, str]:
        """Before the number and behind it."""
        front, back = ("|".join(map(re.escape, marks)) for marks in (self.fronts, self.backs))
        front = front and f"(?:(?:{front}){BLANKS})"
        return f"(?:{front}{{1,2}})" if self.before else front, back and f"(?:{BLANKS}(?:{back}))?"

    def usual(self, number: str) -> str:
        """Cells with such a number (a pattern), signed as programs do. Groups are the sign before a unit, that behind it,
        the number."""
        if self.negative:
            return f"([+-]?)({number})"
        front, back = self._unit
        sign = "[+-]" if "+" not in "".join(self.fronts + self.backs) else "-"
        signed = f"(?:{front}?({sign}?)|({sign}){front})" if front else f"({sign}?)"
        return f"{signed}({number}){back}"

    @property
    def negated(self) -> str:
        """Cells with a mark of people's that makes the number, their one group, negative; "" where none may stand there."""
        # A minus behind is the cell's last character, and not behind a decimal mark: a "5-pack" and "5.-" are positive.
        number, ended = f"({self.digits()})", f"({self.digits(1)})"
        if self.negative:
            number = ended if self.suffix == "-" else number
            return f"{re.escape(self.prefix)}{number}{re.escape(self.suffix)}"
        around = "".join(self.fronts + self.backs)
        if not around or set(around) & set(SIGNS):
            return ""
        front, back = self._unit
        front = front and f"{front}?"
        forms = (
            rf"\({front}{number}{back}\)",
            rf"{front}\({number}\){back}",
            f"(?:{MINUS}{front}|{front}{MINUS}){number}{back}",
            f"{front}{ended}{back}[{MINUS}-]",
        )
        return "|".join(forms)

    @property
    def between(self) -> str:
        """Cells with two numbers, which are the groups, and all that lies between them; "" where there are none."""
        around = f" {' '.join(self.fronts + self.backs)} "
        if not self.ranges or self.negative or any(mark in around for mark in BETWEEN):
            return ""
        front, back = self._unit
        one = f"{front and f'{front}?'}({self.digits()}){back}"
        return f"{one}(?:{'|'.join(BETWEEN)}){one}"

    def ended(self, *backs: str) -> str:
        """Cells that end with one of these behind a number (a pattern); brackets or a minus may be beside it."""
        return rf"(?s).*[\d.,)]{BLANKS}(?:{'|'.join(map(re.escape, backs))})[){MINUS}-]?"

    @property
    def scaled(self) -> list[tuple[str, float]]:
        """Patterns of cells with what their numbers are multiplied by; no cell fits two."""
        backs: dict[float, list[str]] = {}
        for back, factor in self.scales:
            backs.setdefault(factor, []).append(back)
        return [(self.ended(*alike), factor) for factor, alike in backs.items()]

    @cached_property
    def _scaled(self) -> list[tuple[re.Pattern[str], float]]:
        return [(re.compile(pattern, re.ASCII), factor) for pattern, factor in self.scaled]

    def _scale(self, text: str) -> float:
        return next((factor for pattern, factor in self._scaled if pattern.fullmatch(text)), 1.0)

    @cached_property
    def _between(self) -> re.Pattern[str] | None:
        return re.compile(self.between, re.ASCII) if self.between else None

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
        usual = self.usual(f"{self.digits()}{POWER}|{ENDLESS}" if self.powers else self.digits())
        return re.compile(usual, re.ASCII), re.compile(self.negated, re.ASCII) if self.negated else None

    def read(self, text: str) -> float:
        """The number that `text` says in this style; NaN where it says none. An infinity is read as such."""
        if self.plain:
            return read_plain(text)
        if self.clock:
            return read_clock(text, self.brief)
        usual, negated = self._patterns
        if found := usual.fullmatch(text):
            return self._value("".join(found.groups(""))) * self._scale(text)
        if found := negated.fullmatch(text) if negated else None:
            return -self._value("".join(found.groups(""))) * self._scale(text)
        if found := self._between.fullmatch(text) if self._between else None:
            return self._middle(text, *found.groups())
        return math.nan

    def _middle(self, text: str, first: str, second: str) -> float:
        least, most = self._value(first), self._value(second)
        if self.scales:
            one, other = APART.split(text)
            factor = self._scale(other)
            most *= factor
            least *= self._scale(one) if re.fullmatch(self.ended(*self.backs), one, re.ASCII) else factor
        return (least + most) / 2 if least <= most else math.nan

    def _value(self, text: str) -> float:
        if self.thousands == " ":
            text = re.sub(BLANK, "", text)
        elif self.thousands:
            text = text.replace(self.thousands, "")
        return float(text.replace(self.decimal[-1], "."))


def _longest(*marks: str) -> tuple[str, ...]:
    return tuple(sorted(filter(None, marks), key=len, reverse=True))


def read_all(texts: Sequence[str], style: NumberStyle) -> Array:
    """The same for many texts (N): float64 (N), NaN where a text says no number, infinities as such."""
    if style.plain:
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

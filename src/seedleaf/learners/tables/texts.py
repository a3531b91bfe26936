"""Free text as numbers: how often pieces of it stand in a row, as log(1 + count). The pieces are learned from training rows.

ONNX knows no hash of a string, so a hashing trick over anything that may come cannot be written into the graph. What can is
a pool: pieces that training has seen, each with the column that counts it. Several may share one. So "Good", "good," and
"GOOD" count as one word, and with "hashed" everything that stands in two rows is counted in a few columns (Weinberger et al.
2009). What training has not seen counts nowhere.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seedleaf.learners.tables.graph import CONTRIB, Graph
from seedleaf.learners.tables.reader_text import glued

Floats = npt.NDArray[np.float64]
Gram = tuple[str, ...]  # neighbouring units: words, or letters
MARKS = ".,;:!?\"'()[]{}<>*_-–—…«»„“”‘’`/\\|#"  # around a word, no part of it
WRITTEN = 6  # ways to write one piece (with capitals, with marks) that are known, the commonest
MOST_HASHED = 4_000  # pieces that share columns
LOOK_LETTERS = 2_000_000  # letters that pieces are learned from


class How(NamedTuple):
    """What is counted: grams of these lengths of words or of letters, the commonest, or all of them in shared columns."""

    letters: bool
    lengths: tuple[int, ...]
    hashed: bool = False


HOW = {
    "words": How(False, (1,)),
    "pairs": How(False, (1, 2)),
    "letters": How(True, (3, 4)),
    "hashed": How(False, (1, 2), hashed=True),
}


@dataclass(frozen=True, eq=False)
class Grams:
    """One column of text (N) -> (N, width). `pool` are grams, the shorter first; `places` is the column of each."""

    column: int  # in the input of strings
    how: str
    pool: tuple[Gram, ...]
    places: tuple[int, ...]
    width: int

    @classmethod
    def fit(cls, texts: Sequence[str], column: int, how: str, size: int) -> Grams:
        """At most `size` columns, of grams that stand in two rows or more and not in nearly all. Width 0 where none does."""
        kind = HOW[how]
        some = _first(texts, LOOK_LETTERS)
        rows: Counter[Gram] = Counter()
        for text in some:
            rows.update({key for gram in set(_grams(text, kind)) if (key := _folded(gram, kind.letters))})
        common = [(k, n) for k, n in rows.items() if 2 <= n <= 0.95 * len(some)]
        common.sort(key=lambda p: (-p[1], p[0]))
        keys = [k for k, _ in common[: MOST_HASHED if kind.hashed else size]]
        place = {k: _bucket(k, size) if kind.hashed else i for i, k in enumerate(keys)}
        written: dict[Gram, Counter[Gram]] = {k: Counter() for k in keys}
        for text in some:
            for gram in _grams(text, kind):
                if (ways := written.get(_folded(gram, kind.letters))) is not None:
                    ways[gram] += 1
        pool = [(g, place[k]) for k in keys for g in _commonest(written[k])]
        pool.sort(key=lambda p: (len(p[0]), p[1], p[0]))
        width = (size if kind.hashed else len(keys)) if keys else 0
        return cls(column, how, tuple(g for g, _ in pool), tuple(i for _, i in pool), width)

    def apply(self, texts: Sequence[str]) -> Floats:
        kind = HOW[self.how]
        known = dict(zip(self.pool, self.places, strict=True))
        out = np.zeros((len(texts), self.width))
        for i, text in enumerate(texts):
            for gram in _grams(text, kind):
                if gram in known:
                    out[i, known[gram]] += 1.0
        return np.log1p(out)

    def graph(self, g: Graph) -> str:
        """Float64 (N, width)."""
        kind = HOW[self.how]
        text = g.add("Gather", g.texts, g.constant(self.column, "int64"), axis=1)
        units = _letters(g, text) if kind.letters else g.split(text, " ")
        lengths = [len(gram) for gram in self.pool]
        starts, start = [], 0  # where the grams of each length begin in the pool, which is one row of units
        for length in range(1, max(lengths) + 1):
            starts.append(start)
            start += length * lengths.count(length)
        found = g.add(
            "TfIdfVectorizer",
            units,
            mode="TF",
            min_gram_length=min(lengths),
            max_gram_length=max(lengths),
            max_skip_count=0,
            ngram_counts=starts,
            ngram_indexes=list(self.places),
            pool_strings=[unit for gram in self.pool for unit in gram],
        )
        wide = self._filled(g, found)
        return g.cast(g.add("Log", g.add("Add", wide, g.constant(1.0, "float32"))), "float64")

    def _filled(self, g: Graph, counts: str) -> str:
        """Columns at the end that no gram is counted in, which the operator leaves out."""
        missing = self.width - 1 - max(self.places)
        if not missing:
            return counts
        pads = g.constant([0, 0, 0, missing], "int64")
        return g.add("Pad", counts, pads, g.constant(0.0, "float32"))


def _letters(g: Graph, text: str) -> str:
    """Strings (N) -> one letter each, blanks around the text, "" behind where it is shorter than others."""
    whole = glued(g, g.text(" "), text, g.text(" "))
    return g.add("Tokenizer", whole, domain=CONTRIB, mark=0, mincharnum=1, pad_value="", separators=[""])


def _grams(text: str, kind: How) -> Iterator[Gram]:
    """Every gram of a text, one as often as it stands there."""
    if kind.letters:
        units: list[str] = list(f" {text} ")
    else:
        units = text.split(" ")
    for length in kind.lengths:
        for i in range(len(units) - length + 1):
            gram = tuple(units[i : i + length])
            if all(gram):
                yield gram


def _folded(gram: Gram, letters: bool) -> Gram:
    """What a gram counts as: without capitals and the marks around words; () where nothing is left."""
    if letters:
        return tuple(unit.lower() for unit in gram) if any(not unit.isspace() for unit in gram) else ()
    words = tuple(word.strip(MARKS).lower() for word in gram)
    return words if all(words) else ()


def _commonest(written: Counter[Gram]) -> list[Gram]:
    return [g for g, _ in sorted(written.items(), key=lambda p: (-p[1], p[0]))[:WRITTEN]]


def _first(texts: Sequence[str], letters: int) -> Sequence[str]:
    """As many of the texts as have so many letters."""
    total = 0
    for i, text in enumerate(texts):
        total += len(text)
        if total > letters:
            return texts[: i + 1]
    return texts


def _bucket(gram: Gram, size: int) -> int:
    return zlib.crc32("\x1f".join(gram).encode("utf-8", "replace")) % size

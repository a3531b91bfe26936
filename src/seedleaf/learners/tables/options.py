"""Parameters of features that several families share: how numbers, categories, words and dates come in, what is chosen."""

from __future__ import annotations

from seedleaf.learners.tables.model import Kind
from seedleaf.learners.tables.texts import HOW
from seedleaf.space import Choice, Float, Int, Param


def coded(kind: Kind, encode: str, ordinal: bool = True) -> dict[str, Param]:
    """Categories, words and dates, and selection; only what the table has."""
    found: dict[str, Param] = {}
    if kind.n_categories:
        options = ("onehot", "ordinal", "target") if ordinal else ("onehot", "target")
        found["encode"] = Choice(*options, default=encode)
    if kind.n_texts:
        ways = [name for name, how in HOW.items() if kind.short_texts or not how.letters]
        found["text"] = Choice(*ways, default="words")
        found["words"] = Int(8, 256, log=True, default=64)
    if kind.has_dates:
        found["dates"] = Choice("parts", "days", default="parts")
    if kind.n_columns >= 6:
        found["select"] = Choice(
            none={},
            information=dict(keep=Float(0.2, 0.9, default=0.6)),
            model=dict(keep=Float(0.2, 0.9, default=0.6)),
            stability=dict(keep=Float(0.1, 0.9, default=0.6), often=Float(0.4, 0.9, default=0.5)),
            default="none",
        )
    return found


def scaled(kind: Kind, numbers: str, products: bool = False) -> dict[str, Param]:
    """Numbers for models that want them full and on one scale."""
    if not kind.n_numbers:
        return {}
    found: dict[str, Param] = {"numbers": Choice("standard", "robust", "quantile", default=numbers)}
    found.update(filled(kind))
    if products and kind.n_numbers >= 2:
        found["products"] = Choice(0, 4, 8, 16, 32, ordered=True, default=0)
    return found


def filled(kind: Kind) -> dict[str, Param]:
    """What stands in for missing numbers, for models that want them full."""
    return {"impute": Choice("median", "mean", default="median")} if kind.has_missing else {}

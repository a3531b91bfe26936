"""Small things done to strings in a graph, of which longer readings are made."""

from __future__ import annotations

from seedleaf.learners.tables.graph import Graph


def glued(g: Graph, *parts: str) -> str:
    """The strings behind each other."""
    whole = parts[0]
    for part in parts[1:]:
        whole = g.add("StringConcat", whole, part)
    return whole


def before(g: Graph, x: str, mark: str) -> str:
    """What stands before the first `mark`; everything where there is none."""
    # With one more at the end there is always a first piece: a batch of empty strings has no pieces at all.
    return g.piece(g.split(glued(g, x, g.text(mark)), mark, 1), 0)


def without(g: Graph, x: str, mark: str, most: int) -> str:
    """The strings without `mark`, which stands in them at most `most` times."""
    pieces = g.split(glued(g, x, g.text(mark * most)), mark)
    return glued(g, *(g.piece(pieces, k) for k in range(most + 1)))


def swapped(g: Graph, x: str, mark: str, new: str) -> str:
    """`new` in the place of the one `mark` that a string may have, or at its end."""
    pieces = g.split(glued(g, x, g.text(mark)), mark)
    return glued(g, g.piece(pieces, 0), g.text(new), g.piece(pieces, 1))


def anywhere(g: Graph, x: str) -> str:
    """Whether any of the bools is true."""
    return g.cast(g.add("ReduceMax", g.cast(x, "float32"), keepdims=0), "bool")

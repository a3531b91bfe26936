"""The table of the kinds of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedleaf.errors import RunError
from seedleaf.modality.base import Modality
from seedleaf.modality.images import Images
from seedleaf.modality.tables import Tables

# The first that recognises a source takes it; the last takes what is left, and says what is wrong with it.
MODALITIES: Mapping[str, Modality] = {m.name: m for m in (Tables(), Images())}


def modality_named(name: str) -> Modality:
    """The kind of data of that name; RunError names those that exist."""
    try:
        return MODALITIES[name]
    except KeyError:
        raise RunError(f"no kind of data is called {name!r}; there are: {', '.join(MODALITIES)}") from None


def modality_of(source: Any) -> Modality:
    """The kind of data that `source` is."""
    found = list(MODALITIES.values())
    return next((m for m in found if m.recognises(source)), found[-1])

"""The table of the kinds of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedleaf.errors import RunError
from seedleaf.job import Job
from seedleaf.modality.base import Modality
from seedleaf.modality.images import Images
from seedleaf.modality.known import check_foreign, check_known
from seedleaf.modality.tables import Tables

# The first that recognises a source takes it; the last takes what is left, and says what is wrong with it.
MODALITIES: Mapping[str, Modality] = {m.name: m for m in (Tables(), Images())}


def modality_named(name: str) -> Modality:
    """The kind of data of that name; RunError names those that exist."""
    try:
        return MODALITIES[name]
    except KeyError:
        raise RunError(f"no kind of data is called {name!r}; there are: {', '.join(MODALITIES)}") from None


def check_new(job: Job) -> None:
    """StudyError where a job that is to begin asks for what its kind of data does not know, or would ignore."""
    check_job(job)
    modality = modality_named(job.kind)
    check_foreign(job, modality.knows)
    modality.check_new(job)


def check_job(job: Job) -> None:
    """The same for one that goes on: what would be ignored was ignored by the version that began it."""
    modality = modality_named(job.kind)
    check_known(job, {name: m.knows for name, m in MODALITIES.items()})
    modality.check(job)


def modality_of(source: Any) -> Modality:
    """The kind of data that `source` is."""
    found = list(MODALITIES.values())
    return next((m for m in found if m.recognises(source)), found[-1])

"""What a kind of data understands of a job, as data that is checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seedleaf.errors import StudyError
from seedleaf.job import Job


@dataclass(frozen=True)
class Known:
    """`limits` by metric, each with its option; `options` are those of `Job.options`. `foreign` are fields of the job that
    mean nothing here, each with what there is in place of it: only their defaults are taken."""

    limits: Mapping[str, str]
    options: tuple[str, ...] = ()
    foreign: Mapping[str, str] = field(default_factory=dict)


def check_known(job: Job, known: Mapping[str, Known]) -> None:
    """StudyError where a job has limits or options that its kind does not know. `known` says it of every kind."""
    own = known[job.kind]
    if strange := [k for k in job.limits if k not in own.limits]:
        others = " and ".join(kind for kind, its in known.items() if strange[0] in its.limits)
        raise StudyError(
            f"a limit on {', '.join(strange)} is for {others or 'nothing'}; "
            f"{job.kind} know {', '.join(own.limits.values())}"
        )
    if strange := [k for k in job.options if k not in own.options]:
        others = " and ".join(kind for kind, its in known.items() if strange[0] in its.options)
        if others:
            raise StudyError(f"{', '.join(strange)}: for {others} only, and {job.data} is none")
        there = ", ".join(own.options) or "none"
        raise StudyError(f"{job.kind} know no option {strange[0]!r}; there are: {there}")


def check_foreign(job: Job, own: Known) -> None:
    """StudyError where something is asked for that would be ignored; what there is in place of it is said."""
    for name, instead in own.foreign.items():
        if getattr(job, name) != Job.__dataclass_fields__[name].default:
            raise StudyError(f"{name} means nothing to {job.kind}: {instead}")

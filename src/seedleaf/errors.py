"""The exception tree. Every message is written for the person who reads it: what is wrong, where, what to do.

SeedleafError
├── DataError            the data cannot be used; names the file
├── SpaceError           a space, a config or a fidelity is not well formed
│   └── SpaceExhausted   a finite space has no config left to propose
├── LimitError           no config can keep the limits
├── BudgetError          the time given cannot be kept
├── StudyError           a study is used wrongly
│   ├── StoreConflict    another driver wrote to the study first
│   ├── WorkersFailed    no worker can start
│   └── StudyFailed      the first trials all failed for one reason
├── TrialError           one trial failed; the study goes on
│   └── OutOfTime        not one step was possible before the deadline
├── CheckpointError      a checkpoint cannot be read
└── RunError             a run's folder is missing or not a run
    └── Unfinished       the time is over and nothing is there to deliver; the run can go on
"""

from __future__ import annotations


class SeedleafError(Exception):
    """Base of everything that seedleaf raises on purpose."""


class DataError(SeedleafError):
    """The data cannot be used. The message names the file."""


class SpaceError(SeedleafError, ValueError):
    """A space, a config or a fidelity is not well formed."""


class SpaceExhausted(SpaceError):
    """Every config of a finite space has been proposed."""


class LimitError(SeedleafError):
    """No config of the space keeps the limits."""


class BudgetError(SeedleafError):
    """The time given is too short for the job."""


class StudyError(SeedleafError):
    """A study is used wrongly, or its log does not fit the call."""


class StoreConflict(StudyError):
    """Another driver appended first: fold again, decide again."""


class WorkersFailed(StudyError):
    """No worker can start. The message names the log that says more, where one is kept."""


class StudyFailed(StudyError):
    """The first trials all failed for one reason, which the message gives."""


class TrialError(SeedleafError):
    """One trial failed; the study goes on."""


class OutOfTime(TrialError):
    """Not one step was possible before the deadline."""


class CheckpointError(SeedleafError):
    """A checkpoint is missing, cut short or of another kind."""


class RunError(SeedleafError):
    """A run's folder is missing, unfinished or not a run."""


class Unfinished(RunError):
    """The time is over and there is nothing to deliver yet. The run's folder stays: it can go on."""


def first_line(error: BaseException) -> str:
    """What an error says, in one line: that of the database below where SQLAlchemy wraps it, its kind where it says none."""
    return (str(getattr(error, "orig", error)).strip().splitlines() or [type(error).__name__])[0]

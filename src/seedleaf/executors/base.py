"""What an executor is: it runs tasks elsewhere and reports what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from seedleaf.core import Measurement, Task


@dataclass(frozen=True, slots=True)
class Stepped:
    """A running task finished one step; its checkpoint is already on disk."""

    trial: int
    measurement: Measurement


@dataclass(frozen=True, slots=True)
class Ended:
    """A task is over. `error` is None when it reached its stop or was stopped.

    `lost`: its worker died, the trial itself is not known to be at fault. `fatal`: no trial can go on (a full disk).
    """

    trial: int
    error: str | None = None
    lost: bool = False
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """The value of a `call`, or why there is none."""

    call: int
    value: Any = None
    error: str | None = None


Report = Stepped | Ended | Returned

Message = dict[str, Any]  # what goes over the line between a driver and a worker, as JSON

# As an argument of `Executor.call`: the device of whichever worker takes the call.
OWN_DEVICE = "the worker's own"


class Executor(Protocol):
    """Runs tasks and plain function calls on workers. Nothing here blocks except `poll`."""

    @property
    def peak(self) -> int:
        """The most bytes that driver and workers were seen to hold together; 0 where nobody looks."""

    def free(self) -> int:
        """Workers that could take a task now."""
        ...

    def submit(self, task: Task) -> None: ...

    def call(self, function: str, **arguments: Any) -> int:
        """Run `module:name` with JSON arguments on a free worker; the id that its Returned will carry.

        An argument called `deadline` (seconds since the epoch) is when the function means to be over, so that one that
        hangs can be told.
        """
        ...

    def stop(self, trial: int) -> None:
        """Abandon the trial's unfinished step; an Ended follows."""
        ...

    def poll(self, timeout: float) -> list[Report]:
        """What happened, waiting at most `timeout` seconds for the first of it."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What every worker of an executor is told once.

    `function` is the trial function as "module:name"; `pickled` is that function itself (base64 of cloudpickle) where
    it cannot be imported by name. `setup` reaches every trial in its Context; `preload` names modules to import while
    the worker starts. `patience` is the longest that one step may take, in seconds, or `step_patience` where that is more;
    `memory` the most bytes that one worker may hold. `calls_until` (seconds since the epoch) is when all that is called is
    to be over, where there is such a time: a call that has not answered well after it hangs.
    """

    function: str
    seed: int
    folder: str
    setup: Mapping[str, Any]
    preload: tuple[str, ...] = ()
    pickled: str | None = None
    patience: float = 600.0
    step_patience: float = 0.0
    memory: int | None = None
    calls_until: float | None = None

"""How the time given is shared out: start, search, refit, delivery. Wall time covers the whole command."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedleaf.amounts import format_seconds
from seedleaf.core import Fidelity, Trial
from seedleaf.errors import BudgetError

# Seconds that delivery takes after the refit (export, comparison, latency, report) beside a pass over the test part.
DELIVERY = 2.5
QUICK_START = 5.0  # seconds in which two workers come up on an idle machine
SHORTEST = 9.0  # on an idle machine the start takes 5 s and the delivery 2
FIRST_RUNG_SECONDS = 1.0  # shorter first rungs spend more on hand-over than on learning
MOST_EPOCHS = 200
LONGEST_SHARE = 0.4  # of the search, for one full training
FRONT_SHARE = 0.1  # of the time for training, for the other networks of the front
SOUGHT_SHARE = 0.25  # the same where the front is what was asked for
EPOCHS_WANTED = (
    30.0  # of the final training on ROWS_OF_THOSE images; fewer images need more, as there are fewer batches
)
ROWS_OF_THOSE, ROWS_POWER, MOST_WANTED = 60_000, 0.5, 150.0
MOST_REFIT_SHARE = 0.5  # of the time for training, however few epochs that is
FEWEST_SEARCHED = 4.0  # epochs that it leaves the search
# The final training of pictures, in the search's full trainings, where that is more than the epochs wanted. A third of the
# time is some two to four of them: with less than that the light winners of a GPU were done long before their time was over.
LONGEST_REFIT = 4.0
FEW = 10  # steps
FIT = 0.97  # of the time of the final training is spent in steps
FRONT_FROM = 30.0  # seconds of training time: with less, the front is delivered as the search left it


@dataclass(frozen=True)
class Preset:
    """How the time after the start is spent.

    `refit_share`: the part kept for training the winner on train+valid; `trainings`: how many full trainings the
    search should be able to pay for; it buys far more configs, since most are stopped early.
    """

    refit_share: float
    trainings: float


PRESETS: Mapping[str, Preset] = {
    "quick": Preset(refit_share=0.45, trainings=4.0),
    "good": Preset(refit_share=0.33, trainings=7.0),
    "best": Preset(refit_share=0.22, trainings=14.0),
}


@dataclass(frozen=True)
class TimePlan:
    """What the throughput that was measured allows."""

    fidelity: Fidelity
    search_seconds: float
    refit_seconds: float
    front_seconds: float = 0.0


def delivery_seconds(n_test: int, n_train: int, epoch_seconds: float, start_seconds: float = 0.0) -> float:
    """Reserve for what follows the refit. Prediction costs about a third of training; three models are measured."""
    # A machine on which workers start slowly, busy or small, delivers as slowly.
    slow = min(max(start_seconds / QUICK_START, 1.0), 4.0)
    return DELIVERY * slow + epoch_seconds * n_test / max(n_train, 1)


def plan_time(
    left: float,
    workers: int,
    epoch_seconds: float,
    delivery: float,
    preset: Preset,
    spent: float = 0.0,
    thirds: Sequence[float] = (),
    front_share: float = FRONT_SHARE,
    wanted: float = 0.0,
) -> TimePlan:
    """Share out `left` seconds of wall time, given that one epoch of the default config takes `epoch_seconds`.

    `thirds` are the seconds of a step in each third of a training where they differ: steps that are cheap at first make
    room for more of them. `front_share` of the time goes to the networks beside the winner. Where the refit's share has
    fewer epochs than `wanted`, it gets more of the search's. BudgetError, with the time that would do, where too few seconds
    are left after the `spent` ones of the start.
    """
    first, step = (thirds[0], sum(thirds) / len(thirds)) if thirds else (epoch_seconds, epoch_seconds)
    usable = left - delivery
    if usable < 3 * epoch_seconds:
        raise BudgetError(
            f"one epoch takes {epoch_seconds:.1f} s here and {max(usable, 0):.0f} s are left for training: "
            f"give at least --time {format_seconds(math.ceil(spent + delivery + 12 * epoch_seconds))}"
        )
    front = front_share * usable if usable >= FRONT_FROM else 0.0
    share = _refit_share(preset, (usable - front) / epoch_seconds, wanted)
    refit = share * (usable - front)
    search = usable - front - refit
    # A shorter search is one of fewer trainings, if it can, not of shorter ones: the refit has four times their epochs.
    trainings = preset.trainings * (1 - share) / (1 - preset.refit_share)
    full = int(search * workers / trainings / step)
    # With many workers there is work for long trainings but not the wall time: one must end well within the search.
    full = min(full, int(LONGEST_SHARE * search / step), MOST_EPOCHS)
    full = max(full, 2)
    low = max(round(full / 9), math.ceil(FIRST_RUNG_SECONDS / first), 1)
    return TimePlan(Fidelity("step" if thirds else "epoch", min(low, full), full), search, refit, front)


def _refit_share(preset: Preset, epochs: float, wanted: float) -> float:
    """The refit's part of so many `epochs`: more than the preset's where that is fewer than `wanted`, by the root of what
    lacks: an epoch more is worth the more the fewer there are, and a short search finds little."""
    have = max(preset.refit_share * epochs, 1.0)
    share = preset.refit_share * math.sqrt(max(wanted / have, 1.0))
    most = min(MOST_REFIT_SHARE, 1 - FEWEST_SEARCHED / max(epochs, 1e-9))
    return min(share, max(most, preset.refit_share))


def wanted_epochs(n_train: int) -> float:
    """Of the final training."""
    return min(EPOCHS_WANTED * math.pow(ROWS_OF_THOSE / max(n_train, 1), ROWS_POWER), MOST_WANTED)


def affordable_epoch(left: float, delivery: float, n_train: int, preset: Preset) -> float:
    """Seconds that an epoch of the first network may take, so that its final training has the epochs that it needs."""
    return preset.refit_share * max(left - delivery, 0.0) / wanted_epochs(n_train)


def refit_step_seconds(trial: Trial, share: Callable[[int], float] = lambda step: 1.0) -> float:
    """What a step of the refit will take, from what the trial's steps took: more data, no validation, on one thread.

    `share(step)` is what a step costs of a whole one, as all steps of the refit are. Before the refit it is measured.
    """
    trained = sorted(m.metrics.get("train_seconds", m.seconds) / share(m.step) for m in trial.measurements)
    return 1.25 * trained[len(trained) // 2]


def refit_steps(seconds_in_steps: float, most: float) -> int:
    """Steps of the final training: as many as fit, `most` at most. Where those are few, the last of them is one that the
    deadline will cut short: the training is annealed by it, and a whole step less would leave much of the time unused."""
    fitting = FIT * seconds_in_steps
    return max(int(min(math.ceil(fitting) if fitting < FEW else fitting, most)), 1)


def longest_refit(full: int, wanted: float) -> int:
    """The most steps of the final training of pictures. The search's `full` comes of the first network's pace: a winner that
    is much quicker has time for all the epochs that are `wanted`."""
    return max(int(LONGEST_REFIT * full), math.ceil(wanted))


def process_started() -> float:
    """When this process began, in seconds since the epoch: imports before the first line count as well."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[19])
        uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return time.time() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return time.time() - 0.5

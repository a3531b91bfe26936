"""The last trainings of a front's members: those that are worth their time, on all that is not the test part."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seedleaf.core import Trial
from seedleaf.executors.base import OWN_DEVICE
from seedleaf.finish import Run, call_all
from seedleaf.front.members import MEMBERS, Member, fitting
from seedleaf.learners.base import Learner, learner_of
from seedleaf.planning import most_refit, step_share
from seedleaf.timing import refit_step_seconds
from seedleaf.train import CHECKPOINT
from seedleaf.train.ramp import Ramp

SHORTEST = 3  # steps of a training that is worth its time
ENOUGH = 0.5  # of the steps asked for: a shorter final training is worth less than what the trial had learned
SLOWER = 0.5  # a network with a tenth of the multiply-adds takes more than a tenth of the time: their share to this power


def learner_in(run: Run) -> Learner:
    """The run's family, which tells latencies where the log holds the machine's pace."""
    return learner_of({**run.setup, "pace": (run.study.history.note("plan") or {}).get("pace")})


def was_sought(run: Run) -> bool:
    """Whether the front is what was asked for, with `--tradeoff`."""
    return len(run.study.problem.objectives) > 1


class Trained(NamedTuple):
    """What a member is delivered from; `whole`: on all that is not the test part, the validation part (`seen`: the error
    there) included."""

    checkpoint: Path
    steps: int
    whole: bool
    seen: float = 0.0


def train_members(run: Run, members: Sequence[Member], end: float) -> dict[str, Trained]:
    """What each member is delivered from, MEMBERS at most; nothing for one that there is nothing of. Trainings are over
    by `end`."""
    ready = {
        m.name: Trained(Path(run.trial_folder(m.trial)) / CHECKPOINT, m.trial.step, whole=False)
        for m in members
        if m.share == 1 and saw_whole_pictures(run, m.trial)
    }
    seconds = end - time.time()
    sought, full = was_sought(run), run.study.problem.full
    short = {m.name: m for m in members if sought or m.share < 1 or m.trial.step < full}
    # Where the front was sought, members were chosen by what they are now: a training that is not longer would be no gain.
    had = {name: t.steps for name, t in ready.items()} if sought else {}
    steps, chosen = _as_long_as_fits(
        run, short, had, seconds, most_refit(run.study.history) if sought else full
    )
    possible = [m.name for m in members if m.name in chosen or m.name in ready][:MEMBERS]
    calls: dict[str, tuple[str, dict[str, Any]]] = {}
    folders = {name: run.folder / "refit" / f"front-{name}-{steps}" for name in chosen if name in possible}
    for name, folder in folders.items():
        arguments = {
            "config": dict(short[name].config),
            "setup": dict(run.setup),
            "folder": str(folder.resolve()),
            "steps": steps,
            "deadline": time.time() + seconds,
            "threads": 1,
            "device": OWN_DEVICE,
        }
        calls[name] = ("seedleaf.learners.refit:refit", arguments)
    answers = call_all(run, calls, "front", needed=set()) if calls else {}
    for name, answer in answers.items():
        if answer.error is None and answer.value["steps"] >= ENOUGH * steps:
            steps_done, seen = int(answer.value["steps"]), float(answer.value["valid_error"])
            ready[name] = Trained(folders[name] / CHECKPOINT, steps_done, whole=True, seen=seen)
    return {name: ready[name] for name in possible if name in ready and ready[name].checkpoint.exists()}


def _as_long_as_fits(
    run: Run, short: Mapping[str, Member], had: Mapping[str, int], seconds: float, longest: int
) -> tuple[int, list[str]]:
    """For how many steps to train and whom: the longest training that leaves time for the winner at smaller widths, one
    beyond that of the search for all; of nobody who `had` as many steps or more."""
    full = run.study.problem.full
    wanted = sum(m.share < 1 for m in short.values()) or 1
    steps, chosen = longest, list[str]()
    while steps >= SHORTEST:
        longer = [name for name in short if had.get(name, 0) < steps]
        needs = {name: steps / full * _seconds(run, short[name]) for name in longer}
        chosen = fitting(needs, seconds, run.workers)
        first, least = (MEMBERS, MEMBERS) if steps > full else (wanted, run.workers)
        asked = longer[:first]
        if sum(name in chosen for name in asked) >= min(len(asked), least):
            break
        steps = full if steps > full > steps // 2 else steps // 2
    return steps, chosen if steps >= SHORTEST else []


def _seconds(run: Run, member: Member) -> float:
    """About how long its whole training takes, on one thread."""
    share = step_share(run.study.history)
    whole = run.study.problem.full * refit_step_seconds(member.trial, share)
    if member.share == 1:
        return whole
    lighter, macs = (learner_in(run).costs(run.spec, c)["macs"] for c in (member.config, member.trial.config))
    return float(whole * (lighter / macs) ** SLOWER)


def saw_whole_pictures(run: Run, trial: Trial) -> bool:
    """A trial that was stopped while pictures were small does not know them at their size."""
    ramp = Ramp(str(run.setup.get("fidelity", "epochs")), run.study.problem.full)
    return ramp.at(trial.step).side == 1

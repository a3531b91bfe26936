"""Tables, after the search: the winner fitted on every training row, one ONNX file, measured once on the test part."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedleaf.card import in_digits
from seedleaf.core import Trial
from seedleaf.data.tables.words import plural
from seedleaf.errors import BudgetError, LimitError
from seedleaf.executors.base import Returned
from seedleaf.finish import call_all
from seedleaf.learners.tables.decide import threshold
from seedleaf.learners.tables.registry import family_name, split_config
from seedleaf.modality.base import Made
from seedleaf.modality.table_beside import remember
from seedleaf.modality.table_card import card
from seedleaf.modality.table_choice import candidates, failed, winner_of
from seedleaf.modality.table_limits import beyond, limits_told, out_of_reach
from seedleaf.modality.table_parts import Members, Parts, make_parts, smaller, spare, together, was_cut
from seedleaf.modality.table_spec import TableSpec

if TYPE_CHECKING:
    from seedleaf.finish import Run


def make(run: Run, end: float, staged: Path) -> Made:
    """Fit the winner on all training rows by `end`, deliver it to `staged`, compare it with the default."""
    winner = winner_of(run.study)
    if winner is None and (broken := beyond(run.study)):
        raise LimitError(broken)
    if winner is None:
        raise BudgetError(f"no model: {failed(run.study.history, time.time() - run.clock_started)}")
    begun = time.time()
    able = candidates(run.study, winner)
    blend = _blend(run, able, winner.step)
    made, trained = make_parts(run, blend.members, end)
    took = time.time() - begun
    run.view.update(run.study.history, time.time(), "export")
    plans = [together(made, blend.power)]
    if run.study.problem.limits:
        ordered = bool(run.spec.schema.order_by)
        others = [(t, spare(t, Path(run.trial_folder(t)), ordered)) for t in able]
        plans += smaller(made, [(t, places[0]) for t, places in others if places], blend.power)
    delivered, compared = _deliver(run, winner, plans, blend.decision["weights"], staged)
    taken = plans[delivered.pop("plan")]
    remember(run, taken.places, taken.weights, taken.power, blend.decision["weights"])
    weighed = delivered.pop("decision")
    if winner.id not in {t.id for t, _ in taken.members}:
        winner, compared = taken.members[0][0], None
    spec: TableSpec = run.spec
    final = {
        "trial": winner.id,
        "config": dict(winner.config),
        "metric": spec.goal.name,
        "target": spec.schema.target.name,
        "members": [{"trial": t.id, "learner": family_name(t.config), "weight": w} for t, w in taken.members],
        "power": taken.power,
        "models": len(taken.places),
        "cross_validated": {spec.goal.name: winner.metrics.get(spec.goal.name)},
        "folds": {"judged": winner.step, "of": run.study.problem.full},
        **delivered,
        **(_told(blend.decision, weighed, spec) if weighed else {}),
        **limits_told(run.study, delivered),
        "refit_seconds": took,
        "predict": f"seedleaf predict {run.folder} FILE.csv",
    }
    keep = (
        "metric",
        "members",
        "power",
        "test",
        "cross_validated",
        "folds",
        "bytes",
        "latency_ms",
        "packed",
        "onnx_max_difference",
        "per_class",
        "limits",
        "decision",
    )
    metrics = {k: final[k] for k in keep if k in final}
    told = verdict(run, winner, compared)
    tested = dict(delivered["test"]).get(spec.goal.name)
    if told.get("beaten", True) and blend.tied.get("plainer") == winner.id:
        told = blend.tied
    told = {**told, "text": told["text"] + _no_better(run, tested)}
    # The fit has one thread while the run's others stand still.
    return Made(final, told, metrics, partial(card, spec, final), trained / run.threads, took)


def _told(decision: Mapping[str, Any], weighed: list[float], spec: TableSpec) -> dict[str, Any]:
    """What is known of a decision that is not for the most probable class."""
    body = {"weights": weighed, "metric": spec.goal.name, **{k: decision[k] for k in ("before", "after")}}
    if len(weighed) == 2:
        body |= {"class": spec.schema.target.classes[1], "threshold": threshold(weighed)}
    return {"decision": body}


@dataclass(frozen=True)
class Blend:
    """Which trials go into the file, with what weights; the `power` that calibrates probabilities; what is weighed against
    what when a class is said; and the verdict where a plainer model took the place of others in a tie."""

    members: Members
    power: float
    decision: Mapping[str, Any]
    tied: dict[str, Any]


def _blend(run: Run, trials: list[Trial], folds: int) -> Blend:
    """The best of the trials together, all of which have done the first `folds` folds."""
    arguments = {
        "folders": [run.trial_folder(t) for t in trials],
        "setup": dict(run.setup),
        "n_folds": folds,
        "costs": [dict(t.metrics) for t in trials] if run.study.problem.limits else [],
        "plainness": [split_config(t.config)[0].plainness for t in trials],
    }
    answer = call_all(run, {"blend": ("seedleaf.learners.tables.blend:blend", arguments)}, "refit", set())[
        "blend"
    ]
    if answer.error is not None:
        run.view.message(f"no blend: {answer.error}")
        return Blend([(trials[0], 1.0)], 1.0, {"weights": []}, {})
    found = answer.value
    members = [(t, float(w)) for t, w in zip(trials, found["weights"], strict=True) if w]
    run.study.note(
        "blend",
        members=[[t.id, w] for t, w in members],
        **{k: found[k] for k in ("power", "before", "after")},
    )
    # What calibrates fits that the clock ended does not calibrate those that are grown on.
    power = 1.0 if any(was_cut(t) for t, _ in members) else float(found["power"])
    tied = _tied(run.spec, members[0][0], trials, found["tied"]) if found["tied"] else {}
    return Blend(members, power, found["decision"], tied)


def _tied(spec: TableSpec, plain: Trial, trials: list[Trial], found: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict where a plainer model is delivered for others that led by no more than chance."""
    names = " + ".join(f"{family_name(trials[i].config)} (trial {trials[i].id})" for i in found["members"])
    kind = (
        "log loss"
        if spec.kind.n_classes
        else "absolute error"
        if spec.goal.name == "mae"
        else "squared error"
    )
    lead = f"led by {in_digits(found['lead'])} ± {in_digits(found['se'])} in {kind} on the folds, "
    told = f"{lead}which {spec.schema.n_train:,} rows do not tell from chance"
    text = (
        f"{family_name(plain.config)} (trial {plain.id}) is delivered, the plainer model: {names} "
        f"{told if found['lead'] > 0 else 'did no better on the folds'}"
    )
    return {"text": text, "gain": -found["lead"], "se": found["se"], "plainer": plain.id}


def _deliver(
    run: Run, winner: Trial, plans: Sequence[Parts], decision: Sequence[float], out: Path
) -> tuple[dict[str, Any], Returned | None]:
    """Join and measure the fitted models of the first plan that keeps the limits; beside it, what tuning gained over the
    default config on the folds. LimitError where none does."""
    listed = [([str(p) for p in x.places], list(x.weights), x.power) for x in plans]
    places, weights, power = listed[0]
    arguments = {
        "places": places,
        "weights": weights,
        "power": power,
        "setup": dict(run.setup),
        "out": str(out.resolve()),
        "instead": listed[1:],
        "decision": list(decision),
    }
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "deliver": ("seedleaf.learners.tables.deliver:deliver", arguments)
    }
    if winner.id != run.default.id and (both := min(winner.step, run.default.step)):
        pair = {"one": run.trial_folder(winner), "other": run.trial_folder(run.default), "n_folds": both}
        calls["compare"] = ("seedleaf.learners.tables.deliver:compare", {**pair, "setup": dict(run.setup)})
    answers = call_all(run, calls, "export", needed={"deliver"})
    delivered = dict(answers["deliver"].value)
    if delivered["plan"] < 0:
        raise LimitError(out_of_reach(run, delivered))
    return delivered, answers.get("compare")


def _no_better(run: Run, tested: float | None) -> str:
    """That the test part says otherwise than the folds, where it does; the constant of the training rows is what it is held
    against."""
    goal = run.spec.goal
    base = float((run.study.history.note("baseline") or {}).get(goal.name, math.nan))
    if tested is None or not (tested >= base if goal.direction == "min" else tested <= base):
        return ""
    return f"; on the test part it is no better than the same answer for every row: {goal.name} {tested:.4g}, {base:.4g} so"


def verdict(run: Run, winner: Trial, compared: Returned | None) -> dict[str, Any]:
    """One honest sentence on what the search was good for."""
    spec: TableSpec = run.spec
    goal = spec.goal
    base = float((run.study.history.note("baseline") or {}).get(goal.name, math.nan))
    reached = winner.metrics.get(goal.name, math.nan)
    worse = reached >= base if goal.direction == "min" else reached <= base
    if worse:
        return {
            "text": f"nothing tried predicts {spec.schema.target.name} better than the same answer for every row: "
            f"{goal.name} {reached:.4g}, the baseline {base:.4g}",
            "beaten": False,
        }
    if winner.id == run.default.id:
        text = "the default config was not beaten: tuning gained nothing here"
        return {"text": text, "gain": 0.0, "se": 0.0}
    family, default = family_name(winner.config), family_name(run.default.config)
    if compared is None or compared.error is not None:
        return {"text": f"the winner is {family}; what it gained over the default {default} is not known"}
    gain, se = compared.value["gain"], compared.value["se"]
    kind = "log loss" if spec.kind.n_classes else "squared error"
    told = f"{'+' if gain >= 0 else ''}{in_digits(gain, 4)} ± {in_digits(se)}"
    both = min(winner.step, run.default.step)
    where = "the folds" if both == run.study.problem.full else f"the {plural(both, 'fold')} that both had"
    text = f"{family} gained {told} in {kind} over the default {default} on {where}"
    if gain <= 0:  # judged by something else, or once its models were averaged
        lost = f"{in_digits(-gain, 4)} ± {in_digits(se)}"
        text = f"{family} is not ahead of the default {default} in {kind} on {where}, but behind by {lost}"
    if abs(gain) < 2 * se:
        text += ": within the noise"
    return {"text": text, "gain": gain, "se": se}

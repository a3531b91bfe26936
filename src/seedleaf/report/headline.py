"""The top of the page: what came out, in one sentence, six figures and one line from the trivial to the tuned."""

from __future__ import annotations

import math

from seedleaf.core import State
from seedleaf.report.board import baseline_value
from seedleaf.report.facts import Facts, Row, number
from seedleaf.report.plot import fit_scale
from seedleaf.report.text import MISSING, count, duration, esc, figure, plural, share, short, size

PLAIN = ("", "logloss", "error", "accuracy")  # of these the share that is right says more to a person
OF_ONE = ("f1", "average_precision")  # of the positive class
LEAST = 1e-9  # an error below it is a rounding of zero, which a logarithmic scale does not reach for


def headline(facts: Facts) -> str:
    """The opening: sentence, verdict, figures and ladder. Says what there is, however little."""
    tiles = "".join(
        f"<div><dt>{name}</dt><dd>{value}<small>{under}</small></dd></div>"
        for name, value, under in _tiles(facts)
    )
    strip = f'<dl class="tiles">{tiles}</dl>' if tiles else ""
    return f'<h1>{title(facts)}</h1><p class="verdict">{verdict(facts)}</p>{strip}{ladder(facts)}'


def title(facts: Facts) -> str:
    """One sentence: the result, or why there is none."""
    test, params = number(facts.note("final"), "test", "accuracy"), _params(facts)
    winner, metric = facts.winner, str(facts.note("final").get("metric", ""))
    tested = number(facts.note("final"), "test", metric)
    if metric not in PLAIN and math.isfinite(tested):
        positive = (facts.note("data").get("spec") or {}).get("positive")
        of = f" of {esc(positive)}" if metric in OF_ONE and positive else ""
        return f"<em>{figure(tested)}</em> {esc(metric)}{of} on rows it never saw."
    if math.isfinite(test):
        small = f" with {count(params)} parameters" if math.isfinite(params) else ""
        what = "rows it never saw" if _is_table(facts) else "images it never saw"
        if facts.note("final").get("test_drawn"):  # from what the original may have been trained on
            what = "the test images"
        return f"<em>{share(test)}</em> right on {what}{',' if small else ''}{small}."
    if winner is not None:
        small = f" with {count(params)} parameters" if math.isfinite(params) else ""
        return f"Best {esc(facts.objective.metric)}: <em>{figure(winner.value)}</em>{small}."
    failed = [r for r in facts.rows if r.state is State.FAILED]
    if failed and all(r.out_of_reach for r in facts.rows):
        return f"{plural(len(failed), 'recipe')}, and none keeps the bounds."
    if failed and len(failed) == len(facts.rows):
        return f"All {plural(len(failed), 'trial')} failed." if len(failed) > 1 else "The only trial failed."
    return "No result yet." if facts.rows else "Nothing has run yet."


def _is_table(facts: Facts) -> bool:
    return (facts.note("data").get("spec") or {}).get("kind") == "table"


def verdict(facts: Facts) -> str:
    """What the tuning was worth, held against the default config and the trivial baseline."""
    parts = []
    if text := facts.note("verdict").get("text"):
        sentence = str(text)
        parts.append(f"<b>{esc(sentence[:1].upper() + sentence[1:])}.</b>")
    parts += _compared(facts)
    if not facts.note("final") and facts.rows:
        why = f"The study ended because {facts.finished}." if facts.finished else "The run has not finished"
        parts.append(esc(why) if facts.finished else f"{why}: this is how far its log goes.")
    return " ".join(parts)


def _compared(facts: Facts) -> list[str]:
    metric, low = esc(facts.objective.metric), facts.objective.direction == "min"
    shown = []
    if math.isfinite(base := baseline_value(facts)):
        shown.append(
            f"{esc(facts.note('baseline').get('what') or 'the trivial baseline')} gives {figure(base, 3)}"
        )
    if facts.default is not None:
        shown.append(f"the default config {_reached(facts, facts.default)}")
    if facts.winner is not None and math.isfinite(facts.winner.value):
        shown.append(f"the winner {_reached(facts, facts.winner)}")
    if len(shown) < 2:
        return []
    where = (
        "On the folds"
        if _is_table(facts)
        else "On the validation part"
        if facts.note("data")
        else "In the study"
    )
    return [f"{where} the {metric} ({'lower' if low else 'higher'} is better): {', '.join(shown)}."]


def _reached(facts: Facts, row: Row) -> str:
    """Its objective, and how far it was trained where that is not the whole way: the two must not be taken as equals."""
    if row.state is State.FAILED:
        return "is out of reach" if row.out_of_reach else "failed"
    full = facts.fidelity.high if facts.fidelity else 1
    return figure(row.value, 3) + (
        f" after {row.step} of {plural(full, facts.steps_name)}" if row.step < full else ""
    )


def _params(facts: Facts) -> float:
    told = number(facts.note("final"), "params")
    return told if math.isfinite(told) or facts.winner is None else facts.winner.metric("params")


def _tiles(facts: Facts) -> list[tuple[str, str, str]]:
    final, run = facts.note("final"), facts.note("run")
    test, low, high = (number(final, "test", k) for k in ("accuracy", "low", "high"))
    span = f"95 % interval {100 * low:.1f} to {100 * high:.1f}" if math.isfinite(low + high) else ""
    allowed = {x.metric: f"of {short(x.at_most)} allowed" for x in facts.limits}
    median, p90 = number(final, "latency_ms", "median"), number(final, "latency_ms", "p90")
    tail = f"9 of 10 within {figure(p90, 2)} ms" if math.isfinite(p90) else ""
    spent = number(facts.note("shares"), "wall")
    if not math.isfinite(spent):
        spent = max((r.ended for r in facts.rows), default=0.0) - facts.started if facts.started else math.nan
    limit = number(run, "time_limit")
    macs = number(final, "macs")
    tiles = [
        ("Test accuracy", share(test), span),
        ("Parameters", count(_params(facts)), allowed.get("params", "")),
        ("Multiply-adds", short(macs), allowed.get("macs", "per image")),
        ("File", size(number(final, "bytes")), allowed.get("bytes", "model.onnx")),
        (
            "Latency",
            f"{figure(median, 2)} ms" if math.isfinite(median) else MISSING,
            allowed.get("latency_ms") or tail or f"one {'row' if _is_table(facts) else 'image'}, one thread",
        ),
        (
            "Time",
            duration(spent),
            f"of {duration(limit)}" if math.isfinite(limit) else plural(len(facts.rows), "trial"),
        ),
    ]
    return [(name, value.replace(" ", "\u202f"), under) for name, value, under in tiles if value != MISSING]


def ladder(facts: Facts) -> str:
    """One line from the trivial baseline over the default config to the winner, with the test interval beneath."""
    if facts.objective.metric != "error":
        return ""
    steps = [("baseline", "base", baseline_value(facts))]
    steps += (
        [("default", "default", facts.default.value)]
        if facts.default is not None and facts.default.scored
        else []
    )
    if facts.winner is not None and facts.role(facts.winner) == "winner":
        steps.append(("winner", "winner", facts.winner.value))
    steps = [s for s in steps if math.isfinite(s[2])]
    if len(steps) < 2:
        return ""
    test = facts.note("final")
    point, low, high = (
        number(test, "test", "error"),
        1 - number(test, "test", "high"),
        1 - number(test, "test", "low"),
    )
    scale = fit_scale([*(v for _, _, v in steps), *(v for v in (point, low, high) if v > LEAST)], pad=0.08)
    ticks = "".join(
        f'<span class="t" style="left:{100 * (1 - scale.unit(v)):.2f}%">{figure(v, 2)}</span>'
        for v in scale.ticks(7)
    )
    marks = "".join(
        f'<span class="step {css}" style="--x:{100 * (1 - scale.unit(v)):.2f}"><b>{name}</b> {figure(v, 3)}</span>'
        for name, css, v in steps
    )
    if math.isfinite(point + low + high):
        left, right = 100 * (1 - scale.unit(high)), 100 * (1 - scale.unit(low))
        marks += (
            f'<span class="interval" style="left:{left:.2f}%;width:{right - left:.2f}%"></span>'
            f'<span class="tested" style="--x:{100 * (1 - scale.unit(point)):.2f}"><b>test</b> {figure(point, 3)}</span>'
        )
    spoken = ", ".join(f"{name} {figure(v, 3)}" for name, _, v in steps)
    axis = "error on the validation part (test below the line), better to the right"
    inside = f'<div class="track">{ticks}{marks}</div><p>{axis}</p>'
    return f'<div class="ladder" role="img" aria-label="Error: {esc(spoken)}">{inside}</div>'

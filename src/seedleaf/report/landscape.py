"""The section on the space: per parameter how much it mattered and where the best quarter of the trials lies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from seedleaf.core import Value
from seedleaf.report.facts import Facts, Row
from seedleaf.report.importance import ENOUGH, Bar, Effect, effects
from seedleaf.report.text import esc, plural, setting, share
from seedleaf.space import Choice, Float, Int, Param


def landscape(facts: Facts) -> str:
    """The section's HTML; empty where there is no space or no scored trial to show in it."""
    rows = facts.scored
    if facts.space is None or len(rows) < 2:
        return ""
    every = effects(facts.space, rows, facts.winner, facts.default)
    found = [e for e in every if e.n]  # a big space has hundreds that few trials never met
    if not found:
        return ""
    n_good = math.ceil(len(rows) / 4)
    intro = (
        f"Pale bars are all {plural(len(rows), 'trial')} with a result, full bars the best quarter ({n_good}), both as "
        "shares of their own number: where the full bar stands higher, good configs gather. "
        f"<b>Weight</b> is the part of the differences in rank, by the {esc(facts.objective.metric)} at each trial’s last "
        f"{esc(facts.steps_name)}, that this parameter explains on its own, among the trials in which it exists."
    )
    unmet = len(every) - len(found)
    exist = f"{plural(unmet, 'more parameter')} {'exists' if unmet == 1 else 'exist'}"
    why = f"{exist} only under options that no trial with a result had."
    panels = f'<div class="params">{"".join(_tree(facts, found))}</div>'
    left = f'<p class="hint">{why}</p>' if unmet else ""
    return f'<p class="lede">{intro}</p>{_ranking(found, rows)}{panels}{left}'


def _ranking(found: Sequence[Effect], rows: Sequence[Row]) -> str:
    if len(rows) < ENOUGH:
        text = f"With {plural(len(rows), 'result')} there is too little data to weigh parameters; that takes {ENOUGH}."
        return f'<p class="hint">{text}</p>'
    weighed = sorted((e for e in found if e.sure), key=lambda e: -(e.share or 0.0))[:5]
    if not weighed:
        return '<p class="hint">No parameter on its own sets the trials apart by more than chance would.</p>'
    names = [f"<b>{esc(e.node.key)}</b>{_where(e)} {share(e.share or 0.0, 0)}" for e in weighed]
    return f'<p class="hint">What mattered most: {", ".join(names)}.</p>'


def _where(effect: Effect) -> str:
    return "" if effect.node.parent is None else f" (under {esc(effect.node.option)})"


def _tree(facts: Facts, found: Sequence[Effect]) -> Iterator[str]:
    """Roots by weight, each followed by what exists only under its options."""
    below: dict[str | None, list[Effect]] = {}
    for effect in found:
        below.setdefault(effect.node.parent, []).append(effect)

    def branch(parent: str | None, depth: int) -> Iterator[str]:
        heading: object = None
        level = below.get(parent, [])
        if parent is None:
            level = sorted(level, key=lambda e: -(e.share if e.share is not None else 0.0))
        for effect in level:
            if parent is not None and (heading is None or effect.node.option != heading):
                heading = effect.node.option
                owner = parent.rsplit(".", 1)[-1]
                yield f'<h4 style="--d:{depth}">only with {esc(owner)} = {esc(setting(effect.node.option))}</h4>'
            yield _panel(effect, depth)
            yield from branch(effect.node.id, depth + 1)

    yield from branch(None, 0)


def _panel(effect: Effect, depth: int) -> str:
    name = effect.node.key.rsplit(".", 1)[-1]
    weight = "too few" if effect.share is None else share(effect.share, 0)
    meter = (
        f'<i class="{"" if effect.sure else "unsure"}" style="width:{100 * (effect.share or 0):.0f}%"></i>'
    )
    doubt = ", within chance" if effect.share and effect.share > 0.005 and not effect.sure else ""
    facts = [f"winner {setting(effect.winner)}"] if effect.in_winner else []
    facts += [f"default {setting(effect.default)}"] if effect.in_default else []
    return (
        f'<div class="param" style="--d:{depth}"><div class="pname"><b>{esc(name)}</b>'
        f"<small>{esc(_range(effect.node.param))}</small></div>"
        f'<div class="pdist">{_distribution(effect)}</div>'
        f'<div class="pweight"><span class="meter" aria-hidden="true">{meter}</span><span>{weight}</span>'
        f"<small>{plural(effect.n, 'trial')}{doubt}{'<br>' + esc(' · '.join(facts)) if facts else ''}</small></div></div>"
    )


def _range(param: Param) -> str:
    if isinstance(param, (Float, Int)):
        return f"{setting(param.low)} to {setting(param.high)}{', log' if param.log else ''}"
    options = len(param.options) if isinstance(param, Choice) else 1
    return f"{options} options"


def _distribution(effect: Effect) -> str:
    bars = effect.bars
    top = max((max(b.n / (effect.n or 1), b.n_good / (effect.n_good or 1)) for b in bars), default=0.0) or 1.0
    columns = "".join(_column(b, effect, top) for b in bars)
    param = effect.node.param
    marks = "".join(
        f'<i class="at {role}" style="left:{100 * _at(effect, value):.1f}%"></i>'
        for role, there, value in (
            ("default", effect.in_default, effect.default),
            ("winner", effect.in_winner, effect.winner),
        )
        if there
    )
    if any(b.name for b in bars):
        names = "".join(f'<span title="{esc(b.name)}">{esc(b.name)}</span>' for b in bars)
    else:
        ends = (setting(param.low), setting(param.high)) if isinstance(param, (Float, Int)) else ("", "")
        names = f'<span class="first">{ends[0]}</span><span class="last">{ends[1]}</span>'
    return (
        f'<div class="bars" role="img" aria-label="{esc(_spoken(effect))}">{columns}{marks}</div>'
        f'<div class="names" aria-hidden="true">{names}</div>'
    )


def _column(bar: Bar, effect: Effect, top: float) -> str:
    all_, good = bar.n / (effect.n or 1) / top, bar.n_good / (effect.n_good or 1) / top
    tip = (
        f"{bar.name + ': ' if bar.name else ''}{plural(bar.n, 'trial')}, {bar.n_good} among the best quarter"
    )
    return (
        f'<span title="{esc(tip)}"><i class="all" style="height:{100 * all_:.0f}%"></i>'
        f'<i class="good" style="height:{100 * good:.0f}%"></i></span>'
    )


def _at(effect: Effect, value: Value) -> float:
    """Where on the panel a value stands: bars of named values are equally wide, whatever their scale."""
    named = [b for b in effect.bars if b.name == setting(value)]
    return (named[0].left + named[0].right) / 2 if named else effect.node.param.to_unit(value)


def _spoken(effect: Effect) -> str:
    """The distribution in words: where the best quarter gathers."""
    lifted = sorted((b for b in effect.bars if b.n_good), key=lambda b: -b.n_good)[:3]
    param = effect.node.param
    words = []
    for bar in lifted:
        name = bar.name or f"{setting(param.from_unit(bar.left))} to {setting(param.from_unit(bar.right))}"
        words.append(f"{name}: {bar.n_good} of {bar.n}")
    return f"{effect.node.key}, the best quarter by value: {'; '.join(words) or 'none here'}"

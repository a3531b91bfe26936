"""The page: sections in their order, one file without a single reference to anything outside it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Sequence
from importlib.resources import files

from seedleaf.report import charts, tradeoff
from seedleaf.report.board import Place, places
from seedleaf.report.columns import columns_section
from seedleaf.report.compressed import compression_section
from seedleaf.report.data import confusion_section, data_section
from seedleaf.report.facts import Facts
from seedleaf.report.front import front_section
from seedleaf.report.headline import headline
from seedleaf.report.landscape import landscape
from seedleaf.report.origin import origin_section, use_section
from seedleaf.report.text import MISSING, count, duration, esc, figure, moment, table
from seedleaf.report.trials import configs_json, failures, trial_table, unreached, winner_config

LEAF = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M11 22v-7.2C6.4 14.7 3 11.6 2.4 6.6c5-.3 8.3 2 9.6 5.7 '
    '1-4.9 4.300-7.700 9.700-8.200.2 6-3 10.100-8.700 10.600V22z"/></svg>'
)


def render(facts: Facts) -> str:
    """The whole HTML page as text."""
    sections = [
        (anchor, short, name, body) for anchor, short, name, make in SECTIONS if (body := make(facts))
    ]
    links = "".join(f'<li><a href="#{anchor}">{short}</a></li>' for anchor, short, _, _ in sections)
    nav = f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if len(sections) > 1 else ""
    bodies = "".join(
        f'<section id="{anchor}" aria-labelledby="h-{anchor}"><h2 id="h-{anchor}">{name}</h2>{body}</section>'
        for anchor, _, name, body in sections
    )
    css, script = _asset("page.css"), _asset("page.js")
    when = moment(facts.started) if facts.started else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{esc(facts.title)} · seedleaf</title><style>{css}</style></head><body>"
        f'<a class="skip" href="#main">To the content</a><header class="top"><span class="brand">{LEAF}seedleaf</span>'
        f"<span>{esc(facts.title)}{' · ' if when else ''}{when}</span></header>"
        f'<header class="hero">{headline(facts)}</header>{nav}<main id="main">{bodies}</main>'
        "<footer>Written by seedleaf. This page is one file and asks nothing of the network.</footer>"
        f'<script type="application/json" id="configs">{configs_json(facts)}</script>'
        f"<script>{script}</script></body></html>\n"
    )


def _policy(script: str) -> str:
    """Only the page's own script may run, should an escape ever be missed."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _asset(name: str) -> str:
    return files("seedleaf.report").joinpath(name).read_text(encoding="utf-8")


def _figure(chart: charts.Chart | None, kind: str = "") -> str:
    if chart is None:
        return ""
    keys = "".join(
        f'<li><button type="button" class="{css}" data-plot="{kind}" aria-pressed="true"><i></i>{name}</button></li>'
        for css, name in chart.legend
    )
    legend = f'<ul class="legend" aria-label="Show or hide">{keys}</ul>' if keys else ""
    return (
        f"<figure>{legend}{chart.plot}<figcaption>{esc(chart.caption)}</figcaption>"
        f"<details><summary>The numbers as a table</summary>{chart.numbers}</details></figure>"
    )


def _board(facts: Facts) -> str:
    rows = places(facts, rows=7)
    if len(rows) < 2:
        return ""
    sized = any(math.isfinite(p.params) for p in rows)
    heads = [
        "rank",
        "",
        esc(facts.objective.metric),
        *(["params"] if sized else []),
        esc(facts.steps_name),
        "training",
        "note",
    ]
    return table(heads, [_place(p, sized) for p in rows], css="board")


def _place(place: Place, sized: bool) -> Sequence[str]:
    return [
        MISSING if place.rank is None else str(place.rank),
        f"<b>{esc(place.label)}</b>" if place.note.startswith("winner") else esc(place.label),
        figure(place.value),
        *([count(place.params)] if sized else []),
        count(place.steps),
        duration(place.seconds),
        esc(place.note),
    ]


def _winner(facts: Facts) -> str:
    body = winner_config(facts)
    use = use_section(facts)
    return f"{use}<h3>Its settings</h3>{body}" if use and body else use or body


# (anchor, short name in the navigation, heading, what makes the section: empty text where there is nothing to say)
SECTIONS: Sequence[tuple[str, str, str, Callable[[Facts], str]]] = (
    ("leaders", "Leaders", "Leaderboard", _board),
    ("columns", "Columns", "Which columns the answers hang on", columns_section),
    ("compression", "Compression", "What was removed, and what it cost", compression_section),
    ("curves", "Curves", "Learning curves", lambda f: _figure(charts.learning_curves(f), "curves")),
    ("time", "Time", "Best so far, by wall time", lambda f: _figure(charts.best_so_far(f), "best")),
    ("pareto", "Cost", "What accuracy costs", lambda f: _figure(tradeoff.pareto(f), "pareto")),
    ("front", "Front", "What was delivered: the front", front_section),
    ("space", "Space", "Where the good configs lie", landscape),
    ("winner", "Winner", "The winner", _winner),
    ("data", "Data", "The data as it was understood", data_section),
    ("mistakes", "Mistakes", "Where it goes wrong", confusion_section),
    ("trials", "Trials", "All trials", trial_table),
    ("unreached", "Out of reach", "Recipes that are out of reach", unreached),
    ("failures", "Failures", "Failures by reason", failures),
    ("origin", "Origin", "Where this came from", origin_section),
)

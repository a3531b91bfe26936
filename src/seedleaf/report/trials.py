"""The sections on single trials: the table of all, the failures by reason, the winner's config beside the default."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from seedleaf.core import OUT_OF_REACH, State
from seedleaf.report.facts import Facts, Row
from seedleaf.report.text import MISSING, count, duration, esc, figure, plural, script_json, setting, table

PRINTED = 60  # rows that go to paper


def trial_table(facts: Facts) -> str:
    """All trials, best first. A script makes the heads sort and the rows open; without it the table is whole."""
    if not facts.rows:
        return ""
    ranked = facts.scored
    rest = [r for r in facts.rows if not r.scored]
    sized = any(math.isfinite(r.metric("params")) for r in facts.rows)
    noted = any(r.reason for r in facts.rows)
    heads = ["trial", "state", facts.steps_name, facts.objective.metric]
    heads += ["params"] * sized + ["training"] + ["note"] * noted
    order = "ascending" if facts.objective.direction == "min" else "descending"
    ths = "".join(_head(h, order if i == 3 and ranked else "none") for i, h in enumerate(heads))
    body = "".join(_tr(facts, r, i, sized, noted) for i, r in enumerate([*ranked, *rest]))
    return (
        '<p class="filter"><label>Filter <input type="search" id="find" placeholder="state, reason or setting: adamw">'
        f'</label><span id="found" role="status">{plural(len(facts.rows), "trial")}</span></p>'
        '<div class="scroll tall" tabindex="0" role="region" aria-label="All trials">'
        f'<table id="trial-table"><thead><tr>{ths}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _head(name: str, order: str) -> str:
    return f'<th scope="col" aria-sort="{order}"><button type="button">{esc(name)}</button></th>'


def _tr(facts: Facts, row: Row, index: int, sized: bool, noted: bool) -> str:
    role = facts.role(row)
    state = OUT_OF_REACH if row.out_of_reach else row.state.value
    css = " ".join(x for x in (role, state.replace(" ", "-"), "late" if index >= PRINTED else "") if x)
    badge = f' <span class="badge {role}">{role}</span>' if role else ""
    cells = [
        _td(row.id, f"{row.id}{badge}"),
        f"<td><span class='state'>{state}</span></td>",
        _td(row.step, count(row.step)),
    ]
    cells.append(_td(row.value, figure(row.value)))
    if sized:
        cells.append(_td(row.metric("params"), count(row.metric("params"))))
    cells.append(_td(row.seconds, duration(row.seconds)))
    if noted:
        cells.append(f'<td class="why">{esc(row.reason)}</td>')
    return f'<tr class="{css}" data-t="{row.id}">{"".join(cells)}</tr>'


def _td(value: float, text: str) -> str:
    key = f"{value:.6g}" if math.isfinite(value) else ""
    return f'<td class="n" data-v="{key}">{text}</td>' if text != key else f'<td class="n">{text}</td>'


def configs_json(facts: Facts) -> str:
    """Every trial's config for the script: names once, then per trial [index, value, index, value, …]."""
    names = list(dict.fromkeys(k for r in facts.rows for k in r.config))
    index = {k: i for i, k in enumerate(names)}
    rows = {str(r.id): [x for k, v in r.config.items() for x in (index[k], setting(v))] for r in facts.rows}
    return script_json({"names": names, "trials": rows})


def failures(facts: Facts) -> str:
    """Failed trials by reason. Empty where none failed."""
    failed = [r for r in facts.rows if r.state is State.FAILED and not r.out_of_reach]
    rest = "; the study went on without them" if facts.scored else ""
    return _by_reason(failed, f"{len(failed):,} of {plural(len(facts.rows), 'trial')} failed{rest}.")


def unreached(facts: Facts) -> str:
    """Recipes of a compression that cannot keep its bounds, which is no failure. Empty where there is none."""
    beyond = [r for r in facts.rows if r.out_of_reach]
    said = "as measured they do not keep the bounds, so they were not trained. Nothing went wrong."
    return _by_reason(beyond, f"{len(beyond):,} of {plural(len(facts.rows), 'recipe')}: {said}")


def _by_reason(found: Sequence[Row], head: str) -> str:
    """A table of trials by reason; reasons that differ in their numbers only are one."""
    groups: dict[str, list[Row]] = {}
    for row in found:
        groups.setdefault(re.sub(r"\d[\d.,]*", "#", row.reason) or "no reason given", []).append(row)
    if not groups:
        return ""
    lines = [_group(rows) for _, rows in sorted(groups.items(), key=lambda g: -len(g[1]))]
    return f'<p class="lede">{head}</p>' + table(("trials", "reason", "which", "lost"), lines)


def _group(rows: Sequence[Row]) -> tuple[str, ...]:
    ids = ", ".join(str(r.id) for r in rows[:12]) + (f" and {len(rows) - 12} more" if len(rows) > 12 else "")
    reason = f'<span class="why">{esc(rows[0].reason or "no reason given")}</span>'
    return str(len(rows)), reason, f"trial {ids}", duration(sum(r.seconds for r in rows))


def winner_config(facts: Facts) -> str:
    """The winner's settings, beside the default's where that is another trial."""
    winner, default = facts.winner, facts.default
    if winner is None:
        return ""
    if default is None or default.id == winner.id:
        own = [(f"<code>{esc(k)}</code>", esc(setting(v))) for k, v in winner.config.items()]
        return table(("parameter", f"trial {winner.id}"), own, css="config")
    keys = list(dict.fromkeys([*winner.config, *default.config]))
    rows = []
    for key in keys:
        ours = esc(setting(winner.config[key])) if key in winner.config else MISSING
        theirs = esc(setting(default.config[key])) if key in default.config else MISSING
        rows.append((f"<code>{esc(key)}</code>", ours if ours == theirs else f"<b>{ours}</b>", theirs))
    return table(("parameter", f"winner, trial {winner.id}", "default config"), rows, css="config")

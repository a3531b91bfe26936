"""The section on the data: as it was understood, and where the winner goes wrong on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from seedleaf.report.facts import Facts, number
from seedleaf.report.text import count, esc, figure, plural, share, table

CELLS = 20  # more classes than this and a confusion matrix is a grey square: the pairs alone say more


def data_section(facts: Facts) -> str:
    """What was read, findings, class counts. Empty where the study knows of no data."""
    spec = facts.note("data").get("spec")
    if not isinstance(spec, Mapping):
        return ""
    names = [str(n) for n in spec.get("class_names") or ()]
    findings = [str(f) for f in spec.get("findings") or ()]
    found = "".join(f"<li>{esc(f)}</li>" for f in findings)
    notes = (
        f'<ul class="findings">{found}</ul>' if found else '<p class="hint">Nothing odd was found in it.</p>'
    )
    found_classes = _classes(facts, names, _counts(spec, names))
    return f'<p class="lede">{_sentence(facts, spec, names)}</p>{notes}{_left_out(spec)}{found_classes}'


def _left_out(spec: Mapping[str, object]) -> str:
    """Every file that could not be read, folded away: a finding names a handful only."""
    listed = spec.get("left_out")
    if not isinstance(listed, (list, tuple)) or not listed:
        return ""
    rows = "".join(f"<li>{esc(name)}</li>" for name in listed)
    return f"<details><summary>{plural(len(listed), 'file')} left out</summary><ul>{rows}</ul></details>"


def _sentence(facts: Facts, spec: Mapping[str, object], names: Sequence[str]) -> str:
    if spec.get("kind") == "table":
        return _table_sentence(spec, names)
    h, w, c = (number(spec, k) for k in ("height", "width", "channels"))
    kind = {1.0: "grey", 3.0: "colour"}.get(c, f"{count(c)}-channel")
    part = number(facts.note("data"), "valid_fraction")
    n_train, n_test = number(spec, "n_train"), number(spec, "n_test")
    held = f", {100 * part:.0f} % of them held out for validation" if math.isfinite(part) else ""
    tested = f"; {count(n_test)} for the test, touched once at the end" if n_test > 0 else ""
    shape = f"{count(h)} × {count(w)} {kind} images" if math.isfinite(h + w) else "images"
    classes = "1 class" if len(names) == 1 else f"{len(names)} classes"
    name = f"<b>{esc(spec.get('name') or 'data')}</b>"
    return f"{name}: {shape} of {classes}, {count(n_train)} for training{held}{tested}."


def _table_sentence(spec: Mapping[str, object], names: Sequence[str]) -> str:
    columns, dropped = spec.get("columns"), spec.get("dropped")
    n_columns = len(columns) if isinstance(columns, Mapping) else 0
    gone = f", {plural(len(dropped), 'column')} dropped" if isinstance(dropped, Mapping) and dropped else ""
    what = f"{len(names)} classes" if names else "a number"
    if spec.get("positive"):
        what += f", {esc(spec['positive'])} being the positive one"
    n_train, n_test = number(spec, "n_train"), number(spec, "n_test")
    tested = f"{count(n_test)} for the test, touched once at the end" if n_test > 0 else "none for a test"
    return (
        f"<b>{esc(spec.get('name') or 'data')}</b>: {plural(n_columns, 'feature')}{gone}; target "
        f"<b>{esc(spec.get('target') or '')}</b>, {what}; {count(n_train)} rows for training and cross-validation, {tested}."
    )


def _counts(spec: Mapping[str, object], names: Sequence[str]) -> list[float]:
    counts = spec.get("counts")
    if isinstance(counts, Mapping):
        return [number(counts, n) for n in names]
    if isinstance(counts, (list, tuple)) and len(counts) == len(names):
        return [float(c) for c in counts]
    return [math.nan] * len(names)


def _classes(facts: Facts, names: Sequence[str], counts: Sequence[float]) -> str:
    per_class = facts.note("final").get("per_class") or []
    scores = {
        str(row[0]): (float(row[1]), float(row[2]))
        for row in per_class
        if len(row) == 3 and row[2] is not None
    }
    if not names:
        return ""
    most = max((c for c in counts if math.isfinite(c)), default=0.0) or 1.0
    rows = []
    for name, n in zip(names, counts, strict=True):
        cells = [
            esc(name),
            f'{count(n)}<i class="hbar" style="--w:{0 if math.isnan(n) else n / most:.3f}"></i>',
        ]
        if scores:
            tested, right = scores.get(name, (math.nan, math.nan))
            good = 0 if math.isnan(right) else right
            cells += [count(tested), f'{share(right)}<i class="hbar leaf" style="--w:{good:.3f}"></i>']
        rows.append(tuple(cells))
    what = "rows" if (facts.note("data").get("spec") or {}).get("kind") == "table" else "images"
    heads = ("class", f"training {what}", f"test {what}", "right on the test part")
    return table(heads[: 4 if scores else 2], rows, css="classes")


def confusion_section(facts: Facts) -> str:
    """The confusion matrix of the test part and its most frequent mistakes; empty where there is none."""
    matrix = facts.note("final").get("confusion")
    spec = facts.note("data").get("spec") or {}
    if not matrix:
        return ""
    cells = [[int(v) for v in row] for row in matrix]
    names = [str(n) for n in spec.get("class_names") or ()]
    if len(names) != len(cells):
        names = [str(i) for i in range(len(cells))]
    wrong = [
        (cells[i][j], i, j) for i in range(len(cells)) for j in range(len(cells)) if i != j and cells[i][j]
    ]
    wrong.sort(key=lambda w: -w[0])
    total = sum(w[0] for w in wrong)
    pairs = table(
        ("times", "truly", "taken for"),
        [(count(n), esc(names[i]), esc(names[j])) for n, i, j in wrong[:8]],
        f"The most frequent of {plural(total, 'mistake')}",
    )
    whole = _matrix(cells, names) if len(cells) <= CELLS else ""
    shown = pairs if wrong else "<p>Not one mistake on the test part.</p>"
    return f'{_decision(facts)}<div class="split">{whole}{shown}</div>'


def _decision(facts: Facts) -> str:
    """When a class is said that is not the most probable one, and what that brings."""
    told = facts.note("final").get("decision")
    if not isinstance(told, Mapping):
        return ""
    before, after, cut = (number(told, k) for k in ("before", "after", "threshold"))
    when = (
        f"<b>{esc(told.get('class'))}</b> is said from a probability of <b>{figure(cut, 3)}</b> on"
        if math.isfinite(cut)
        else "Rare classes are said before they are the most probable ones"
    )
    why = f"{esc(told.get('metric'))} on the folds is {figure(after, 3)} with it, {figure(before, 3)} without"
    return f'<p class="lede">{when}, chosen on rows that the models had not seen: {why}.</p>'


def _matrix(cells: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    worst = max((v for i, row in enumerate(cells) for j, v in enumerate(row) if i != j), default=0) or 1
    heads = "".join(f'<th scope="col"><span title="{esc(n)}">{esc(n)}</span></th>' for n in names)
    rows = []
    for i, row in enumerate(cells):
        most = max(sum(row), 1)
        tds = "".join(
            f'<td class="{"hit" if i == j else "miss"}" style="--v:{v / most if i == j else v / worst:.2f}">{v or "·"}</td>'
            for j, v in enumerate(row)
        )
        rows.append(f'<tr><th scope="row" title="{esc(names[i])}">{esc(names[i])}</th>{tds}</tr>')
    return (
        '<div class="scroll"><table class="confusion"><caption>Rows: the truth. Columns: what the model said.</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )

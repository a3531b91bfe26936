"""A table as the driver knows it, and what is said of it before anything is tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seedleaf.data.tables import TableSchema
from seedleaf.data.tables.words import plural
from seedleaf.learners.tables.categories import MOST_COLUMNS
from seedleaf.learners.tables.metrics import Metric, metric_for
from seedleaf.learners.tables.model import Kind
from seedleaf.learners.tables.registry import families_of
from seedleaf.study import Study

IMPORTED = 330 * 2**20  # bytes of a worker that has torch and scikit-learn
# And what the packages of the extras add; catboost comes with libraries that draw.
IMPORTED_BY = {"lightgbm": 3 * 2**20, "xgboost": 5 * 2**20, "catboost": 41 * 2**20}
FIRST = (
    "leak",
    "test-rows",
    "id",
    "duplicate-rows",
    "label",
    "shift",
)  # findings that are told before others
NAMED = 3  # columns that are not used, by name
WIDE = 24  # bytes for each number of a fit's matrix: float64 as made, joined, as a learner wants it


@dataclass(frozen=True)
class TableSpec:
    """A table as the driver knows it; the rows lie in the run's cache."""

    schema: TableSchema
    kind: Kind
    folds: int
    metric: str = "auto"
    families: tuple[str, ...] = ()  # those asked for; all but the extras without any

    @property
    def goal(self) -> Metric:
        return metric_for(self.schema.target.task, self.metric)


def worker_bytes(spec: TableSpec) -> int:
    """What a worker should hold: what it imports, the table, and the matrices that a fit makes of its rows."""
    kind = spec.kind
    levels = sum(min(len(c.levels), MOST_COLUMNS) for c in spec.schema.used if c.kind == "category")
    width = (1 + kind.has_missing) * kind.n_numbers + levels + 64 * kind.n_texts
    stored = 8 * kind.n_numbers + 4 * kind.n_categories + 200 * kind.n_texts + 16 * spec.folds
    imported = IMPORTED + sum(IMPORTED_BY.get(name, 0) for name in set(spec.families))
    return imported + kind.n_rows * (2 * stored + WIDE * width)


def baseline(spec: TableSpec, y: Any) -> dict[str, Any]:
    """What the best answer that is the same for every row would give, on the training rows."""
    goal, target = spec.goal, spec.schema.target
    if not target.classes:
        middle = float(np.median(y)) if goal.name in ("mae", "mape") else float(y.mean())
        return {goal.name: goal.score(y, np.full(len(y), middle)), "what": f"always {middle:.4g}"}
    counts = np.bincount(y, minlength=len(target.classes))
    if goal.labels:  # the best class to say of every row need not be the commonest one
        sign = 1.0 if goal.direction == "max" else -1.0
        said = np.eye(len(counts))
        scores = [sign * goal.score(y, np.broadcast_to(one, (len(y), len(counts)))) for one in said]
        k = max(range(len(counts)), key=lambda i: (scores[i], counts[i]))
        return {goal.name: sign * scores[k], "what": f"always {target.classes[k]!r}"}
    shares = np.tile(counts / counts.sum(), (len(y), 1))
    return {goal.name: goal.score(y, shares), "what": f"always {target.classes[int(counts.argmax())]!r}"}


def note_of(spec: TableSpec, y: Any) -> dict[str, Any]:
    """What log and report keep of the data: names and counts, no cell."""
    schema = spec.schema
    counts = (
        np.bincount(y[y >= 0], minlength=len(schema.target.classes)).tolist() if spec.kind.n_classes else []
    )
    return {
        "kind": "table",
        "name": schema.name.replace("\\", "/").rsplit("/", 1)[-1],
        "fingerprint": schema.fingerprint,
        "target": schema.target.name,
        "task": schema.target.task,
        "class_names": list(schema.target.classes),
        **({"positive": schema.target.classes[1]} if schema.target.task == "binary" else {}),
        "counts": counts,
        "n_train": schema.n_train,
        "n_test": schema.n_test,
        "columns": {c.name: c.kind for c in schema.used},
        "dropped": {c.name: c.dropped for c in schema.columns if c.dropped},
        "findings": [
            f"{f.column + ': ' if f.column else ''}{f.message}; {f.action}" for f in schema.findings[:50]
        ],
    }


def _found(schema: TableSchema) -> list[str]:
    """What a person should know before the score: what may say the target, and which columns are not used."""
    lines = []
    if schema.findings:
        first = min(schema.findings, key=lambda f: FIRST.index(f.kind) if f.kind in FIRST else len(FIRST))
        rest = len(schema.findings) - 1
        more = f" (and {plural(rest, 'finding')} more: seedleaf check)" if rest else ""
        told = f"{first.column}: {first.message}" if first.column else first.message
        lines.append(f"noticed   {told}; {first.action}{more}")
    if dropped := [f"{c.name} ({c.dropped})" for c in schema.columns if c.dropped]:
        others = f", and {len(dropped) - NAMED} more" if len(dropped) > NAMED else ""
        lines.append(f"not used  {', '.join(dropped[:NAMED])}{others}")
    return lines


def describe(spec: TableSpec, study: Study) -> list[str]:
    """The data as understood, the trivial baseline and what is searched, in at most six lines."""
    schema, kind = spec.schema, spec.kind
    chosen = schema.notes.get("target", "")
    task = schema.target.task if not kind.n_classes else f"{kind.n_classes} classes"
    task += schema.target.unit
    if how := schema.notes.get("positive"):
        task += f"; positive: {schema.target.classes[1]} ({how})"
    parts = ((kind.n_numbers, "number"), (kind.n_categories, "category"), (kind.n_texts, "text"))
    tested = f"{schema.n_test:,}" if schema.n_test else "no"
    lines = [
        f"data      {schema.name}: {schema.n_train:,} training and {tested} test rows, "
        + ", ".join(plural(n, what, "categories" if what == "category" else "") for n, what in parts if n),
        f"target    {schema.target.name}{f' ({chosen})' if chosen else ''}, {task}",
        *_found(schema),
    ]
    base, goal = study.history.note("baseline") or {}, spec.goal
    lines.append(f"baseline  {base.get('what')}: {goal.name} {base.get(goal.name, float('nan')):.4g}")
    space = study.problem.space
    lines.append(
        f"search    {', '.join(families_of(space))}: {len(space)} hyper-parameters, {study.sampler.name} + "
        f"{study.scheduler.name}, {spec.folds} folds, {goal.name}"
    )
    return lines

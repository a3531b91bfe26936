"""The model card of a table: what the file is, what it reached, and how it is used without seedleaf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedleaf.data.tables.words import part_of_folds
from seedleaf.learners.tables.reader import unreadable
from seedleaf.modality.table_limits import said
from seedleaf.modality.table_spec import TableSpec


def card(spec: TableSpec, final: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """The model card."""
    schema, test, latency = spec.schema, final["test"], final["latency_ms"]
    goal, name = schema.target, schema.name.replace("\\", "/").rsplit("/", 1)[-1]
    what = f"one of {len(goal.classes)} classes" if goal.classes else "a number"
    what += goal.unit
    positive = f"\n| positive class | {goal.classes[1]} |" if goal.task == "binary" else ""
    rows = "\n".join(
        f"| test {k} | {v:.4g} |"
        for k, v in test.items()
        if isinstance(v, float) and k not in ("low", "high")
    )
    return f"""# {name}: {goal.name}, {what}

| | |
|---|---|
| learner | {" + ".join(f"{m['weight']:.2f} {m['learner']}" for m in final["members"])} |
| trained on | {schema.n_train:,} rows, tested on {format(test["n"], ",") if test["n"] else "none"} |{positive}
{rows or _folded(final)}
| file | {final["bytes"]:,} bytes{_allowed(final, "bytes")} |
| latency, one row, one thread | {latency["median"]:.3f} ms (p90 {latency["p90"]:.3f}){_allowed(final, "latency_ms")} |

{str(told.get("text", "")).capitalize()}.{_said_from(final)}

{_use(spec)}{_some_rows(final)}
"""


def _folded(final: Mapping[str, Any]) -> str:
    """What stands in for a test: the winner on rows that its models of the folds had not seen."""
    part = f", {told}" if (told := part_of_folds(final.get("folds"))) else ""
    return "\n".join(f"| cross-validated {k}{part} | {v:.4g} |" for k, v in final["cross_validated"].items())


def _said_from(final: Mapping[str, Any]) -> str:
    """When a class is said that is not the most probable one."""
    told = final.get("decision") or {}
    gained = (
        f"{told['metric']} {told['after']:.4g} on the folds, {told['before']:.4g} without" if told else ""
    )
    if "threshold" in told:
        return f"\n\n`{told['class']}` is said from a probability of {told['threshold']:.3g} on: {gained}."
    return f"\n\nRare classes are said before they are the most probable ones: {gained}." if told else ""


def _allowed(final: Mapping[str, Any], what: str) -> str:
    """What was asked for, where something was."""
    limit = dict(final.get("limits") or {}).get(what)
    return "" if limit is None else f", at most {said(what, limit['at_most'])} asked for"


def _use(spec: TableSpec) -> str:
    """How the file is used without seedleaf."""
    goal, columns = spec.schema.target, [c.name for c in spec.schema.used]
    answers = "`probabilities` (N, classes) and `label` (N)" if goal.classes else "`value` (N)"
    if why := unreadable(spec.schema):
        return f"""`model.onnx` takes `numbers` (double, N rows, NaN where missing; dates in days since 1970) and `texts`
(strings; any text, "" where missing), as far as the model uses them, and gives {answers}. Which columns these are, and how
their cells are read, stands in `config.json` (the graph does not read them itself: {why}); `seedleaf predict` does both."""
    return f"""`model.onnx` takes `cells`: strings (N, {len(columns)}), the cells of N rows as they stand in a file, "" where
there is none, in the order of `cells` in `config.json`; it gives {answers}. ONNX Runtime alone runs it:

    import numpy, onnxruntime
    model = onnxruntime.InferenceSession("model.onnx")
    model.run(None, {{"cells": numpy.array(rows, dtype=object)}})  # rows: lists of {len(columns)} strings"""


def _some_rows(final: Mapping[str, Any]) -> str:
    """What packed trees ask for."""
    if not final.get("packed"):
        return ""
    return "\n\nAsk for some 500 rows at a time: trees hold a number for each row and tree while they are walked."

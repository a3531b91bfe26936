"""How to use the winner, where the run came from, and whose methods it used."""

from __future__ import annotations

import math

from seedleaf.report.citations import bibliography
from seedleaf.report.facts import Facts, name_of, number
from seedleaf.report.text import duration, esc, figure, moment, plural, setting, share, size


def use_section(facts: Facts) -> str:
    """The commands and the Python that load the winner; empty where nothing was exported."""
    final = facts.note("final")
    if not final:
        return ""
    predict = str(final.get("predict") or "")
    words = predict.split()
    run = words[2] if len(words) > 3 and words[:2] == ["seedleaf", "predict"] else "RUN"
    shell = f"<h3>From the shell</h3>{_code(predict)}" if predict else ""
    anywhere = (
        "import onnxruntime as ort\n\n"
        "# in the run’s folder; needs neither seedleaf nor torch\n"
        'session = ort.InferenceSession("best/model.onnx")\n'
        "[images] = session.get_inputs()\n"
        "print(images.name, images.shape, images.type)\n"
        "scores = session.run(None, {images.name: x})[0]\n"
        "classes = scores.argmax(axis=1)"
    )
    if (facts.note("data").get("spec") or {}).get("kind") == "table":
        some = "; at most some 500 at once" if final.get("packed") else ""
        anywhere = (
            "import numpy, onnxruntime as ort\n\n"
            "# in the run’s folder; needs neither seedleaf nor scikit-learn\n"
            'session = ort.InferenceSession("best/model.onnx")\n'
            f"# rows: cells as they stand in a file, columns as in best/config.json{some}\n"
            "cells = numpy.array(rows, dtype=object)\n"
            'answers = session.run(None, {"cells": cells})'
        )
    ours = f"import seedleaf\n\nmodel = seedleaf.load({run!r})\nmodel.predict(x)"
    apart = number(final, "onnx_max_difference")
    checked = ""
    if math.isfinite(apart):
        found = f"they differ by at most {figure(apart, 2)}"
        checked = (
            f'<p class="hint">ONNX Runtime’s outputs were compared with the trained model’s: {found}.</p>'
        )
    return (
        f'<div class="split"><div>{shell}<h3>With seedleaf</h3>{_code(ours)}</div>'
        f"<div><h3>With ONNX Runtime alone</h3>{_code(anywhere)}</div></div>{checked}"
    )


def origin_section(facts: Facts) -> str:
    """Command, seeds, versions and times: what is needed to run it again."""
    run, shares = facts.note("run"), facts.note("shares")
    entries = [(name, esc(value)) for name, value in _entries(facts) if value]
    if math.isfinite(training := number(shares, "training")):
        driver = number(shares, "driver")
        own = f", deciding {share(driver, 0)}" if math.isfinite(driver) else ""
        entries.append(("worker time in training", f"{share(training, 0)}{own}"))
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in entries)
    command = _code(str(run["command"])) if run.get("command") else ""
    cited = "".join(
        f"<li><b>{esc(used)}</b> {esc(reference)}</li>" for used, reference in bibliography(facts)
    )
    books = f'<h3>Methods used</h3><ul class="cites">{cited}</ul>' if cited else ""
    return f'{command}<dl class="facts">{listed}</dl>{books}'


def _entries(facts: Facts) -> list[tuple[str, str]]:
    run, fidelity = facts.note("run"), facts.fidelity
    limits = ", ".join(f"{x.metric} ≤ {figure(x.at_most, 6)}" for x in facts.limits)
    goals = ", ".join(f"{o.direction}imise {o.metric}" for o in facts.objectives)
    seed = run.get("seed", facts.header.get("seed"))
    print_ = facts.note("data").get("spec", {}).get("fingerprint")
    limit = number(run, "time_limit")
    return [
        ("started", moment(facts.started) if facts.started else ""),
        ("seedleaf", str(run.get("version") or "")),
        ("machine", str(run.get("machine") or "")),
        ("workers", setting(run.get("workers")) if run.get("workers") is not None else ""),
        ("memory", _memory(facts)),
        ("time limit", duration(limit) if math.isfinite(limit) else ""),
        ("seed", "" if seed is None else str(seed)),
        ("objective", goals),
        ("limits", limits),
        (
            "budget",
            f"{fidelity.low} to {plural(fidelity.high, fidelity.name)}, by {fidelity.eta}"
            if fidelity
            else "",
        ),
        ("steps", _steps(facts)),
        ("sampler", name_of(facts.header.get("sampler"))),
        ("scheduler", name_of(facts.header.get("scheduler"))),
        (
            "space",
            f"{plural(len(facts.space), 'hyper-parameter')}, {facts.space.fingerprint()}"
            if facts.space
            else "",
        ),
        ("data", str(print_ or "")),
        ("ended", facts.finished or ""),
    ]


def _memory(facts: Facts) -> str:
    """The most that was held, and what was allowed."""
    peak, most = number(facts.note("memory"), "peak"), number(facts.note("memory"), "at_most")
    if not peak > 0:
        return ""
    return f"at most {size(peak)}" + (f" of {size(most)} allowed" if math.isfinite(most) else "")


def _steps(facts: Facts) -> str:
    """What the steps of a trial were spent on."""
    plan = facts.note("plan")
    axis, says = str(plan.get("axis") or ""), str(plan.get("says") or "")
    return f"{axis}: {says}" if axis and says else axis


def _code(text: str) -> str:
    return f'<div class="code"><pre tabindex="0"><code>{esc(text)}</code></pre></div>'

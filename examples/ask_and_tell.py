"""Your own loop: `python examples/ask_and_tell.py`."""

from __future__ import annotations

from seedleaf import Bool, Choice, Fidelity, Float, Space, Study

space = Space(
    lr=Float(1e-4, 1, log=True),
    optimizer=Choice(
        sgd=dict(momentum=Float(0, 0.99), nesterov=Bool()),
        adamw=dict(beta1=Float(0.8, 0.99), weight_decay=Float(1e-6, 0.1, log=True)),
    ),
)
study = Study(space, minimize="error", fidelity=Fidelity("epoch", 1, 27), seed=0)
for _ in range(60):
    task = study.ask()
    if task is None:
        break
    reached = abs(task.config["lr"] - 0.1)
    study.tell(task, [{"error": reached + 1 / epoch} for epoch in range(task.start + 1, task.stop + 1)])
assert study.best is not None
print(study.best.config, dict(study.best.metrics), f"{len(study.trials)} trials")

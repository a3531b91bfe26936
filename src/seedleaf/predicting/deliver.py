"""`seedleaf export RUN`: the delivered files, checked, copied where they are wanted. No torch needed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from seedleaf.errors import RunError
from seedleaf.predicting.images import Predictor
from seedleaf.predicting.tables import TablePredictor, is_table

FILES = ("model.onnx", "config.json", "metrics.json", "README.md")


def copy_delivery(run: Path | str, out: Path | str | None = None) -> list[Path]:
    """Check that the model of a run, or of a member of its front (RUN/front/0007), opens and answers; then copy it to `out`.

    Returns the paths of the files.
    """
    best = Path(run) if (Path(run) / "model.onnx").exists() else Path(run) / "best"
    if is_table(run):
        table = TablePredictor.open(run)
        answer, n_out = table.answers({c.name: [""] for c in table.schema.used}), len(table.classes)
    else:
        model = Predictor.open(run)
        answer, n_out = model.probabilities(np.zeros((1, *model.shape), np.uint8)), len(model.classes)
    if answer.shape != ((1, n_out) if n_out else (1,)) or not np.isfinite(answer).all():
        raise RunError(f"{best / 'model.onnx'} does not answer as its config.json says")
    if out is None:
        return [best / name for name in FILES if (best / name).exists()]
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunError(f"{target} exists already: nothing is overwritten; choose another --out")
    target.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy2(best / name, target / name)) for name in FILES if (best / name).exists()]

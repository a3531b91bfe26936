"""Running a graph that was built: ONNX Runtime on one thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.errors import TrialError, first_line
from seedleaf.learners.tables.block import ROWS

Array = npt.NDArray[Any]


def session(model: bytes) -> Any:
    """An ONNX Runtime session on one thread over a serialised model. TrialError where ONNX Runtime refuses it."""
    from seedleaf.inference import single_thread

    try:
        return single_thread(model)
    except Exception as error:
        raise TrialError(f"ONNX Runtime does not take the graph: {first_line(error)}") from error


def ask(run: Any, feed: Mapping[str, Array]) -> Array:
    """The first output of a session, a few rows at a time."""
    n = max(map(len, feed.values()), default=0)
    return np.concatenate(
        [run.run(None, {k: v[i : i + ROWS] for k, v in feed.items()})[0] for i in range(0, n, ROWS) or (0,)]
    )

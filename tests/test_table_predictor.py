"""Files and frames to predict as people have them: every row gets its answer, and what cannot be read is said."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from seedleaf.data.tables import load_table
from seedleaf.data.tables.schema import TableSchema
from seedleaf.table_predictor import write_answers


def schema_of(target: str, classes: tuple[str, ...]) -> TableSchema:
    cells = {"x": [i * i % 37 / 4 for i in range(40)], target: [classes[i % len(classes)] for i in range(40)]}
    return load_table(cells, target=target).schema


@pytest.mark.parametrize(
    ("target", "head"),
    [
        ("y", ["row", "y", "probability", "p(-1)", "p(1)"]),
        ("row", ["row number", "row", "probability", "p(-1)", "p(1)"]),
        ("probability", ["row", "probability", "probability of probability", "p(-1)", "p(1)"]),
    ],
)
def test_no_two_columns_of_the_answers_are_called_alike(target: str, head: list[str]) -> None:
    schema, file = schema_of(target, ("-1", "1")), io.StringIO()
    write_answers(file, np.array([[0.9999995, 5e-7], [0.2, 0.8]], np.float32), [0, 1], schema)
    rows = list(csv.reader(io.StringIO(file.getvalue())))
    assert rows[0] == head
    assert rows[1] == ["1", "-1", "1", "1", "5e-07"], (
        "a number is no formula, and the small share is not nought"
    )
    assert rows[2] == ["2", "1", "0.8", "0.2", "0.8"]
    number = replace(schema, target=replace(schema.target, task="regression", classes=()))
    write_answers(file := io.StringIO(), np.array([-1.5]), [], number)
    assert file.getvalue().splitlines() == [",".join(head[:2]), "1,-1.5"]

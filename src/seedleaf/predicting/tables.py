"""Using a delivered model of a table: ONNX Runtime and numpy; neither torch nor scikit-learn nor pandas is imported."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from seedleaf.data.tables.schema import TableSchema
from seedleaf.data.tables.written import CELLS, as_cells
from seedleaf.errors import DataError, RunError, first_line
from seedleaf.learners.tables.block import ROWS, Layout
from seedleaf.predicting.images import cell, open_model, session_of, share
from seedleaf.predicting.table_input import given

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class TablePredictor:
    """A delivered model and the schema by which rows are read. It outlives the run's folder and can be pickled."""

    model: bytes
    schema: TableSchema

    @classmethod
    def open(cls, folder: Path | str) -> TablePredictor:
        """The model in a run's folder, or in its best/ folder."""
        model, body, best = open_model(folder)
        try:
            opened = cls(model, TableSchema.from_json(body["schema"]))
        except (KeyError, TypeError, DataError) as error:
            raise RunError(f"{best / 'config.json'} cannot be read: {first_line(error)}") from None
        opened.__dict__["session"] = session_of(model, str(best / "model.onnx"))
        return opened

    @cached_property
    def session(self) -> Any:
        return session_of(self.model, "the model")

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "session"}

    @property
    def classes(self) -> tuple[str, ...]:
        """What the columns of the probabilities are called; empty for regression."""
        return self.schema.target.classes

    def answers(self, source: Any) -> Array:
        """Probabilities (N, classes), or values (N): of a file, a DataFrame, a mapping of names to columns, or of one row's
        names to its cells. Answer k is that of row k; DataError where it is left open which rows there are, or where a
        column is missing."""
        return self.told(source)[0]

    def told(
        self, source: Any, say: Callable[[Sequence[str]], None] | None = None
    ) -> tuple[Array, list[int]]:
        """The answers, and for classes which one is said of each row, not always the most probable.

        Lines on what is odd about the rows (most cells of a column are not read as numbers, say) go to `say`; without it
        they are a UserWarning.
        """
        rows = given(source, self.schema)
        if rows.noticed:
            (say or _warn)(rows.noticed)
        found = [self.session.run(None, feed) for feed in self._feeds(rows.columns)]
        empty = np.empty((0, len(self.classes))) if self.classes else np.empty(0)
        answers = np.concatenate([f[0] for f in found]) if found else empty
        if not self.classes:
            return answers, []
        if not found or len(found[0]) < 2:  # a file from before there were labels in it
            return answers, [int(k) for k in answers.argmax(1)]
        place = {c.encode("utf-8", "replace").decode(): k for k, c in enumerate(self.classes)}
        return answers, [place[label] for f in found for label in f[1]]

    def _feeds(self, columns: Mapping[str, Any]) -> Iterator[Mapping[str, Array]]:
        """What the graph takes, batch by batch: cells; numbers and texts where it does not read cells itself."""
        inputs = [i.name for i in self.session.get_inputs()]
        if CELLS in inputs:
            cells = as_cells(columns, self.schema)
            yield from ({CELLS: cells[i : i + ROWS]} for i in range(0, len(cells), ROWS))
            return
        block = Layout.of(self.schema).block(self.schema.features(columns))
        for i in range(0, len(block), ROWS):
            yield block.take(np.arange(i, min(i + ROWS, len(block)))).feed(inputs)

    def probabilities(self, source: Any) -> Array:
        """Class probabilities (N, classes). DataError for regression."""
        if not self.classes:
            raise DataError(f"{self.schema.target.name} is a number: it has no probabilities")
        return self.answers(source)

    def predict(self, source: Any) -> list[str] | Array:
        """The class that is said of each row, or its value."""
        found, said = self.told(source)
        return [self.classes[k] for k in said] if self.classes else found


def _warn(lines: Sequence[str]) -> None:
    warnings.warn("\n".join(lines), UserWarning, stacklevel=4)  # where answers were asked for


def write_answers(file: IO[str], answers: Array, said: Sequence[int], schema: TableSchema) -> None:
    """A CSV: row (from 1), the prediction, and for classes its probability and one column per class. No two columns are
    called alike, whatever the target is called."""
    writer = csv.writer(file)
    name, classes = schema.target.name, schema.target.classes
    shares = [f"p({c})" for c in classes]
    taken = {name, *shares}
    row = _free("row", "row number", taken)
    head = [row, name]
    probability = _free("probability", f"probability of {name}", {*taken, row})
    writer.writerow([*head, probability, *shares] if classes else head)
    writer.writerows(_rows(answers, said, classes))


def _free(name: str, other: str, taken: Collection[str]) -> str:
    """`name`, or `other` where a column is called that already; underscores behind where that is taken as well."""
    found = name if name not in taken else other
    while found in taken:
        found += "_"
    return found


def _rows(answers: Array, said: Sequence[int], classes: tuple[str, ...]) -> Iterator[list[object]]:
    for i, row in enumerate(answers):
        if not classes:
            yield [i + 1, f"{float(row):.9g}"]
            continue
        k = said[i]
        yield [i + 1, cell(classes[k]), *map(share, (row[k], *row))]


def is_table(folder: Path | str) -> bool:
    """Does the model in this folder take rows of a table?"""
    for place in (Path(folder), Path(folder) / "best"):
        try:
            body = json.loads((place / "config.json").read_text(encoding="utf-8", errors="surrogatepass"))
            return isinstance(body, dict) and body.get("kind") == "tables"
        except (OSError, ValueError):
            continue
    return False

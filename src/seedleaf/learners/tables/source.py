"""A table on disk as workers see it: typed blocks, targets, folds. Written once, opened once per process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedleaf.data.tables import Frame, TableData, TableSchema
from seedleaf.errors import DataError
from seedleaf.learners.tables.block import Block, Layout
from seedleaf.learners.tables.model import Kind
from seedleaf.writing import replacing

Array = npt.NDArray[Any]
Split = tuple[Array, Array]
SPEC, PARTS = "spec.json", "table.npz"
SHORT = 1_000  # letters of a text up to which its letters are looked at one by one
MANY_LEVELS = 24  # from so many on a category has high cardinality


@dataclass(frozen=True, eq=False)
class Source:
    """`train` and `test` blocks with their targets, and the folds: (training rows, validation rows) of `train`."""

    schema: TableSchema
    train: Block
    y_train: Array
    test: Block
    y_test: Array
    folds: tuple[Split, ...]
    sample: Mapping[str, Sequence[str]]  # cells of some rows as the file has them

    @property
    def n_classes(self) -> int:
        return len(self.schema.target.classes)

    @cached_property
    def kind(self) -> Kind:
        return kind_of(self.schema, bool(np.isnan(self.train.numbers).any()), longest(self.train.words))


def longest(words: Sequence[Sequence[str]]) -> int:
    """Letters of the longest text."""
    return max((len(text) for column in words for text in column), default=0)


def kind_of(schema: TableSchema, has_missing: bool, letters: int = 0) -> Kind:
    """What a space may depend on; `letters` has the longest text."""
    layout = Layout.of(schema)
    return Kind(
        n_rows=schema.n_train,
        n_numbers=len(layout.numbers),
        n_categories=len(layout.categories),
        n_texts=len(layout.words),
        n_classes=len(schema.target.classes),
        has_dates=bool(layout.dates),
        has_missing=has_missing,
        high_cardinality=any(len(levels) >= MANY_LEVELS for levels in layout.levels),
        short_texts=letters <= SHORT,
    )


def save(data: TableData, folds: Sequence[Split], folder: Path) -> None:
    """Write a table to `folder` (made if need be); its description goes last, so a folder that has one is complete."""
    layout = Layout.of(data.schema)
    test: Frame = data.test if data.test is not None else {k: v[:0] for k, v in data.train.items()}
    y_test = data.y_test if data.y_test is not None else data.y_train[:0]
    parts: dict[str, Array] = {"y_train": data.y_train, "y_test": y_test}
    words = {}
    for name, frame in (("train", data.train), ("test", test)):
        block = layout.block(frame)
        parts[f"{name}_numbers"], parts[f"{name}_codes"] = block.numbers, block.codes
        words[name] = [list(column) for column in block.words]
    for j, (train, valid) in enumerate(folds):
        parts[f"fold_{j}_train"], parts[f"fold_{j}_valid"] = train, valid
    missing = bool(np.isnan(parts["train_numbers"]).any())
    body = {"schema": data.schema.to_json(), "words": words, "folds": len(folds), "missing": missing}
    body["sample"] = {name: list(cells) for name, cells in data.sample.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / PARTS, **parts)  # type: ignore[arg-type]
        with replacing(folder / SPEC) as file:
            file.write(json.dumps(body).encode("utf-8", "surrogatepass"))
    except OSError as error:
        raise DataError(f"{folder}: the table cannot be written there: {error.strerror or error}") from None


def describe(folder: Path) -> tuple[TableSchema, Kind, int]:
    """The schema of a saved table, its kind and how many folds it has."""
    body = _body(folder)
    schema = TableSchema.from_json(body["schema"])
    letters = longest(body["words"]["train"])
    return schema, kind_of(schema, bool(body["missing"]), letters), int(body["folds"])


def _body(folder: Path) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads((folder / SPEC).read_text(encoding="utf-8", errors="surrogatepass"))
        return body
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: the table of this run cannot be read, load it anew ({error})") from None


@lru_cache(maxsize=1)
def open_source(folder: str) -> Source:
    """What `save` wrote."""
    place = Path(folder)
    body = _body(place)
    schema = TableSchema.from_json(body["schema"])
    layout = Layout.of(schema)
    try:
        with np.load(place / PARTS, allow_pickle=False) as stored:
            parts = {name: stored[name] for name in stored.files}
        blocks = {
            name: Block(
                layout,
                parts[f"{name}_numbers"],
                parts[f"{name}_codes"],
                tuple(body["words"][name]),
            )
            for name in ("train", "test")
        }
        folds = tuple((parts[f"fold_{j}_train"], parts[f"fold_{j}_valid"]) for j in range(int(body["folds"])))
        test, y_test = blocks["test"], parts["y_test"]
        return Source(schema, blocks["train"], parts["y_train"], test, y_test, folds, body.get("sample", {}))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder}: the table of this run cannot be read, load it anew ({error})") from None

"""A table's fingerprint: equal for equal rows read alike."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import numpy as np

from seedleaf.data.spec import Array
from seedleaf.data.tables.schema import Frame, TableSchema


def fingerprint(schema: TableSchema, *parts: Frame | Array) -> str:
    """32 hexadecimal digits that change with any cell as read, any name, any class."""
    digest = blake2b(digest_size=16)
    digest.update(
        repr([(c.name, c.kind) for c in schema.used] + [(schema.target.classes, "")]).encode(
            "utf-8", "replace"
        )
    )
    for part in parts:
        for array in part.values() if isinstance(part, Mapping) else [part]:
            digest.update(f"|{len(array)}|".encode())
            if array.dtype == object:
                digest.update("\x1f".join(array).encode("utf-8", "replace"))
            else:
                digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()

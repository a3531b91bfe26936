"""A space as JSON, as the log keeps it, and fingerprints of anything that is JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seedleaf.space.conditions import condition_from_json, condition_to_json
from seedleaf.space.params import param_from_json

if TYPE_CHECKING:
    from seedleaf.space.space import Space

WHEN, FORBID = "[when]", "[forbid]"  # keys in the JSON that no parameter can have


def to_json(space: Space) -> dict[str, Any]:
    """By name the parameters' own JSON; conditions and clauses under keys that no parameter can have."""
    body: dict[str, Any] = {name: param.to_json() for name, param in space.params.items()}
    if space.when:
        body[WHEN] = {name: condition_to_json(c) for name, c in space.when.items()}
    if space.forbid:
        body[FORBID] = [condition_to_json(c) for c in space.forbid]
    return body


def parts(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
    """What `to_json` wrote, as Space takes it: the parameters, `when` and `forbid`."""
    params = {name: param_from_json(p) for name, p in body.items() if name not in (WHEN, FORBID)}
    when = {name: condition_from_json(c) for name, c in body.get(WHEN, {}).items()}
    return params, when, [condition_from_json(c) for c in body.get(FORBID, [])]


def fingerprint(body: Any) -> str:
    """Sixteen hex digits of the canonical JSON of `body`: equal for equal content on every machine."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")

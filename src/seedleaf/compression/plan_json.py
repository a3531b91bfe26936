"""Plans as JSON: how the structure of our own networks is kept beside their weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedleaf.errors import RunError
from seedleaf.learners.ops import Chain, Conv, Head, NetPlan, Op, Residual, Resize, SqueezeExcite

_OPS: Mapping[str, Any] = {
    "conv": Conv, "chain": Chain, "squeeze_excite": SqueezeExcite, "residual": Residual, "resize": Resize, "head": Head,
}  # fmt: skip
_KINDS = {op: kind for kind, op in _OPS.items()}


def plan_to_json(plan: NetPlan) -> dict[str, Any]:
    def body(op: Op) -> dict[str, Any]:
        fields = {k: [body(x) for x in v] if isinstance(v, tuple) else v for k, v in op._asdict().items()}
        return {"op": _KINDS[type(op)], **fields}

    return {**plan._asdict(), "ops": [body(op) for op in plan.ops]}


def plan_from_json(body: Mapping[str, Any]) -> NetPlan:
    """What `plan_to_json` wrote. RunError where it is no plan."""

    def op(given: Mapping[str, Any]) -> Any:
        fields = {k: tuple(map(op, v)) if isinstance(v, list) else v for k, v in given.items() if k != "op"}
        return _OPS[given["op"]](**fields)

    try:
        return NetPlan(**{**body, "ops": tuple(map(op, body["ops"]))})
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"this is not the plan of a network: {error!r}") from None

"""The model that is to be compressed, on its way to the workers: its structure in the setup, its weights in a file.

A module of somebody's goes by value (cloudpickle, without its numbers) from the driver to its own workers over their own
socket; on disk lie only tensors, which are read without running code. Nothing that was stored is unpickled.
"""

from __future__ import annotations

import base64
import copy
import json
import sys
import sysconfig
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seedleaf.compression.foreign import ForeignNet
from seedleaf.compression.own import OwnNet
from seedleaf.compression.plan_json import plan_from_json, plan_to_json
from seedleaf.compression.subject import Subject
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import CheckpointError, RunError, first_line
from seedleaf.learners.blocks import Net, build
from seedleaf.learners.ops import NetPlan
from seedleaf.train import checkpoint

WEIGHTS, PLAN = "original.pt", "original.json"
DELIVERED = "delivered.onnx"  # the original as torch's exporter writes it


def save_own(folder: Path, plan: NetPlan, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Write one of our own networks to `folder`; what the setup needs to open it again."""
    (folder / PLAN).write_text(json.dumps(plan_to_json(plan)), encoding="utf-8")
    checkpoint.save(folder / WEIGHTS, {"model": dict(state)})
    return {"original": str(folder.resolve())}


def save_foreign(folder: Path, net: Net, spec: ImageSpec) -> dict[str, Any]:
    """The same for somebody's module in its Net."""
    checkpoint.save(folder / WEIGHTS, {"model": tensors_of(net)})
    return {"original": str(folder.resolve()), "module": pack(net), "example": [*example_shape(spec)]}


def open_original(setup: Mapping[str, Any]) -> Subject:
    """The network that `save_own` or `save_foreign` wrote; the same object for every trial of a process."""
    return _open(str(setup["original"]), setup.get("module"), tuple(setup.get("example", ())))


@lru_cache(maxsize=2)
def _open(folder: str, module: str | None, example: tuple[int, ...]) -> Subject:
    state = checkpoint.load(Path(folder) / WEIGHTS)["model"]
    if module is not None:
        return ForeignNet(unpack(module, state).eval(), torch.zeros(example, dtype=torch.uint8))
    plan = plan_from_json(json.loads((Path(folder) / PLAN).read_text(encoding="utf-8")))
    try:
        return own_subject(plan, state)
    except RuntimeError as error:
        raise CheckpointError(f"{folder}: the weights do not fit the plan: {first_line(error)}") from None


def own_subject(plan: NetPlan, state: Mapping[str, Tensor]) -> OwnNet:
    """A network of ours with these weights. RuntimeError where they do not fit."""
    net = build(plan)
    net.load_state_dict(dict(state))
    return OwnNet(plan, net.eval())


def foreign_subject(net: Net, spec: ImageSpec) -> ForeignNet:
    """Somebody's module in its Net, as it stands."""
    return ForeignNet(net.eval(), torch.zeros(example_shape(spec), dtype=torch.uint8))


def example_shape(spec: ImageSpec) -> tuple[int, int, int, int]:
    return 2, spec.height, spec.width, spec.channels


# --- a module without its numbers ---


def tensors_of(net: nn.Module) -> dict[str, Tensor]:
    """Parameters and all buffers, also those that a state dict leaves out."""
    return {n: t.detach().cpu() for n, t in (*_named(net.named_parameters), *_named(net.named_buffers))}


def _named(listing: Any) -> list[tuple[str, Tensor]]:
    """All of them, tied ones under each of their names."""
    return list(listing(remove_duplicate=False))


def pack(net: Net) -> str:
    """The module as text: its classes and attributes, its tensors without numbers."""
    import cloudpickle

    ours = [sys.modules[name] for name in sorted(_home_made(net))]
    for module in ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        hollow = copy.deepcopy(net).to("meta")
        return base64.b64encode(cloudpickle.dumps(hollow)).decode("ascii")
    except Exception as error:  # whatever an attribute of somebody's class raises
        raise RunError(f"the model cannot be sent to worker processes: {first_line(error)}") from error
    finally:
        for module in ours:
            cloudpickle.unregister_pickle_by_value(module)


def _home_made(net: nn.Module) -> set[str]:
    """Modules of classes that are in no installed package: a worker could not import them from where it runs."""
    installed = tuple(filter(None, (sysconfig.get_path(p) for p in ("stdlib", "purelib", "platlib"))))
    found = set()
    for part in net.modules():
        name = type(part).__module__
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if (
            module is None
            or name == "__main__"
            or name.partition(".")[0] in ("torch", "seedleaf", "builtins")
        ):
            continue  # cloudpickle sends __main__ by value of itself
        if file and not file.startswith(installed):
            found.add(name)
    return found


def unpack(text: str, state: Mapping[str, Tensor]) -> Net:
    """The inverse of `pack`, with the numbers of `state`."""
    import cloudpickle

    net: Net = cloudpickle.loads(base64.b64decode(text))
    for name, tensor in state.items():
        path, _, last = name.rpartition(".")
        holder = net.get_submodule(path)
        if last in holder._parameters:
            before = holder._parameters[last]
            holder._parameters[last] = nn.Parameter(tensor.clone(), before is None or before.requires_grad)
        else:
            holder._buffers[last] = tensor.clone()
    return net

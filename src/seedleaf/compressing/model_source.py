"""The model that is to be compressed: taken from a run's folder or from a torch module, never changed, never unpickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from seedleaf.compressing.described import described
from seedleaf.compressing.given import check_module, uncompiled
from seedleaf.compression.melt import branches, melt, plain_plan
from seedleaf.compression.original import foreign_subject, own_subject, save_foreign, save_own
from seedleaf.compression.subject import Subject
from seedleaf.compression.suitable import check_answers, check_foreign, check_traceable
from seedleaf.core import History
from seedleaf.data.images import load_again, load_images
from seedleaf.data.spec import ImageData, ImageSpec
from seedleaf.errors import CheckpointError, DataError, RunError, first_line
from seedleaf.folder import delivered_in, read_history
from seedleaf.job import Job
from seedleaf.learners.base import learner_named
from seedleaf.learners.blocks import Net, build
from seedleaf.learners.convnet import ConvNet
from seedleaf.learners.ops import NetPlan
from seedleaf.train import CHECKPOINT, checkpoint

WEIGHTS = "weights.pt"


class Reading(NamedTuple):
    """How images are read: the seed that draws a test part where there is none, height and width of a folder's pictures."""

    seed: int
    size: tuple[int, int] | None = None

    def images(self, source: Any) -> ImageData:
        """The images of `source`; what is read whole keeps its size."""
        if self.size is None:
            return load_images(source, seed=self.seed)
        return load_again(source, seed=self.seed, size=self.size)


@dataclass(frozen=True)
class TakenRun:
    """A network of ours. Images are to be read as it did: those that it was trained on must not come into the test part."""

    folder: Path
    plan: NetPlan
    state: Mapping[str, Tensor]
    training: Mapping[str, Any]
    classes: tuple[str, ...]
    read: Reading

    def place(self, folder: Path, data: ImageData, scaling: Any) -> dict[str, Any]:
        """Copy it to `folder`; its part of the setup. DataError where `data` is not what it was made for."""
        plan, net = self._plain(data)
        # Where channels go separate ways, what hangs together is read off the module, as with somebody's.
        saved = (
            save_foreign(folder, net, data.spec)
            if branches(plan.ops)
            else save_own(folder, plan, net.state_dict())
        )
        return {**saved, "training": dict(self.training)}

    def subject(self, data: ImageData, scaling: Any) -> Subject:
        """It as passes take it, here and now. DataError as by `place`."""
        plan, net = self._plain(data)
        return foreign_subject(net, data.spec) if branches(plan.ops) else own_subject(plan, net.state_dict())

    def _plain(self, data: ImageData) -> tuple[NetPlan, Net]:
        """Its plan and its network without side branches."""
        spec = data.spec
        size = self.plan.height, self.plan.width, self.plan.channels
        if (spec.height, spec.width, spec.channels) != size:
            raise DataError(
                f"{self.folder} takes images of {'×'.join(map(str, size))} but {spec.name} has "
                f"{spec.height}×{spec.width}×{spec.channels}: give the data it was fitted on"
            )
        if tuple(spec.class_names) != self.classes:
            raise DataError(
                f"{self.folder} knows {len(self.classes)} classes ({_some(self.classes)}), {spec.name} has "
                f"{spec.n_classes} ({_some(spec.class_names)}): give the data it was fitted on"
            )
        net = build(self.plan)
        try:
            net.load_state_dict(dict(self.state))
        except RuntimeError as error:
            raise RunError(f"{self.folder}: the weights do not fit its config: {first_line(error)}") from None
        melt(net, data.x_train)
        return plain_plan(self.plan), net


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:3])) + (", …" if len(names) > 3 else "")


def take_run(folder: Path) -> TakenRun | TakenBackbone:
    """The delivered network of a run, or that of its front whose folder it is.

    RunError where it is no run, has delivered nothing, or its weights are gone.
    """
    told = described(folder)
    folder, best = told.folder, told.delivered
    read = reading(told.history)
    if told.plan is None:
        return _backbone(best, Job.load(folder).learner, told.spec, told.config, read)
    trial = folder / "trials" / f"{told.trial:04d}" / CHECKPOINT
    # Runs of earlier versions kept no weights of the refit: their best trial's network stands in.
    kept = (best / WEIGHTS).exists() or told.compressed or best.name != "best"
    state = _weights(best / WEIGHTS if kept else trial)
    return TakenRun(folder, told.plan, state, told.training, told.classes, read)


def reading(history: History) -> Reading:
    """How the images of a run were read: with a fit's seed, but a compression with that of its original.

    Compressions of earlier versions did not note it: they are asked for their original. RunError where that is gone.
    """
    told, noted = history.note("run") or {}, history.note("data") or {}
    spec, seed = noted["spec"], noted.get("split")
    if seed is None and history.note("original") is not None and Path(str(told.get("model"))).is_absolute():
        seed = reading(read_history(delivered_in(Path(str(told["model"])))[0])).seed
    return Reading(int(told["seed"] if seed is None else seed), (int(spec["height"]), int(spec["width"])))


def _weights(path: Path) -> Mapping[str, Tensor]:
    try:
        body = checkpoint.load(path)
    except CheckpointError as error:
        raise RunError(f"{error}: the run's weights are gone, fit again") from None
    state: Mapping[str, Tensor] = body["judged"] if body.get("judged") is not None else body["model"]
    return state


@dataclass(frozen=True)
class TakenBackbone:
    """A trained network by name, of a run: ours to open, somebody's to take apart."""

    folder: Path
    net: Net
    training: Mapping[str, Any]
    read: Reading

    def place(self, folder: Path, data: ImageData, scaling: Any) -> dict[str, Any]:
        """Write it to `folder`; its part of the setup. DataError where `data` is not what it was made for."""
        check_foreign(self.net, data.spec)
        check_answers(self.net, data.spec)
        check_traceable(self.net, data.spec, folder)
        return {**save_foreign(folder, self.net, data.spec), "training": dict(self.training)}

    def subject(self, data: ImageData, scaling: Any) -> Subject:
        """It as passes take it, here and now. DataError as by `place`."""
        check_foreign(self.net, data.spec)
        return foreign_subject(self.net, data.spec)


def _backbone(
    best: Path, learner: str, spec: ImageSpec, config: Mapping[str, Any], read: Reading
) -> TakenBackbone:
    net: Any = learner_named(learner).build(spec, {**config, "backbone.frozen": 0.0})
    try:
        net.load_state_dict(dict(_weights(best / WEIGHTS)))
    except RuntimeError as error:
        raise RunError(f"{best}: the weights do not fit its config: {first_line(error)}") from None
    return TakenBackbone(best, net.eval(), config, read)


@dataclass(frozen=True)
class TakenModule:
    """Somebody's torch module, as a copy in eval mode on the CPU."""

    module: nn.Module
    read: None = None

    def place(self, folder: Path, data: ImageData, scaling: Any) -> dict[str, Any]:
        """Check it against the data, write its numbers to `folder`; its part of the setup."""
        spec, net = data.spec, self._checked(data.spec, scaling)
        check_answers(net, spec)
        check_traceable(net, spec, folder)
        return {**save_foreign(folder, net, spec), "training": ConvNet().default(spec)}

    def subject(self, data: ImageData, scaling: Any) -> Subject:
        """It as passes take it, here and now. DataError or RunError where it does not fit."""
        return foreign_subject(self._checked(data.spec, scaling), data.spec)

    def _checked(self, spec: ImageSpec, scaling: Any) -> Net:
        mean, std = (self._channels(v, d, spec) for v, d in zip(scaling, (0.0, 1.0), strict=True))
        net = Net(self.module, [255 * m for m in mean], [255 * s for s in std], plain=True).eval()
        check_foreign(net, spec)
        return net

    def _channels(self, given: Sequence[float] | None, otherwise: float, spec: ImageSpec) -> list[float]:
        if given is None:
            return [otherwise] * spec.channels
        if len(given) != spec.channels:
            raise DataError(f"mean and std need {spec.channels} numbers each, got {len(given)}")
        return [float(v) for v in given]


def take_module(module: Any) -> TakenModule:
    """A copy of a torch module. RunError where it is none, or cannot be copied."""
    import copy

    check_module(module)
    try:
        return TakenModule(uncompiled(copy.deepcopy(module)).cpu().eval())
    except Exception as error:  # whatever an attribute of somebody's class raises
        raise RunError(f"the model cannot be copied: {error}") from None

"""What somebody's module must be to be compressed. Asked before any time is spent; each refusal says what to do."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seedleaf.compression.bench import APART
from seedleaf.compression.culprit import chain, frozen_in, plain, raised_in
from seedleaf.compression.deploy import probabilities, sketch
from seedleaf.compression.foreign import ALIKE
from seedleaf.compression.original import DELIVERED
from seedleaf.compression.tracing import noise_like
from seedleaf.data.spec import ImageSpec
from seedleaf.errors import DataError, RunError, first_line
from seedleaf.learners.blocks import Net

CERTAIN = 1e-4  # that probabilities may sum to more or less than 1
OUTSIDE = "keep to torch's operators, and use x.shape[0] as it is"


def check_foreign(net: Net, spec: ImageSpec) -> None:
    """RunError or DataError, each with what to do, where the module does not fit the data."""
    example = _noise(2, spec)
    shape = f"({2}, {spec.channels}, {spec.height}, {spec.width})"
    other = next(
        (p.dtype for p in net.parameters() if p.is_floating_point() and p.dtype != torch.float32), None
    )
    if other is not None:
        kind = str(other).removeprefix("torch.")
        raise RunError(
            f"the model's weights are {kind}; networks are compressed in float32: give module.float()"
        )
    try:
        with torch.no_grad():
            out, again = net.eval()(example), net(example)
    except Exception as error:  # whatever a forward pass of somebody's raises
        raise DataError(
            f"the model does not run on float images of shape {shape}: {first_line(error)}{raised_in(error)}; "
            "give data of the shape it was made for"
        ) from error
    if spec.n_classes == 2 and isinstance(out, Tensor) and out.shape in ((2,), (2, 1)):
        raise RunError(
            "the model gives one logit for two classes: give two logits, "
            "as by torch.stack([torch.zeros_like(z), z], 1) of a logit z of shape (N,)"
        )
    if not isinstance(out, Tensor) or out.ndim != 2:
        found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise RunError(f"the model answers {found} for two images; it must give logits of shape (N, classes)")
    if out.shape != (2, spec.n_classes):
        raise DataError(
            f"the model answers {out.shape[1]} classes but {spec.name} has {spec.n_classes}: "
            "give the data it was trained for"
        )
    if not any(p.ndim > 1 for p in net.parameters()):
        raise RunError("the model has no weights that could be compressed")
    if not torch.allclose(out, again, rtol=ALIKE, atol=ALIKE, equal_nan=True):
        raise RunError(
            "the model answers otherwise when it is asked the same again, so nothing can be compared with it: draw random "
            "numbers only while training (F.dropout takes training=self.training)"
        )


def check_answers(net: Net, spec: ImageSpec) -> None:
    """RunError where what a module that fits the data answers is nothing to compress it by.

    Asked of a new compression alone: earlier versions took such modules, and their recipes are still to be replayed.
    """
    with torch.no_grad():
        out = net.eval()(_noise(2, spec))
    if not _finite(out):
        masks = (out, *net.buffers())  # a mask may be one of its buffers
        if all(map(_finite, net.parameters())) and all(
            _finite(t.masked_fill(t == -torch.inf, 0)) for t in masks
        ):
            raise RunError("the model answers a logit of -inf: mask with -1e4 instead")
        raise RunError(f"the model answers {_no_number(out)}{_where_none(net)}")
    if bool((out >= 0).all()) and torch.allclose(out.sum(1), torch.ones(2), atol=CERTAIN):
        raise RunError(
            "the model gives probabilities: give it without its last Softmax, so that it gives logits"
        )


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _no_number(tensor: Tensor) -> str:
    return "NaN" if bool(tensor.isnan().any()) else "infinity"


def _where_none(net: Net) -> str:
    """The first weights that are no numbers, as the end of a sentence; empty where all are."""
    for name, tensor in net.state_dict().items():
        if isinstance(tensor, Tensor) and not _finite(tensor):
            return f": its {name.removeprefix('body.')} holds {_no_number(tensor)}"
    return " for random pixels, though its weights are numbers"


def check_traceable(net: Net, spec: ImageSpec, folder: Path) -> None:
    """Write the model to `folder` as it would be delivered. RunError where it is not one graph that answers as it does.

    Control flow on data, operators that ONNX does not know, numpy and Python's numbers in a forward are such cases.
    """
    some = _noise(3, spec)  # not the two images that graphs are traced with
    with torch.no_grad():
        expected = net.eval()(some).softmax(1).numpy()
    with _quiet():
        refusal = _not_delivered(net, spec, folder / DELIVERED, some, expected)
        refusal = refusal or _not_sketched(net, spec, folder / "sketch.onnx", some, expected)
    (folder / "sketch.onnx").unlink(missing_ok=True)
    if refusal:
        raise RunError(
            f"the model cannot be traced to one graph, so it can be neither measured nor delivered: {refusal}"
        )


def _not_delivered(net: Net, spec: ImageSpec, path: Path, some: Tensor, expected: Any) -> str:
    """Why torch's exporter makes no graph of the model that answers as it does; empty where it does."""
    from seedleaf.export import export_onnx

    try:
        export_onnx(net, spec, path)
    except Exception as error:  # torch raises its own kinds for each stage
        return _why(error)
    try:
        apart = np.abs(probabilities(path, some.numpy()) - expected).max()
    except Exception:  # ONNX Runtime's own have no base in common
        return f"it takes just one number of images, noted{frozen_in(net, some)}; do not loop over them, {OUTSIDE}"
    return "" if apart <= APART else f"the graph answers otherwise than the model, by {apart:.2g}"


def _not_sketched(net: Net, spec: ImageSpec, path: Path, some: Tensor, expected: Any) -> str:
    """The same of the faster exporter, by which candidates are measured: it notes what leaves torch as a constant."""
    try:
        sketch(net, spec, path)
        apart = np.abs(probabilities(path, some.numpy()) - expected).max()
    except Exception as error:
        if place := frozen_in(net, some):
            return f"values leave torch{place}; {OUTSIDE}"
        return plain(str(error))
    if apart <= APART:
        return ""
    place = frozen_in(net, some)
    return f"values leave torch{place} and would be constants of the graph, which is off by {apart:.2g}; {OUTSIDE}"


def _why(error: Exception) -> str:
    """What torch's exporter stumbled over, in a line: its own message goes over pages."""
    for cause in chain(error):
        kind = type(cause).__name__
        if kind.startswith("GuardOnDataDependent"):
            what = f"which way it goes depends on the values of its input{raised_in(error)}"
            return f"{what}; torch.where computes both ways and chooses"
        if kind == "DispatchError" and (operator := re.search(r"op='([^']+)'", str(cause))):
            return f"ONNX has no operator for {operator[1]}; replace it by others"
    last = list(chain(error))[-1]
    return f"{plain(str(last)) or type(last).__name__}{raised_in(error)}"


def _noise(n: int, spec: ImageSpec) -> Tensor:
    return noise_like(torch.zeros((n, spec.height, spec.width, spec.channels), dtype=torch.uint8))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters print (graphs over hundreds of lines) and what they warn of."""
    log = logging.getLogger("torch.fx.experimental.symbolic_shapes")  # it has a stream of its own
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        log.setLevel(before)

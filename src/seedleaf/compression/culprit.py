"""Where in somebody's module an error or a warning of torch's comes from: its class, the file, the line."""

from __future__ import annotations

import inspect
import linecache
import re
import warnings
from collections.abc import Iterator
from types import FrameType, FunctionType

import torch
from torch import Tensor, nn

ANSI = re.compile(r"\x1b\[[0-9;]*m")
SHOWN = 80  # letters of a line of code


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    at: BaseException | None = error
    seen: set[int] = set()
    while at is not None and id(at) not in seen:
        yield at
        seen.add(id(at))
        at = at.__cause__ or at.__context__


def plain(text: str, letters: int = 200) -> str:
    """The first line of `text` without colours, cut to `letters`."""
    lines = ANSI.sub("", text).strip().splitlines() or [""]
    return lines[0][:letters].rstrip()


def raised_in(error: BaseException) -> str:
    """The innermost class of somebody's under way when `error` or one of its causes was raised, as ` in Net (file:3: …)`.

    Empty where there is none: a Sequential of torch's own layers has no code of anybody's.
    """
    found = ""
    for cause in chain(error):
        trace = cause.__traceback__
        while trace is not None:
            if (module := _running(trace.tb_frame)) is not None:
                found = _at(module, trace.tb_frame.f_code.co_filename, trace.tb_lineno)
            trace = trace.tb_next
    return found


def frozen_in(net: nn.Module, example: Tensor) -> str:
    """Where `net` leaves torch (numpy, float(x), int(x.shape[0])) on `example`, so that a tracer notes a constant."""
    with warnings.catch_warnings(record=True) as noted, torch.no_grad():
        warnings.simplefilter("always")
        try:
            torch.jit.trace(net, example, check_trace=False)  # type: ignore[no-untyped-call]
        except Exception:  # what was noted before is what counts
            pass
    for note in noted:
        module = _written_at(net, note.filename, note.lineno)
        if note.category.__name__ == "TracerWarning" and module is not None:
            return _at(module, note.filename, note.lineno)
    return ""


def _at(module: nn.Module, file: str, line: int) -> str:
    code = linecache.getline(file, line).strip()
    shown = f": {code[:SHOWN]}" if code else ""
    return f" in {type(module).__name__} ({file}:{line}{shown})"


def _somebodys(module: object) -> bool:
    return isinstance(module, nn.Module) and type(module).__module__.partition(".")[0] not in (
        "torch",
        "seedleaf",
    )


def _running(frame: FrameType) -> nn.Module | None:
    """The module whose method a frame is."""
    names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    first = frame.f_locals.get(names[0]) if names else None
    return first if isinstance(first, nn.Module) and _somebodys(first) else None


def _written_at(net: nn.Module, file: str, line: int) -> nn.Module | None:
    """The part of `net` in one of whose methods that line stands."""
    for module in filter(_somebodys, net.modules()):
        for kind in type(module).__mro__:
            for method in filter(inspect.isfunction, vars(kind).values()):
                if file == method.__code__.co_filename and line in _lines(method):
                    return module
    return None


def _lines(method: FunctionType) -> set[int | None]:
    return {row[2] for row in method.__code__.co_lines()}

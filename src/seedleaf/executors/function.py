"""The trial function: found by name or by value, called, and what it gives understood as measurements."""

from __future__ import annotations

import base64
import importlib
import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, SupportsFloat

from seedleaf.core import Context, Measurement
from seedleaf.errors import TrialError
from seedleaf.executors.base import Message


def resolve(name: str) -> Callable[..., Any]:
    """The function that "module:name" names."""
    module, _, attribute = name.partition(":")
    function: Any = importlib.import_module(module)
    for part in attribute.split("."):
        function = getattr(function, part)
    return function  # type: ignore[no-any-return]


def trial_function(settings: Message) -> Callable[..., Any]:
    """The trial function, by name or by value. The value comes from this worker's own driver over its own socket."""
    if settings["pickled"] is None:
        return resolve(settings["function"])
    import cloudpickle

    return cloudpickle.loads(base64.b64decode(settings["pickled"]))  # type: ignore[no-any-return]


def begin(function: Callable[..., Any], config: Message, ctx: Context) -> Any:
    """Call `function` with the config and the context, or with the config alone where it takes no more."""
    return function(config, ctx) if _takes_two(function) else function(config)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # it was written in C and does not tell
        pass
    return True


def measurements(result: Any, ctx: Context) -> Iterable[Measurement]:
    """What a trial function gave, as measurements from ctx.start + 1 to ctx.stop.

    It may yield Measurements, mappings of metrics or numbers (the metric that `ctx.setup["metric"]` names), or return
    one of these. A generator that counts its steps from 1 whatever ctx.start says has trained anew; what it repeats is
    passed over.
    """
    if isinstance(result, (Measurement, Mapping, SupportsFloat)):
        result = [result]
    text = isinstance(result, (str, bytes))  # which would pass for its letters
    if text or not isinstance(result, Iterable):
        raise TrialError(
            f"the training function gave {result!r:.60}; it should yield or return a number or a mapping of metrics"
        )
    step, began = ctx.start, time.perf_counter()
    for item in result:
        now = time.perf_counter()
        if isinstance(item, Measurement):
            measurement = Measurement(item.step, numbers(item.metrics), item.seconds)
        else:
            metrics = item if isinstance(item, Mapping) else {ctx.setup.get("metric", "error"): item}
            measurement = Measurement(step + 1, numbers(metrics), now - began)
        began = now
        if measurement.step <= ctx.start:
            continue
        if measurement.step != step + 1:
            raise TrialError(f"the training function yielded step {measurement.step} after step {step}")
        step = measurement.step
        yield measurement
        if step >= ctx.stop:
            return
    raise TrialError(f"the training function ended at step {step}, before step {ctx.stop}")


def numbers(metrics: Mapping[Any, Any]) -> dict[str, float]:
    """Metrics as plain floats, whatever kind of number they are."""
    found = {}
    for name, value in metrics.items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            raise TrialError(f"the metric {str(name)!r} is {value!r:.60}, not a number") from None
    return found

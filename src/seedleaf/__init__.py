"""seedleaf: AutoML for light deep-learning models. Data and a limit in, a small, fast, exported model out.

    import seedleaf
    result = seedleaf.fit("digits", time_limit="60s", max_params=20_000)

Names are imported when they are first used, so `import seedleaf` is quick and never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "fit": "seedleaf.api",
    "check": "seedleaf.inspection",
    "tune": "seedleaf.tuning",
    "resume": "seedleaf.api",
    "compress": "seedleaf.compressing.run",
    "load": "seedleaf.api",
    "replay": "seedleaf.compressing.replaying",
    "ImageClassifier": "seedleaf.estimators.images",
    "TabularClassifier": "seedleaf.estimators.tables",
    "TabularRegressor": "seedleaf.estimators.tables",
    "Study": "seedleaf.study",
    "Fidelity": "seedleaf.core",
    "Measurement": "seedleaf.core",
    "Space": "seedleaf.space",
    "Float": "seedleaf.space",
    "Int": "seedleaf.space",
    "Choice": "seedleaf.space",
    "Bool": "seedleaf.space",
    "Const": "seedleaf.space",
    "Result": "seedleaf.result",
    "SeedleafError": "seedleaf.errors",
}

__all__ = [
    "Bool",
    "Choice",
    "Const",
    "Fidelity",
    "Float",
    "ImageClassifier",
    "Int",
    "Measurement",
    "Result",
    "SeedleafError",
    "Space",
    "Study",
    "TabularClassifier",
    "TabularRegressor",
    "__version__",
    "check",
    "compress",
    "fit",
    "load",
    "replay",
    "resume",
    "tune",
]

if TYPE_CHECKING:
    from seedleaf.api import fit, load, resume
    from seedleaf.compressing.replaying import replay
    from seedleaf.compressing.run import compress
    from seedleaf.core import Fidelity, Measurement
    from seedleaf.errors import SeedleafError
    from seedleaf.estimators.images import ImageClassifier
    from seedleaf.estimators.tables import TabularClassifier, TabularRegressor
    from seedleaf.inspection import check
    from seedleaf.result import Result
    from seedleaf.space import Bool, Choice, Const, Float, Int, Space
    from seedleaf.study import Study
    from seedleaf.tuning import tune


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'seedleaf' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__

"""The import arrows of the design: who may know whom. And what must not be loaded before it is needed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

ZERO = {"core", "errors", "seeds"}
TOP = {
    "api",
    "card",
    "crew",
    "export",
    "finish",
    "folder",
    "growing",
    "horizon",
    "inspection",
    "job",
    "limits",
    "modality",
    "planning",
    "predicting",
    "report",
    "result",
    "run",
    "stopwatch",
    "summary",
    "tuning",
    "workers",
}
# room -> the rooms that it may import; a room is the first name below seedleaf
ALLOWED: dict[str, set[str]] = {
    "core": {"errors"},
    "errors": set(),
    "seeds": set(),
    "distances": set(),
    "inference": set(),
    "writing": set(),
    "scores": set(),
    "timing": {"core", "errors", "amounts"},
    "amounts": set(),
    "machine": set(),
    "space": ZERO,
    "data": ZERO | {"writing"},
    "tuner": ZERO | {"space", "distances"},
    "train": ZERO | {"space", "data", "writing"},
    "learners": ZERO | {"space", "data", "train", "distances", "inference", "writing"},
    "compression": ZERO | {"space", "data", "train", "learners", "export", "predicting", "scores"},
    "executors": ZERO,
    "store": ZERO,
    "ledger": ZERO | {"store"},
    "loop": ZERO | {"executors"},
    "study": ZERO | {"space", "tuner", "executors", "store", "ledger", "loop"},
    "compressing": ZERO
    | {
        "space",
        "data",
        "store",
        "study",
        "tuner",
        "train",
        "learners",
        "compression",
        "executors",
        "timing",
        "amounts",
    }
    | {"folder", "front", "finish", "job", "planning", "report", "result", "views", "workers", ""},
    "front": ZERO
    | {"data", "tuner", "train", "learners", "executors", "timing", "amounts"}
    | {"card", "export", "finish", "job", "limits", "planning"},
    "estimators": ZERO | {"data", "predicting", "api", "folder"},
    "views": ZERO,
    # data: the scale of training, applied to what is predicted; learners: how the cells of a table become a row
    "predicting": ZERO | {"data", "inference", "learners"},
    "guard": ZERO,
    "report": ZERO | {"space", "store", "tuner", "writing"},
    "cli": TOP
    | ZERO
    | {"compressing", "front", "predicting"}
    | {"amounts", "timing", "views", "guard", "", "data", "optuna_bridge"},  # data: what `predict` reads
    "": set(),  # the package itself imports by name, when a name is first used
}
TORCHLESS = {"core", "errors", "seeds", "space", "tuner", "executors", "store", "ledger", "loop", "study"}
BETWEEN_ROOMS = {
    "study": {"executors.base"},
    "loop": {"executors.base"},
    "report": {"tuner.pareto"},
    "predicting": {"learners.tables.block"},
    "compression": {"predicting.images"},
}


def modules() -> dict[str, ast.Module]:
    """Every module by its name below seedleaf ("" is the package itself)."""
    found = {}
    for path in sorted((SRC / "seedleaf").rglob("*.py")):
        parts = path.relative_to(SRC / "seedleaf").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports(tree: ast.AST, lazy: bool = True) -> set[str]:
    """Names imported, full. TYPE_CHECKING blocks do not count; those inside functions only when `lazy`."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif lazy or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found |= imports(node, lazy)
    return found


def ours(names: set[str]) -> set[str]:
    """The modules of ours among imported names: `seedleaf.core.State` is `core`."""
    found = set()
    for name in names:
        if name == "seedleaf" or name.startswith("seedleaf."):
            below = name.removeprefix("seedleaf").removeprefix(".")
            while below and below not in MODULES:
                below = below.rpartition(".")[0]
            found.add(below)
    return found


def room(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("module", MODULES)
def test_arrows_point_down(module: str) -> None:
    here = room(module)
    known = ours(imports(MODULES[module]))
    if here in ALLOWED:
        strangers = {m for m in known if room(m) not in ALLOWED[here] | {here}}
        assert not strangers, f"{module} may not import {sorted(strangers)}"
    else:
        assert here in TOP | {"optuna_bridge"}, f"{module} stands in no room: give it a row"
        assert "cli" not in known
    for target, only in BETWEEN_ROOMS.items():
        if here == target:
            rooms = {room(m) for m in only}
            assert {m for m in known if room(m) in rooms} <= only, (
                f"{module}: of those rooms only {sorted(only)}"
            )


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) in TORCHLESS])
def test_deciding_knows_no_torch(module: str) -> None:
    assert not {n for n in imports(MODULES[module]) if n.split(".")[0] == "torch"}


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) == "tuner"])
def test_deciding_reads_no_clock_and_no_disk(module: str) -> None:
    outside = {
        "time",
        "datetime",
        "os",
        "pathlib",
        "threading",
        "random",
        "socket",
        "subprocess",
        "uuid",
        "secrets",
    }
    assert not {n for n in imports(MODULES[module]) if n.split(".")[0] in outside}


def test_no_circle() -> None:
    """At import time: what a function imports when it is called closes no circle."""
    graph = {m: ours(imports(tree, lazy=False)) - {m, ""} for m, tree in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, [*path, module])
            done.add(module)

    for module in graph:
        visit(module, [])


def loaded(code: str, *names: str) -> set[str]:
    """Which of `names` a fresh interpreter has loaded after `code`."""
    script = f"import sys\n{code}\nprint(*[n for n in {names!r} if n in sys.modules])"
    env = {**os.environ, "PYTHONPATH": str(SRC)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=True)
    return set(run.stdout.splitlines()[-1].split())


HELP = """
import io, contextlib
from seedleaf.cli import main
sys.argv = ["seedleaf", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
    main()
assert "fit" in out.getvalue()
"""


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import seedleaf", {"torch", "numpy", "pandas", "sklearn", "sqlalchemy", "scipy"}),
        (HELP, {"torch", "numpy", "pandas", "sklearn", "sqlalchemy", "onnxruntime"}),
        ("import seedleaf.study, seedleaf.tuner.registry", {"torch", "pandas", "sklearn", "onnxruntime"}),
        (
            "import seedleaf.predicting.images, seedleaf.predicting.tables, seedleaf.predicting.deliver",
            {"torch", "pandas", "sklearn", "sqlalchemy", "scipy"},
        ),
    ],
    ids=["seedleaf", "help", "study", "predictor"],
)
def test_nothing_heavy_is_loaded_early(code: str, unwanted: set[str]) -> None:
    assert loaded(code, *unwanted) == set()


def test_the_check_itself_sees_what_is_loaded() -> None:
    assert loaded("import sqlalchemy", "sqlalchemy", "torch") == {"sqlalchemy"}


def test_public_names_are_there() -> None:
    import seedleaf

    for name in seedleaf.__all__:
        assert getattr(seedleaf, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'tunes'"):
        _ = seedleaf.tunes

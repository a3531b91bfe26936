"""`seedleaf dashboard RUN`: a run in optuna-dashboard, kept up to date while the run goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from seedleaf.errors import RunError
from seedleaf.folder import read_history
from seedleaf.optuna_bridge.mirror import mirror

JOURNAL = "optuna.journal"
EVERY = 5.0  # seconds between two looks at the log of a run that goes on


def show(run: Path, say: Callable[[str], None], host: str, port: int, serve: bool = True) -> Path:
    """Mirror the run into its journal and, where optuna-dashboard is installed, serve it until Ctrl-C; the journal."""
    path = run / JOURNAL
    history = read_history(run)
    if not history.header:
        raise RunError(f"{run} holds no study yet")
    name = run.resolve().name
    storage = mirror(history, path, name)
    say(f"{len(history.trials)} trials in {path}")
    if not serve:
        say(f"to look at them: optuna-dashboard {path}")
        return path
    try:
        from optuna_dashboard import run_server
    except ImportError:
        say(f"to look at them: pip install optuna-dashboard && optuna-dashboard {path}")
        return path
    over = threading.Event()
    keeper = threading.Thread(target=_keep_up, args=(run, path, name, over), daemon=True)
    keeper.start()
    say(f"http://{host}:{port}/ (Ctrl-C ends it)")
    try:
        run_server(storage, host=host, port=port)
    except KeyboardInterrupt:
        pass
    finally:
        over.set()
        keeper.join(EVERY)
    return path


def _keep_up(run: Path, path: Path, name: str, over: threading.Event) -> None:
    """Mirror what the run writes, as long as it is served."""
    seen = -1
    while not over.wait(EVERY):
        history = read_history(run)
        if history.seq != seen:
            mirror(history, path, name)
            seen = history.seq

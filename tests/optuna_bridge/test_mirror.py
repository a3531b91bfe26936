"""A run in Optuna's journal: what is there, how it grows, and the command that shows it."""

from __future__ import annotations

import math
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

optuna = pytest.importorskip("optuna", reason="the extra optuna is not installed")
for folder in ("tuner", "space"):
    sys.path.append(str(Path(__file__).parents[1] / folder))

from problems import RUNGS, SPACE, curve, drive  # noqa: E402

from seedleaf.cli import app  # noqa: E402
from seedleaf.core import State  # noqa: E402
from seedleaf.folder import STUDY  # noqa: E402
from seedleaf.optuna_bridge import mirror  # noqa: E402
from seedleaf.space import Choice, Float, Int, Space  # noqa: E402
from seedleaf.study import Study  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)


def loaded(path: Path, name: str = "seedleaf") -> Any:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.load_study(study_name=name, storage=storage)


def test_a_study_with_bad_luck_is_mirrored_as_it_stands(tmp_path: Path) -> None:
    study = Study(SPACE, fidelity=RUNGS, seed=1, scheduler="asha", max_trials=25)
    drive(study, 200)
    assert study.history.finished
    mirror(study.history, tmp_path / "j")
    there = loaded(tmp_path / "j")
    assert len(there.trials) == len(study.trials)
    for ours, theirs in zip(study.trials, there.trials, strict=True):
        assert theirs.number == ours.id
        assert theirs.params == ours.config
        expected = {
            State.DONE: "COMPLETE",
            State.FAILED: "FAIL",
            State.PAUSED: "PRUNED",
            State.STOPPED: "PRUNED",
        }
        assert theirs.state.name == expected[ours.state]
        curve = {m.step: m.metrics["error"] for m in ours.measurements if math.isfinite(m.metrics["error"])}
        assert theirs.intermediate_values == curve
        if ours.state is State.FAILED:
            assert theirs.user_attrs["reason"] == ours.reason
    assert study.best is not None
    assert there.best_value == study.best.metrics["error"]
    assert there.user_attrs["finished"] == study.history.finished


def test_it_grows_with_the_run_and_the_end_is_as_if_written_once(tmp_path: Path) -> None:
    study = Study(SPACE, fidelity=RUNGS, seed=1, scheduler="asha", max_trials=20)
    mirrored = []
    for _ in range(400):
        task = study.ask()
        if task is None:
            break
        if task.trial % 3 == 0:
            mirror(study.history, tmp_path / "often")
            mirrored.append({t.number: t.state.name for t in loaded(tmp_path / "often").trials})
            assert mirrored[-1][task.trial] == "RUNNING"
        study.tell(task, curve(task))
    assert any("RUNNING" in m.values() and "COMPLETE" in m.values() for m in mirrored)
    sides = []
    for name in ("often", "once"):
        mirror(study.history, tmp_path / name)
        trials = loaded(tmp_path / name).trials
        sides.append(
            [(t.number, t.state, t.values, t.params, t.intermediate_values, t.user_attrs) for t in trials]
        )
    assert sides[0] == sides[1]
    size = (tmp_path / "once").stat().st_size
    mirror(study.history, tmp_path / "once")
    assert (tmp_path / "once").stat().st_size - size < 300, "nothing is written twice"


def test_a_run_that_goes_on_after_its_end_is_written_anew(tmp_path: Path) -> None:
    study = Study(SPACE, fidelity=RUNGS, seed=1, scheduler="asha", max_trials=6)
    while (task := study.ask()) is not None:
        study.tell(task, curve(task))
    mirror(study.history, tmp_path / "j")
    assert "PRUNED" in {t.state.name for t in loaded(tmp_path / "j").trials}
    more = Study(SPACE, fidelity=RUNGS, seed=1, scheduler="asha", max_trials=12, store=study.store)
    while (task := more.ask()) is not None:
        more.tell(task, curve(task))
    mirror(more.history, tmp_path / "j")
    there = loaded(tmp_path / "j").trials
    assert [t.intermediate_values for t in there] == [
        {m.step: m.metrics["error"] for m in ours.measurements} for ours in more.trials
    ]


def test_two_objectives_limits_and_odd_options(tmp_path: Path) -> None:
    space = Space(
        c=Choice(True, 1, "x"),
        n=Int(8, 4096, log=True, step=2),
        o=Choice(a=dict(r=Float(0, 1)), b=dict(r=Int(1, 9))),
    )
    study = Study(space, minimize="error", maximize="speed", limits={"latency": 2.0})
    for i in range(8):
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": i / 10, "speed": float(i), "latency": float(i)}])
    mirror(study.history, tmp_path / "j")
    there = loaded(tmp_path / "j")
    assert [d.name for d in there.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert [t.values for t in there.trials] == [[i / 10, float(i)] for i in range(8)]
    assert there.trials[3].constraints == {"latency": 1.0}
    assert {k for t in there.trials for k in t.params} == {"c", "n", "o", "o[a].r", "o[b].r"}
    assert len(there.best_trials) > 1


def run_folder(tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    study = Study(SPACE, fidelity=RUNGS, scheduler="asha", max_trials=8, store=run / "study.db", name=STUDY)
    while (task := study.ask()) is not None:
        study.tell(task, curve(task))
    study.store.close()
    return run


def test_the_command_mirrors_and_says_how_to_look(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    done = CliRunner().invoke(app, ["dashboard", str(run), "--no-serve"])
    assert done.exit_code == 0, done.output
    assert "8 trials in" in done.output
    assert f"optuna-dashboard {run / 'optuna.journal'}" in done.output.replace("\n", "")
    assert len(loaded(run / "optuna.journal", "mine").trials) == 8


def test_no_run_is_told_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["dashboard", str(tmp_path), "--no-serve"])
    assert done.exit_code == 2
    assert "not a run" in done.output


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path, monkeypatch: Any) -> None:
    for name in [
        m for m in sys.modules if m.split(".")[0] == "optuna" or m.startswith("seedleaf.optuna_bridge")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = CliRunner().invoke(app, ["dashboard", str(tmp_path)])
    assert done.exit_code == 2
    assert "pip install 'seedleaf[optuna]'" in done.output


def test_optuna_dashboard_reads_it(tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args: Any) -> None:
            return None

    study = Study(SPACE, fidelity=RUNGS, seed=1, scheduler="asha", max_trials=8)
    drive(study, 100)
    server = make_server(
        "127.0.0.1", 0, dashboard.wsgi(mirror(study.history, tmp_path / "j")), handler_class=Quiet
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        where = f"http://127.0.0.1:{server.server_port}"
        for page in ("/dashboard/", "/api/studies", "/api/studies/0", "/csv/0"):
            with urllib.request.urlopen(where + page, timeout=30) as answer:
                assert answer.status == 200
                assert answer.read()
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()

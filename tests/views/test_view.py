"""The views: few lines, little work, every terminal."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import pytest
from rich.console import Console

from seedleaf.core import Event, History, best_logged
from seedleaf.space import Float
from seedleaf.study import Study
from seedleaf.views import live as live_view
from seedleaf.views.live import LiveView
from seedleaf.views.progress import Lead, best_text, clock, listed, sparkline, states, wrapped
from seedleaf.views.view import PlainView, SilentView, View, open_view

T0 = 1_000_000.0


class Feed:
    """Applies events with a clock of its own."""

    def __init__(self) -> None:
        self.history = History()
        self.add(
            "study",
            objectives=[{"metric": "error", "direction": "min"}],
            fidelity={"name": "epoch", "low": 1, "high": 9},
        )

    def add(self, kind: str, **body: Any) -> None:
        self.history.apply(Event(self.history.seq + 1, T0, kind, body))

    def trial(self, number: int, *errors: float, budget: int = 9) -> None:
        self.add("start", trial=number, config={"lr": 0.1}, budget=budget)
        for step, error in enumerate(errors, 1):
            self.add(
                "measure", trial=number, step=step, metrics={"error": error, "params": 14210.0}, seconds=1.0
            )


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def console(width: int = 80, height: int = 24, encoding: str = "utf-8") -> Console:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    return Console(
        file=stream, force_terminal=True, width=width, height=height, color_system=None, legacy_windows=False
    )


def written(target: Console) -> str:
    return target.file.buffer.getvalue().decode(target.encoding)  # type: ignore[attr-defined]


def test_the_view_fits_the_stream() -> None:
    assert isinstance(open_view("x", 60, silent=True, stream=Tty()), SilentView)
    assert isinstance(open_view("x", 60, stream=io.StringIO()), PlainView)
    assert isinstance(open_view("x", 60, stream=Tty()), LiveView)


def test_plain_lines_stay_few_however_often_the_best_improves() -> None:
    out, feed = io.StringIO(), Feed()
    plain = PlainView("seedleaf fit digits", 60.0, stream=out)
    plain.start({"started": T0, "workers": 2})
    for i in range(600):
        feed.trial(i, 0.9 - i / 1000)
        plain.update(feed.history, T0 + i / 10, "search")
    plain.stop()
    lines = out.getvalue().splitlines()
    assert 7 <= len(lines) <= 10  # of the 25 that a whole command may print
    assert "14,210 params" in lines[-1]
    assert "600 running" not in lines[0]


def test_a_line_that_would_say_the_same_is_not_printed_again() -> None:
    """The best improves a moment before the line that is due at ten seconds."""
    out, feed = io.StringIO(), Feed()
    plain = PlainView("x", 60.0, stream=out)
    plain.start({"started": T0})
    feed.trial(0, 0.5)
    plain.update(feed.history, T0 + 1, "search")
    feed.trial(1, 0.4)
    plain.update(feed.history, T0 + 9.6, "search")
    plain.update(feed.history, T0 + 10.2, "search")
    feed.trial(2, 0.3)
    plain.update(feed.history, T0 + 20.2, "search")
    assert [line.split()[0] for line in out.getvalue().splitlines()[1:]] == ["1s", "10s", "20s"]


@pytest.mark.parametrize("limit", [None, 60.0])
def test_a_study_in_which_nothing_happens_says_little(limit: float | None) -> None:
    out, feed = io.StringIO(), Feed()
    plain = PlainView("x", limit, stream=out)
    plain.start({"started": T0})
    for i in range(600):
        plain.update(feed.history, T0 + i / 10, "search")
    assert len(out.getvalue().splitlines()) <= 11
    assert "no result yet" in out.getvalue()


def test_live_says_what_a_person_wants_to_know() -> None:
    target, feed = console(), Feed()
    live = LiveView("seedleaf fit digits", 60.0, console=target)
    feed.add("note", name="baseline", error=0.9)
    feed.add("note", name="default", trial=0)
    feed.trial(0, 0.5, 0.4, 0.3)
    feed.trial(1, 0.6, 0.2)
    feed.trial(2, 0.1)
    feed.add("fail", trial=2, reason="out of memory")
    live.start({"started": T0, "workers": 2})
    live.update(feed.history, T0 + 18, "search")
    live.stop()
    text = written(target)
    for said in ("42s left of 60s", "2 of 2 workers busy", "1 failed", "best error 0.2 (trial 1, epoch 2, 14,210 params)",
                 "default 0.3", "baseline 0.9", "█▅▁", "3/9"):  # fmt: skip
        assert said in text, said


@pytest.mark.parametrize("kind", ["plain", "live"])
def test_a_run_that_goes_on_says_what_is_left_though_its_command_gave_no_time(kind: str) -> None:
    """`seedleaf resume RUN` names no time: the run knows it."""
    target, feed = console(), Feed()
    stream = target.file
    shown = PlainView("x", None, stream=stream) if kind == "plain" else LiveView("x", None, console=target)
    shown.start({"started": T0, "time_limit": 60.0, "workers": 2})
    shown.update(feed.history, T0 + 18, "search")
    shown.stop()
    text = written(target)
    assert ("x · 60s · 2 workers" if kind == "plain" else "42s left of 60s") in text
    assert "so far" not in text
    assert "time_limit" not in text


def test_recipes_that_are_out_of_reach_have_not_failed() -> None:
    feed = Feed()
    for trial, reason in enumerate(
        ("out of reach: latency_ms 0.15 > 0.13", "diverged", "out of reach: params")
    ):
        feed.trial(trial)
        feed.add("fail", trial=trial, reason=reason)
    assert states(feed.history) == "1 failed · 2 out of reach"
    assert states(feed.history, 2) == "0 of 2 workers busy · 1 failed · 2 out of reach"
    assert states(feed.history, 1).startswith("0 of 1 worker busy")
    assert listed({"workers": 1, "data": "x", "started": 0}) == " · 1 worker · data x"


def test_live_looks_at_the_history_at_most_four_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    target, feed, looks = console(), Feed(), []
    monkeypatch.setattr(live_view, "best_logged", lambda history: looks.append(1))
    live = LiveView("x", 60.0, console=target)
    live.start({"started": T0})
    for i in range(1000):
        live.update(feed.history, T0 + i / 100, "search")
    live.stop()
    assert len(looks) <= 41


@pytest.mark.parametrize("size", [(80, 24), (20, 5), (5, 2), (1, 1)])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_no_terminal_is_too_small_and_no_locale_too_plain(size: tuple[int, int], encoding: str) -> None:
    target, feed = console(*size, encoding=encoding), Feed()
    for i in range(30):
        feed.trial(i, 0.5, math.nan, 0.4 - i / 100)
    live = LiveView("seedleaf fit naïve ☂ 数字", None, console=target)
    live.start({"started": T0, "data": "数字"})
    live.message("± ☂ \x1b[31m red \x07")
    live.update(feed.history, T0 + 1, "search")
    live.stop()
    assert "\x07" not in written(target)
    assert "\x1b[31m" not in written(target)


@pytest.mark.parametrize("width", [40, 60, 80, 83, 100, 120])
def test_what_is_told_is_broken_between_words(width: int) -> None:
    """A terminal by itself breaks where its line ends: 359 into 3 and 59."""
    told = "noticed   No test part: 20% of the images, stratified by class with seed 0, were held out as test: 359"
    target = console(width)
    live = LiveView("x", 60.0, console=target)
    live.start({"started": T0})
    live.message(told)
    live.stop()
    lines = [
        line for line in re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", written(target)).splitlines() if line.strip()
    ]
    assert max(map(len, lines)) <= width
    assert " ".join(line.strip() for line in lines).split() == told.split()
    assert all(line.startswith(" " * 10) for line in lines[1:])


def test_lines_are_wrapped_between_words() -> None:
    assert wrapped("", 10) == ""
    assert wrapped("a line\n  and more", 10) == "a line\n  and more"
    assert wrapped("took 5s; report /a/very/long/path", 12) == "took 5s;\nreport\n/a/very/long/path"
    assert wrapped("data      a b c d e f g", 22) == "data      a b c d e f\n          g"
    assert wrapped("data      a b c d", 14) == "data      a b\nc d", "too narrow to be set in"
    assert wrapped("up to 9 epochs, params <= 20,000", 27) == "up to 9 epochs,\nparams <= 20,000"


@pytest.mark.parametrize("width", [60, 80])
def test_a_long_path_leaves_room_for_what_goes_on(width: int) -> None:
    target, feed = console(width), Feed()
    live = LiveView("seedleaf fit /a/path/" + 9 * "of/many/folders/" + "table.csv", 60.0, console=target)
    live.start({"started": T0, "workers": 2})
    live.update(feed.history, T0 + 1, "search")
    live.stop()
    line = next(line for line in written(target).splitlines() if "seedleaf fit" in line)
    assert "…" in line
    assert "/table.csv  search · 2 workers" in line


def test_the_cursor_comes_back_once() -> None:
    target = console()
    live = LiveView("x", 60.0, console=target)
    live.stop()
    live.start({"started": T0})
    assert "\x1b[?25l" in written(target)
    live.stop()
    live.stop()
    assert written(target).count("\x1b[?25h") == 1


def test_plain_writes_to_an_ascii_stream() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    plain = PlainView("naïve · ±", 10.0, stream=stream)
    plain.start({"started": T0})
    plain.message("gain 0.1 ± 0.2 ☂")
    assert b"gain 0.1 +- 0.2 ?" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_a_maximised_objective_has_its_best_at_the_top() -> None:
    history = History()
    history.apply(Event(1, T0, "study", {"objectives": [{"metric": "score", "direction": "max"}]}))
    for i in range(3):
        history.apply(Event(2 + 2 * i, T0, "start", {"trial": i, "config": {}, "budget": 1}))
        history.apply(
            Event(
                3 + 2 * i,
                T0,
                "measure",
                {"trial": i, "step": 1, "metrics": {"score": float(i)}, "seconds": 1},
            )
        )
    best = best_logged(history)
    assert best is not None
    assert best.id == 2


def test_the_best_that_is_shown_is_the_one_that_the_study_holds() -> None:
    """Ties go to the second metric; what breaks a limit is none."""
    study = Study(
        {"x": Float(0, 1)},
        tie_break="loss",
        limits={"bytes": 100.0},
        sampler="random",
    )
    told = [(0.2, 0.9, 50.0), (0.2, 0.5, 50.0), (0.1, 0.1, 500.0), (0.3, 0.1, 50.0)]
    for error, loss, size in told:
        task = study.ask()
        assert task is not None
        study.tell(task, [{"error": error, "loss": loss, "bytes": size}])
        shown = best_logged(study.history)
        assert shown is study.best
    assert shown is study.trials[1]


def best_of(feed: Feed, lead: Lead) -> str:
    best = best_logged(feed.history)
    return f"{best_text(feed.history, best)}; {lead.lost(feed.history, best)}"


def test_a_best_that_got_worse_says_why() -> None:
    """A trial is judged by the weights that it has: training on can make them worse, and so the best."""
    feed, lead = Feed(), Lead()
    assert best_of(feed, lead) == "no result yet; "
    feed.trial(0, 0.5)
    feed.trial(1, 0.4, 0.2)
    assert best_of(feed, lead) == "best error 0.2 (trial 1, epoch 2, 14,210 params); "
    feed.add("measure", trial=1, step=3, metrics={"error": 0.6}, seconds=1.0)
    assert best_of(feed, lead).endswith(
        "(trial 0, epoch 1, 14,210 params); trial 1 had 0.2 at epoch 2, at epoch 3 it has 0.6"
    )
    feed.add("fail", trial=1, reason="diverged")
    assert best_of(feed, lead).endswith("trial 1 had 0.2 at epoch 2 and failed")
    feed.trial(2, 0.2)
    assert best_of(feed, lead) == "best error 0.2 (trial 2, epoch 1, 14,210 params); "


def test_both_views_say_why_the_best_got_worse() -> None:
    target, out, feed = console(), io.StringIO(), Feed()
    views: list[View] = [PlainView("x", 60.0, stream=out), LiveView("x", 60.0, console=target)]
    feed.trial(0, 0.2)
    for shown in views:
        shown.start({"started": T0})
        shown.update(feed.history, T0 + 11, "search")
    feed.add("measure", trial=0, step=2, metrics={"error": 0.6}, seconds=1.0)
    for shown in views:
        shown.update(feed.history, T0 + 21, "search")
        shown.stop()
    said = "trial 0 had 0.2 at epoch 1, at epoch 2 it has 0.6"
    assert said in out.getvalue()
    assert said in written(target)


def test_a_mean_over_few_folds_is_no_best_beside_one_over_more() -> None:
    feed, lead = Feed(), Lead()
    feed.add("study", objectives=[{"metric": "error"}], fidelity={"name": "fold", "low": 1, "high": 5})
    feed.trial(0, 0.2, budget=5)
    assert best_of(feed, lead) == "best error 0.2 (trial 0, fold 1, 14,210 params); "
    feed.trial(1, 0.4, 0.3, budget=5)
    feed.trial(2, 0.1, budget=5)
    feed.trial(3, 0.1, 0.1, math.nan, budget=5)
    assert (
        best_of(feed, lead)
        == "best error 0.3 (trial 1, fold 2, 14,210 params); trial 0 had 0.2 at fold 1 only"
    )
    feed.add("measure", trial=1, step=3, metrics={"error": 0.4}, seconds=1.0)
    feed.add("measure", trial=0, step=2, metrics={"error": 0.1}, seconds=1.0)
    assert best_of(feed, lead).endswith("trial 0 had 0.2 at fold 1, it is at fold 2 only")


def test_without_a_finite_value_there_is_no_best() -> None:
    feed = Feed()
    assert best_logged(feed.history) is None
    feed.trial(0, math.nan)
    assert best_logged(feed.history) is None
    feed.trial(1, 0.5)
    feed.trial(2, 0.6, 0.5)
    best = best_logged(feed.history)
    assert best is not None
    assert best.id == 2, "the deeper of two equals"


def test_sparklines() -> None:
    assert sparkline([1, 2, 3], 8) == "▁▅█" or sparkline([1, 2, 3], 8) == "▁▄█"
    assert sparkline([1, math.nan, 1], 8) == "▁ ▁"
    assert sparkline([math.nan], 8) == " "
    assert sparkline([], 8) == sparkline([1, 2], 0) == ""
    assert len(sparkline(list(range(100)), 10)) == 10


def test_durations_read_like_a_clock() -> None:
    assert [clock(s) for s in (0, 42.4, 185, 7800, -3)] == ["0s", "42s", "3:05", "2:10:00", "0s"]
    assert re.fullmatch(r"\d+:\d\d", clock(600))

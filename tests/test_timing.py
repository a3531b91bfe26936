"""Times and numbers as people write them, and how the time given is shared out."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedleaf.amounts import format_seconds, parse_count, parse_seconds
from seedleaf.core import Measurement, Trial, format_ms
from seedleaf.errors import BudgetError
from seedleaf.timing import (
    LONGEST_REFIT,
    MOST_EPOCHS,
    PRESETS,
    delivery_seconds,
    longest_refit,
    plan_time,
    process_started,
    refit_step_seconds,
    refit_steps,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("1h30m", 5400), ("1d", 86400), ("500ms", 0.5),
        (" 2M ", 120), ("1m30", 90), (45, 45), (0.5, 0.5),
    ],
)  # fmt: skip
def test_times(text: str | float, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0", "0s", "-5s", "soon", "10x", "1h m", "m", "..", "1.2.3s", "²s", "1e3", "nan", "inf", "9" * 400],
)
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time; write it as|a time must be positive") as caught:
        parse_seconds(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_numbers_that_are_no_time(value: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        parse_seconds(value)


@given(st.text(max_size=20))
def test_no_text_makes_parsing_fail_in_another_way(text: str) -> None:
    for parse in (parse_seconds, parse_count):
        try:
            assert 0 < parse(text) < math.inf
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017


@given(st.integers(1, 23), st.integers(0, 59), st.integers(0, 59))
def test_parts_of_a_time_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse_seconds(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@given(st.floats(0.5, 30 * 86400))
def test_a_time_survives_being_written(seconds: float) -> None:
    written = format_seconds(seconds)
    exact = 0.5 if seconds < 3599 else 60.5
    assert abs((parse_seconds(written) if written != "0s" else 0) - seconds) <= exact
    assert re.fullmatch(r"\d+h\d\dm|\d+m(\d\ds)?|\d+s", written)


@pytest.mark.parametrize(
    ("text", "count"),
    [("20000", 20_000), ("20k", 20_000), ("5M", 5_000_000), ("1.5m", 1_500_000), ("20_000", 20_000),
     ("20,000", 20_000), ("2g", 2 * 10**9), (7, 7), (1e6, 10**6)],
)  # fmt: skip
def test_counts(text: str | float, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    "text", ["", "k", "lots", "0", "-5", "-5k", "nan", "inf", "1e999", 0, -3, math.nan, "1,5M", "20,00"]
)
def test_what_is_no_count_is_said_to_be_none(text: str | float) -> None:
    with pytest.raises(ValueError, match=r"is not a number; write it as|must be at least 1"):
        parse_count(text)


@given(st.integers(1, 10**12))
def test_any_whole_number_is_a_count(count: int) -> None:
    assert parse_count(str(count)) == parse_count(count) == parse_count(f"{count:,}") == count


# --- the plan ---


@given(
    left=st.floats(1, 1e6),
    workers=st.integers(1, 64),
    epoch=st.floats(1e-3, 1e3),
    delivery=st.floats(1, 100),
    preset=st.sampled_from(sorted(PRESETS)),
)
def test_the_phases_add_up_to_the_time(
    left: float, workers: int, epoch: float, delivery: float, preset: str
) -> None:
    try:
        plan = plan_time(left, workers, epoch, delivery, PRESETS[preset])
    except BudgetError:
        assert left - delivery < 3 * epoch
        return
    spent = plan.search_seconds + plan.refit_seconds + plan.front_seconds
    assert spent + delivery == pytest.approx(left)
    assert plan.search_seconds > 0
    assert plan.refit_seconds > 0
    assert 1 <= plan.fidelity.low <= plan.fidelity.high <= MOST_EPOCHS


def test_the_time_that_is_asked_for_is_enough() -> None:
    preset = PRESETS["good"]
    with pytest.raises(BudgetError, match=r"one epoch takes 2.0 s here and 3 s are left") as caught:
        plan_time(left=9, workers=2, epoch_seconds=2.0, delivery=6.0, preset=preset, spent=11)
    advice = re.search(r"--time (\S+)", str(caught.value))
    assert advice
    enough = parse_seconds(advice[1])
    assert enough > 20
    plan_time(left=enough - 11, workers=2, epoch_seconds=2.0, delivery=6.0, preset=preset, spent=11)


def test_steps_that_are_cheap_at_first_make_room_for_more_of_them() -> None:
    whole = plan_time(600, 2, 1.0, 6.0, PRESETS["good"])
    cheap = plan_time(600, 2, 1.0, 6.0, PRESETS["good"], thirds=[0.25, 0.55, 1.0])
    assert cheap.search_seconds == whole.search_seconds
    assert cheap.fidelity.high * 0.6 == pytest.approx(whole.fidelity.high, abs=1)
    assert (whole.fidelity.name, cheap.fidelity.name) == ("epoch", "step")
    assert (
        plan_time(600, 2, 1.0, 6.0, PRESETS["good"], thirds=[1.0, 1.0, 1.0]).fidelity.high
        == whole.fidelity.high
    )
    short = plan_time(25, 1, 0.5, 6.0, PRESETS["good"], thirds=[0.1, 0.3, 0.5])
    assert short.fidelity.low == min(10, short.fidelity.high), "the first rung still lasts a second"


def test_more_of_a_better_preset_is_search() -> None:
    searches = [plan_time(600, 2, 1.0, 6.0, PRESETS[p]).search_seconds for p in ("quick", "good", "best")]
    assert searches == sorted(searches)


def test_a_search_of_a_few_epochs_keeps_them() -> None:
    for epochs in (3.0, 5.0, 8.0):
        plan = plan_time(6.0 + epochs, 1, 1.0, 6.0, PRESETS["good"], wanted=60.0)
        assert (
            plan.search_seconds
            >= min(4.0, plan_time(6.0 + epochs, 1, 1.0, 6.0, PRESETS["good"]).search_seconds) - 1e-9
        )


@pytest.mark.parametrize("preset", ["quick", "good", "best"])
def test_a_last_training_that_lacks_epochs_gets_more_of_the_time(preset: str) -> None:
    given_to = PRESETS[preset]
    plans = [plan_time(480, 1, epoch, 6.0, given_to, wanted=60.0) for epoch in (1.0, 2.5, 5.0, 10.0)]
    plain = [plan_time(480, 1, epoch, 6.0, given_to) for epoch in (1.0, 2.5, 5.0, 10.0)]
    assert plans[0] == plain[0], "where there are epochs enough nothing changes"
    refits = [p.refit_seconds for p in plans]
    assert refits == sorted(refits)
    assert refits[-1] > refits[0]
    for mine, theirs in zip(plans, plain, strict=True):
        usable = mine.search_seconds + mine.refit_seconds
        assert usable == pytest.approx(theirs.search_seconds + theirs.refit_seconds)
        assert mine.refit_seconds <= 0.5 * usable + 1e-9
        assert abs(mine.fidelity.high - theirs.fidelity.high) <= 1, (
            "a trial's full training stays what it was"
        )


def test_delivery_grows_with_the_test_part() -> None:
    assert delivery_seconds(0, 0, 1.0) < delivery_seconds(1000, 1000, 1.0) < delivery_seconds(5000, 1000, 1.0)


@given(st.floats(0, 1e6), st.integers(1, 500))
def test_a_refit_has_at_least_one_step_and_no_more_than_it_may(seconds: float, most: int) -> None:
    assert 1 <= refit_steps(seconds, most) <= most
    assert refit_steps(seconds, most) <= refit_steps(seconds + 1, most)
    assert refit_steps(math.inf, most) == most


def test_a_step_that_the_deadline_cuts_short_is_begun_where_there_are_few() -> None:
    assert [refit_steps(x, 100) for x in (0.5, 1.9, 2.1, 9.0)] == [1, 2, 3, 9]
    assert refit_steps(50.5, 100) == 48


@given(st.integers(1, 500))
def test_a_quick_network_may_have_the_epochs_that_are_wanted_whatever_was_planned(full: int) -> None:
    assert longest_refit(full, 0.0) == LONGEST_REFIT * full
    assert longest_refit(full, LONGEST_REFIT * full + 0.5) == LONGEST_REFIT * full + 1


def test_the_refits_step_is_judged_by_the_typical_one() -> None:
    steps = [Measurement(i, {"train_seconds": s}, s) for i, s in enumerate((30.0, 1.0, 1.0, 1.0, 1.0), 1)]
    trial = Trial(0, {}, measurements=steps)
    assert refit_step_seconds(trial) < 2.0
    assert refit_step_seconds(trial, lambda step: 0.25) == pytest.approx(4 * refit_step_seconds(trial))


def test_the_clock_starts_with_the_process() -> None:
    import subprocess
    import sys
    import time

    before = time.time()
    code = (
        "import time; time.sleep(0.3); from seedleaf.timing import process_started; print(process_started())"
    )
    told = float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    assert before - 0.1 <= told <= time.time() - 0.3
    assert process_started() < before


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0.01342, "0.0134 ms"), (0.02, "0.02 ms"), (3.0, "3 ms"), (12.34, "12.3 ms"), (120.4, "120 ms"),
     (1234.5, "1,234 ms"), (2e7, "20,000,000 ms"), (9e-6, "0.000009 ms"), (0.0, "0 ms"), (math.nan, "nan ms")],
)  # fmt: skip
def test_a_latency_is_never_written_with_a_power_of_ten(ms: float, text: str) -> None:
    assert format_ms(ms) == text

"""How much a run may hold: what is asked for, how it is divided, and what is said where it does not reach."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import seedleaf
from messy import messy
from seedleaf import workers
from seedleaf.amounts import parse_bytes
from seedleaf.errors import StudyError
from seedleaf.executors.memory import resident
from seedleaf.job import Job
from seedleaf.learners.tables.registry import EXTRAS
from seedleaf.modality.table_spec import IMPORTED_BY
from seedleaf.modality.tables import Tables
from seedleaf.workers import LEAST, divided, memory_of_run

MIB = 2**20


def test_amounts_of_memory() -> None:
    assert [parse_bytes(x) for x in ("800M", "2G", "1.5 GiB", "512k", "1000B", 3_000_000)] == [
        800_000_000,
        2_000_000_000,
        1_610_612_736,
        512_000,
        1_000,
        3_000_000,
    ]
    for wrong in ("much", "2X", "-1G", "", "0", "nan", "1,5G", "1,50 MB"):
        with pytest.raises(ValueError, match="is not a number of bytes; write it as 50k, 800M or 2G"):
            parse_bytes(wrong)


@pytest.mark.parametrize("text", ["1MB", "1 MB", "1_000_000", "1,000,000", "1M", "1000kB"])
def test_the_same_amounts_are_read_of_a_file_and_of_memory(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []
    monkeypatch.setattr("seedleaf.api.begin", lambda new, job, *rest: jobs.append(job))
    seedleaf.fit("digits", max_bytes=text, memory=text, out=tmp_path / "run")
    assert (jobs[0].limits, jobs[0].memory) == ({"bytes": 1_000_000.0}, 1_000_000)
    with pytest.raises(ValueError, match="'1 MB!' is not a number of bytes"):
        seedleaf.fit("digits", max_bytes="1 MB!", out=tmp_path / "run")
    with pytest.raises(ValueError, match="'1 MB!' is not a number of bytes"):
        seedleaf.compress(tmp_path, "digits", max_bytes="1 MB!")


def test_without_a_wish_it_is_seven_tenths_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "free_memory", lambda: 10_000 * MIB)
    assert memory_of_run(None) == pytest.approx(7_000 * MIB)
    assert memory_of_run(2_000 * MIB) == 2_000 * MIB
    monkeypatch.setattr(workers, "free_memory", lambda: 10 * MIB)
    assert memory_of_run(None) == pytest.approx(resident() + LEAST, rel=0.05), "one worker is always tried"
    monkeypatch.setattr(workers, "free_memory", lambda: None)
    assert memory_of_run(None) is None
    with pytest.raises(StudyError, match=r"--memory 20 MiB is too little: .* give at least \d+Mi"):
        memory_of_run(20 * MIB)


def test_workers_are_as_many_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "resident", lambda: 200 * MIB)
    assert divided(4_200 * MIB, 8, 0) == (8, 425 * MIB), "with a little left for what grows between two looks"
    assert divided(4_200 * MIB, 8, 1_500 * MIB) == (2, 1_700 * MIB)
    assert divided(4_200 * MIB, 8, 9_000 * MIB) == (1, 3_400 * MIB), "one is tried even so"
    assert divided(300 * MIB, 4, 0) == (1, LEAST)


def test_a_worker_needs_more_where_extras_are_searched(tmp_path: Path) -> None:
    columns = messy("binary", 80)

    def needed(*names: str) -> int:
        options = {"target": "y", **({"families": list(names)} if names else {})}
        job = Job("rows", 60.0, kind="tables", options=options)
        tables = Tables()
        return tables.worker_bytes(tables.prepare(tmp_path / "cache", job, columns, None))

    extras = [f.name for some in EXTRAS.values() for f in some]
    assert set(extras) == set(IMPORTED_BY), "each says what it costs"
    assert needed() == needed("linear", "boosting")
    for name in extras:
        assert needed("linear", name, name) == needed() + IMPORTED_BY[name]
    assert needed(*extras) == needed() + sum(IMPORTED_BY.values())


def test_a_run_says_what_it_held_and_takes_no_more_workers_than_fit(tmp_path: Path) -> None:
    place = tmp_path / "data.csv"
    columns = messy("binary", 200)
    with place.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    asked = resident() + 1_000 * MIB
    result = seedleaf.fit(place, time_limit="20s", folds=2, workers=3, memory=asked, out=tmp_path / "run")
    told = result.history.note("memory") or {}
    assert told["at_most"] == asked
    assert 0 < told["peak"] < asked
    assert len(list((tmp_path / "run" / "workers").glob("*.log"))) == 2, "enough for two"
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "allowed" in page.split("<dt>memory</dt>")[1][:80]
    with pytest.raises(StudyError, match="is too little"):
        seedleaf.fit(place, memory="20M", out=tmp_path / "none")
    with pytest.raises(ValueError, match="not a number of bytes"):
        seedleaf.fit(place, memory="lots")

"""The page in every shape of history: whole, safe, without a reference to the outside, and small."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from synthetic import SHAPES, Log, header, many, whole

from seedleaf.report import write_report
from seedleaf.report.text import duration, esc, figure, script_json, short, size, table

VOID = {"meta", "br", "input", "path", "link", "img"}
LOADING = {"src", "srcset", "data", "poster", "action", "xlink:href", "formaction", "background"}


class Reader(HTMLParser):
    """Checks that tags close in order; gathers ids, scripts, text and whatever would make a browser fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.ids += [value or ""] if name == "id" else []
            self.loads += (
                [f"{tag} {name}={value}"] if name in LOADING or tag in {"link", "iframe", "img"} else []
            )
            self.links += [value or ""] if name == "href" else []
            self.handlers += [name] if name.startswith("on") else []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside != "style":
            (self.scripts if inside == "script" else self.text).append(data)


def page(name: str, folder: Path) -> tuple[str, Reader]:
    text = write_report(SHAPES[name]().history(), folder / "report.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    reader.close()
    return text, reader


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_gives_a_whole_page_that_needs_nothing_from_outside(name: str, tmp_path: Path) -> None:
    text, reader = page(name, tmp_path)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert reader.loads == []
    assert reader.handlers == []
    assert all(link.startswith("#") and link[1:] in reader.ids for link in reader.links)
    assert not re.search(r"https?://|@import|url\(", text)
    assert len(reader.scripts) == 2
    assert json.loads(reader.scripts[0]).keys() == {"names", "trials"}
    assert "None" not in " ".join(reader.text).replace("session.run(None", "")
    assert not re.search(r"\bnan\b", " ".join(reader.text), re.IGNORECASE) or "loss is NaN" in text
    assert list(tmp_path.iterdir()) == [tmp_path / "report.html"]


def test_what_is_untrusted_stays_text(tmp_path: Path) -> None:
    text, reader = page("hostile", tmp_path)
    evil = "<script>alert('x')</script>"
    assert evil not in text
    assert "<img src=x" not in text
    assert evil in " ".join(reader.text), "the words themselves are shown"
    assert text.count("<script") == 2
    assert "\u2028" not in reader.scripts[0]
    assert any("alert" in str(v) for v in json.loads(reader.scripts[0])["trials"].values())


def test_only_the_page_s_own_script_may_run(tmp_path: Path) -> None:
    import base64
    import hashlib

    text, reader = page("whole", tmp_path)
    digest = base64.b64encode(hashlib.sha256(reader.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_a_whole_run_has_every_section(tmp_path: Path) -> None:
    text, reader = page("whole", tmp_path)
    wanted = {
        "leaders",
        "curves",
        "time",
        "pareto",
        "space",
        "winner",
        "data",
        "mistakes",
        "trials",
        "failures",
        "origin",
    }
    assert wanted <= set(reader.ids)
    words = " ".join(reader.text)
    for said in ("98.1", "Tuning gained 0.012 ± 0.004 over the default", "always 'Boot' gives 0.9",
                 "95 % interval 97.4 to 98.7", "58.2", "0.21", "seedleaf predict runs/fashion-1 IMAGE",
                 "seedleaf.load('runs/fashion-1')", "Bergstra",
                 "A system for massively parallel", "loss is NaN at step", "only with optimizer = sgd", "limit: 20k",
                 "3 duplicate images", "2 files left out", "boot/cut.png (<b>corrupt</b>)", "coat/empty.png"):  # fmt: skip
        assert said.replace("58.2", "58.2\u202fkB") in words, said
    assert 'role="img"' in text


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        (
            "empty",
            {
                "leaders",
                "curves",
                "time",
                "pareto",
                "space",
                "winner",
                "data",
                "mistakes",
                "trials",
                "failures",
            },
        ),
        ("zero", {"curves", "pareto", "space", "winner", "data", "trials", "failures"}),
        ("killed", {"data", "mistakes", "failures"}),
        ("all_failed", {"leaders", "curves", "time", "pareto", "space", "winner", "data"}),
        ("generic", {"curves", "pareto", "data", "mistakes", "failures"}),
    ],
)
def test_no_section_is_empty(name: str, absent: set[str], tmp_path: Path) -> None:
    _, reader = page(name, tmp_path)
    assert not absent & set(reader.ids)


def test_a_generic_study_speaks_of_its_own_objective(tmp_path: Path) -> None:
    _, reader = page("generic", tmp_path)
    words = " ".join(reader.text)
    assert "Best score" in words
    assert "higher is better" in words
    assert "params" not in words.replace("parameter", "")


def test_too_little_data_is_said(tmp_path: Path) -> None:
    _, reader = page("three", tmp_path)
    assert "too little data to weigh parameters" in " ".join(reader.text)


def test_a_thousand_trials_stay_under_two_megabytes(tmp_path: Path) -> None:
    assert write_report(many().history(), tmp_path / "r.html").stat().st_size < 2_000_000


def test_no_mistake_at_all_does_not_stretch_the_ladder(tmp_path: Path) -> None:
    """1 - 0.9999999999999999 is no error that a scale should reach for."""
    log = SHAPES["whole"]()
    final = next(e.body for e in reversed(log.events) if e.body.get("name") == "final")
    log.note(**{**final, "test": {"accuracy": 1.0, "error": 0.0, "low": 0.99, "high": 1 - 2**-53}})
    html = write_report(log.history(), tmp_path / "r.html").read_text()
    shown = re.search(r'<div class="ladder".*?</div>', html, re.DOTALL)
    assert shown
    assert "<b>test</b> 0" in shown[0]
    assert not re.search(r"e[-−]\d", shown[0])


def test_one_log_gives_one_page(tmp_path: Path) -> None:
    first, _ = page("whole", tmp_path)
    second, _ = page("whole", tmp_path)
    assert first == second


def test_importing_the_report_is_cheap() -> None:
    heavy = ("torch", "rich", "pandas", "sqlalchemy")
    code = (
        f"import sys, seedleaf.report, seedleaf.report.page; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def beyond(trials: int, also: str = "") -> Log:
    """A compression in which so many recipes were out of reach, and one failed for the reason `also`."""
    log = Log()
    log.add("study", **header())
    for trial in range(trials + bool(also)):
        log.add("start", trial=trial, config={}, budget=1)
        why = also if trial == trials else f"out of reach: latency_ms 0.1{trial} > 0.1"
        log.add("fail", trial=trial, reason=why)
    return log


def test_a_recipe_that_is_out_of_reach_is_no_failure(tmp_path: Path) -> None:
    text = write_report(beyond(3).history(), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h1>3 recipes, and none keeps the bounds.</h1>" in text
    assert 'id="failures"' not in text
    assert "3 of 3 recipes: as measured they do not keep the bounds" in text
    assert text.count("<span class='state'>out of reach</span>") == 3
    both = write_report(beyond(3, "diverged").history(), tmp_path / "both.html").read_text(encoding="utf-8")
    assert "1 of 4 trials failed." in both
    assert "3 of 4 recipes: as measured" in both


def test_the_head_of_the_front_takes_one_line_however_narrow_the_page(tmp_path: Path) -> None:
    log = whole()
    member = {"test": {"accuracy": 0.9, "low": 0.8, "high": 0.95}, "params": 900, "macs": 9e4, "bytes": 4000}
    log.note("front", members=[{**member, "folder": "front/0003-w50"}, {**member, "folder": "best"}])
    text = write_report(log.history(), tmp_path / "report.html").read_text(encoding="utf-8")
    [table] = re.findall(r'<table class="front">.*?</table>', text)
    heads = re.findall(r"<th [^>]*>(.*?)</th>", table)
    assert heads[:2] == ["folder", "test accuracy"]
    assert max(map(len, heads)) <= 14
    assert re.search(r"\.front th[^{]*\{[^}]*white-space: nowrap", text)


def test_text_helpers() -> None:
    assert esc("<a href='x'>&\"") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;"
    assert json.loads(script_json({"</script>": "<!--"})) == {"</script>": "<!--"}
    assert "<" not in script_json("</script>")
    assert [figure(v) for v in (0.0164123, 1234.5, 3e-7, 0, float("nan"), -0.5, 12_345_678)] == [
        "0.01641", "1,234", "3e−7", "0", "–", "−0.5", "1.235e7"]  # fmt: skip
    assert [short(v) for v in (950, 14_210, 999_900, 1_240_000)] == ["950", "14.2k", "1M", "1.24M"]
    assert [size(v) for v in (12, 58_213, 2_500_000)] == ["12 B", "58.2 kB", "2.5 MB"]
    assert [duration(v) for v in (0.42, 58.2, 245, 7800)] == ["0.4 s", "58 s", "4 min 05 s", "2 h 10 min"]


def test_numbers_are_set_right_and_sentences_are_not() -> None:
    page = table(("n", "what"), [("16", "16 of 20 channels stay")], words=(1,))
    assert '<td class="n">16</td><td>16 of 20 channels stay</td>' in page

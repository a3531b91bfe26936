"""Free text: what counts as one piece, and that the graph counts as Python does, whatever comes."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from seedleaf.data.tables import folds, load_table
from seedleaf.learners.tables.deliver import deliver, refit
from seedleaf.learners.tables.graph import Graph
from seedleaf.learners.tables.model import Kind
from seedleaf.learners.tables.registry import space_of
from seedleaf.learners.tables.running import session
from seedleaf.learners.tables.source import kind_of, open_source, save
from seedleaf.learners.tables.texts import HOW, Grams
from seedleaf.predicting.tables import TablePredictor

PARTS = ("Good", "good,", "GOOD", "bad", "parcel", "late!", "(late)", "日本", "é", "a  b", "", "n1")
UNSEEN = [
    "",
    " ",
    "never seen",
    "goodgood good",
    "good. Good",
    "aaaa  aaa",
    "\n tab\tx",
    "Gut" * 9,
    "late late late",
]


def texts(n: int = 150, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choice(PARTS) for _ in range(rng.randint(0, 7))) for _ in range(n)]


def run(grams: Grams) -> object:
    g = Graph()
    out = grams.graph(g)
    return session(g.model({"x": (out, TensorProto.DOUBLE, grams.width)}, 0, 1))


def told(model: object, some: list[str]) -> np.ndarray:
    cells = np.array(some, dtype=object)[:, None]
    return np.asarray(model.run(None, {"texts": cells})[0])  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("size", [8, 64])
def test_the_graph_counts_as_python_does(how: str, size: int) -> None:
    grams = Grams.fit(texts(), 0, how, size)
    assert 0 < grams.width <= size
    model = run(grams)
    some = [*texts(20, 1), *UNSEEN]
    wanted = grams.apply(some)
    assert np.abs(told(model, some) - wanted).max() < 1e-6
    for i, text in enumerate(some):
        assert np.abs(told(model, [text])[0] - wanted[i]).max() < 1e-6, repr(text)
    assert not wanted[len(some) - len(UNSEEN)].any(), "nothing in it, nothing counted"


LETTER = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")
MODELS = {how: (grams := Grams.fit(texts(), 0, how, 24), run(grams)) for how in HOW}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(LETTER, max_size=12) | st.sampled_from(texts(20, 2)), min_size=1, max_size=5))
def test_no_text_is_counted_otherwise(some: list[str]) -> None:
    for grams, model in MODELS.values():
        assert np.abs(told(model, some) - grams.apply(some)).max() < 1e-6


def test_capitals_and_marks_make_no_other_word() -> None:
    grams = Grams.fit(["Good day", "good, night", "GOOD!", "bad day", "so bad.", "x"], 0, "words", 20)
    assert grams.width == 3
    counted = grams.apply(["good, Good GOOD!", "bad", "day day", "goood"])
    assert np.allclose(np.sort(np.expm1(counted).sum(1)), [0, 1, 2, 3])
    assert (counted[0] > 0).sum() == 1


def test_pairs_and_letters_tell_what_words_do_not() -> None:
    some = ["not good", "good not", "not bad", "bad not"] * 10
    pairs = Grams.fit(some, 0, "pairs", 20)
    assert not np.array_equal(*pairs.apply(["not good", "good not"]))
    words = Grams.fit(some, 0, "words", 20)
    assert np.array_equal(*words.apply(["not good", "good not"]))
    letters = Grams.fit(
        ["walking home", "talking loud", "sleeping now", "a walk", "b talk"] * 5, 0, "letters", 200
    )
    assert letters.apply(["stalking"]).any(), "a word that was never seen has letters that were"
    assert not Grams.fit(["walking home", "talking loud"] * 5, 0, "words", 20).apply(["stalking"]).any()


def test_hashing_puts_everything_that_was_seen_into_few_columns() -> None:
    some = [f"w{i % 90} w{(i + 1) % 90}" for i in range(400)]
    grams = Grams.fit(some, 0, "hashed", 16)
    assert grams.width == 16
    assert len(grams.pool) > 100
    assert grams.apply([f"w{i}" for i in range(90)]).any(1).all(), "no word is left out"
    assert np.array_equal(grams.apply(some), Grams.fit(some, 0, "hashed", 16).apply(some))


def test_rare_and_omnipresent_pieces_are_left_out() -> None:
    assert Grams.fit([f"u{i} all" for i in range(50)], 0, "words", 20).width == 0
    assert Grams.fit([], 0, "letters", 20).width == 0


def test_letters_are_offered_for_short_texts_alone() -> None:
    def ways(kind: Kind) -> set[object]:
        space = space_of(kind)
        drawn = [space.sample(np.random.default_rng(i)) for i in range(200)]
        return {c[k] for c in drawn for k in c if k.endswith(".text")}

    assert ways(Kind(200, 2, 0, 1, 2)) == set(HOW)
    assert ways(Kind(200, 2, 0, 1, 2, short_texts=False)) == set(HOW) - {"letters"}
    assert ways(Kind(200, 2, 0, 0, 2)) == set(), "no text, no such parameter"
    schema = load_table(pd.DataFrame({"a": range(40), "y": ["p", "q"] * 20}), keep=["a"]).schema
    assert kind_of(schema, False, 5_000).short_texts is False


@pytest.mark.parametrize("how", HOW)
def test_a_delivered_file_reads_text_as_training_did(how: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    said = [f"{t} {'good news' if i % 2 else 'news bad'} row {i}" for i, t in enumerate(texts(160, 3))]
    frame = pd.DataFrame({"n": rng.normal(size=160).round(3), "said": said, "y": ["p", "q"] * 80})
    data = load_table(frame, target="y", keep=["said"])
    assert [c.kind for c in data.schema.used] == ["number", "text"]
    save(data, folds(data, 3), tmp_path / "cache")
    setup = {"data": str(tmp_path / "cache"), "metric": "logloss", "seed": 0}
    space = space_of(open_source(setup["data"]).kind)
    config = space.complete({"learner": "linear", "learner.text": how, "learner.words": 32})
    refit(config, setup, str(tmp_path / "model"), 0, time.time() + 60)
    body = deliver([str(tmp_path / "model")], [1.0], setup, str(tmp_path / "best"))
    assert body["onnx_max_difference"] < 1e-5
    model = TablePredictor.open(tmp_path / "best")
    new = {"n": ["0.1", "", "x", "1"], "said": ["", "never seen", "Good News! Row", "?"]}
    whole = model.answers(new)
    for i in range(4):
        alone = model.answers({k: [v[i]] for k, v in new.items()})
        assert np.abs(alone[0] - whole[i]).max() < 1e-6


def test_pieces_are_learned_from_all_of_a_long_sorted_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedleaf.learners.tables.texts.LOOK_LETTERS", 500)
    grams = Grams.fit(["good parcel"] * 100 + ["late letter"] * 100, 0, "words", 8)
    assert {g for (g,) in grams.pool} == {"good", "parcel", "late", "letter"}

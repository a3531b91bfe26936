"""Spaces as YAML: the documented format, its errors, and the round trip of a thousand random spaces."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphs import graphs
from hypothesis import HealthCheck, given, settings
from trees import trees

from seedleaf.errors import SpaceError
from seedleaf.space import (
    Bool,
    Choice,
    Const,
    Equals,
    Float,
    Greater,
    In,
    Int,
    Less,
    Not,
    NotEquals,
    Same,
    Space,
)

PROFILE = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)

TEXT = """
lr: {float: [1e-5, 1], log: true, prior: 1e-3}
layers: {int: [1, 9], default: 3}
width: {int: [8, 64], step: 8}
activation: [relu, gelu]
batch: {choice: [32, 64, 128], ordered: true, default: 64}
amp: bool
skip: {bool: , default: true}
optimizer:
  choice:
    sgd: {momentum: {float: [0, 0.99]}, nesterov: bool}
    adam:
  prior: adam
schedule:
  choice: [none yet, {cosine: {cycles: {int: [1, 4]}}}]
epochs: 30
when:
  skip: layers > 3 and (activation == 'relu' or width in [8, 16])
  batch: {activation: relu, width: [8, 16, 24]}
  amp: ["!=", activation, gelu]
  epochs: not layers == 9
forbid:
  - layers == 9 and lr > 0.1
  - layers == width
  - optimizer.momentum < 0.1
"""
MEANT = Space(
    dict(
        lr=Float(1e-5, 1, log=True, prior=1e-3),
        layers=Int(1, 9, default=3),
        width=Int(8, 64, step=8),
        activation=Choice("relu", "gelu"),
        batch=Choice(32, 64, 128, ordered=True, default=64),
        amp=Bool(),
        skip=Bool(default=True),
        optimizer=Choice(sgd=dict(momentum=Float(0, 0.99), nesterov=Bool()), adam={}, prior="adam"),
        schedule=Choice("none yet", {"cosine": dict(cycles=Int(1, 4))}),
        epochs=Const(30),
    ),
    when={
        "skip": Greater("layers", 3) & (Equals("activation", "relu") | In("width", [8, 16])),
        "batch": Equals("activation", "relu") & In("width", [8, 16, 24]),
        "amp": NotEquals("activation", "gelu"),
        "epochs": Not(Equals("layers", 9)),
    },
    forbid=[
        Equals("layers", 9) & Greater("lr", 0.1),
        Same("layers", "width"),
        Less("optimizer.momentum", 0.1),
    ],
)


def test_the_format(tmp_path: Path) -> None:
    assert Space.from_yaml(TEXT) == MEANT
    file = tmp_path / "space.yaml"
    file.write_text(TEXT, encoding="utf-8")
    assert Space.from_yaml(file) == MEANT
    assert Space.from_yaml(str(file)) == MEANT
    assert Space.from_yaml(MEANT.to_yaml()) == MEANT


def test_the_example_of_the_documentation_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "spaces.md").read_text(encoding="utf-8")
    space = Space.from_yaml(page.split("```yaml\n")[1].split("```")[0])
    assert {"lr", "optimizer.momentum", "schedule.cycles"} <= {n.key for n in space.nodes}
    assert len(space.forbid) == 2


def test_what_is_written_is_for_people() -> None:
    text = MEANT.to_yaml()
    assert "float: [1.0e-05, 1.0]" in text
    assert "skip: layers > 3 and (activation == 'relu' or width in [8, 16])" in text
    assert "activation: [relu, gelu]" in text
    assert len(text.splitlines()) < 60


@PROFILE
@given(space=trees())
def test_trees_come_back(space: Space) -> None:
    assert Space.from_yaml(space.to_yaml()) == space


@PROFILE
@given(space=graphs())
def test_graphs_come_back(space: Space) -> None:
    again = Space.from_yaml(space.to_yaml())
    assert again == space
    assert again.fingerprint() == space.fingerprint()


def test_names_that_the_format_uses_itself() -> None:
    space = Space(
        {
            "params": Float(0, 1),
            "when": Choice("bool", "no", "1", 1, None, "x: y"),
            "float": Const("bool"),
            "größe": Bool(),
        },
        when={"params": Equals("größe", True)},
    )
    assert Space.from_yaml(space.to_yaml()) == space
    assert Space.from_yaml(Space({"forbid": Int(1, 2)}).to_yaml()) == Space({"forbid": Int(1, 2)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n- 2", "must be a mapping"),
        ("", "must be a mapping"),
        ("x: {float: [0, 1]}\nx: 3", "line 1: 'x' stands twice"),
        ("x: {float: [0, 1, 2]}", "x: float: takes a list of two bounds"),
        ("x: {float: [0, one]}", "x: Float: 'one' is not a number"),
        ("x: {float: [1, 0]}", "x: .*low is above high"),
        ("x: {real: [1, 0]}", "x: say which kind it is"),
        ("x: {int: [1, 9], q: 2}", "x: int knows no q; it knows default, log, prior, step"),
        ("x: {float: [1, 9], step: 2}", "x: float knows no step"),
        ("x: {choice: 3}", "x: choice: takes a list"),
        ("x: [[1, 2], 3]", "x: an option is a plain value"),
        ("x: {choice: {a: 3}}", r"x\.a\. must be a mapping"),
        ("o: {choice: {a: {y: {int: [3, 1]}}}}", r"o\.a\.y: .*low is above high"),
        ("x: 2020-01-01", "x: .*date"),
        ("x: bool\nwhen: {x: 'y =='}", "cannot be read"),
        ("x: bool\ny: bool\nwhen: {x: 'y'}", "compares nothing"),
        ("x: bool\ny: bool\nwhen: {x: 'y is True'}", "the signs are"),
        ("x: bool\ny: bool\nwhen: {x: 'y == f(1)'}", "cannot be read"),
        ("x: bool\ny: bool\nwhen: {x: '1 < y'}", "no name"),
        ("x: bool\nwhen: {x: \"__import__('os').system('true') == 1\"}", "no name"),
        ("x: bool\nwhen: [a]", "when: maps names"),
        ("x: bool\nforbid: {a: 1}", "forbid: lists"),
        ("x: !!python/object/apply:os.getcwd []", "no YAML that describes a space"),
        ("x: [", "no YAML"),
        ("{[1]: 2}", "no YAML|unhashable"),
    ],
)
def test_bad_text_is_a_space_error_that_says_where(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space.from_yaml(text)


def test_a_missing_file_is_a_space_error(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="cannot be read"):
        Space.from_yaml(tmp_path / "none.yaml")
    with pytest.raises(SpaceError, match="cannot be read"):
        Space.from_yaml("none.yml")

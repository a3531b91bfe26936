"""Which of two classes is looked for."""

from __future__ import annotations

import pandas as pd
import pytest

from seedleaf.data.tables import load_table
from seedleaf.errors import DataError


def table(*classes: str, share: float = 0.5, n: int = 60) -> pd.DataFrame:
    """The last class has `share` of the rows."""
    many = round(n * (1 - share))
    y = [classes[k % (len(classes) - 1)] for k in range(many)] + [classes[-1]] * (n - many)
    return pd.DataFrame(
        {"a": [(7 * k) % n for k in range(n)], "b": [(11 * k) % 13 for k in range(n)], "y": y}
    )


@pytest.mark.parametrize(
    ("classes", "share", "positive", "how"),
    [
        (("ok", "fraud"), 0.1, "fraud", "the opposite of 'ok'"),
        (("yes", "No"), 0.1, "yes", "the opposite of 'No'"),
        (("n", "y"), 0.9, "y", "the opposite of 'n'"),
        (("spam", "not spam"), 0.2, "spam", "the opposite of 'not spam'"),
        (("diabetic", "non-diabetic"), 0.2, "diabetic", "the opposite of 'non-diabetic'"),
        (("m", "f"), 0.5, "m", "the second by name"),
        (("0", "1"), 0.9, "1", "the larger number"),
        (("2", "1"), 0.1, "2", "the larger number"),
        (("stays", "leaves"), 0.2, "leaves", "the rarer"),
        (("stays", "leaves"), 0.45, "stays", "the second by name"),
        (("normal", "ok"), 0.2, "ok", "the rarer"),  # both say no
    ],
)
def test_the_positive_class_stands_second(
    classes: tuple[str, str], share: float, positive: str, how: str
) -> None:
    schema = load_table(table(*classes, share=share), target="y").schema
    assert schema.target.classes == (next(c for c in classes if c != positive), positive)
    assert schema.target.column.levels == schema.target.classes
    assert schema.notes["positive"] == how


def test_it_can_be_asked_for_and_labels_follow() -> None:
    given = table("ok", "fraud", share=0.1)
    data = load_table(given, target="y", positive="ok", test="none")
    assert data.schema.target.classes == ("fraud", "ok")
    assert data.y_train.mean() == pytest.approx(0.9)
    assert load_table(table("0", "1"), target="y", positive="0").schema.target.classes == ("1", "0")


def test_a_number_is_found_however_it_is_written() -> None:
    given = table("0", "1").assign(y=lambda t: t["y"].astype(float))
    assert load_table(given, target="y", positive="0").schema.target.classes == ("1.0", "0.0")


def test_what_cannot_be_positive_is_an_error() -> None:
    with pytest.raises(DataError, match="no class 'bad'; there are: 'fraud', 'ok'"):
        load_table(table("ok", "fraud"), target="y", positive="bad")
    with pytest.raises(DataError, match="y has 3 classes"):
        load_table(table("a", "b", "c"), target="y", positive="a")
    with pytest.raises(DataError, match="a has numbers"):
        load_table(table("a", "b"), target="a", task="regression", positive="1")
    many = load_table(table("a", "b", "c"), target="y").schema
    assert many.target.classes == ("a", "b", "c")
    assert "positive" not in many.notes

"""How a network begins to be trained, by how long it will be."""

from __future__ import annotations

import pytest

from seedleaf.core import Config
from seedleaf.learners.convnet import ConvNet
from seedleaf.stopwatch import made
from seedleaf.train.regime import ERASE, for_long

DEFAULT: Config = ConvNet().default(made(28, 28, 1))


def test_a_large_network_that_sees_many_pictures_often_begins_with_erasing() -> None:
    found = for_long(DEFAULT, 450_000, 60_000, 40)
    assert {k: v for k, v in found.items() if v != DEFAULT[k]} == {"augment.erase": ERASE}
    assert ConvNet().space(made(28, 28, 1)).contains(found)
    stronger = {**DEFAULT, "augment.erase": 0.4}
    assert for_long(stronger, 450_000, 60_000, 40) == stronger


@pytest.mark.parametrize(
    ("params", "n_train", "epochs"), [(90_000, 60_000, 40), (450_000, 2_000, 40), (450_000, 60_000, 12)]
)
def test_others_begin_as_before(params: float, n_train: int, epochs: float) -> None:
    assert for_long(DEFAULT, params, n_train, epochs) == DEFAULT


def test_who_asks_for_no_distortion_gets_none() -> None:
    plain = {k: v for k, v in DEFAULT.items() if not k.startswith("augment.")} | {"augment": "none"}
    assert for_long(plain, 450_000, 60_000, 40) == plain

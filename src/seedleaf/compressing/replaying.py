"""A recipe from its file, applied to its original: the network that `compress` made, as a torch module."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedleaf.compressing.given import folder_of, own_data
from seedleaf.compressing.job import is_compression
from seedleaf.errors import CheckpointError, RunError, SeedleafError, first_line
from seedleaf.folder import LOG, delivered_in, read_history
from seedleaf.seeds import rng_for

if TYPE_CHECKING:
    from torch import nn

    from seedleaf.compression.recipe import Recipe, Work
    from seedleaf.result import Result

RECIPE, WEIGHTS = "recipe.json", "weights.pt"


def replay(
    recipe: str | Path | Result,
    original: str | Path | Result | nn.Module,
    data: Any = None,
    *,
    undo: int = 0,
    tuned: bool = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    seed: int | None = None,
) -> nn.Module:
    """Apply a recipe to the model that it was made for; the last `undo` passes are left out, all of them give the original.

    The two that end every recipe, distil and quantise, change nothing in the module.
    `recipe` is a recipe.json, or a compressed run (its Result or folder) or one of its front. `original`, `data`, `mean`,
    `std` and `seed` are what `seedleaf.compress` was given; the seed of a recipe that lies in a run is known.
    The weights are those that the passes leave, with BatchNorm recalibrated on training images; with `tuned` those that were
    delivered beside the recipe.
    Gives a module in eval mode on the CPU that takes uint8 images (N, H, W, C) and gives logits (N, classes); of somebody's
    module it is `.body`, which takes float images (N, C, H, W). What a recipe says of int8 concerns its graph, not this.
    Nothing is unpickled and the original is not changed.
    Raises RunError where the recipe is damaged, or was made for another model; DataError where the data does not fit.
    """
    original = folder_of(original)
    path = _file(Path(folder_of(recipe)))
    whole = read_recipe(path)
    if not 0 <= undo <= len(whole.steps):
        raise ValueError(f"undo is from 0 to the recipe's {len(whole.steps)} passes, got {undo}")
    if tuned and undo:
        raise ValueError("the delivered weights are those of the whole recipe: tuned goes with undo=0")
    drawn = seed_of(path) if seed is None else seed
    work = _applied(whole, original, data, undo, not tuned, (mean, std), drawn)
    if tuned:
        _load(work.subject.net, path.with_name(WEIGHTS))
    return work.subject.net.eval()


def _file(place: Path) -> Path:
    """A recipe's file, or that of a run. RunError where the run is none of a compression, or has none yet."""
    if not place.is_dir():
        return place
    run, delivered = delivered_in(place)
    path = delivered / RECIPE
    if not path.exists() and not is_compression(run):
        raise RunError(
            f"{run} is no compression, so it holds no recipe: give the run that compress made of it"
        )
    if not path.exists():
        raise RunError(f"{run} has delivered no recipe yet: seedleaf resume {shlex.quote(str(run))}")
    return path


def seed_of(recipe: Path) -> int:
    """The seed of the compression in whose folder a recipe lies, 0 where it lies alone: it drew the calibration images."""
    above = recipe.absolute().parents[:3]  # RUN/best, RUN/trials/NUMBER, RUN/front/NAME
    run = next((folder for folder in above if (folder / LOG).exists()), None)
    note = (read_history(run).note("run") if run else None) or {}
    return int(note.get("seed", 0))


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file. RunError where there is none."""
    from seedleaf.compression.recipe import Recipe

    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {first_line(error)}") from None
    inner = body.get("recipe", body) if isinstance(body, dict) else body  # a trial's holds its costs as well
    try:
        return Recipe.from_json(inner)
    except RunError as error:
        raise RunError(f"{path}: {error}") from None


def _applied(
    recipe: Recipe, original: Any, data: Any, undo: int, recalibrate: bool, scaling: Any, seed: int
) -> Work:
    from seedleaf.compressing.model_source import Reading, take_module, take_run
    from seedleaf.compression.blocktable import BlockTable
    from seedleaf.compression.registry import PASSES
    from seedleaf.compression.shop import Shop, calibration
    from seedleaf.data.splits import default_valid_fraction, stratified_split

    source = own_data(original) if data is None else data
    if source is None:
        raise RunError("give the data that the model was compressed with")
    taken = take_run(Path(original)) if isinstance(original, str | Path) else take_module(original)
    images = (taken.read or Reading(seed)).images(source)
    subject = taken.subject(images, scaling)
    shop = None
    if recalibrate:  # on the images that its trial took
        y = np.asarray(images.y_train)
        rows, _ = stratified_split(y, default_valid_fraction(len(y)), rng_for(seed, "split"))
        shop = Shop(calibration(images, rows, seed), BlockTable(), {}, seed)
    for _ in range(undo):
        recipe = recipe.undone()
    try:
        return recipe.apply(subject, PASSES, shop)
    except SeedleafError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise RunError(f"the recipe is damaged: {first_line(error)}") from error


def _load(net: nn.Module, path: Path) -> None:
    from seedleaf.train import checkpoint

    try:
        net.load_state_dict(checkpoint.load(path)["model"])
    except (CheckpointError, KeyError, RuntimeError) as error:
        raise RunError(f"{path} does not hold the weights of this recipe: {first_line(error)}") from None

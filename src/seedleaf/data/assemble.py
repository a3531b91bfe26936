"""From what a reader hands over to a checked ImageData: one dtype, labels 0..K-1, a test part, and what was odd."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from seedleaf.data.arrays import as_array, learn_scale, scale_for_test, to_pixels
from seedleaf.data.files import Tally, shown
from seedleaf.data.labels import REGRESSION, check_range, class_order, clean_labels, encode
from seedleaf.data.raw import Part, Raw
from seedleaf.data.scale import Scale
from seedleaf.data.spec import Array, ImageData, ImageSpec, Labels, Pixels, fingerprint_of
from seedleaf.data.splits import stratified_split
from seedleaf.errors import DataError
from seedleaf.seeds import rng_for

TEST_FRACTION = 0.2
FEWEST = "three or more"  # one each to train on, to validate by and to test with


@dataclass(frozen=True, slots=True, eq=False)
class _Set:
    """N images, N labels (still the source's own, or already 0..K-1) and where in `part` each image stood."""

    x: Pixels
    y: Array
    part: Part
    places: Labels

    def take(self, index: Array) -> _Set:
        return _Set(self.x[index], self.y[index], self.part, self.places[index])

    def name(self, index: int) -> str:
        return self.part.name(int(self.places[index]))


def assemble(raw: Raw, seed: int) -> ImageData:
    """The checked set. Raises DataError that names the part of the source that is at fault."""
    tally = Tally()
    test = raw.test
    if test is not None and _length(test.x) == 0:
        tally.note("The test part is empty and was left out", test.x_from)
        test = None
    train_set, test_set, scale = _sets(raw.train, test, raw.scale, tally)
    names, train_set, test_set = _number(raw, train_set, test_set, tally)
    named = bool(raw.train.files or raw.class_names) or np.asarray(raw.train.y).dtype.kind in "USO"
    _check_classes(train_set.y, names, raw.train.y_from, named)
    held_out = test_set is None
    if test_set is None:
        train_set, test_set = _hold_out(train_set, seed, tally)
    if np.bincount(train_set.y).max() < 2:
        raise DataError(
            f"{raw.train.y_from}: no class has two images to train on and to validate by, beside those of the test part: "
            f"give {FEWEST if held_out else 'two or more'} images of most classes"
        )
    y_train, y_test = train_set.y.astype(np.int64), test_set.y.astype(np.int64)
    counts = np.bincount(y_train, minlength=len(names))
    _tell_small(counts, names, tally)
    _tell_copies(train_set, test_set, tally)
    n, height, width, channels = train_set.x.shape
    spec = ImageSpec(
        name=raw.name,
        height=height,
        width=width,
        channels=channels,
        n_classes=len(names),
        class_names=names,
        n_train=n,
        n_test=len(y_test),
        counts=tuple(counts.tolist()),
        findings=(*raw.findings, *tally.lines()),
        fingerprint=fingerprint_of(names, train_set.x, y_train, test_set.x, y_test),
        scale=scale,
        left_out=raw.left_out,
        held_out=held_out,
    )
    return ImageData(spec, train_set.x, y_train, test_set.x, y_test)


def _length(x: object) -> int:
    try:
        return len(x)  # type: ignore[arg-type]
    except TypeError:
        return -1


def _sets(
    train: Part, test: Part | None, scale: Scale | None, tally: Tally
) -> tuple[_Set, _Set | None, Scale]:
    """Pixels and clean labels of each part, as many of one as of the other, all images of one shape; and their scale."""
    parts = [train] if test is None else [train, test]
    images, scale = _pixels(parts, scale, tally)
    made: list[_Set] = []
    for part, x in zip(parts, images, strict=True):
        y = clean_labels(part.y, part.y_from, tally)
        if len(x) != len(y):
            raise DataError(
                f"{part.x_from} has {len(x):,} images but {part.y_from} has {len(y):,} labels: give as many of each"
            )
        if len(x) == 0:
            raise DataError(f"{part.x_from} holds no image")
        made.append(_Set(x, y, part, np.arange(len(x))))
    if test is None:
        return made[0], None, scale
    if made[1].x.shape[1:] != made[0].x.shape[1:]:
        raise DataError(
            f"{test.x_from} has images of {_shape(made[1].x)} but {train.x_from} of {_shape(made[0].x)}: "
            "bring them to one shape"
        )
    return made[0], made[1], scale


def _pixels(parts: list[Part], scale: Scale | None, tally: Tally) -> tuple[list[Pixels], Scale]:
    """The pixels of each part, and the scale: the reader's, or what the first part, train, says. Test has no say."""
    arrays = [as_array(p.x, p.x_from) for p in parts]
    scale = scale or learn_scale(arrays[0], parts[0].x_from)
    found = [to_pixels(arrays[0], parts[0].x_from, scale, tally)]
    for part, array in zip(parts[1:], arrays[1:], strict=True):
        theirs = scale_for_test(scale, arrays[0], array, part.x_from)
        found.append(to_pixels(array, part.x_from, theirs, tally))
    return found, scale


def _shape(x: Pixels) -> str:
    return "×".join(str(n) for n in x.shape[1:])


def _number(
    raw: Raw, train: _Set, test: _Set | None, tally: Tally
) -> tuple[tuple[str, ...], _Set, _Set | None]:
    """The class names, and the sets with labels 0..K-1. Test images of a class that train lacks are left out, and said."""
    if raw.class_names is not None:
        check_range(train.y, len(raw.class_names), raw.train.y_from)
        if test is not None and raw.test is not None:
            check_range(test.y, len(raw.class_names), raw.test.y_from)
    y_train, y_test = train.y, None if test is None else test.y
    if y_test is not None and y_test.dtype.kind != y_train.dtype.kind:
        y_train, y_test = y_train.astype(str), y_test.astype(str)
    order = class_order(y_train)
    numbers = y_train.dtype.kind != "U"
    names = tuple(raw.class_names[v] if numbers and raw.class_names is not None else str(v) for v in order)
    if numbers and raw.class_names is not None:
        for label in sorted(set(range(len(raw.class_names))) - set(order)):
            tally.note("Classes without a training image were left out", shown(raw.class_names[label]))
    if numbers and len(order) > 2 and order[0] < 0:
        what = "Negative labels count as a class (leave the images out if they mean unlabelled)"
        tally.note(what, str(order[0]), int((y_train < 0).sum()))
    numbered = replace(train, y=encode(y_train, order))
    if test is None or y_test is None:
        return names, numbered, None
    return names, numbered, _known_only(replace(test, y=encode(y_test, order)), y_test, tally)


def _known_only(test: _Set, labels: Array, tally: Tally) -> _Set:
    unseen = test.y < 0
    if not unseen.any():
        return test
    first = shown(str(labels[int(unseen.argmax())]))
    if unseen.all():
        raise DataError(
            f"no test image has a class that train knows (the first is {first!r}): are the names the same in both?"
        )
    what = "Test images of a class that train lacks cannot be told and were left out of the test part"
    tally.note(what, f"{first} ({test.name(int(unseen.argmax()))})", int(unseen.sum()))
    return test.take(~unseen)


def _check_classes(y: Labels, names: tuple[str, ...], where: str, named: bool) -> None:
    """`named`: whether the classes have names of their own, and are no numbers."""
    if len(names) < 2:
        raise DataError(
            f"{where}: all {len(y):,} images are of one class ({shown(names[0])}): give at least two classes"
        )
    if len(names) > len(y) / 2:
        # Nobody's target has a folder, or two values.
        many = "" if named or len(names) == 2 else f" {REGRESSION}, and"
        raise DataError(
            f"{where}: {len(names):,} classes for {len(y):,} images:{many} give {FEWEST} images of most classes"
        )


def _hold_out(data: _Set, seed: int, tally: Tally) -> tuple[_Set, _Set]:
    keep, out = stratified_split(data.y, TEST_FRACTION, rng_for(seed, "data", "test"))
    what = f"No test part: {TEST_FRACTION:.0%} of the images, stratified by class with seed {seed}, were held out as test"
    tally.note(what, "", len(out))
    return data.take(keep), data.take(out)


def _tell_small(counts: Array, names: tuple[str, ...], tally: Tally) -> None:
    for label in np.flatnonzero(counts == 1).tolist():
        tally.note(
            "Classes with a single training image stay in train and cannot be validated", shown(names[label])
        )


def _tell_copies(train: _Set, test: _Set, tally: Tally) -> None:
    """Exact copies: of test images in train (the test score flatters), and in train under two labels."""
    first: dict[bytes, int] = {}
    for index, key in enumerate(_keys(train.x)):
        before = first.setdefault(key, index)
        if train.y[before] != train.y[index]:
            what = "Training images have an exact copy under another label"
            tally.note(what, f"{train.name(before)} and {train.name(index)}")
    for index, key in enumerate(_keys(test.x)):
        if key in first:
            what = "Test images have an exact copy in train, so the test score flatters"
            tally.note(what, f"{test.name(index)} and {train.name(first[key])}")


def _keys(x: Pixels) -> Iterable[bytes]:
    for image in np.ascontiguousarray(x):
        yield hashlib.blake2b(image.data, digest_size=16).digest()

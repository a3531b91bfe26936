"""How a network is trained, as hyper-parameters: the part of a space that every network learner shares. No torch here:
the driver builds spaces without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seedleaf.core import Value
from seedleaf.space import Bool, Choice, Float, Param

BATCH_SIZES = (32, 48, 64, 96, 128, 192, 256)

# A network of that many parameters that sees that many images so often learns them by heart: then it begins with erasing,
# which is published as worth 0.004 on Fashion-MNIST (Zhong et al. 2020: 270k parameters, 300 epochs) and cost 0.002 in 8
# epochs here. Smaller networks and shorter trainings lose by it.
ERASE, ERASE_FROM_PARAMS, ERASE_FROM_IMAGES, ERASE_FROM_EPOCHS = 0.25, 150_000, 10_000, 25.0


def under(config: Mapping[str, Value], key: str) -> dict[str, Any]:
    """The values that hang on the choice `key`: {"momentum": 0.9} for "optimizer.momentum"."""
    prefix = f"{key}."
    return {k[len(prefix) :]: v for k, v in config.items() if k.startswith(prefix)}


def training_space(n_train: int, *, mirror: bool, mirrored: bool, shift: float) -> dict[str, Param]:
    """Optimiser, schedule, loss, regularisation and augmentation for `n_train` images.

    `mirror` says whether a mirrored image may still show its class; where not, flipping is not offered. `mirrored`
    and `shift` (share of the side) are the defaults of augmentation.
    """
    fitting = [b for b in BATCH_SIZES if b * 8 <= n_train] or [BATCH_SIZES[0]]
    return {
        "optimizer": optimizers(),
        "batch_size": Choice(
            *fitting, ordered=True, default=_nearest(fitting, 64 if n_train < 5000 else 128)
        ),
        "schedule": schedules(),
        "loss": losses(),
        "dropout": Float(0.0, 0.4, default=0.0),
        "augment": augmentations(mirror=mirror, mirrored=mirrored, shift=shift),
        "ema": Choice(off={}, on={"epochs": Float(0.1, 4.0, log=True, default=0.5)}, default="on"),
    }


def for_long(config: Mapping[str, Value], params: float, n_train: int, epochs: float) -> dict[str, Value]:
    """`config` as a network of `params` should begin whose last training will see `n_train` images `epochs` times."""
    long = epochs >= ERASE_FROM_EPOCHS and n_train >= ERASE_FROM_IMAGES and params >= ERASE_FROM_PARAMS
    if not long or config.get("augment") != "basic":
        return dict(config)
    return {**config, "augment.erase": max(float(config["augment.erase"] or 0.0), ERASE)}


def optimizers() -> Choice:
    """Each optimiser with its own range of learning rates. Weight decay hangs under the optimiser, since its scale
    differs by two orders between coupled and decoupled decay."""
    beta1, beta2 = Float(0.8, 0.98, default=0.9), Float(0.95, 0.999, default=0.99)
    coupled = Float(1e-6, 3e-3, log=True, default=1e-5)
    decoupled = Float(1e-3, 0.5, log=True, default=0.05)
    adaptive = Float(3e-4, 3e-2, log=True, default=6e-3)
    return Choice(
        sgd={
            "lr": Float(0.01, 2.0, log=True, default=0.3),
            "momentum": Float(0.5, 0.98, default=0.9),
            "nesterov": Bool(True),
            "weight_decay": Float(1e-5, 5e-3, log=True, default=5e-4),
        },
        adam={"lr": adaptive, "beta1": beta1, "beta2": beta2, "weight_decay": coupled},
        adamw={"lr": adaptive, "beta1": beta1, "beta2": beta2, "weight_decay": decoupled},
        rmsprop={
            "lr": Float(1e-4, 1e-2, log=True, default=1e-3),
            "alpha": Float(0.9, 0.999, default=0.99),
            "momentum": Float(0.0, 0.95, default=0.5),
            "weight_decay": coupled,
        },
        nadam={"lr": adaptive, "beta1": beta1, "beta2": beta2, "weight_decay": coupled},
        default="sgd",
    )


def schedules() -> Choice:
    """Shapes of the learning rate over a training."""
    return Choice(
        cosine={"warmup": Float(0.0, 0.2, default=0.05)},
        one_cycle={"peak": Float(0.1, 0.5, default=0.25)},
        step={
            "gamma": Float(0.05, 0.6, log=True, default=0.2),
            "drops": Choice(1, 2, 3, 4, ordered=True, default=3),
        },
        constant={},
        default="one_cycle",
    )


def losses() -> Choice:
    """Cross-entropy with label smoothing, or focal loss."""
    return Choice(
        cross_entropy={"label_smoothing": Float(0.0, 0.2, default=0.05)},
        focal={"gamma": Float(0.5, 4.0, log=True, default=1.5)},
        default="cross_entropy",
    )


def augmentations(*, mirror: bool, mirrored: bool, shift: float) -> Choice:
    """Distortions of the training images; `strength` is the share of images that are distorted at all."""
    basic: dict[str, Any] = {
        "strength": Float(0.3, 1.0, default=1.0),
        "shift": Float(0.0, 0.2, default=shift),
        "erase": Float(0.0, 0.5, default=0.0),
        "mixup": Float(0.0, 0.4, default=0.0),
        "affine": Choice(
            off={},
            on={"rotate": Float(0.0, 20.0, default=8.0), "zoom": Float(0.0, 0.25, default=0.1)},
            default="off",
        ),
    }
    if mirror:
        basic["flip"] = Bool(mirrored)
    return Choice(none={}, basic=basic, default="basic")


def _nearest(options: list[int], wanted: int) -> int:
    return min(options, key=lambda option: abs(option - wanted))

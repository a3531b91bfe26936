"""Tables of measured trainings. A config that is not in its table gets the row nearest to it in the unit cube."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.scenarios import Scenario, Steps
from search.surrogates import DATA
from search.volume import hypervolume
from seedleaf.core import Config, Fidelity, Objective, Value, config_key
from seedleaf.space import Choice, Float, Space
from seedleaf.space.encode import encode

Array = NDArray[np.float64]


@dataclass
class Table:
    """`values`: metric -> (rows, steps) with NaN from the step of divergence on; `seconds`: (rows,) for each step."""

    space: Space
    values: Mapping[str, Array]
    row_of: Callable[[Config], int]
    seconds: Array | None = None
    known: dict[str, int] = field(default_factory=dict)

    def steps(self, config: Config, start: int, stop: int) -> Steps:
        key = config_key(config)
        if key not in self.known:
            self.known[key] = self.row_of(config)
        row = self.known[key]
        each = 1.0 if self.seconds is None else float(self.seconds[row])
        return [({m: float(v[row, k]) for m, v in self.values.items()}, each) for k in range(start, stop)]


class Nearest:
    """The row with the least squared distance in the unit cube. Unequal options are 1 apart, ordered ones as far as they
    stand apart; a parameter that is active in one of the two configs only counts nothing beyond the choice above it."""

    def __init__(self, space: Space, configs: Sequence[Mapping[str, Value]]) -> None:
        self.space = space
        self.rows = np.array([encode(space, c) for c in configs])
        self.apart = np.array([isinstance(n.param, Choice) and not n.param.ordered for n in space.nodes])

    def __call__(self, config: Config) -> int:
        gap = np.abs(self.rows - encode(self.space, config))
        gap[:, self.apart] = np.where(gap[:, self.apart] > 1e-9, 1.0, gap[:, self.apart])
        return int(np.argmin(np.nansum(gap**2, axis=1)))


def sticky(values: Array) -> Array:
    """`values` (rows, steps) with NaN from the first value that is not finite: what diverged does not come back."""
    broken = np.logical_or.accumulate(~np.isfinite(values), axis=1)
    return np.where(broken, np.nan, values)


def scenario_of(
    family: str,
    instance: str,
    table: Table,
    metric: str,
    direction: Any,
    fidelity: Fidelity | None,
    second: Objective | None = None,
) -> Scenario:
    """The scenario of a table: its best row, its median row, and with a second objective its front."""
    losses = _losses(table, metric, direction)
    best, median = float(losses.min()), float(np.median(losses))
    name = f"{family}/{instance}"
    made = Scenario(name, family, table.space, metric, direction, fidelity, best, median, table, best, second)
    if second is None:
        return made
    both = np.column_stack([losses, _losses(table, second.metric, second.direction)])
    ideal, nadir = tuple(map(float, both.min(axis=0))), tuple(map(float, np.quantile(both, 0.9, axis=0)))
    return replace(made, ideal=ideal, nadir=nadir, volume=hypervolume(both, nadir))


def _losses(table: Table, metric: str, direction: str) -> Array:
    """The metric of every row after a full training, to be minimised; +inf where it diverged."""
    last = table.values[metric][:, -1] * (1 if direction == "min" else -1)
    return np.where(np.isnan(last), np.inf, last)


# --- TaskSet ---

_ADAM8P = Space(
    learning_rate=Float(1e-8, 10, log=True),
    one_minus_beta1=Float(1e-4, 1, log=True),
    one_minus_beta2=Float(1e-6, 1, log=True),
    epsilon=Float(1e-10, 1e3, log=True),
    l1=Float(1e-8, 10, log=True),
    l2=Float(1e-8, 10, log=True),
    linear_decay=Float(1e-7, 1e-4, log=True),
    exponential_decay=Float(1e-6, 1e-3, log=True),
)
_ADAM8P_ENDS = np.array([(p.low, p.high) for p in _ADAM8P.params.values() if isinstance(p, Float)]).T


def _taskset(family: str, instance: str) -> Scenario:
    file = np.load(DATA / "tables" / "taskset_adam8p" / f"FixedTextRNNClassification_imdb_{instance}.npz")
    hp = file["hp"].copy()
    hp[:, 1:3] = 1 - hp[:, 1:3]  # the ranges are those of 1 - beta
    configs = [dict(zip(_ADAM8P.params, map(float, row), strict=True)) for row in np.clip(hp, *_ADAM8P_ENDS)]
    losses = sticky(file["valid_loss"].astype(float))[:, 1:]  # the first value stands before any training
    table = Table(_ADAM8P, {"valid_loss": losses}, Nearest(_ADAM8P, configs))
    return scenario_of(
        family, instance, table, "valid_loss", "min", Fidelity("evaluation", 1, losses.shape[1])
    )


# --- complete grids ---

_EDGES = ("1_0", "2_0", "2_1", "3_0", "3_1", "3_2")
NB201_STEPS = 17  # 200 epochs in units of about 12


def nb201_macs(ops: NDArray[Any], op_names: Sequence[str]) -> Array:
    """Millions of multiply-adds of the network on 32x32 images, shape (rows,), from the convolutions of its 15 cells.

    The same at each of the three stages: half the side, twice the channels.
    """
    per_edge = {"nor_conv_3x3": 9 * 16 * 16 * 32 * 32 / 1e6, "nor_conv_1x1": 16 * 16 * 32 * 32 / 1e6}
    cost = np.array([per_edge.get(str(o), 0.0) for o in op_names])
    return np.asarray(15 * cost[ops].sum(axis=1) + 7.8)  # 7.8: stem and the two reductions


def _nb201(family: str, instance: str) -> Scenario:
    file = np.load(DATA / "tables" / "nb201" / f"{instance}.npz")
    names = [str(o) for o in file["op_names"]]
    space = Space({f"edge_{e}": Choice(*names) for e in _EDGES})
    index = {tuple(row): i for i, row in enumerate(file["ops"].tolist())}

    def row_of(config: Config) -> int:
        return index[tuple(names.index(str(config[f"edge_{e}"])) for e in _EDGES)]

    # Two measured fidelities: between them the last known value stands, so that nothing of the future shows through.
    short, long = file["val_acc_12ep"].astype(float), np.nanmean(file["val_acc_200ep"].astype(float), axis=1)
    accuracy = np.column_stack([np.repeat(short[:, None], NB201_STEPS - 1, axis=1), long])
    if family == "nb201":
        fidelity = Fidelity("12 epochs", 1, NB201_STEPS)
        return scenario_of(
            family,
            instance,
            Table(space, {"val_accuracy": accuracy}, row_of),
            "val_accuracy",
            "max",
            fidelity,
        )
    macs = nb201_macs(file["ops"], names)[:, None]
    table = Table(space, {"val_accuracy": accuracy[:, -1:], "macs": macs}, row_of)
    return scenario_of(family, instance, table, "val_accuracy", "max", None, Objective("macs", "min"))


_FCNET: Mapping[str, tuple[Any, ...]] = {
    "activation_fn_1": ("relu", "tanh"),
    "activation_fn_2": ("relu", "tanh"),
    "batch_size": (8, 16, 32, 64),
    "dropout_1": (0.0, 0.3, 0.6),
    "dropout_2": (0.0, 0.3, 0.6),
    "init_lr": (5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
    "lr_schedule": ("cosine", "const"),
    "n_units_1": (16, 32, 64, 128, 256, 512),
    "n_units_2": (16, 32, 64, 128, 256, 512),
}
_NN: Mapping[str, tuple[Any, ...]] = {
    "alpha": tuple(float(f"{10 ** (-8 + 8 * i / 9):.6g}") for i in range(10)),
    "batch_size": (4, 6, 10, 16, 25, 40, 64, 101, 161, 256),
    "depth": (1, 2, 3),
    "learning_rate_init": tuple(float(f"{10 ** (-5 + 5 * i / 9):.6g}") for i in range(10)),
    "width": (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024),
}


def _grid(family: str, instance: str) -> Scenario:
    axes, metric, direction = (
        (_FCNET, "valid_mse", "min") if family == "hpolib_fcnet" else (_NN, "bal_acc", "max")
    )
    space = Space({n: Choice(*v, ordered=not isinstance(v[0], str)) for n, v in axes.items()})
    file = np.load(DATA / "tables" / family / f"{instance}.npz")
    index = {str(key): i for i, key in enumerate(file["config"])}

    def row_of(config: Config) -> int:
        return index["".join(str(values.index(config[n])) for n, values in axes.items())]

    mean = file["value"].astype(float).mean(axis=1)[:, None]
    return scenario_of(family, instance, Table(space, {metric: mean}, row_of), metric, direction, None)


# --- Accel-NASBench ---


def _accel(family: str, instance: str) -> Scenario:
    file = np.load(DATA / "tables" / "accel_nasbench.npz")
    columns = [str(c) for c in file["columns"]]
    space = Space(
        {
            str(name): Choice(*sorted({int(v) for v in file["arch"][:, i]}), ordered=True)
            for i, name in enumerate(file["arch_columns"])
        }
    )
    latency = f"latency_{instance}"
    wanted = [columns.index(c) for c in ("val_top1", latency, "train_time")]
    values = file["values"][:, wanted].astype(float)
    sound = np.isfinite(values).all(axis=1)
    arch, values = file["arch"][sound], values[sound]
    configs = [dict(zip(space.params, map(int, row), strict=True)) for row in arch]
    metrics = {"val_top1": values[:, :1], latency: values[:, 1:2]}
    table = Table(space, metrics, Nearest(space, configs), values[:, 2])
    return scenario_of(family, instance, table, "val_top1", "max", None, Objective(latency, "min"))


MAKERS: Mapping[str, Callable[[str, str], Scenario]] = {
    "taskset": _taskset,
    "nb201": _nb201,
    "nb201_pareto": _nb201,
    "hpolib_fcnet": _grid,
    "hpobench_nn": _grid,
    "accel_nasbench": _accel,
}

"""Surrogate networks of YAHPO Gym (Pfisterer et al. 2022), by onnxruntime on one thread.

A network takes the categorical parameters as indices (`encoding.json`; 0 where not active) and the numbers on their
natural scale (0 where not active), and gives all targets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.batch import free_batch
from search.scenarios import Scenario, Steps, reference
from seedleaf.core import Config, Fidelity, config_key
from seedleaf.space import Choice, Float, Int, Space

DATA = Path(os.environ.get("SEEDLEAF_SEARCH_DATA", Path(__file__).parents[3] / "shared" / "data"))


class Network:
    """One YAHPO model: its space without instance and fidelity, and its predictions."""

    def __init__(self, folder: str) -> None:
        import onnxruntime

        path = DATA / "yahpo" / folder
        manifest = json.loads((DATA / "yahpo" / "manifest.json").read_text())[folder]
        self.cont: list[str] = manifest["cont"]
        self.cat: list[str] = manifest["cat"]
        self.targets: list[str] = manifest["targets"]
        self.encoding: dict[str, dict[str, int]] = json.loads((path / "encoding.json").read_text())
        apart = {*manifest["fidelity"], manifest.get("instance"), "dataset"}
        described = json.loads((path / "config_space.json").read_text())
        self.space = space_from(described, apart)
        self.original = {_clean(h["name"]): h["name"] for h in described["hyperparameters"]}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = free_batch((path / "model.onnx").read_bytes())
        self.session = onnxruntime.InferenceSession(model, options)

    def row(self, config: Config, fixed: Mapping[str, Any]) -> tuple[list[int], list[float]]:
        """The two inputs of the network: (categorical indices, numbers)."""
        known = {self.original[key.rpartition(".")[2]]: value for key, value in config.items()}
        known.update(fixed)
        cat = [self.encoding[n][str(known[n])] if n in known else 0 for n in self.cat]
        return cat, [float(known.get(n) or 0.0) for n in self.cont]

    def predict(self, rows: Sequence[tuple[list[int], list[float]]]) -> NDArray[np.float32]:
        """All targets, shape (len(rows), len(targets))."""
        cat = np.array([r[0] for r in rows], np.int32)
        cont = np.array([r[1] for r in rows], np.float32)
        given = {"x_cat": cat, "x_cont": cont}
        return np.asarray(
            self.session.run(None, {i.name: given[i.name] for i in self.session.get_inputs()})[0]
        )


network = cache(Network)  # one session per process


def space_from(described: Mapping[str, Any], apart: set[str | None]) -> Space:
    """The tree that ConfigSpace's JSON describes, where every condition is "parent equals" or "parent is among"."""
    params = {h["name"]: h for h in described["hyperparameters"] if h["name"] not in apart}
    hangs: dict[str, tuple[str, tuple[str, ...]]] = {}
    for condition in described["conditions"]:
        parts = condition["conditions"] if condition["type"] == "AND" else [condition]
        # Of two parents that must both hold, the one that hangs on the other is the nearer.
        nearest = next((p for p in parts if len(parts) > 1 and p["parent"] in _children(described)), parts[0])
        hangs[condition["child"]] = (nearest["parent"], tuple(nearest.get("values") or [nearest["value"]]))

    def branch(parent: str | None, option: str) -> dict[str, Any]:
        below = [n for n in params if (n in hangs) == (parent is not None)]
        if parent is not None:
            below = [n for n in below if hangs[n][0] == parent and option in hangs[n][1]]
        return {_clean(name): make(params[name]) for name in below}

    def make(h: Mapping[str, Any]) -> Float | Int | Choice:
        if h["type"] == "categorical":
            return Choice({option: branch(h["name"], option) for option in h["choices"]})
        kind = Int if h["type"] == "uniform_int" else Float
        return kind(h["lower"], h["upper"], log=h["log"])

    return Space(branch(None, ""))


def _children(described: Mapping[str, Any]) -> set[str]:
    return {c["child"] for c in described["conditions"]}


def _clean(name: str) -> str:
    return name.rpartition("_COLON_")[2].replace(".", "_")


@dataclass
class Curve:
    """The steps of one instance. `at(step)` gives the fidelity parameters; times are totals up to a step."""

    net: Network
    metric: str
    runtime: str
    at: Callable[[int], Mapping[str, Any]]
    full: int
    known: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def steps(self, config: Config, start: int, stop: int) -> Steps:
        rows = self._rows(config, range(max(start, 1), stop + 1) if start < stop else ())
        found: Steps = []
        for step in range(start + 1, stop + 1):
            value, total = rows[step]
            before = rows[step - 1][1] if step > 1 else 0.0
            found.append(({self.metric: float(value)}, max(float(total - before), 1e-3)))
        return found

    def full_values(self, configs: Sequence[Config]) -> NDArray[np.float64]:
        """The metric of every config after a full training, shape (len(configs),); for searching at random."""
        out = self.net.predict([self.net.row(c, self.at(self.full)) for c in configs])
        return out[:, self.net.targets.index(self.metric)].astype(np.float64)

    def _rows(self, config: Config, steps: Sequence[int]) -> NDArray[np.float64]:
        """(value, total seconds) by step, shape (full + 1, 2), filled in for `steps` at least."""
        key = config_key(config)
        fresh = key not in self.known
        if fresh:
            self.known[key] = np.full((self.full + 1, 2), np.nan)
        table = self.known[key]
        missing = [k for k in steps if np.isnan(table[k, 0])]
        if missing and not fresh:
            missing = list(
                range(1, self.full + 1)
            )  # a batch costs little more than a row, but most configs end after one
        if missing:
            out = self.net.predict([self.net.row(config, self.at(k)) for k in missing])
            wanted = [self.net.targets.index(self.metric), self.net.targets.index(self.runtime)]
            table[missing] = out[:, wanted]
        return table


def _scenario(
    family: str,
    instance: str,
    folder: str,
    metric: str,
    direction: Any,
    runtime: str,
    at: Callable[[int], Mapping[str, Any]],
    fidelity: Fidelity | None,
) -> Scenario:
    net = network(folder)
    name = f"{family}/{instance}"
    source = Curve(net, metric, runtime, at, fidelity.high if fidelity else 1)
    best, median, drawn = reference(name)
    return Scenario(name, family, net.space, metric, direction, fidelity, best, median, source, drawn)


def _of_data(step: int) -> float:
    """The share of the training set at a step of SHARES."""
    return max(step / SHARES, 0.05)


def _lcbench(family: str, instance: str) -> Scenario:
    def at(step: int) -> Mapping[str, Any]:
        return {"epoch": step, "OpenML_task_id": instance}

    return _scenario(
        family, instance, "lcbench_v1", "val_accuracy", "max", "time", at, Fidelity("epoch", 1, 52)
    )


SHARES = 27  # of the training set, one for each step; the networks were fitted for shares of 0.05 and more


def _iaml(family: str, instance: str) -> Scenario:
    full = family == "iaml_super_full"

    def at(step: int) -> Mapping[str, Any]:
        return {"trainsize": 1.0 if full else _of_data(step), "task_id": instance}

    fidelity = None if full else Fidelity("27th of the training set", 1, SHARES)
    return _scenario(family, instance, "iaml_super_v0", "mmce", "min", "timetrain", at, fidelity)


def _rbv2(family: str, instance: str) -> Scenario:
    full = family == "rbv2_svm"

    def at(step: int) -> Mapping[str, Any]:
        return {"trainsize": 1.0 if full else _of_data(step), "repl": 10, "task_id": instance}

    fidelity = None if full else Fidelity("27th of the training set", 1, SHARES)
    return _scenario(family, instance, "rbv2_svm_v0", "mmce", "min", "timetrain", at, fidelity)


def _nb301(family: str, instance: str) -> Scenario:
    def at(step: int) -> Mapping[str, Any]:
        return {"epoch": step}

    return _scenario(
        family, instance, "nb301_v0", "val_accuracy", "max", "runtime", at, Fidelity("epoch", 1, 98)
    )


MAKERS: Mapping[str, Callable[[str, str], Scenario]] = {
    "lcbench": _lcbench,
    "iaml_super": _iaml,
    "iaml_super_full": _iaml,
    "rbv2_svm": _rbv2,
    "rbv2_svm_shares": _rbv2,
    "nb301": _nb301,
}

"""Every method on every family, seed by seed, so that a whole table stands early and then widens.

    python benchmarks/search/peers/campaign.py --seeds 0-9 --jobs 2 --out FOLDER

One process of `run.py` for each (seed, peer, kind of family), at most `--jobs` at once and never two of one peer, which
would write one file together. What stands in FOLDER is not run again: an interrupted campaign goes on by the same command.
PLAN says who runs what and how far, full trainings or evaluations; a peer that takes minutes to decide has fewer
instances, fewer full trainings and a later turn. FOLDER/campaign.log has a line for every process that ended.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHALLOW = "lcbench,iaml_super,taskset,arlbench"  # where steps are cheaper than trainings
SINGLE = "iaml_super_full,rbv2_svm,hpolib_fcnet,hpobench_nn"
TWO = "accel_nasbench,nb201_pareto"


@dataclass(frozen=True)
class Part:
    """What a peer runs with one seed. `late`: how many seeds others are ahead of its first; `each`: how many seeds others
    have run for each of its own; `most`: seconds that it may take."""

    families: str
    full: int = 50
    instances: int = 4  # the first of each family
    late: float = 0.0
    each: float = 1.0
    most: int = 3600

    def command(self, peer: str, seed: int, out: Path) -> list[str]:
        """The process that runs it."""
        given = {"families": self.families, "seeds": seed, "full": self.full, "out": out}
        flags = [f"--{name}={value}" for name, value in given.items()] + [f"--instances={self.instances}"]
        if peer in OURS:
            return [sys.executable, str(HERE.parent / "run.py"), f"--methods={peer}", *flags]
        return [sys.executable, str(HERE / "run.py"), f"--peer={peer}", "--patience=1e9", *flags]


OURS = ("seedleaf", "random", "random-asha", "i-epoch")
STEPWISE, ALONE, TWICE = Part(SHALLOW), Part(SINGLE, 100), Part(TWO, 100)
REST = Part("lcbench", instances=12, late=6)  # the other eight, for those that are quick


def slow(late: float, each: float) -> tuple[Part, Part]:
    """20 full trainings, with fewer seeds where curves are long, for deciding takes them the longest there."""
    return Part("arlbench,iaml_super", 20, late=late, each=each), Part(
        "taskset,lcbench", 20, 4, late, 2 * each
    )


PLAN: Mapping[str, Sequence[Part]] = {
    "seedleaf": [STEPWISE, ALONE, TWICE, REST],
    "random": [STEPWISE, ALONE, TWICE, REST],
    "random-asha": [STEPWISE, REST],
    "i-epoch": [STEPWISE, REST],
    "syne-asha": [STEPWISE, REST],
    "optuna-tpe-hyperband": [STEPWISE, REST],
    "optuna-group-hyperband": [Part("iaml_super,arlbench", late=0.2)],  # elsewhere there is nothing to group
    "optuna-tpe": [ALONE],
    "optuna-group": [ALONE],
    "optuna-nsga2": [TWICE],
    "optuna-tpe-two": [TWICE],
    "dehb": [replace(STEPWISE, late=0.3), REST],
    "neps-hyperband": [replace(STEPWISE, late=0.4, each=2)],
    "neps-asha": [replace(STEPWISE, late=0.6, each=3)],
    "bohb": slow(0.5, 1),
    "smac": [*slow(0.6, 2), replace(ALONE, late=0.7, each=3)],
    "mobster": slow(0.8, 2),
    "dyhpo": slow(0.9, 2),
    "smac-parego": [replace(TWICE, late=1.0, each=3)],
    "hypertune": slow(1.5, 3),
    "neps-ifbo": slow(1.5, 4),
    "neps-bo": [replace(ALONE, late=1.5, each=4)],
    "syne-bo": [replace(ALONE, late=1.5, each=4)],
    "hebo": [Part(SINGLE, 100, instances=1, late=2.0, each=4)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", default="0-9", help="0-9")
    parser.add_argument("--methods", default=",".join(PLAN))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE.parent / "results")
    given = parser.parse_args()
    low, _, high = given.seeds.partition("-")
    todo = [
        (seed * part.each + part.late, peer, seed, part)
        for seed in range(int(low), int(high or low) + 1)
        for peer in given.methods.split(",")
        for part in PLAN[peer]
    ]
    run(sorted(todo, key=lambda row: row[0]), given.jobs, given.out)


def run(todo: list[tuple[float, str, int, Part]], jobs: int, out: Path) -> None:
    """The processes of `todo` in its order, as far as their peers are free; one that takes too long is ended."""
    out.mkdir(parents=True, exist_ok=True)
    busy: dict[str, tuple[subprocess.Popen[bytes], float, int, Part]] = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    try:
        _run(todo, jobs, out, busy)
    finally:
        for process, *_ in busy.values():
            process.terminate()


def _run(
    todo: list[tuple[float, str, int, Part]],
    jobs: int,
    out: Path,
    busy: dict[str, tuple[subprocess.Popen[bytes], float, int, Part]],
) -> None:
    while todo or busy:
        for row in todo[:]:
            _, peer, seed, part = row
            if len(busy) < jobs and peer not in busy:
                todo.remove(row)
                with (out / f"{peer}.log").open("ab") as log:
                    started = subprocess.Popen(
                        part.command(peer, seed, out), stdout=log, stderr=log, preexec_fn=lambda: os.nice(19)
                    )
                busy[peer] = (started, time.monotonic(), seed, part)
        time.sleep(0.2)
        for peer, (process, begun, seed, part) in list(busy.items()):
            seconds = time.monotonic() - begun
            if process.poll() is None and seconds > part.most:
                process.kill()
                process.wait()
            if process.poll() is not None:
                del busy[peer]
                told = f"{peer} seed {seed} {part.families}: exit {process.returncode}, {seconds:.0f} s"
                with (out / "campaign.log").open("a") as log_file:
                    log_file.write(told + "\n")


if __name__ == "__main__":
    main()

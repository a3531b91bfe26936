"""Compression measured: networks of others made 1.5 to 4 times faster, by seedleaf and by what one would do by hand.

    python benchmarks/light/compress.py methods --data ../shared/data/images --work /tmp/light [--task cifar-resnet]
    python benchmarks/light/compress.py search  --data … --work … --speedup 2.5 --int8 never      # the whole command
    python benchmarks/light/compress.py table   --work …                                          # markdown

`methods` trains the originals where they are missing, measures layers, and gives every method the same network, the
same measured speed-up (ONNX Runtime, one thread, in turns with the original), and the same epochs of fine-tuning with the
original as teacher; only what is removed differs. `--procs` jobs run at once, each on a core of its own and all on
`--device`; the speed-ups that are reported are measured at the end, one graph after the other, when nothing else runs.
One seed; the test part gives the interval.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from methods import METHODS, Job, analysed, finished, learn, measure_layers
from others import TASKS

from seedleaf.compression.deploy import times

SPEEDUPS = (2.0, 3.0, 4.0, 1.5)  # in the order of interest


def jobs_of(args: argparse.Namespace) -> list[Job]:
    """All rows that are missing, the most interesting first."""
    done = {(r["task"], r["method"], r["asked"]) for r in rows_of(args.work)}
    parts = [(args.method or list(METHODS), args.speedups, args.task or TASKS)]
    if args.plan:
        parts = json.loads(args.plan.read_text(encoding="utf-8"))
    found = [(t, n, s) for names, speedups, tasks in parts for n in names for s in speedups for t in tasks]
    wanted = dict.fromkeys(found)
    return [Job("method", t, n, s) for t, n, s in wanted if (t, n, s) not in done]


def worker(index: int, args: argparse.Namespace, inbox: Any, outbox: Any) -> None:
    """Does jobs one after the other on a core of its own, so that what is measured beside others is not moved about."""
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {mine[index % len(mine)]})
    torch.set_num_threads(1)
    kinds = {"layers": measure_layers, "train": learn, "analyse": analysed, "method": finished}
    while (job := inbox.get()) is not None:
        begun = time.time()
        try:
            found = kinds[job.kind](job, args)
        except Exception as error:  # whatever a method raises is its row
            found = {"error": f"{type(error).__name__}: {error}"[:400]}
        outbox.put((index, job, {**found, "seconds": time.time() - begun}))


def cmd_methods(args: argparse.Namespace) -> None:
    """What is missing in the results, the most interesting rows first, for at most `--seconds`."""
    end, context = time.time() + args.seconds, multiprocessing.get_context("spawn")
    outbox, inboxes = context.Queue(), [context.Queue() for _ in range(args.procs)]
    crew = [
        context.Process(target=worker, args=(i, args, inboxes[i], outbox), daemon=True)
        for i in range(args.procs)
    ]
    for each in crew:
        each.start()
    tasks = args.task or TASKS
    ready: list[Job] = [Job("train", t) for t in tasks] + [Job("layers", t) for t in tasks]
    before, waiting = dict.fromkeys(tasks, 2), jobs_of(args)
    idle, last = list(range(args.procs)), dict[int, str]()
    busy = 0
    while (busy or ready or waiting) and time.time() < end:
        while idle and ready:
            # A worker goes on with the task whose network it has open, if there is such a job.
            i = idle.pop(0)
            at = next((k for k, j in enumerate(ready) if last.get(i) == j.task), 0)
            job = ready.pop(at)
            last[i], busy = job.task, busy + 1
            inboxes[i].put(job)
        try:
            index, job, found = outbox.get(timeout=0.2)
        except queue.Empty:
            continue
        idle.append(index)
        busy -= 1
        print(f"{args.seconds - end + time.time():6.1f} {job} {json.dumps(found)[:260]}", flush=True)
        if job.kind in ("train", "layers"):
            before[job.task] -= 1
            if not before[job.task]:
                ready.insert(0, Job("analyse", job.task))
        elif job.kind == "analyse":
            ready += [j for j in waiting if j.task == job.task]
            waiting = [j for j in waiting if j.task != job.task]
            order = {j: k for k, j in enumerate(jobs_of(args))}
            ready.sort(key=lambda j: order.get(j, -1))
        else:
            write_row(args.work, {"task": job.task, "method": job.method, "asked": job.asked, **found})
    for each in crew:
        each.terminate()
    timed(args)


def timed(args: argparse.Namespace) -> None:
    """The speed-up of every graph, in turns with its original, one after the other on a machine that is quiet now."""
    rows = []
    for row in rows_of(args.work):
        if "graph" in row and "timed" not in row:
            image = np.zeros(row["shape"], np.uint8)
            mine, was = times([args.work / row["graph"], args.work / row["original"]], image, args.timing)
            row |= {"speedup": was["median"] / mine["median"], "ms": mine, "was_ms": was, "timed": True}
        rows.append(json.dumps(row) + "\n")
    (args.work / "results.jsonl").write_text("".join(rows), encoding="utf-8")


def cmd_search(args: argparse.Namespace) -> None:
    """The whole command on a trained network, with its search."""
    from methods import data_of, trained

    import seedleaf

    for task in args.task or TASKS:
        name = f"seedleaf.compress, int8 {args.int8}, {args.time}"
        asked, row = args.speedup, {"task": task, "method": name, "asked": args.speedup}
        if any((r["task"], r["method"], r["asked"]) == (task, name, asked) for r in rows_of(args.work)):
            continue
        out, data = args.work / f"run-{task}-{asked}-{args.int8}", data_of(task, args)
        limits = {"speedup": asked, "int8": args.int8, "time_limit": args.time, "workers": args.procs}
        try:
            result = seedleaf.compress(trained(task, data, args.work), data, out=out, **limits)
            m = result.best.metrics
            kept = {k: m[k] for k in ("speedup", "test", "drop", "params", "control")}
            row |= kept | {"was": m["original"]["test"], "timed": True}
        except seedleaf.SeedleafError as error:
            row["error"] = str(error)
        write_row(args.work, row)


def write_row(work: Path, row: dict[str, Any]) -> None:
    with (work / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def rows_of(work: Path) -> list[dict[str, Any]]:
    path = work / "results.jsonl"
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    )


def cmd_table(args: argparse.Namespace) -> None:
    print("| task | asked | method | measured speed-up | parameters | test accuracy | change in points |")
    print("|---|---|---|---|---|---|---|")
    rows = {(r["task"], r["asked"], r["method"]): r for r in rows_of(args.work)}
    for r in sorted(rows.values(), key=lambda r: (r["task"], r["asked"], r["method"])):
        if "error" in r:
            print(f"| {r['task']} | {r['asked']:g} | {r['method']} | {r['error'][:90]} | | | |")
            continue
        t, d = r["test"], r["drop"]
        span = f"{100 * t['accuracy']:.2f} ({100 * t['low']:.1f} to {100 * t['high']:.1f})"
        change = f"{-100 * d['mean']:+.2f} ± {100 * d['se']:.2f}"
        asked = f"{r['asked']:g} | {r['method']} | {r['speedup']:.2f} | {r['params']:,}"
        print(f"| {r['task']} | {asked} | {span} | {change} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("methods", "search", "table"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/images"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--task", action="append", choices=TASKS)
    parser.add_argument("--method", action="append", choices=METHODS)
    parser.add_argument("--speedups", type=float, nargs="+", default=SPEEDUPS)
    parser.add_argument(
        "--plan", type=Path, help="a list of [methods, speed-ups, tasks], in this order, instead"
    )
    parser.add_argument("--speedup", type=float, default=2.5)
    parser.add_argument("--int8", default="never")
    parser.add_argument("--time", default="5m")
    parser.add_argument("--seconds", type=float, default=1e9, help="until what is under way is left")
    parser.add_argument("--procs", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--epochs", type=int, default=60, help="of the originals' training")
    parser.add_argument(
        "--tuning", type=int, default=80, help="epochs of fine-tuning, the same for all methods"
    )
    parser.add_argument("--train", type=int, help="so many training images alone")
    parser.add_argument("--test", type=int, help="so many test images alone")
    parser.add_argument("--timing", type=float, default=0.6, help="seconds a graph is timed for, in the end")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    {"methods": cmd_methods, "search": cmd_search, "table": cmd_table}[args.what](args)


if __name__ == "__main__":
    main()

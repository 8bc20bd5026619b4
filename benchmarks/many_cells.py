#!/usr/bin/env python3
"""200 cells under one kukeond: bringing them up, what it has resident then, and what it takes when nothing happens.

Idle is measured over whole minutes, so that the pass of every 30 s falls into it as often as it does in life. The
instance has one terminal among its cells, so that kuketty runs as well.
"""

import os
import statistics
import time
from collections.abc import Iterator

import measuring
import process_figures

from kukeon_api import model
from kuketest import manifests, traces
from kuketest.instance import Instance

CELLS = int(os.environ.get("CELLS", "200"))
MINUTES = int(os.environ.get("MINUTES", "3"))
BATCH = 100
MEMORY_GOAL_MB = 100
IDLE_GOAL_PERCENT = 0.5


def documents(count: int) -> Iterator[str]:
    """Cells with one workload each; the last has a terminal."""
    for number in range(count):
        main = manifests.container("main", "trap 'exit 0' TERM; sleep 1000000 & wait $!")
        yield manifests.cell(f"cell-{number:03}", main | ({"attachable": True} if number == count - 1 else {}))


def bring_up(instance: Instance) -> float:
    began = time.perf_counter()
    cells = list(documents(CELLS))
    with instance.client() as client:
        for at in range(0, CELLS, BATCH):
            result = client.apply_documents(manifests.many(*cells[at : at + BATCH]).encode())
            assert all(each.action is model.ApplyAction.CREATED for each in result.resources), result
    return time.perf_counter() - began


def idle(pids: dict[str, int]) -> None:
    """Print what each process takes of one core, minute by minute, and how often it wakes up."""
    shares: dict[str, list[float]] = {name: [] for name in pids}
    woken: dict[str, list[float]] = {name: [] for name in pids}
    for _ in range(MINUTES):
        began = time.monotonic()
        before = {name: (process_figures.used_s(pid), process_figures.switches(pid)) for name, pid in pids.items()}
        measuring.nothing_for(60)
        took = time.monotonic() - began
        for name, pid in pids.items():
            shares[name].append((process_figures.used_s(pid) - before[name][0]) / took * 100)
            woken[name].append((process_figures.switches(pid) - before[name][1]) / took)
    for name in pids:
        low, high = min(shares[name]), max(shares[name])
        figure = f"{statistics.median(shares[name]):7.2f} %  ({low:.2f} to {high:.2f}, {MINUTES} minutes)"
        measuring.line(f"{name}, of one core when nothing happens", figure)
        measuring.line(f"{name}, wake-ups a second", f"{statistics.median(woken[name]):7.2f}")
    measuring.verdict("kukeond, of one core", statistics.median(shares["kukeond"]), IDLE_GOAL_PERCENT, " %")


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance:
        instance.start()
        assert instance.daemon is not None
        instance.kuke("image", "load", str(archive))
        measuring.line("load before", measuring.load())
        measuring.line("kukeond without cells", str(process_figures.memory(instance.daemon.pid)))
        took = bring_up(instance)
        instance.remember_shims()
        measuring.line(f"{CELLS} cells up, {BATCH} a call", f"{took:7.1f} s, {CELLS / took:.1f} cells/s")
        measuring.line(f"kukeond after starting {CELLS} cells", str(process_figures.memory(instance.daemon.pid)))
        directory = str(traces.runtime_directory(instance))
        pids = {
            "kukeond": instance.daemon.pid,
            "kuketty": process_figures.pids(("kukeon_runner/tty", directory))[0],
            "containerd": process_figures.pids(("containerd --config", directory))[0],
        }
        measuring.line("kuketty with one terminal", str(process_figures.memory(pids["kuketty"])))
        measuring.nothing_for(20)  # containerd settles
        measuring.line("load before idling", measuring.load())
        idle(pids)
        measuring.line("load after idling", measuring.load())
        memory = process_figures.memory(instance.daemon.pid)
        measuring.line(f"kukeond after {MINUTES} idle minutes", str(memory))
        measuring.verdict(f"kukeond with {CELLS} cells, RSS", memory.rss_mb, MEMORY_GOAL_MB, " MB")
        began = time.perf_counter()
        instance.stop()
        instance.start()
        measuring.line("kukeond started anew, to its first answer", f"{time.perf_counter() - began:7.2f} s")
        measuring.nothing_for(35)  # with the pass of every 30 s in it
        memory = process_figures.memory(instance.daemon.pid)
        measuring.verdict(f"kukeond anew over {CELLS} cells, RSS", memory.rss_mb, MEMORY_GOAL_MB, " MB")
        measuring.line("that is", str(memory))


if __name__ == "__main__":
    main()

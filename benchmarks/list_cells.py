#!/usr/bin/env python3
"""Listing many cells through a daemon, decoded, beside the same bytes through gRPC and decoded by nobody."""

import statistics
import time
from collections.abc import Callable

import engine
import measuring

import kukeon_sdk
from kukeon_api import calls, methods

GOALS_MS = {1_000: 100, 10_000: 800}
ROUNDS = 9
PLACE = {"realm_name": "default", "space_name": "default", "stack_name": "default"}


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(count: int) -> tuple[list[float], list[float]]:
    with engine.run_path() as run_path:
        engine.store(run_path, map(engine.cell, range(count)))
        with engine.running(run_path) as socket, kukeon_sdk.dial(f"unix://{socket}") as client:
            method = methods.BY_PYTHON["list_cells"]
            listed = client.list_cells(*PLACE.values())
            assert len(listed) == count
            page = calls.pack_reply(method, listed).SerializeToString()
            (run_path / "page").write_bytes(page)
            raw = engine.floor(socket)
            assert raw() == page
            floors, lists = [], []
            for _ in range(ROUNDS):
                floors.append(timed(raw))
                lists.append(timed(lambda: client.list_cells(*PLACE.values())))
            return floors, lists


def main() -> None:
    for count, goal in GOALS_MS.items():
        floors, lists = measure(count)
        measuring.line(f"the bytes of {count} cells through gRPC", measuring.milliseconds(floors))
        measuring.line(f"{count} cells, decoded", measuring.milliseconds(lists))
        measuring.line("ratio of the medians", f"{statistics.median(lists) / statistics.median(floors):7.1f}")
        measuring.verdict(f"listing {count} cells, median", statistics.median(lists) * 1000, goal, " ms")


if __name__ == "__main__":
    main()

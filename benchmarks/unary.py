#!/usr/bin/env python3
"""What one small call of kukeond takes, beside a call that gRPC answers without anybody looking at it."""

import statistics
import time
from collections.abc import Callable

import engine
import measuring

from kukeon_api import model

CALLS = 500
WARM_UP = 50
GOAL_MS = 1.0


def interleaved(*works: Callable[[], object]) -> list[list[float]]:
    taken: list[list[float]] = [[] for _ in works]
    for number in range(WARM_UP + CALLS):
        for work, times in zip(works, taken, strict=True):
            began = time.perf_counter()
            work()
            if number >= WARM_UP:
                times.append(time.perf_counter() - began)
    return taken


def main() -> None:
    realm = model.RealmDoc(metadata=model.Metadata(name="default"))
    with engine.run_path() as run_path, engine.running(run_path) as beside, measuring.instance() as instance:
        (run_path / "page").write_bytes(b"x" * 200)
        raw = engine.floor(beside)
        instance.start()
        with instance.client() as client:
            works = {
                "Ping": client.ping,
                "GetRealm": lambda: client.get_realm(realm),
                "ListRealms": client.list_realms,
            }
            floors, *taken = interleaved(raw, *works.values())
    measuring.line("gRPC alone", measuring.milliseconds(floors))
    for name, times in zip(works, taken, strict=True):
        measuring.line(name, measuring.milliseconds(times))
        ratio = statistics.median(times) / statistics.median(floors)
        measuring.line(f"{name}, 99th percentile; median as a ratio", f"{_p99(times) * 1000:7.2f} ms; {ratio:.1f}")
        measuring.verdict(f"{name}, median", statistics.median(times) * 1000, GOAL_MS, " ms")


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


if __name__ == "__main__":
    main()

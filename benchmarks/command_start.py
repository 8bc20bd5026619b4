#!/usr/bin/env python3
"""How long a command takes from a new process to its last line."""

import statistics
import subprocess
import sys
import time

import measuring

from kuketest import manifests
from kuketest.instance import Instance

RUNS = 20


def times(instance: Instance, *command: str) -> list[float]:
    taken = []
    for number in range(RUNS + 2):
        began = time.perf_counter()
        subprocess.run(
            command, env=instance.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True
        )
        # The first two bring the files into the page cache.
        if number >= 2:
            taken.append(time.perf_counter() - began)
    return taken


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance:
        instance.start()
        instance.kuke("image", "load", str(archive))
        for number in range(3):
            instance.apply(manifests.sleeper(f"cell-{number}"))
        kuke = str(instance.programs / "kuke")
        measuring.line("python -c pass", measuring.milliseconds(times(instance, sys.executable, "-c", "pass")))
        help_times = times(instance, kuke, "--help")
        measuring.line("kuke --help", measuring.milliseconds(help_times))
        get_times = times(instance, kuke, "get", "cells")
        measuring.line("kuke get cells (3 cells)", measuring.milliseconds(get_times))
        measuring.verdict("kuke --help, median", statistics.median(help_times) * 1000, 100, " ms")
        measuring.verdict("kuke get cells, median", statistics.median(get_times) * 1000, 200, " ms")


if __name__ == "__main__":
    main()

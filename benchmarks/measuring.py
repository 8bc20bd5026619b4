"""What the benchmarks share: an instance of their own, medians, and how a line is printed."""

import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "integration-tests"))

from kuketest.instance import Instance  # noqa: E402 - the stories' own instance, found by the line above


@contextlib.contextmanager
def instance() -> Iterator[Instance]:
    """A kukeon of its own, not started; whatever is in it in the end is removed."""
    made = Instance.make()
    try:
        yield made
    finally:
        made.leave_nothing()


@contextlib.contextmanager
def image_archive() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "busybox.tar"
        subprocess.run([TOP / "scripts" / "build-image", path], check=True, stdout=subprocess.DEVNULL)
        yield path


def nothing_for(seconds: float) -> None:
    """Have nothing happen for so long: what is measured is idleness, of which there is no end to wait for."""
    time.sleep(seconds)


def milliseconds(seconds: Sequence[float]) -> str:
    """The middle and the range of a series."""
    middle = statistics.median(seconds) * 1000
    return f"{middle:7.1f} ms  ({min(seconds) * 1000:.1f} to {max(seconds) * 1000:.1f}, {len(seconds)} runs)"


def line(what: str, figure: str) -> None:
    print(f"  {what:<46} {figure}", flush=True)


def verdict(what: str, value: float, goal: float, unit: str = "") -> None:
    word = "within" if value <= goal else "BEYOND"
    line(what, f"{value:7.2f}{unit}  ({word} the goal of {goal:g}{unit})")


def machine() -> None:
    """The facts without which no number means anything."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = next((row.split(":")[1].strip() for row in _rows("/proc/cpuinfo") if row.startswith("model name")), "?")
    line("processor", f"{os.cpu_count()} x {model}")
    line("memory", f"{memory:.1f} GiB")
    line("kernel", platform.release())
    line("python", platform.python_version())
    for program in (["containerd", "--version"], ["runc", "--version"]):
        out = subprocess.run(program, capture_output=True, text=True, check=True).stdout
        line(program[0], out.splitlines()[0])
    line("load", load())


def load() -> str:
    """The load averages: of other work, a figure taken meanwhile tells as much as of ours."""
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


def _rows(path: str) -> list[str]:
    return Path(path).read_text().splitlines()

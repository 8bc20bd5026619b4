"""Many cells whose programs end at once, again and again: kukeond has time for everybody else."""

import datetime as dt
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from kukeon_api import model
from kuketest import manifests, traces
from kuketest.instance import Instance
from kuketest.waiting import IN_VM, PATIENCE, until, until_equal

CELLS = 50
PROBES_S = 8.0
"""Long enough for the third restart, which comes about three seconds after the first."""

STARTED = model.EventType.STARTED


@pytest.fixture(scope="module")
def crowd(new_instance: Callable[..., Instance], image_archive: Path) -> Instance:
    instance = new_instance()
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    return instance


def test_fifty_cells_crash_in_a_loop(crowd: Instance, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"loop-{number}" for number in range(CELLS)]
    clean = traces.of_cells(crowd)
    path = crowd.home / "loops.yaml"
    path.write_text(
        manifests.many(
            *(
                manifests.cell(name, manifests.container("main", "exit 3") | {"restartPolicy": "always"})
                for name in names
            )
        )
    )
    began, spent = time.monotonic(), cpu_s(crowd)
    with crowd.client() as client:
        beginning = next(reversed([*client.events()]), None)
    crowd.kuke("apply", "-f", str(path))
    calls = probe(crowd, PROBES_S)
    assert IN_VM or max(calls) < 5.0, f"a call took {max(calls):.2f} s"
    busy = (cpu_s(crowd) - spent) / (time.monotonic() - began)
    figures = f"calls: median {statistics.median(calls):.3f} s, longest {max(calls):.3f} s; kukeond: {busy:.2f} cores"
    figures += f", {memory_mb(crowd):.0f} MB"

    # Somebody else's cell comes, works and goes meanwhile.
    crowd.apply(manifests.sleeper("other"))
    assert crowd.kuke("exec", "other", "--", "echo", "here").out == "here\n"
    crowd.kuke("delete", "cell", "other")

    until(lambda: all(count >= 3 for count in counts(crowd, names).values()), "each cell's third restart", 60)
    crowd.kuke("stop", "cell", *names)
    settled = counts(crowd, names)
    with crowd.client() as client:
        events = [*client.events(since=beginning.cursor if beginning else "")]
    starts: dict[str, list[dt.datetime]] = defaultdict(list)
    for event in events:
        if event.type is STARTED and event.ref.endswith("/main") and "/loop-" in event.ref:
            starts[event.ref.split("/")[3]].append(event.at)
    for name in names:
        check_pauses(name, starts[name])
        # Each run begins with a line of its own in the log, whoever counts.
        runs = log(crowd, name).read_text().count(" F:start")
        assert runs == settled[name] + 1, f"{name} was restarted {settled[name]} times and ran {runs} times"
    until_equal(lambda: counts(crowd, names), settled, "the counts after the stop")

    crowd.kuke("delete", "cell", *names)
    until_equal(lambda: traces.of_cells(crowd), clean, "what is left", 20)
    with capsys.disabled():
        print(f"\n50 cells that crash in a loop: {figures}; in the end {memory_mb(crowd):.0f} MB")


def check_pauses(name: str, starts: list[dt.datetime]) -> None:
    """Each pause is at least the one before, doubled, from a second on; the first restart comes at once."""
    gaps = [(after - before).total_seconds() for before, after in pairwise(starts)]
    for number, gap in enumerate(gaps[1:]):
        least = float(2**number)
        # Of two starts the first may be noted late on a busy machine, which makes what follows look shorter.
        assert gap >= 0.75 * least, f"{name}: {gaps}: pause {number + 2} is shorter than {least} s"


def probe(instance: Instance, seconds: float) -> list[float]:
    """How long calls take, one after the other, for some time."""
    took = []
    until_s = time.monotonic() + seconds * PATIENCE
    with instance.client() as client:
        while time.monotonic() < until_s:
            began = time.monotonic()
            client.list_cells()
            client.ping()
            took.append(time.monotonic() - began)
    return took


def counts(instance: Instance, names: list[str]) -> dict[str, int]:
    with instance.client() as client:
        return {
            cell.metadata.name: cell.status.containers[0].restart_count
            for cell in client.list_cells()
            if cell.metadata.name in names
        }


def log(instance: Instance, cell: str) -> Path:
    return instance.run_path / "data/default/default/default" / cell / "main/log"


def cpu_s(instance: Instance) -> float:
    """Processor time that kukeond has used; fields of proc(5)."""
    assert instance.daemon is not None
    fields = Path(f"/proc/{instance.daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(instance: Instance) -> float:
    assert instance.daemon is not None
    lines = Path(f"/proc/{instance.daemon.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) / 1024

"""Many cells whose programs end at once, again and again: kukeond has time for everybody else."""

import datetime as dt
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kuketest import manifests, traces
from kuketest.instance import Instance
from kuketest.waiting import IN_VM, PATIENCE, until, until_equal

CELLS = 50
PROBES_S = 8.0
"""Long enough for the third restart, which comes about three seconds after the first."""


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
    for name in names:
        # Each run begins with a line of its own in the log, whoever counts.
        begun = [line.split()[0] for line in log(crowd, name).read_text().splitlines() if " F:start" in line]
        check_pauses(name, [dt.datetime.fromisoformat(each) for each in begun])
        runs = len(begun)
        assert runs == settled[name] + 1, f"{name} was restarted {settled[name]} times and ran {runs} times"
    until_equal(lambda: counts(crowd, names), settled, "the counts after the stop")

    crowd.kuke("delete", "cell", *names)
    until_equal(lambda: traces.of_cells(crowd), clean, "what is left", 20)
    with capsys.disabled():
        print(f"\n50 cells that crash in a loop: {figures}; in the end {memory_mb(crowd):.0f} MB")


def check_pauses(name: str, starts: list[dt.datetime]) -> None:
    """Each pause is at least the one before, doubled, from a second on; the first restart comes at once.

    They are summed up: a busy machine may note a start late, which makes one pause look longer, the next one shorter.
    """
    for number in range(2, len(starts)):
        passed, least = (starts[number] - starts[0]).total_seconds(), float(2 ** (number - 1) - 1)
        assert passed >= least - 0.1, f"{name}: start {number + 1} came after {passed:.2f} s, not {least} s"


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

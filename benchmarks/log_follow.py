#!/usr/bin/env python3
"""How soon a line that a program writes is seen by who follows its log, and how fast a full log is read.

From the files, as kuke does on the host of kukeond, and through kukeond, as it does for everybody else. The floor of
reading is `cat` of the same files.
"""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import measuring

from kukeon_api import errors, model
from kuketest import manifests
from kuketest.waiting import until

LINES = 200
GOAL_MS = 50.0
FULL_LINES = 300_000
TALKER = "trap 'exit 0' TERM; echo ready; sleep 3600 & wait $!"
FLOOD = f"""awk 'BEGIN {{ for (i = 1; i <= {FULL_LINES}; i++) printf "%090d\\n", i }}'; echo done; sleep 3600"""


def document(cell: str) -> model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": cell}
    return model.ContainerDoc(metadata=model.Metadata(name="main"), spec=model.ContainerSpec(id="main", **place))


class Seen:
    """Lines as they come, and when."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at: dict[bytes, float] = {}

    def take(self, lines: Iterator[bytes]) -> None:
        # The client is closed in the end, and its streams with it.
        with contextlib.suppress(errors.Conflict):
            for line in lines:
                now = time.perf_counter()
                with self._changed:
                    self._at[line.strip()] = now
                    self._changed.notify_all()

    def wait(self, line: bytes) -> float:
        with self._changed:
            assert self._changed.wait_for(lambda: line in self._at, 20), f"{line!r} did not come"
            return self._at[line]


def latencies(pid: int, name: str, follow: Callable[[], Iterator[bytes]]) -> list[float]:
    """Write to where the program writes, a line at a time, and look how long each is on its way."""
    seen = Seen()
    threading.Thread(target=seen.take, args=(follow(),), daemon=True).start()
    seen.wait(b"ready")
    taken = []
    with open(f"/proc/{pid}/fd/1", "wb", buffering=0) as program:
        for number in range(LINES):
            line = f"{name} {number}".encode()
            began = time.perf_counter()
            program.write(line + b"\n")
            taken.append(seen.wait(line) - began)
    return taken


def rate(size: int, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return size / (time.perf_counter() - began) / 1e6


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance, contextlib.ExitStack() as stack:
        instance.start()
        instance.kuke("image", "load", str(archive))
        instance.apply(manifests.cell("talker", manifests.container("main", TALKER)))
        instance.apply(manifests.cell("flood", manifests.container("main", FLOOD)))
        client = stack.enter_context(instance.client())
        kuke = stack.enter_context(instance.spawn_kuke("log", "-f", "talker"))
        stack.callback(kuke.kill)
        pid = instance.task_pid("main", "talker")
        assert kuke.stdout is not None
        raw = kuke.stdout.buffer
        ways = {
            "kuke log -f, from the files": lambda: iter(raw.readline, b""),
            "through kukeond": lambda: (entry.data for entry in client.logs(document("talker"), follow=True)),
        }
        for way, follow in ways.items():
            taken = sorted(latencies(pid, way.split()[0], follow))
            measuring.line(f"{way}: from write to line", measuring.milliseconds(taken))
            measuring.verdict(f"{way}: 99th percentile", taken[int(len(taken) * 0.99)] * 1000, GOAL_MS, " ms")
        until(lambda: instance.kuke("log", "flood", "--tail", "1").out == "done\n", "the flood to have ended", 120)
        directory = Path(instance.run_path, "data/default/default/default/flood/main")
        files = sorted(directory.iterdir(), reverse=True)
        size = sum(path.stat().st_size for path in files)
        command = [str(instance.programs / "kuke"), "log", "flood"]
        floor = rate(size, lambda: subprocess.run(["cat", *files], stdout=subprocess.DEVNULL, check=True))
        direct = rate(
            size,
            lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=instance.environment()),
        )
        through = rate(size, lambda: sum(1 for _ in client.logs(document("flood"))))
        tail = time.perf_counter()
        instance.kuke("log", "flood", "--tail", "10")
        tail = time.perf_counter() - tail
        measuring.line("size of the log", f"{size / 1e6:7.1f} MB in {len(files)} files")
        measuring.line("cat", f"{floor:7.1f} MB/s")
        measuring.line("kuke log, from the files", f"{direct:7.1f} MB/s")
        measuring.line("client.logs, through kukeond", f"{through:7.1f} MB/s")
        measuring.line("kuke log --tail 10 of it", f"{tail * 1000:7.1f} ms")
        measuring.line(
            "kukeond's memory after that", f"{_resident_mb(instance.daemon.pid if instance.daemon else 0):7.1f} MB"
        )


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()

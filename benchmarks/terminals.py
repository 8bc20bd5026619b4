#!/usr/bin/env python3
"""What kuketty has resident with 20 terminals: fresh, with a client at each, after all have written much, and again
with clients who take nothing; and how fast output goes through it.
"""

import contextlib
import threading
import time

import measuring
import process_figures

from kukeon_api import model
from kukeon_sdk import attach
from kuketest import manifests, traces
from kuketest.instance import Instance

TERMINALS = 20
MEGABYTES = 5
GOAL_MB = 25
IDLE_S = 20
PATIENCE_S = 120.0

# Reads how many bytes to write, writes them in lines, and says that it is done.
WRITER = "stty -echo; while read n; do yes 0123456789abcdef | head -c $n; echo; echo did-$n; done"


def kuketty(instance: Instance) -> int:
    return process_figures.pids(("kukeon_runner/tty", str(traces.runtime_directory(instance))))[0]


def document(cell: str) -> model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": cell}
    return model.ContainerDoc(metadata=model.Metadata(name="main"), spec=model.ContainerSpec(id="main", **place))


def read_until(terminal: attach.Terminal, words: bytes) -> None:
    tail, deadline = b"", time.monotonic() + PATIENCE_S
    for shown in terminal:
        tail = (tail + shown)[-4096:]
        if words in tail:
            return
        assert time.monotonic() < deadline, f"{words!r} did not come"


def flood(terminals: list[attach.Terminal], size: int, *, read: bool) -> float:
    """Have all of them write `size` bytes at once, and return the seconds until the last one is done.

    Without `read`, only the first is looked at; the clients of the others take nothing.
    """
    began = time.perf_counter()
    for terminal in terminals:
        terminal.write(f"{size}\r".encode())
    looked_at = terminals if read else terminals[:1]
    readers = [threading.Thread(target=read_until, args=(each, f"did-{size}".encode())) for each in looked_at]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(PATIENCE_S)
    return time.perf_counter() - began


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance, contextlib.ExitStack() as stack:
        instance.start()
        instance.kuke("image", "load", str(archive))
        names = [f"shell-{number}" for number in range(TERMINALS)]
        container = manifests.container("main", WRITER) | {"attachable": True}
        instance.apply(manifests.many(*(manifests.cell(name, container) for name in names)))
        pid = kuketty(instance)
        figures = {f"kuketty with {TERMINALS} terminals": process_figures.memory(pid)}
        client = stack.enter_context(instance.client())
        terminals = [
            stack.enter_context(attach.Terminal(client.attach_container(document(name)).host_socket_path))
            for name in names
        ]
        figures["with a client at each"] = process_figures.memory(pid)
        size = MEGABYTES * 1_000_000
        before = process_figures.used_s(pid)
        took = flood(terminals, size, read=True)
        used = process_figures.used_s(pid) - before
        figures[f"after {MEGABYTES} MB from each, read by all"] = process_figures.memory(pid)
        flood(terminals, size + 1, read=False)
        for name in names:  # what the others wrote is seen by who comes late
            with attach.Terminal(client.attach_container(document(name)).host_socket_path) as late:
                read_until(late, f"did-{size + 1}".encode())
        figures[f"after {MEGABYTES} MB from each, read by nobody"] = process_figures.memory(pid)
        before = process_figures.used_s(pid)
        measuring.nothing_for(IDLE_S)
        idle = (process_figures.used_s(pid) - before) / IDLE_S * 100
        for what, figure in figures.items():
            measuring.line(what, str(figure))
        rate = f"{TERMINALS * MEGABYTES / took:7.1f} MB/s, {used / took * 100:.0f} % of a core by kuketty"
        measuring.line("output of all terminals together", rate)
        measuring.line("of one core, when nothing happens", f"{idle:7.2f} %")
        most = max(figure.rss_mb for figure in figures.values())
        measuring.verdict(f"kuketty with {TERMINALS} terminals, most RSS", most, GOAL_MB, " MB")


if __name__ == "__main__":
    main()

"""The watch over what tests start: it sees a process, its orphans, and ends both."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Children


def test_what_is_left_behind_is_seen_and_ended(children: Children, until: Callable[[Callable[[], bool]], None]) -> None:
    with subprocess.Popen(["/bin/sh", "-c", "tail -f /dev/null & exec tail -f /dev/null"]) as process:
        until(lambda: children.running().get(process.pid, "").startswith("tail"))
        process.kill()
    until(lambda: [line.split()[:1] for line in children.running().values()] == [["tail"]])
    children.end()
    assert children.running() == {}

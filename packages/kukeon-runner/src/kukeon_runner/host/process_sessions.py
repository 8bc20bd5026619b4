"""Processes that share a session: what a program leaves behind when it is ended from outside.

runc makes every program that it starts the leader of a session of its own, so whatever the program has started, and
that did not go its own way on purpose, is found by the session.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def cgroups(pid: int) -> str:
    """Return which cgroups the process `pid` is in, as /proc/<pid>/cgroup says it; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return ""


def kill(leader: int, where: str, number: int = signal.SIGKILL) -> None:
    """Send a signal to every process of the session of `leader` whose `cgroups` are `where`; waits for none of them.

    The number of a session stays taken while a process is in it. Should all have ended, and the number be somebody
    else's by now, then that one is in other cgroups.
    """
    if not where:
        return
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or not _belongs(int(entry.name), leader, where):
            continue
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            handle = os.pidfd_open(int(entry.name))
            try:
                # Looked at again: the handle may be that of a successor of the same number.
                if _belongs(int(entry.name), leader, where):
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


def _belongs(pid: int, leader: int, where: str) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    # After the name: state, parent, process group, session; proc(5).
    return int(fields[3]) == leader and cgroups(pid) == where

"""Hanging up a program's terminal, for programs that no signal can tell to end.

A program that is the first of its PID namespace gets only the signals that it catches, pid_namespaces(7), and a shell
at a terminal ignores SIGTERM. bash and zsh catch SIGHUP; ash and dash do not, and end when their terminal does.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import signal
import stat
from pathlib import Path

from kukeon_runner.host import process_sessions

log = logging.getLogger(__name__)

TIOCVHANGUP = 0x5437
"""From asm-generic/ioctls.h: have the terminal hung up, see vhangup(2)."""

PTY_MAJORS = range(136, 144)
"""Devices that are the far ends of pseudo terminals: Documentation/admin-guide/devices.txt of Linux."""


def hang_up(pid: int, stop_signal: int) -> bool:
    """Hang up the terminal of `pid`, unless it catches `stop_signal` or SIGHUP or can be ended by them.

    What it runs in its session is sent SIGHUP. Returns whether that was done; a program that has ended has no terminal.
    """
    status = _status(pid)
    first = status.get("NSpid", "").split()[1:][-1:] == ["1"]
    caught = int(status.get("SigCgt", "0"), 16)
    if not first or any(caught & 1 << (number - 1) for number in (stop_signal, signal.SIGHUP)):
        return False
    process_sessions.kill(pid, process_sessions.cgroups(pid), signal.SIGHUP)
    try:
        _hang_up(f"/proc/{pid}/fd/0")
    except OSError as error:
        log.info("cannot hang up the terminal of process %d: %s", pid, error.strerror)
        return False
    return True


def _hang_up(path: str) -> None:
    # The program chooses what its standard input is. Opening some devices does something, so it is looked at before.
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        about = os.fstat(found)
        if not stat.S_ISCHR(about.st_mode) or os.major(about.st_rdev) not in PTY_MAJORS:
            raise OSError(errno.ENOTTY, "its standard input is none any more")
        # Reading is enough for the request; a terminal of ours it must not become.
        terminal = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(terminal, TIOCVHANGUP)
        finally:
            os.close(terminal)
    finally:
        os.close(found)


def _status(pid: int) -> dict[str, str]:
    """Return what /proc/<pid>/status says; nothing of a process that is gone."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value for name, _, value in (line.partition(":") for line in lines)}
    return {}

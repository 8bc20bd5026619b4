"""Become a process that nobody's end takes along: run as a script, with one JSON argument.

    {"pid_file": ..., "config": ..., "config_text": ..., "log": ..., "log_limit_bytes": ...,
     "groups": [cgroup.procs files], "command": [program, argument...]}

The script leaves a grandchild of its caller behind, in a session of its own, in the given cgroups, with its output in
the log, and holding a POSIX record lock on the pid file; only with the lock are configuration and log touched.  Such a
lock survives execve(2), ends with its process and is not inherited by children (fcntl(2)): it is held exactly as long
as this process lives, whereas a flock on an inherited descriptor would be kept by every shim.  fcntl's F_GETLK names
its holder to whoever asks.

Exit status: 0 started, 75 (EX_TEMPFAIL) somebody else holds the lock, 1 anything else, said on stderr.  Standard
library only, and little of it: started with `python -IS`.
"""
# ruff: noqa: PTH104 - pathlib would double the time to start

import fcntl
import json
import os
import sys
from typing import TypedDict

BUSY = 75
HELD = "held"


class Order(TypedDict):
    """The JSON argument."""

    pid_file: str
    config: str
    config_text: str
    log: str
    log_limit_bytes: int
    groups: list[str]
    command: list[str]


def main() -> int:
    order = json.loads(sys.argv[1])
    report, reporter = os.pipe()  # closed by execve: end of file means success
    if os.fork() == 0:
        os.write(reporter, _become(order).encode())
        os._exit(1)
    os.close(reporter)
    with os.fdopen(report) as answers:
        words = answers.read()
    if words == HELD:
        return BUSY
    if words:
        print(words, file=sys.stderr)
    return 1 if words else 0


def _become(order: Order) -> str:
    """Turn into the ordered program; return why not."""
    try:
        os.setsid()
        lock = os.open(order["pid_file"], os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return HELD
        # The lock ends when any descriptor of the file is closed, so this one stays open for good.
        os.set_inheritable(lock, True)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        _write_config(order)
        for procs in order["groups"]:
            with open(procs, "w") as group:
                group.write(str(os.getpid()))
        log = _open_log(order)
        os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir("/")
        os.execv(order["command"][0], order["command"])  # noqa: S606 - it becomes that program
    except OSError as error:
        return f"{error.filename or order['command'][0]}: {error.strerror}"


def _write_config(order: Order) -> None:
    fresh = f"{order['config']}.new"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(order["config_text"])
    os.rename(fresh, order["config"])


def _open_log(order: Order) -> int:
    """Open the log for appending; an overlong one becomes `<log>.1` first."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    log = os.open(order["log"], flags, 0o640)
    if os.fstat(log).st_size <= order["log_limit_bytes"]:
        return log
    os.close(log)
    os.rename(order["log"], f"{order['log']}.1")
    return os.open(order["log"], flags, 0o640)


if __name__ == "__main__":
    sys.exit(main())

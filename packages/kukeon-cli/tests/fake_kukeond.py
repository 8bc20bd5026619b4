"""A program that behaves like `kukeond supervise` as far as kuke can see: pid file, log, socket, signals.

Its socket is a plain file. The file `<run path>/behaviour` says what it does: `fail`, `hang` (never answers),
`stubborn` (ignores SIGTERM), `wait` (answers once it is told to go on); anything else is good behaviour.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from pathlib import Path


def main() -> int:
    if sys.argv[1] == "unit":
        print(f"[Service]\nExecStart=kukeond serve {' '.join(sys.argv[2:])}")
        return 0
    given = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[2:])
    behaviour = Path(given["run-path"], "behaviour")
    mode = behaviour.read_text() if behaviour.exists() else ""
    if mode == "fail":
        print("Error: cannot start: the host refuses", file=sys.stderr)
        return 5
    # Whoever finds us by the pid file may send them at once.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCONT})
    pid_file, log, socket = Path(given["pid-file"]), Path(given["log-file"]), Path(given["socket"])
    descriptor = os.open(pid_file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Error: cannot start: held by another", file=sys.stderr)
        return 5
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    with log.open("a") as file:
        file.write(f"INFO serving with {' '.join(sys.argv[2:])}\n")
    if mode == "wait":
        signal.sigwait({signal.SIGCONT})
    if mode != "hang":
        socket.write_text(str(os.getpid()))
    while True:
        signal.sigwait({signal.SIGTERM})
        if mode != "stubborn":
            break
    socket.unlink(missing_ok=True)
    pid_file.unlink()
    return 0


sys.exit(main())

"""All terminals of an instance, and what kukeond asks about them."""
# ruff: noqa: PTH101, PTH103, PTH108, PTH208 - pathlib would cost memory

from __future__ import annotations

import contextlib
import os
import resource

from kukeon_runner.tty import records, sockets, terminal
from kukeon_runner.tty.control import Control
from kukeon_runner.tty.loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Server:
    """Serves the terminals whose records are in `directory`, and `socket` for kukeond."""

    def __init__(self, *, directory: str, socket: str, gid: int, version: str) -> None:
        self.loop = Loop()
        self.version = version
        self.place = terminal.Place(directory, gid)
        self._terminals: dict[str, terminal.Terminal] = {}
        os.makedirs(self.place.hidden, mode=0o700, exist_ok=True)
        os.chmod(self.place.hidden, 0o700)
        self._resume()
        bound = sockets.listen(socket, self.place.hidden, mode=0o600)
        sockets.Listener(self.loop, bound, "kukeond", lambda connection: Control(self.loop, self, connection))

    def run(self) -> None:
        while True:
            self.loop.turn()

    def hello(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "version": self.version, "terminals": sorted(self._terminals)}

    def open(self, **fields: Any) -> dict[str, Any]:
        """Have a fresh terminal; one that the same task had before is closed. Raises ValueError, OSError."""
        record = records.Record(**fields)
        for other in self._terminals.values():
            if other.record.name == record.name and other.record.task != record.task:
                raise ValueError(f"terminal {record.name} is that of {other.record.task}")
        if (before := self._terminals.get(record.task)) is not None:
            before.close()
            record.rotated = before.record.rotated
        self._terminals[record.task] = terminal.create(self.loop, self.place, record, self._gone)
        return {
            "stdin": self.place.stdin(record.name),
            "stdout": self.place.stdout(record.name),
            "socket": self.place.socket(record.name),
        }

    def started(self, task: str) -> dict[str, Any]:
        found = self._terminals.get(task)
        if found is not None:
            found.started()
        return {"known": found is not None}

    def ended(self, task: str, code: int | None) -> dict[str, Any]:
        found = self._terminals.get(task)
        if found is not None:
            found.ended(code)
        return {"known": found is not None}

    def close(self, task: str) -> dict[str, Any]:
        found = self._terminals.get(task)
        if found is not None:
            found.close()
        return {"known": found is not None}

    def _gone(self, which: terminal.Terminal) -> None:
        self._terminals.pop(which.record.task, None)

    def _resume(self) -> None:
        """Go on with the terminals of an earlier process, and remove what belongs to none."""
        found, problems = records.load(self.place.directory)
        for record in found:
            try:
                self._terminals[record.task] = terminal.Terminal(self.loop, self.place, record, self._gone)
            except OSError as error:
                problems.append(f"cannot go on with terminal {record.name} of {record.task}: {error}")
        for problem in problems:
            print(problem, flush=True)
        names = {each.record.name for each in self._terminals.values()}
        for entry in os.listdir(self.place.directory):
            if entry != ".bind" and entry.partition(".")[0] not in names:
                with contextlib.suppress(OSError):
                    os.unlink(f"{self.place.directory}/{entry}")


def raise_limits() -> None:
    """Allow as many descriptors as this process may have: a terminal takes four and one for each client."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
